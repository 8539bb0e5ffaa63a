/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bounded walk over memory somebody else owns.  Running past the end sets
 * `short_by` and makes every later step do nothing, so that a codec reads or
 * writes a whole head and asks once, at the end, whether it all fitted.
 */
#ifndef PROTO_CURSOR_H
#define PROTO_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct cursor {
    uint8_t *at;
    uint8_t *end;
    size_t short_by; /* bytes missing at the first step that did not fit */
};

static inline size_t
cursor_left(const struct cursor *c)
{
    return c->short_by != 0 ? 0 : (size_t)(c->end - c->at);
}

/* Is there room (or are there bytes) for n more?  Sets short_by if not. */
static inline bool
cursor_has(struct cursor *c, size_t n)
{
    if (c->short_by != 0)
        return false;
    if ((size_t)(c->end - c->at) < n) {
        c->short_by = n - (size_t)(c->end - c->at);
        return false;
    }
    return true;
}

/* Copies the next n bytes out; zeroes `into` where they are not there. */
static inline bool
cursor_take(struct cursor *c, void *into, size_t n)
{
    if (!cursor_has(c, n)) {
        memset(into, 0, n);
        return false;
    }
    memcpy(into, c->at, n);
    c->at += n;
    return true;
}

static inline bool
cursor_skip(struct cursor *c, size_t n)
{
    if (!cursor_has(c, n))
        return false;
    c->at += n;
    return true;
}

static inline bool
cursor_put(struct cursor *c, const void *from, size_t n)
{
    if (!cursor_has(c, n))
        return false;
    memcpy(c->at, from, n);
    c->at += n;
    return true;
}

#endif

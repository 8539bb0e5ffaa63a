/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words RESP replies and requests are spelled from.  Which words answer a
 * command is decided by who calls.
 */
#include "proto/resp.h"

#include <inttypes.h>
#include <stdio.h>

#define WORD_MAX 48u /* the longest head of a word: marker, number, CRLF */

static bool
put_number(struct cursor *out, char marker, int64_t number)
{
    char text[WORD_MAX];
    int size =
        snprintf(text, sizeof(text), "%c%" PRId64 "\r\n", marker, number);
    return cursor_put(out, text, (size_t)size);
}

/* A head, bytes and CRLF, or nothing at all. */
static bool
put_whole(struct cursor *out, const char *head, const void *bytes, size_t size)
{
    size_t head_size = strlen(head);
    if (!cursor_has(out, head_size + size + 2))
        return false;
    cursor_put(out, head, head_size);
    if (size > 0)
        cursor_put(out, bytes, size);
    return resp_crlf(out);
}

bool
resp_simple(struct cursor *out, const char *text)
{
    return put_whole(out, "+", text, strlen(text));
}

bool
resp_error(struct cursor *out, const char *text)
{
    size_t size = strlen(text);
    uint8_t *start = out->at;
    if (!put_whole(out, "-", text, size))
        return false;
    for (size_t i = 0; i < size; i++) {
        if (start[i + 1] == '\r' || start[i + 1] == '\n')
            start[i + 1] = ' ';
    }
    return true;
}

bool
resp_integer(struct cursor *out, int64_t number)
{
    return put_number(out, ':', number);
}

bool
resp_bulk(struct cursor *out, const void *bytes, size_t size)
{
    char head[WORD_MAX];
    snprintf(head, sizeof(head), "$%zu\r\n", size);
    return put_whole(out, head, bytes, size);
}

bool
resp_bulk_text(struct cursor *out, const char *text)
{
    return resp_bulk(out, text, strlen(text));
}

bool
resp_bulk_head(struct cursor *out, uint64_t size)
{
    char head[WORD_MAX];
    int head_size = snprintf(head, sizeof(head), "$%" PRIu64 "\r\n", size);
    return cursor_put(out, head, (size_t)head_size);
}

bool
resp_verbatim(struct cursor *out, uint8_t dialect, const void *bytes,
              size_t size)
{
    if (dialect != 3)
        return resp_bulk(out, bytes, size);
    char head[WORD_MAX];
    snprintf(head, sizeof(head), "=%zu\r\ntxt:", size + 4);
    return put_whole(out, head, bytes, size);
}

bool
resp_null(struct cursor *out, uint8_t dialect)
{
    return dialect == 3 ? cursor_put(out, "_\r\n", 3)
                        : cursor_put(out, "$-1\r\n", 5);
}

bool
resp_null_array(struct cursor *out, uint8_t dialect)
{
    return dialect == 3 ? cursor_put(out, "_\r\n", 3)
                        : cursor_put(out, "*-1\r\n", 5);
}

bool
resp_array(struct cursor *out, uint32_t count)
{
    return put_number(out, '*', count);
}

bool
resp_set(struct cursor *out, uint8_t dialect, uint32_t count)
{
    return put_number(out, dialect == 3 ? '~' : '*', count);
}

bool
resp_map(struct cursor *out, uint8_t dialect, uint32_t pairs)
{
    return dialect == 3 ? put_number(out, '%', pairs)
                        : put_number(out, '*', 2 * (int64_t)pairs);
}

bool
resp_crlf(struct cursor *out)
{
    return cursor_put(out, "\r\n", 2);
}

bool
resp_request(struct cursor *out, unsigned argc, const struct bytes *argv)
{
    struct cursor at = *out;
    resp_array(&at, argc);
    for (unsigned i = 0; i < argc; i++)
        resp_bulk(&at, argv[i].at, argv[i].size);
    out->short_by = at.short_by;
    if (at.short_by != 0)
        return false;
    out->at = at.at;
    return true;
}

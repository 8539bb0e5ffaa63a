/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes that have arrived and are not consumed yet: heads, and what of a body
 * came with its head.  An idle connection holds no buffer; a short rest of a
 * head waits in the connection itself.
 */
#ifndef NET_INPUT_H
#define NET_INPUT_H

#include "proto/cursor.h"
#include "proto/status.h"

#include <stdint.h>

#define INPUT_STASH 256u

struct buffers;

struct input {
    uint8_t *buffer;               /* NULL: the stash, or nothing */
    uint32_t capacity, begin, end; /* of what holds the bytes */
    uint8_t stash[INPUT_STASH];
};

/* The bytes from begin to end. */
struct cursor input_cursor(struct input *);
/* Marks all before the cursor consumed. */
void input_consume(struct input *, const struct cursor *);
void input_skip(struct input *, uint32_t n);
uint32_t input_size(const struct input *);

/* Room for at least one more byte behind end, up to `most` bytes of head in
 * all.  TOO_BIG when there are as many already, NO_SPACE when
 * limits.head_memory is used up. */
enum status input_make_room(struct input *, struct buffers *,
                            uint32_t most) MUST_USE;
/* n bytes were received behind end. */
void input_added(struct input *, uint32_t n);
/* Gives the buffer back where the rest is nothing or fits the stash.  Moves
 * bytes: only between requests. */
void input_settle(struct input *, struct buffers *);
/* The same between turns of one request: keeps also what was consumed from
 * `head` on, and returns where that is now. */
const uint8_t *input_settle_head(struct input *, struct buffers *,
                                 const uint8_t *head);
void input_drop(struct input *, struct buffers *);

#endif

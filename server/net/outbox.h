/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is to be sent: text (reply heads and short replies), then at most one
 * body straight from its chunk, then that body's tail.  All of it goes in one
 * writev as far as the socket takes it, so that a reply's head is never alone
 * in a segment.
 */
#ifndef NET_OUTBOX_H
#define NET_OUTBOX_H

#include "proto/cursor.h"
#include "proto/status.h"
#include "server/index/speed.h"
#include "storage/chunk.h"

#include <stdbool.h>
#include <stdint.h>

struct buffers;

struct outbox {
    uint8_t *text; /* NULL: none */
    uint32_t capacity, begin, end;
    struct chunk *body; /* one reference; NULL: none */
    struct chunk_cursor cursor;
    uint32_t body_left;  /* bytes */
    uint8_t tail_left;   /* bytes of CRLF behind the body */
    uint64_t moved_ns;   /* when it was put in, or last made progress */
    struct speed *speed; /* the worker's */
    uint64_t asked_ns;   /* when the body was asked for; 0: not to be timed */
    uint32_t timed_size; /* of it, bytes */
    enum tier_kind timed_tier;
};

/* Room for n bytes of text; *out covers it.  NO_SPACE when over
 * limits.head_memory.  No body may be in the outbox. */
enum status outbox_reserve(struct outbox *, struct buffers *, size_t n,
                           struct cursor *out) MUST_USE;
/* What was written through the cursor is part of the text now. */
void outbox_commit(struct outbox *, const struct cursor *);

/* Bytes offset .. offset + size - 1 of a chunk, and CRLF behind them if asked.
 * Takes the reference.  A short body is copied into the text, so that short
 * replies go together. */
void outbox_body(struct outbox *, struct chunk *, uint32_t offset,
                 uint32_t size, bool has_tail);

/* The next body is a whole value of this tier and size that was asked for then:
 * when it has been sent, speed is told how long that took. */
void outbox_time(struct outbox *, uint64_t asked_ns, enum tier_kind,
                 uint32_t size);

enum sent {
    SENT_ALL,
    SENT_SLICE, /* *turn_left is used up */
    SENT_BLOCKED,
    SENT_GONE
};
/* Sends at most about *turn_left bytes of body and takes what went off it. */
enum sent outbox_send(struct outbox *, int fd, uint32_t *turn_left);

bool outbox_is_empty(const struct outbox *);
/* Gives an empty buffer back. */
void outbox_settle(struct outbox *, struct buffers *);
void outbox_drop(struct outbox *, struct buffers *);

#endif

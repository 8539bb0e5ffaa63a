/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Published messages, kept in case that somebody has missed them: as many of the
 * newest as there is memory for, without a gap in their numbers.  The
 * publisher's thread.
 */
#ifndef EVENTS_EVENT_JOURNAL_H
#define EVENTS_EVENT_JOURNAL_H

#include "proto/message.h"
#include "server/events/event_message.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event_journal {
    uint8_t *bytes; /* one behind the other, never cut by the end */
    size_t room, end;
    size_t *places;        /* of message n: places[n % place_count] */
    size_t place_count;    /* so many messages at most */
    uint64_t oldest, next; /* equal: there is none */
};

/* room: bytes, for all of it.  The first message will be number `next`. */
enum status event_journal_open(struct event_journal *, size_t room,
                               uint64_t next) MUST_USE;
void event_journal_close(struct event_journal *);
/* Copies it under the number `next`; one too large for all the room empties the
 * journal. */
void event_journal_add(struct event_journal *, const struct event_frames *);
/* Leaves a number out: what was before it is of no use any more. */
void event_journal_skip(struct event_journal *);
/* Lent until the next call that changes it; false: it is not kept. */
bool event_journal_find(const struct event_journal *, uint64_t sequence,
                        struct event_frames *out) MUST_USE;
/* Bytes from the oldest to the newest, as they lie. */
size_t event_journal_used(const struct event_journal *);

#endif

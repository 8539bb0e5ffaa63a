/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happens to keys, from the threads that it happens on to the one that
 * publishes it.  Never full for long and never waited for: what has no room is
 * counted, and so is all that comes behind it until the next take, so that what
 * was taken is a stretch without a hole.
 */
#ifndef EVENTS_EVENT_QUEUE_H
#define EVENTS_EVENT_QUEUE_H

#include "server/events/event_list.h"

#include <pthread.h>

struct event_queue {
    pthread_mutex_t lock; /* of all but the list that was taken last */
    struct event_list lists[2];
    unsigned filled; /* which of them is being filled */
    uint64_t lost;   /* behind what is in it */
    bool is_open;
};

/* room: bytes, spent at once, half of them for what waits. */
enum status event_queue_open(struct event_queue *, size_t room) MUST_USE;
void event_queue_close(struct event_queue *);
/* What was put before this is forgotten, and does not count as lost. */
void event_queue_begin(struct event_queue *);
/* Any thread, under any lock but this one's. */
void event_queue_put(struct event_queue *, const struct store_event *);
/* The publisher's thread: all since the last call, lent until the next one, and
 * how many were lost behind it. */
const struct event_list *event_queue_take(struct event_queue *,
                                          uint64_t *lost_out);
/* Any thread: bytes that wait. */
size_t event_queue_waiting(struct event_queue *);

#endif

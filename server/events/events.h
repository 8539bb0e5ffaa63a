/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tells readers over ZeroMQ which keys are stored and removed, by a thread of its
 * own; prefixcache-events(7) is the wire.
 *
 * A message goes out every few milliseconds if anything has happened, an empty
 * one every second if nothing has.  Their numbers have no gap but where events
 * were lost for want of room; they begin at the time of the start, so that no
 * reader takes those of one life for the next ones of another.
 *
 * Built --without-events there is no such thing, and to ask for it fails.
 */
#ifndef EVENTS_EVENTS_H
#define EVENTS_EVENTS_H

#include "base/counters.h"
#include "proto/status.h"
#include "storage/store.h"

#include <stddef.h>
#include <stdint.h>

struct events;

/* Texts are lent for as long as the events live. */
struct events_plan {
    const char *listen, *replay; /* endpoints; replay may be empty */
    bool is_vllm;
    const char *model, *medium;
    uint64_t block_tokens;
    uint64_t queue, keep;      /* bytes */
    struct counters *counters; /* lent, the thread's own */
};

/* Main thread.  Binds the sockets.  IO and why[room] if that fails. */
enum status events_open(const struct events_plan *, struct events **out,
                        char *why, size_t room) MUST_USE;
/* Main thread.  Begins to publish what is told from now on.  pod: what this
 * server is called.  store: lent until the stop. */
enum status events_start(struct events *, struct store *,
                         const char *pod) MUST_USE;
/* Publishes what was told before, and ends the thread.  After that it may still
 * be told of keys until it is closed.  NULL and a second call do nothing. */
void events_stop(struct events *);
void events_close(struct events **);

/* A store_event_fn; arg is the events. */
void events_tell(void *arg, const struct store_event *);

struct events_view {
    const char *listen, *replay; /* as bound */
    uint64_t next;               /* number of the message that comes next */
    uint64_t oldest;             /* kept; equal to next: none is */
    uint64_t kept_bytes, waiting_bytes;
};
/* Any thread. */
void events_view(struct events *, struct events_view *out);

#endif

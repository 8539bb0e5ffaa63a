/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thread of the library: an epoll loop over its links, and the deadlines of
 * the asks that these have.  Nothing in it blocks but its wait for events, so
 * that a shard that hangs costs nobody else anything; what it does for one link
 * at a time is bounded, and between two links it looks at the deadlines.
 *
 * Other threads give it asks (engine_post) and wake it (engine_wake); the rest
 * is its own.
 */
#ifndef CLIENT_ENGINE_H
#define CLIENT_ENGINE_H

#include "client/deadlines.h"
#include "proto/status.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct prefixcache;

#define ENGINE_SCRATCH_SIZE (64u << 10)

struct engine {
    struct prefixcache *cache;
    pthread_t thread;
    int epoll_fd, wake_fd;
    bool is_running;

    pthread_mutex_t lock; /* of what others write */
    struct ask_queue inbox;
    bool is_told; /* that there is something in it */
    bool is_over;

    _Atomic bool has_condemned; /* links that are to be closed */

    struct deadlines deadlines;
    uint64_t timer_ns; /* no link's is earlier */
    uint64_t now_ns;   /* of this round */
    struct link *due;  /* that have something to send, by next_due */
    struct link **links;
    unsigned link_count, link_room;
    uint8_t scratch[ENGINE_SCRATCH_SIZE]; /* for bytes that nobody wants */
};

/* NO_SPACE. */
enum status engine_open(struct engine *, struct prefixcache *cache,
                        unsigned link_room) MUST_USE;
enum status engine_start(struct engine *) MUST_USE;
/* Ends the thread; what its links have is theirs still. */
void engine_stop(struct engine *);
void engine_close(struct engine *);

/* Any thread: ask->link is one of this engine's. */
void engine_post(struct engine *, struct ask *);
void engine_wake(struct engine *);

/* The engine's own thread. */
void engine_time(struct engine *, struct ask *);   /* keep its deadline */
void engine_untime(struct engine *, struct ask *); /* no more */
void engine_due(struct engine *, struct link *);   /* it may send */

#endif

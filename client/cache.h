/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is behind a struct prefixcache.  Everything but the atomics and what has
 * locks of its own stays as it was opened.
 */
#ifndef CLIENT_CACHE_H
#define CLIENT_CACHE_H

#include "client/completions.h"
#include "client/engine.h"
#include "client/placement.h"
#include "client/prefixcache.h"
#include "client/shard.h"

#include <pthread.h>
#include <stdatomic.h>

struct prefixcache {
    struct prefixcache_options options; /* none is 0 that has a default */
    struct placement *placement;
    struct shard *shards;
    unsigned shard_count;
    struct engine *engines;
    unsigned engine_count;
    struct completions completions;

    _Atomic uint64_t tickets;      /* the last one */
    _Atomic uint64_t queued_bytes; /* of puts nobody waits for */
    _Atomic uint64_t under_way;    /* asks that are not over */
    _Atomic bool is_closing;
    pthread_mutex_t lock; /* for `idle`: nothing is under way, and it closes */
    pthread_cond_t idle;
};

/* How long a call of this verb has. */
uint64_t cache_patience_ns(const struct prefixcache *, enum native_verb);

/* An ask begins, is over. */
void cache_ask_begins(struct prefixcache *);
void cache_ask_ends(struct prefixcache *);

/* Bytes of the queue of puts nobody waits for.  False: it has no room. */
bool cache_queue_take(struct prefixcache *, uint64_t size);
void cache_queue_give_back(struct prefixcache *, uint64_t size);

#endif

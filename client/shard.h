/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One shard of a cache: its links, and whether it is asked at all.  Its circuit
 * opens when `failures` asks in a row had no answer and no other came from it
 * meanwhile, or when so many attempts to reach it failed while no link stood.
 * Then it is asked nothing, its links are given up, and each tries to reach it
 * again now and then; the first whose greeting is answered closes the circuit.
 *
 * Any thread, but for shard_open() and shard_close().
 */
#ifndef CLIENT_SHARD_H
#define CLIENT_SHARD_H

#include "client/addresses.h"
#include "client/cache_url.h"
#include "client/prefixcache.h"
#include "proto/native.h"
#include "proto/status.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct ask;
struct link;
struct prefixcache;

struct shard {
    struct prefixcache *cache;
    struct addresses *addresses;
    bool is_unix;
    char name[CACHE_URL_NAME_SIZE];
    struct link *links;
    unsigned link_count;

    _Atomic unsigned failures;           /* in a row */
    _Atomic uint64_t progress_ns;        /* when it last did something */
    _Atomic unsigned up_count;           /* links that stand */
    _Atomic bool is_open;                /* its circuit */
    _Atomic uint32_t keys_max, list_max; /* of one list, as it has said */
    _Atomic uint64_t misses_gone;        /* that no link heard of */
    _Atomic uint64_t misses_corrupt, puts_lost;

    pthread_mutex_t lock; /* of `server` */
    char server[48];
};

/* Links are made but not started.  NO_SPACE. */
enum status shard_open(struct shard *, struct prefixcache *cache,
                       const struct cache_url_shard *) MUST_USE;
/* After the engines have ended. */
void shard_close(struct shard *);

/* The link that has least to do; NULL where the shard can not be asked now. */
struct link *shard_link(struct shard *);

/* Gives an ask to that link; where there is none it is over at once, GONE.  True:
 * there was one. */
bool shard_send(struct shard *, struct ask *);

/* A greeting was answered.  Of its link's engine, as are the next three. */
void shard_greeted(struct shard *, const struct native_reply *);
/* A reply came from it, or much of one, or it has taken what was sent. */
void shard_progress(struct shard *, uint64_t now_ns);
/* An ask was late, which matters where no link had anything of the shard since it
 * was sent; an attempt to reach it has failed.  May open the circuit, which
 * condemns all links. */
void shard_was_late(struct shard *, uint64_t sent_ns);
void shard_unreached(struct shard *);

/* What prefixcache_shards() says of it. */
void shard_describe(struct shard *, struct prefixcache_shard *out);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which link has the next ask, and when there is none.
 */
#include "client/shard.h"

#include "client/cache.h"
#include "client/link.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Until it has said what it takes. */
#define KEYS_AT_FIRST 1024u
#define LIST_AT_FIRST (64u << 10)

enum status
shard_open(struct shard *shard, struct prefixcache *cache,
           const struct cache_url_shard *url)
{
    memset(shard, 0, sizeof *shard);
    shard->cache = cache;
    shard->is_unix = url->is_unix;
    cache_url_name(url, shard->name);
    atomic_init(&shard->keys_max, KEYS_AT_FIRST);
    atomic_init(&shard->list_max, LIST_AT_FIRST);
    pthread_mutex_init(&shard->lock, NULL);
    shard->links = calloc(cache->options.connections, sizeof *shard->links);
    if (shard->links == NULL)
        return STATUS_NO_SPACE;
    return addresses_new(url, &shard->addresses);
}

void
shard_close(struct shard *shard)
{
    for (unsigned i = 0; i < shard->link_count; i++)
        link_close(&shard->links[i]);
    free(shard->links);
    addresses_drop(&shard->addresses);
    pthread_mutex_destroy(&shard->lock);
}

struct link *
shard_link(struct shard *shard)
{
    enum link_reach best_reach = LINK_NONE;
    struct link *best = NULL;
    uint64_t best_load = 0;

    if (atomic_load(&shard->is_open))
        return NULL;
    for (unsigned i = 0; i < shard->link_count; i++) {
        struct link *link = &shard->links[i];
        enum link_reach reach = link_reach(link);
        uint64_t load = link_load(link);

        if (reach < best_reach || reach == LINK_NONE)
            continue;
        if (reach > best_reach || load < best_load) {
            best = link;
            best_reach = reach;
            best_load = load;
        }
    }
    return best;
}

bool
shard_send(struct shard *shard, struct ask *ask)
{
    struct link *link = shard_link(shard);

    ask->shard = shard;
    cache_ask_begins(shard->cache);
    if (link == NULL) {
        atomic_fetch_add(&shard->misses_gone, ask->left > 0 ? ask->left : 1);
        ask_finish(ask, STATUS_GONE);
        ask_free(&ask);
        return false;
    }
    ask->link = link;
    atomic_fetch_add(&link->load, ask->cost);
    engine_post(link->engine, ask);
    return true;
}

void
shard_greeted(struct shard *shard, const struct native_reply *reply)
{
    if (reply->keys_max > 0)
        atomic_store(&shard->keys_max, reply->keys_max < NATIVE_KEYS_MAX
                                           ? reply->keys_max
                                           : NATIVE_KEYS_MAX);
    if (reply->list_max > 0)
        atomic_store(&shard->list_max, reply->list_max < NATIVE_LIST_MAX
                                           ? reply->list_max
                                           : NATIVE_LIST_MAX);
    pthread_mutex_lock(&shard->lock);
    snprintf(shard->server, sizeof shard->server, "%s", reply->server);
    pthread_mutex_unlock(&shard->lock);
    atomic_fetch_add(&shard->up_count, 1);
    atomic_store(&shard->failures, 0);
    atomic_store(&shard->is_open, false);
}

void
shard_progress(struct shard *shard, uint64_t now_ns)
{
    atomic_store_explicit(&shard->progress_ns, now_ns, memory_order_relaxed);
    if (atomic_load_explicit(&shard->failures, memory_order_relaxed) != 0)
        atomic_store_explicit(&shard->failures, 0, memory_order_relaxed);
}

static void
fail(struct shard *shard)
{
    unsigned failures = atomic_fetch_add(&shard->failures, 1) + 1;

    if (failures < shard->cache->options.failures ||
        atomic_exchange(&shard->is_open, true))
        return;
    for (unsigned i = 0; i < shard->link_count; i++)
        link_condemn(&shard->links[i]);
}

void
shard_was_late(struct shard *shard, uint64_t sent_ns)
{
    if (atomic_load_explicit(&shard->progress_ns, memory_order_relaxed) <
        sent_ns)
        fail(shard);
}

void
shard_unreached(struct shard *shard)
{
    if (atomic_load(&shard->up_count) == 0)
        fail(shard);
}

static uint64_t
get(const _Atomic uint64_t *count)
{
    return atomic_load_explicit(count, memory_order_relaxed);
}

void
shard_describe(struct shard *shard, struct prefixcache_shard *out)
{
    memset(out, 0, sizeof *out);
    snprintf(out->name, sizeof out->name, "%s", shard->name);
    snprintf(out->transport, sizeof out->transport, "%s",
             shard->is_unix ? "unix" : "tcp");
    pthread_mutex_lock(&shard->lock);
    snprintf(out->server, sizeof out->server, "%s", shard->server);
    pthread_mutex_unlock(&shard->lock);
    out->is_up = atomic_load(&shard->up_count) > 0;
    out->is_open = atomic_load(&shard->is_open);
    out->misses_gone = get(&shard->misses_gone);
    out->misses_corrupt = get(&shard->misses_corrupt);
    out->puts_lost = get(&shard->puts_lost);
    for (unsigned i = 0; i < shard->link_count; i++) {
        const struct link_counts *counts = &shard->links[i].counts;

        out->requests += get(&counts->requests);
        out->misses_late += get(&counts->misses_late);
        out->misses_gone += get(&counts->misses_gone);
        out->bytes_in += get(&counts->bytes_in);
        out->bytes_out += get(&counts->bytes_out);
    }
}

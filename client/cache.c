/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cache is opened and closed here, and what all its parts count together is
 * kept.  The calls are in cache_*.c.
 */
#include "client/cache.h"

#include "client/cache_options.h"
#include "client/cache_url.h"
#include "client/clock.h"
#include "client/link.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint64_t
cache_patience_ns(const struct prefixcache *cache, enum native_verb verb)
{
    switch (verb) {
    case NATIVE_EXISTS:
    case NATIVE_DROP:
    case NATIVE_PREFIX:
        return cache->options.lookup_ms * CLOCK_NS_PER_MS;
    case NATIVE_PUT:
        return cache->options.put_ms * CLOCK_NS_PER_MS;
    case NATIVE_GET:
    case NATIVE_HELLO:
    case NATIVE_STATS:
    case NATIVE_WALK:
    case NATIVE_NONE:
        break;
    }
    return cache->options.get_ms * CLOCK_NS_PER_MS;
}

void
cache_ask_begins(struct prefixcache *cache)
{
    atomic_fetch_add(&cache->under_way, 1);
}

void
cache_ask_ends(struct prefixcache *cache)
{
    if (atomic_fetch_sub(&cache->under_way, 1) != 1 ||
        !atomic_load(&cache->is_closing))
        return;
    pthread_mutex_lock(&cache->lock);
    pthread_cond_signal(&cache->idle);
    pthread_mutex_unlock(&cache->lock);
}

bool
cache_queue_take(struct prefixcache *cache, uint64_t size)
{
    uint64_t most = cache->options.queue_bytes;
    uint64_t queued = atomic_load(&cache->queued_bytes);

    do {
        if (size > most || queued > most - size)
            return false;
    } while (!atomic_compare_exchange_weak(&cache->queued_bytes, &queued,
                                           queued + size));
    return true;
}

void
cache_queue_give_back(struct prefixcache *cache, uint64_t size)
{
    atomic_fetch_sub(&cache->queued_bytes, size);
}

/* Each link goes to one engine, those of a shard to as many as there are. */
static enum status
open_shard(struct prefixcache *cache, const struct cache_url_shard *url)
{
    unsigned number = cache->shard_count;
    struct shard *shard = &cache->shards[cache->shard_count++];
    enum status status = shard_open(shard, cache, url);

    for (unsigned i = 0; status == STATUS_OK && i < cache->options.connections;
         i++) {
        status =
            link_open(&shard->links[i], shard,
                      &cache->engines[(number + i) % cache->options.threads]);
        if (status == STATUS_OK)
            shard->link_count++;
    }
    return status;
}

static enum status
open_parts(struct prefixcache *cache, const struct cache_url *url)
{
    char names[PREFIXCACHE_SHARDS_MAX][CACHE_URL_NAME_SIZE];
    const char *pointers[PREFIXCACHE_SHARDS_MAX];
    unsigned links = url->count * cache->options.connections;
    enum status status;

    assert(url->count > 0 && links > 0 && cache->options.threads > 0);
    for (unsigned i = 0; i < url->count; i++) {
        cache_url_name(&url->shards[i], names[i]);
        pointers[i] = names[i];
    }
    status = placement_new(pointers, url->count, &cache->placement);
    cache->shards = calloc(url->count, sizeof *cache->shards);
    cache->engines = calloc(cache->options.threads, sizeof *cache->engines);
    if (status == STATUS_OK &&
        (cache->shards == NULL || cache->engines == NULL))
        status = STATUS_NO_SPACE;
    for (unsigned i = 0; status == STATUS_OK && i < cache->options.threads;
         i++) {
        cache->engine_count++;
        status = engine_open(&cache->engines[i], cache, links);
    }
    for (unsigned i = 0; status == STATUS_OK && i < url->count; i++)
        status = open_shard(cache, &url->shards[i]);
    for (unsigned i = 0; status == STATUS_OK && i < cache->engine_count; i++)
        status = engine_start(&cache->engines[i]);
    return status;
}

static void
close_parts(struct prefixcache *cache)
{
    for (unsigned i = 0; i < cache->engine_count; i++)
        engine_stop(&cache->engines[i]);
    for (unsigned i = 0; i < cache->shard_count; i++)
        shard_close(&cache->shards[i]);
    for (unsigned i = 0; i < cache->engine_count; i++)
        engine_close(&cache->engines[i]);
    completions_close(&cache->completions);
    placement_free(&cache->placement);
    pthread_cond_destroy(&cache->idle);
    pthread_mutex_destroy(&cache->lock);
    free(cache->shards);
    free(cache->engines);
    free(cache);
}

int
prefixcache_open(const char *url, const struct prefixcache_options *options,
                 struct prefixcache **cache_out, char *why)
{
    char nowhere[PREFIXCACHE_WHY_SIZE];
    struct prefixcache *cache;
    struct cache_url parsed;

    if (why == NULL)
        why = nowhere;
    why[0] = '\0';
    if (url == NULL || cache_out == NULL) {
        snprintf(why, PREFIXCACHE_WHY_SIZE, "no URL");
        return PREFIXCACHE_BAD_REQUEST;
    }
    if (cache_url_parse(url, &parsed, why, PREFIXCACHE_WHY_SIZE) ||
        cache_options_finish(&parsed.options, options, why,
                             PREFIXCACHE_WHY_SIZE))
        return PREFIXCACHE_BAD_REQUEST;
    cache = calloc(1, sizeof *cache);
    if (cache != NULL) {
        cache->options = parsed.options;
        pthread_mutex_init(&cache->lock, NULL);
        pthread_cond_init(&cache->idle, NULL);
        completions_open(&cache->completions);
        if (open_parts(cache, &parsed) == STATUS_OK) {
            *cache_out = cache;
            return PREFIXCACHE_OK;
        }
        close_parts(cache);
    }
    snprintf(why, PREFIXCACHE_WHY_SIZE,
             "no memory, descriptors or threads for another cache");
    return PREFIXCACHE_NO_SPACE;
}

void
prefixcache_close(struct prefixcache **owner)
{
    struct prefixcache *cache = owner != NULL ? *owner : NULL;

    if (cache == NULL)
        return;
    *owner = NULL;
    atomic_store(&cache->is_closing, true);
    pthread_mutex_lock(&cache->lock);
    while (atomic_load(&cache->under_way) > 0)
        pthread_cond_wait(&cache->idle, &cache->lock);
    pthread_mutex_unlock(&cache->lock);
    close_parts(cache);
}

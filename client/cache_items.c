/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The calls that are about items, with waiting and without.
 */
#include "client/cache.h"

#include "client/ask.h"
#include "client/call.h"
#include "client/clock.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* What a put behind costs when links are compared, beside its bytes. */
#define PUT_COST 4096u

static void
mark(struct prefixcache_item *items, size_t count, int status)
{
    for (size_t i = 0; items != NULL && i < count; i++)
        items[i].status = status;
}

static int
refuse(struct prefixcache_item *items, size_t count)
{
    mark(items, count, PREFIXCACHE_BAD_REQUEST);
    return -1;
}

static int
perform(struct prefixcache *cache, const struct native_request *head,
        struct prefixcache_item *items, size_t count)
{
    struct call *call;
    size_t ok_count;

    if (!call_may(head->verb, items, count))
        return refuse(items, count);
    if (count == 0)
        return 0;
    if (call_new(cache, head->verb, items, count, &call) != STATUS_OK) {
        mark(items, count, PREFIXCACHE_NO_SPACE);
        return 0;
    }
    call->head.lease_ms = head->lease_ms;
    call_send(call);
    call_wait(call);
    ok_count = call_judge(call);
    call_drop(&call);
    return (int)ok_count;
}

int
prefixcache_get(struct prefixcache *cache, struct prefixcache_item *items,
                size_t count)
{
    struct native_request head = {.verb = NATIVE_GET};

    return perform(cache, &head, items, count);
}

int
prefixcache_put(struct prefixcache *cache, struct prefixcache_item *items,
                size_t count)
{
    struct native_request head = {.verb = NATIVE_PUT};

    return perform(cache, &head, items, count);
}

int
prefixcache_exists(struct prefixcache *cache, struct prefixcache_item *items,
                   size_t count, unsigned lease_ms)
{
    struct native_request head = {.verb = NATIVE_EXISTS, .lease_ms = lease_ms};

    return perform(cache, &head, items, count);
}

int
prefixcache_drop(struct prefixcache *cache, struct prefixcache_item *items,
                 size_t count)
{
    struct native_request head = {.verb = NATIVE_DROP};

    return perform(cache, &head, items, count);
}

/* A PUT with a body of its own. */
static int
put_behind(struct prefixcache *cache, const struct prefixcache_item *item)
{
    bool wants_checksum = cache->options.flags & PREFIXCACHE_CHECKSUM;
    struct shard *shard = &cache->shards[placement_shard(
        cache->placement, item->key, item->key_size)];
    /* All of what it takes, as bodies may be small, or empty. */
    uint64_t size = sizeof(struct ask) + item->key_size + item->body_size;
    struct ask *ask;

    /* Before anything is copied. */
    if (shard_link(shard) == NULL) {
        atomic_fetch_add(&shard->misses_gone, 1);
        return PREFIXCACHE_GONE;
    }
    if (!cache_queue_take(cache, size))
        return PREFIXCACHE_BUSY;
    if (ask_new(NULL, 1, 2 + item->key_size, &ask) != STATUS_OK) {
        cache_queue_give_back(cache, size);
        return PREFIXCACHE_NO_SPACE;
    }
    ask->copied = malloc(item->body_size + 1);
    if (ask->copied == NULL) {
        ask_free(&ask);
        cache_queue_give_back(cache, size);
        return PREFIXCACHE_NO_SPACE;
    }
    ask->queued = size;
    if (item->body_size > 0)
        memcpy(ask->copied, item->body, item->body_size);
    ask->head.verb = NATIVE_PUT;
    ask->head.space = cache->options.space;
    ask->deadline_ns = clock_ns() + cache_patience_ns(cache, NATIVE_PUT);
    ask->cost = PUT_COST + item->body_size;
    ask_add(ask, 0, item->key, item->key_size);
    ask_fill_put(ask, item, wants_checksum);
    ask->body = ask->copied;
    return shard_send(shard, ask) ? PREFIXCACHE_OK : PREFIXCACHE_GONE;
}

int
prefixcache_put_behind(struct prefixcache *cache,
                       struct prefixcache_item *items, size_t count)
{
    int ok_count = 0;

    if (!call_may(NATIVE_PUT, items, count))
        return refuse(items, count);
    for (size_t i = 0; i < count; i++) {
        items[i].status = put_behind(cache, &items[i]);
        ok_count += items[i].status == PREFIXCACHE_OK;
    }
    return ok_count;
}

uint64_t
prefixcache_submit(struct prefixcache *cache, int verb,
                   struct prefixcache_item *items, size_t count)
{
    static const enum native_verb verbs[] = {
        [PREFIXCACHE_GET] = NATIVE_GET,
        [PREFIXCACHE_PUT] = NATIVE_PUT,
        [PREFIXCACHE_EXISTS] = NATIVE_EXISTS,
        [PREFIXCACHE_DROP] = NATIVE_DROP,
    };
    struct call *call;
    uint64_t ticket;

    if (verb < PREFIXCACHE_GET || verb > PREFIXCACHE_DROP ||
        !call_may(verbs[verb], items, count) ||
        call_new(cache, verbs[verb], items, count, &call) != STATUS_OK)
        return 0;
    ticket = call->ticket = atomic_fetch_add(&cache->tickets, 1) + 1;
    call_send(call);
    return ticket;
}

int
prefixcache_event_fd(struct prefixcache *cache)
{
    return cache->completions.fd;
}

size_t
prefixcache_drain(struct prefixcache *cache,
                  struct prefixcache_completion *completions, size_t most)
{
    struct call *call;
    size_t count = 0;

    while (count < most &&
           (call = completions_get(&cache->completions)) != NULL) {
        struct prefixcache_completion *completion = &completions[count++];

        completion->ticket = call->ticket;
        completion->count = call->count;
        completion->ok_count = call_judge(call);
        call_drop(&call);
    }
    return count;
}

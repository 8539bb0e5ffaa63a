/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From items to asks: they are sorted by shard and kind, as a request has one of
 * each, and cut so that all links of a shard have a share.
 */
#include "client/call.h"

#include "client/ask.h"
#include "client/cache.h"
#include "client/clock.h"
#include "client/link.h"
#include "proto/checksum.h"

#include <linux/futex.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* One link is not to hold a whole batch of bodies. */
#define GETS_AT_ONCE 16u
#define KINDS        3u
#define GROUPS       (PREFIXCACHE_SHARDS_MAX * KINDS)
#define ITEMS_MAX    (1u << 24)
/* What a request costs beside its bytes, when links are compared. */
#define ASK_COST 4096u

/* Items of one group stand side by side in `order`. */
struct sorting {
    uint32_t *order;
    uint8_t *groups;
    uint32_t starts[GROUPS + 1];
};

enum status
call_new(struct prefixcache *cache, enum native_verb verb,
         struct prefixcache_item *items, size_t count, struct call **out)
{
    struct call *call = calloc(1, sizeof *call);

    if (call == NULL)
        return STATUS_NO_SPACE;
    if (verb == NATIVE_GET && cache->options.flags & PREFIXCACHE_CHECKSUM) {
        call->checksums = calloc(count + 1, sizeof *call->checksums);
        if (call->checksums == NULL) {
            free(call);
            return STATUS_NO_SPACE;
        }
    }
    call->cache = cache;
    call->head.verb = verb;
    call->head.space = cache->options.space;
    call->head.wants_checksum = call->checksums != NULL;
    call->items = items;
    call->count = count;
    call->deadline_ns = clock_ns() + cache_patience_ns(cache, verb);
    atomic_init(&call->references, 2); /* the owner's, and call_send()'s */
    atomic_init(&call->left, 1);
    atomic_init(&call->progress, CALL_UNDER_WAY);
    *out = call;
    return STATUS_OK;
}

void
call_drop(struct call **owner)
{
    struct call *call = *owner;

    *owner = NULL;
    if (atomic_fetch_sub(&call->references, 1) != 1)
        return;
    while (call->answers != NULL) {
        struct call_answer *answer = call->answers;

        call->answers = answer->next;
        free(answer->bytes);
        free(answer);
    }
    free(call->checksums);
    free(call);
}

static bool
may_be(enum native_verb verb, const struct prefixcache_item *item)
{
    if (item->key == NULL || item->key_size == 0 ||
        item->key_size > PREFIXCACHE_KEY_MAX)
        return false;
    if (item->kind < PREFIXCACHE_ANY || item->kind > PREFIXCACHE_OBJECT)
        return false;
    if (verb != NATIVE_GET && verb != NATIVE_PUT)
        return true;
    if (item->body == NULL && item->body_size != 0)
        return false;
    return verb == NATIVE_GET || (item->meta_size <= PREFIXCACHE_META_MAX &&
                                  item->body_size <= NATIVE_BODY_MAX);
}

bool
call_may(enum native_verb verb, const struct prefixcache_item *items,
         size_t count)
{
    if (count > ITEMS_MAX || (items == NULL && count > 0))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!may_be(verb, &items[i]))
            return false;
    return true;
}

/* Counts, then places: linear, and items of a group keep their order. */
static enum status
sort(const struct call *call, struct sorting *s)
{
    const struct prefixcache *cache = call->cache;
    uint32_t next[GROUPS];

    memset(s->starts, 0, sizeof s->starts);
    s->order = malloc(call->count * (sizeof *s->order + 1));
    if (s->order == NULL)
        return STATUS_NO_SPACE;
    s->groups = (uint8_t *)(s->order + call->count);
    for (size_t i = 0; i < call->count; i++) {
        const struct prefixcache_item *item = &call->items[i];
        unsigned shard =
            placement_shard(cache->placement, item->key, item->key_size);

        s->groups[i] = (uint8_t)(shard * KINDS + (unsigned)item->kind);
        s->starts[s->groups[i] + 1]++;
    }
    for (unsigned group = 0; group < GROUPS; group++) {
        s->starts[group + 1] += s->starts[group];
        next[group] = s->starts[group];
    }
    for (size_t i = 0; i < call->count; i++)
        s->order[next[s->groups[i]]++] = (uint32_t)i;
    return STATUS_OK;
}

/* Its places in the call stay readable once the ask is gone. */
static struct call_answer *
add_answer(struct call *call, struct shard *shard, const uint32_t *order,
           uint32_t count)
{
    struct call_answer *answer =
        calloc(1, sizeof *answer + count * sizeof *answer->items);

    if (answer == NULL)
        return NULL;
    answer->status = STATUS_NO_SPACE;
    answer->shard = shard;
    answer->items = (uint32_t *)(answer + 1);
    answer->count = count;
    if (count > 0)
        memcpy(answer->items, order, count * sizeof *answer->items);
    answer->next = call->answers;
    call->answers = answer;
    return answer;
}

/* One ask of all these items. */
static enum status
send_some(struct call *call, struct shard *shard, const uint32_t *order,
          uint32_t count, size_t list_size)
{
    bool is_prefix = call->head.verb == NATIVE_PREFIX;
    struct call_answer *answer =
        is_prefix ? add_answer(call, shard, order, count) : NULL;
    struct ask *ask;

    if ((is_prefix && answer == NULL) ||
        ask_new(call, count, list_size, &ask) != STATUS_OK)
        return STATUS_NO_SPACE;
    ask->answer = answer;
    ask->cost = ASK_COST + list_size;
    ask->head.kind = (enum native_kind)call->items[order[0]].kind;
    if (call->head.wants_states)
        ask->head.ranks = 1;
    for (uint32_t i = 0; i < count; i++) {
        const struct prefixcache_item *item = &call->items[order[i]];

        ask_add(ask, order[i], item->key, item->key_size);
        if (call->head.verb == NATIVE_GET)
            ask->cost += item->body_size;
    }
    if (call->head.verb == NATIVE_PUT) {
        ask_fill_put(ask, &call->items[order[0]],
                     call->cache->options.flags & PREFIXCACHE_CHECKSUM);
        ask->cost += ask->head.body_size;
    }
    shard_send(shard, ask);
    return STATUS_OK;
}

static uint32_t
keys_at_once(const struct call *call, const struct shard *shard, uint32_t count)
{
    uint32_t most =
        atomic_load_explicit(&shard->keys_max, memory_order_relaxed);
    uint32_t share = (count + shard->link_count - 1) / shard->link_count;

    if (call->head.verb == NATIVE_PUT)
        return 1;
    if (call->head.verb == NATIVE_GET && share < most)
        most = share;
    if (call->head.verb == NATIVE_GET && most > GETS_AT_ONCE)
        most = GETS_AT_ONCE;
    return most;
}

static void
send_group(struct call *call, struct shard *shard, const uint32_t *order,
           uint32_t count)
{
    uint32_t keys_most = keys_at_once(call, shard, count);
    size_t list_most =
        atomic_load_explicit(&shard->list_max, memory_order_relaxed);
    uint32_t begin = 0;

    while (begin < count) {
        size_t list_size = 0;
        uint32_t end = begin;
        enum status status;

        while (end < count && end - begin < keys_most) {
            size_t more = 2 + call->items[order[end]].key_size;

            if (end > begin && list_size + more > list_most)
                break;
            list_size += more;
            end++;
        }
        status = send_some(call, shard, order + begin, end - begin, list_size);
        for (; begin < end; begin++)
            if (status != STATUS_OK && call->head.verb != NATIVE_PREFIX)
                call->items[order[begin]].status = PREFIXCACHE_NO_SPACE;
    }
}

void
call_send(struct call *call)
{
    struct sorting sorting;

    if (call->count > 0 && sort(call, &sorting) == STATUS_OK) {
        for (unsigned group = 0; group < GROUPS; group++) {
            uint32_t begin = sorting.starts[group];
            uint32_t count = sorting.starts[group + 1] - begin;

            if (count > 0)
                send_group(call, &call->cache->shards[group / KINDS],
                           sorting.order + begin, count);
        }
        free(sorting.order);
    } else if (call->head.verb != NATIVE_PREFIX) {
        for (size_t i = 0; i < call->count; i++)
            call->items[i].status = PREFIXCACHE_NO_SPACE;
    }
    call_done(call);
}

void
call_send_to(struct call *call, struct shard *shard)
{
    struct call_answer *answer = add_answer(call, shard, NULL, 0);
    struct ask *ask;

    if (answer != NULL && ask_new(call, 0, 0, &ask) == STATUS_OK) {
        ask->answer = answer;
        ask->cost = ASK_COST;
        shard_send(shard, ask);
    }
    call_done(call);
}

/* A futex and no condition: one wake a call, and none where nobody waits yet.
 * The word stays while it is woken: the caller of call_done() has a reference. */
static void
finish(struct call *call)
{
    if (atomic_exchange(&call->progress, CALL_OVER) == CALL_WAITED_FOR)
        syscall(SYS_futex, &call->progress, FUTEX_WAKE_PRIVATE, 1, NULL, NULL,
                0);
}

void
call_done(struct call *call)
{
    if (atomic_fetch_sub(&call->left, 1) == 1) {
        if (call->ticket != 0) {
            /* The owner's reference goes along. */
            completions_put(&call->cache->completions, call);
        } else {
            finish(call);
        }
    }
    call_drop(&call);
}

void
call_wait(struct call *call)
{
    uint32_t progress = CALL_UNDER_WAY;

    if (atomic_compare_exchange_strong(&call->progress, &progress,
                                       CALL_WAITED_FOR))
        progress = CALL_WAITED_FOR;
    while (progress != CALL_OVER) {
        syscall(SYS_futex, &call->progress, FUTEX_WAIT_PRIVATE, CALL_WAITED_FOR,
                NULL, NULL, 0);
        progress = atomic_load(&call->progress);
    }
}

size_t
call_judge(struct call *call)
{
    size_t ok_count = 0;

    for (size_t i = 0; i < call->count; i++) {
        struct prefixcache_item *item = &call->items[i];

        if (item->status != PREFIXCACHE_OK)
            continue;
        if (call->checksums != NULL &&
            checksum_of(item->body, item->got) != call->checksums[i].value) {
            item->status = PREFIXCACHE_MISS;
            item->got = 0;
            item->meta_size = 0;
            item->tier[0] = '\0';
            atomic_fetch_add(&call->checksums[i].shard->misses_corrupt, 1);
            continue;
        }
        ok_count++;
    }
    return ok_count;
}

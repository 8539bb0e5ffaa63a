/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The calls that are about shards: what each is, counts and holds.
 */
#include "client/cache.h"

#include "client/ask.h"
#include "client/call.h"

#include <stdlib.h>
#include <string.h>

#define WALK_MOST_MIN 256u

const char *
prefixcache_status_name(int status)
{
    static const char *const names[] = {
        [PREFIXCACHE_OK] = "OK",
        [PREFIXCACHE_MISS] = "MISS",
        [PREFIXCACHE_UNMET] = "UNMET",
        [PREFIXCACHE_BUSY] = "BUSY",
        [PREFIXCACHE_TOO_BIG] = "TOO_BIG",
        [PREFIXCACHE_NO_SPACE] = "NO_SPACE",
        [PREFIXCACHE_BAD_REQUEST] = "BAD_REQUEST",
        [PREFIXCACHE_CORRUPT] = "CORRUPT",
        [PREFIXCACHE_LATE] = "LATE",
        [PREFIXCACHE_GONE] = "GONE",
    };

    if (status < 0 || (size_t)status >= sizeof names / sizeof names[0])
        return "unknown";
    return names[status];
}

size_t
prefixcache_shards(struct prefixcache *cache, struct prefixcache_shard *shards,
                   size_t most, size_t size)
{
    struct prefixcache_shard shard;

    for (size_t i = 0; i < cache->shard_count && i < most; i++) {
        uint8_t *into = (uint8_t *)shards + i * size;

        shard_describe(&cache->shards[i], &shard);
        if (size > sizeof shard)
            memset(into + sizeof shard, 0, size - sizeof shard);
        memcpy(into, &shard, size < sizeof shard ? size : sizeof shard);
    }
    return cache->shard_count;
}

size_t
prefixcache_shard_of(const struct prefixcache *cache, const void *key,
                     size_t key_size)
{
    return placement_shard(cache->placement, key, key_size);
}

/* Asks one shard and waits; on OK the call has its answer. */
static enum status
ask_one(struct prefixcache *cache, size_t shard,
        const struct native_request *head, struct call **out)
{
    enum status status = STATUS_NO_SPACE;
    struct call *call;

    if (call_new(cache, head->verb, NULL, 0, &call) != STATUS_OK)
        return STATUS_NO_SPACE;
    call->head.cursor = head->cursor;
    call->head.least = head->least;
    call_send_to(call, &cache->shards[shard]);
    call_wait(call);
    if (call->answers != NULL)
        status = call->answers->status;
    if (status == STATUS_OK)
        *out = call;
    else
        call_drop(&call);
    return status;
}

int
prefixcache_stats(struct prefixcache *cache, size_t shard, char **text_out)
{
    struct native_request head = {.verb = NATIVE_STATS};
    const struct call_answer *answer;
    struct call *call;
    enum status status;
    char *text;

    if (shard >= cache->shard_count)
        return PREFIXCACHE_BAD_REQUEST;
    status = ask_one(cache, shard, &head, &call);
    if (status != STATUS_OK)
        return ask_public_status(NATIVE_STATS, status);
    answer = call->answers;
    text = malloc(answer->reply.list.size + answer->reply.body_size + 1);
    if (text != NULL) {
        size_t size = answer->reply.list.size + answer->reply.body_size;

        memcpy(text, answer->bytes, size);
        text[size] = '\0';
        *text_out = text;
    }
    call_drop(&call);
    return text != NULL ? PREFIXCACHE_OK : PREFIXCACHE_NO_SPACE;
}

static void
fill(struct prefixcache_entry *entry, const struct native_entry *from)
{
    memset(entry, 0, sizeof *entry);
    entry->key_size = from->key.size < PREFIXCACHE_KEY_MAX
                          ? from->key.size
                          : PREFIXCACHE_KEY_MAX;
    memcpy(entry->key, from->key.at, entry->key_size);
    entry->body_size = from->body_size;
    entry->kind = from->kind;
    entry->form = from->form;
    entry->space = from->space;
    entry->tiers = from->tiers;
}

/* How many there are, though they may be more than fit. */
static size_t
unpack(const struct call_answer *answer, struct prefixcache_entry *entries,
       size_t most)
{
    struct bytes list = answer->reply.list;
    struct native_entry entry;
    size_t count = 0;

    while (native_next_entry(&list, &entry)) {
        if (count < most)
            fill(&entries[count], &entry);
        count++;
    }
    return count;
}

/* A shard may give more than the least it was asked for.  What does not fit is
 * asked for again in a smaller piece, from the same cursor. */
int
prefixcache_walk(struct prefixcache *cache, size_t shard, uint64_t *cursor,
                 struct prefixcache_entry *entries, size_t most)
{
    struct native_request head = {.verb = NATIVE_WALK, .cursor = *cursor};

    if (shard >= cache->shard_count || most < WALK_MOST_MIN)
        return -PREFIXCACHE_BAD_REQUEST;
    head.least = (uint32_t)(most < NATIVE_KEYS_MAX ? most : NATIVE_KEYS_MAX);
    while (head.least > 1) {
        struct call *call;
        enum status status;
        size_t count;
        uint64_t next;

        head.least /= 2;
        status = ask_one(cache, shard, &head, &call);
        if (status != STATUS_OK)
            return -ask_public_status(NATIVE_WALK, status);
        count = unpack(call->answers, entries, most);
        next = call->answers->reply.cursor;
        call_drop(&call);
        if (count <= most) {
            *cursor = next;
            return (int)count;
        }
    }
    return -PREFIXCACHE_NO_SPACE;
}

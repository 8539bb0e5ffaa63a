/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much of a prompt is here.  Where one request has all its keys, the shard
 * says it; else each shard says where each of its keys is, and the match over
 * all of them is made here.
 */
#include "client/cache.h"

#include "client/ask.h"
#include "client/call.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RANKS_MAX 4096u
#define TIERS     4u

/* One way to say where things are for all shards: the names of the tiers,
 * fastest first, and for each key the fastest that has it. */
struct map {
    uint32_t ranks, positions, matched;
    unsigned tier_count;
    char names[TIERS][16];
    uint8_t *tiers; /* of each key; MISSING */
};
#define MISSING 0xffu

/* The order in which any server has them (proto/PROTOCOLS). */
static unsigned
rank_of(const char *name)
{
    static const char *const order[] = {"dram", "nvme", "spill"};
    unsigned rank = 0;

    while (rank < 3 && strcmp(order[rank], name) != 0)
        rank++;
    return rank;
}

/* The place of a tier in the map; makes one in the right order. */
static void
add_tier(struct map *map, const char *name)
{
    unsigned at = 0;

    while (at < map->tier_count && rank_of(map->names[at]) <= rank_of(name)) {
        if (strcmp(map->names[at], name) == 0)
            return;
        at++;
    }
    if (map->tier_count == TIERS)
        return;
    memmove(map->names[at + 1], map->names[at],
            (map->tier_count - at) * sizeof map->names[0]);
    snprintf(map->names[at], sizeof map->names[at], "%s", name);
    map->tier_count++;
}

static uint8_t
find_tier(const struct map *map, const char *name)
{
    for (unsigned i = 0; i < map->tier_count; i++)
        if (strcmp(map->names[i], name) == 0)
            return (uint8_t)i;
    return (uint8_t)(map->tier_count - 1);
}

static bool
is_usable(const struct call_answer *answer)
{
    return answer->status == STATUS_OK &&
           answer->reply.list.size == answer->count;
}

/* Each key's fastest tier.  A key that was refused its lease is as good as
 * missing. */
static void
place(struct map *map, const struct call_answer *answer, bool is_leased)
{
    for (uint32_t i = 0; i < answer->count; i++) {
        uint8_t state = answer->reply.list.at[i];
        uint8_t tiers = state & NATIVE_STATE_TIERS;
        unsigned tier;

        if (tiers == 0 || (is_leased && !(state & NATIVE_STATE_LEASED)))
            continue;
        tier = (unsigned)__builtin_ctz(tiers);
        if (tier < answer->reply.tier_count)
            map->tiers[answer->items[i]] =
                find_tier(map, answer->reply.tiers[tier].name);
    }
}

/* The slowest tier of a position's keys; MISSING if one is. */
static uint8_t
slowest(const struct map *map, uint32_t position)
{
    const uint8_t *tiers = map->tiers + (size_t)position * map->ranks;
    uint8_t slowest = 0;

    for (uint32_t i = 0; i < map->ranks; i++)
        if (tiers[i] > slowest)
            slowest = tiers[i];
    return slowest;
}

/* What a shard says of bytes and time is of its own keys up to the first it
 * misses, which may be more than the match has of them: the share of it. */
static void
weigh(const struct map *map, const struct call_answer *answer,
      struct prefixcache_match *match)
{
    const struct native_reply *reply = &answer->reply;
    uint32_t count = 0, in_tier[TIERS] = {0};
    uint64_t load_us;

    for (uint32_t i = 0; i < answer->count; i++) {
        uint32_t item = answer->items[i];

        if (item >= map->matched * map->ranks)
            break;
        count++;
        in_tier[map->tiers[item]]++;
    }
    if (count == 0 || reply->matched == 0)
        return;
    match->bytes += reply->bytes / reply->matched * count;
    for (unsigned tier = 0, keys = 0; tier < map->tier_count; tier++) {
        keys += in_tier[tier];
        match->tiers[tier].bytes += reply->bytes / reply->matched * keys;
    }
    load_us = reply->load_us / reply->matched * count;
    if (!reply->has_load_us)
        match->load_us = -1;
    else if (match->load_us >= 0 && (int64_t)load_us > match->load_us)
        match->load_us = (int64_t)load_us;
    if (match->lease_ms == 0 || reply->lease_ms < match->lease_ms)
        match->lease_ms = reply->lease_ms;
}

static void
sum(struct map *map, const struct call *call, struct prefixcache_match *match)
{
    const struct call_answer *answer;

    for (answer = call->answers; answer != NULL; answer = answer->next)
        for (unsigned i = 0; is_usable(answer) && i < answer->reply.tier_count;
             i++)
            add_tier(map, answer->reply.tiers[i].name);
    memset(map->tiers, MISSING, (size_t)map->positions * map->ranks);
    for (answer = call->answers; answer != NULL; answer = answer->next)
        if (is_usable(answer) && map->tier_count > 0)
            place(map, answer, call->head.lease_ms > 0);
    match->tier_count = map->tier_count;
    for (unsigned i = 0; i < map->tier_count; i++)
        memcpy(match->tiers[i].name, map->names[i], sizeof map->names[i]);
    for (; map->matched < map->positions; map->matched++) {
        uint8_t tier = slowest(map, map->matched);

        if (tier == MISSING)
            break;
        for (unsigned i = 0; i < map->tier_count; i++) {
            if (tier > i)
                continue;
            if (match->tiers[i].unbroken == map->matched)
                match->tiers[i].unbroken++;
            match->tiers[i].matched++;
        }
    }
    match->matched = map->matched;
    for (answer = call->answers; answer != NULL; answer = answer->next)
        if (is_usable(answer))
            weigh(map, answer, match);
}

static void
copy(const struct native_reply *reply, struct prefixcache_match *match)
{
    match->matched = reply->matched;
    match->bytes = reply->bytes;
    match->load_us = reply->has_load_us ? (int64_t)reply->load_us : -1;
    match->lease_ms = reply->lease_ms;
    match->tier_count = reply->tier_count;
    for (unsigned i = 0; i < reply->tier_count; i++) {
        const struct native_tier *tier = &reply->tiers[i];

        snprintf(match->tiers[i].name, sizeof match->tiers[i].name, "%s",
                 tier->name);
        match->tiers[i].matched = tier->matched;
        match->tiers[i].unbroken = tier->unbroken;
        match->tiers[i].bytes = tier->bytes;
    }
}

/* OK where any shard has answered; else why none has. */
static enum status
judge(const struct call *call)
{
    enum status status =
        call->answers != NULL ? call->answers->status : STATUS_NO_SPACE;

    for (const struct call_answer *answer = call->answers; answer != NULL;
         answer = answer->next)
        if (answer->status == STATUS_OK)
            return STATUS_OK;
    return status;
}

/* Do all keys go into one request, as far as is known? */
static bool
is_one(const struct prefixcache *cache, const struct prefixcache_item *keys,
       size_t count)
{
    const struct shard *shard = &cache->shards[0];
    size_t list_size = 0;

    if (cache->shard_count > 1 || count > atomic_load(&shard->keys_max))
        return false;
    for (size_t i = 0; i < count; i++) {
        list_size += 2 + keys[i].key_size;
        if (keys[i].kind != keys[0].kind)
            return false;
    }
    return list_size <= atomic_load(&shard->list_max);
}

static enum status
look_up(struct call *call, struct prefixcache_match *match)
{
    struct map map = {.ranks = call->head.ranks};
    enum status status;

    call_send(call);
    call_wait(call);
    status = judge(call);
    if (status != STATUS_OK)
        return status;
    if (!call->head.wants_states) {
        /* It said that it takes less in the moment in which it was asked. */
        if (call->answers->next != NULL)
            return STATUS_LATE;
        copy(&call->answers->reply, match);
        return STATUS_OK;
    }
    map.positions = (uint32_t)(call->count / map.ranks);
    map.tiers = malloc(call->count);
    if (map.tiers == NULL)
        return STATUS_NO_SPACE;
    sum(&map, call, match);
    free(map.tiers);
    return STATUS_OK;
}

static enum status
perform(struct prefixcache *cache, const struct prefixcache_item *keys,
        size_t count, const struct prefixcache_prefix_options *options,
        struct prefixcache_match *match)
{
    enum status status;
    struct call *call;
    uint32_t ranks = options->ranks > 0 ? options->ranks : 1;

    if (ranks > RANKS_MAX || count % ranks != 0 ||
        !call_may(NATIVE_PREFIX, keys, count))
        return STATUS_BAD_REQUEST;
    if (count == 0)
        return STATUS_OK;
    /* Items of this verb are only read. */
    if (call_new(cache, NATIVE_PREFIX,
                 (struct prefixcache_item *)(uintptr_t)keys, count,
                 &call) != STATUS_OK)
        return STATUS_NO_SPACE;
    call->head.lease_ms = options->lease_ms;
    call->head.promote = options->promote != 0;
    call->head.wants_states = !is_one(cache, keys, count);
    call->head.ranks = ranks;
    status = look_up(call, match);
    call_drop(&call);
    return status;
}

int
prefixcache_prefix(struct prefixcache *cache,
                   const struct prefixcache_item *keys, size_t count,
                   const struct prefixcache_prefix_options *options,
                   struct prefixcache_match *match_out)
{
    struct prefixcache_match match = {.size = match_out->size};
    struct prefixcache_prefix_options terms = {0};
    enum status status;

    if (match.size < sizeof match.size)
        return PREFIXCACHE_BAD_REQUEST;
    if (options != NULL)
        memcpy(&terms, options,
               options->size < sizeof terms ? options->size : sizeof terms);
    status = perform(cache, keys, count, &terms, &match);
    if (status == STATUS_OK)
        memcpy(match_out, &match,
               match.size < sizeof match ? match.size : sizeof match);
    return ask_public_status(NATIVE_PREFIX, status);
}

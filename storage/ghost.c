/* SPDX-License-Identifier: Apache-2.0 */
/* Sampled keys, and the imagined caches over them. */
#include "storage/ghost.h"

#include <assert.h>
#include <stdatomic.h>
#include <string.h>

/* So many times the keys of the largest cache are known, since what a cache has
 * evicted is known for a while, too: but not to LRU. */
#define KNOWN_TIMES 5u
#define KNOWN_LEAST 64u
/* With fewer samples than this nothing is said about tails. */
#define ODDS_LEAST 64u
#define ODDS_MOST  (1u << 16)

static uint32_t *
buckets(const struct ghost *ghost)
{
    return (uint32_t *)(uintptr_t)&ghost->keys[ghost->key_count];
}

size_t
ghost_size(uint32_t keys)
{
    return sizeof(struct ghost) + (size_t)keys * sizeof(struct ghost_key) +
           (size_t)keys * 2 * sizeof(uint32_t);
}

void
ghost_start(struct ghost *ghost, uint32_t keys, const struct ghost_plan *plans,
            unsigned count)
{
    assert(count != 0 && count <= GHOST_CACHES);
    assert(keys >= KNOWN_LEAST && (keys & (keys - 1)) == 0);
    memset(ghost, 0, sizeof *ghost);
    atomic_init(&ghost->shift, 0);
    ghost->key_count = ghost->keys_most = keys;
    ghost->bucket_mask = keys * 2 - 1;
    ghost->cache_count = count;
    memset(buckets(ghost), 0xff, (size_t)keys * 2 * sizeof(uint32_t));
    memset(ghost->oldest, 0xff, sizeof ghost->oldest);
    memset(ghost->newest, 0xff, sizeof ghost->newest);
    for (uint32_t i = 0; i < keys; i++)
        ghost->keys[i] =
            (struct ghost_key){.chain = i + 1 == keys ? GHOST_NONE : i + 1};
    for (unsigned i = 0; i < count; i++) {
        struct ghost_cache *cache = &ghost->caches[i];

        cache->plan = plans[i];
        ghost->has_bonus = ghost->has_bonus || plans[i].bonus != 0;
        cache->most = UINT64_MAX;
        memset(cache->first, 0xff, sizeof cache->first);
    }
}

/* Not the bits that others choose parts and buckets by. */
static uint64_t
mix(uint64_t hash)
{
    hash = (hash ^ hash >> 32) * 0xd6e8feb86659fd93u;
    return (hash ^ hash >> 32) * 0xd6e8feb86659fd93u;
}

bool
ghost_is_sampled(const struct ghost *ghost, uint64_t hash)
{
    unsigned shift = atomic_load_explicit(&ghost->shift, memory_order_relaxed);

    return mix(hash) >> 32 << shift <= UINT32_MAX;
}

static uint32_t *
bucket_of(const struct ghost *ghost, uint64_t hash)
{
    return &buckets(ghost)[mix(hash) & ghost->bucket_mask];
}

static uint32_t
find(const struct ghost *ghost, uint64_t hash)
{
    uint32_t at = *bucket_of(ghost, hash);

    while (at != GHOST_NONE && ghost->keys[at].hash != hash)
        at = ghost->keys[at].chain;
    return at;
}

static bool
holds(const struct ghost *ghost, const struct ghost_cache *cache,
      const struct ghost_key *key)
{
    uint32_t first = cache->first[key->class];

    return first != GHOST_NONE && key->tick >= ghost->keys[first].tick;
}

static void
unlink_key(struct ghost *ghost, uint32_t at)
{
    struct ghost_key *key = &ghost->keys[at];

    for (unsigned i = 0; i < ghost->cache_count; i++) {
        struct ghost_cache *cache = &ghost->caches[i];

        if (!holds(ghost, cache, key))
            continue;
        cache->count--;
        if (cache->first[key->class] == at)
            cache->first[key->class] = key->newer;
    }
    if (key->older == GHOST_NONE)
        ghost->oldest[key->class] = key->newer;
    else
        ghost->keys[key->older].newer = key->newer;
    if (key->newer == GHOST_NONE)
        ghost->newest[key->class] = key->older;
    else
        ghost->keys[key->newer].older = key->older;
}

/* As the newest of its class, in all caches. */
static void
append_key(struct ghost *ghost, uint32_t at, uint8_t class)
{
    struct ghost_key *key = &ghost->keys[at];

    key->class = class;
    key->older = ghost->newest[class];
    key->newer = GHOST_NONE;
    if (key->older == GHOST_NONE)
        ghost->oldest[class] = at;
    else
        ghost->keys[key->older].newer = at;
    ghost->newest[class] = at;
    for (unsigned i = 0; i < ghost->cache_count; i++) {
        struct ghost_cache *cache = &ghost->caches[i];

        cache->count++;
        if (cache->first[class] == GHOST_NONE)
            cache->first[class] = at;
    }
}

static void
forget(struct ghost *ghost, uint32_t at)
{
    uint32_t *from = bucket_of(ghost, ghost->keys[at].hash);

    unlink_key(ghost, at);
    while (*from != at)
        from = &ghost->keys[*from].chain;
    *from = ghost->keys[at].chain;
    ghost->keys[at].is_known = false;
    ghost->keys[at].chain = ghost->unused;
    ghost->unused = at;
    ghost->keys_known--;
}

static bool
is_held(const struct ghost *ghost, uint32_t at)
{
    for (unsigned i = 0; i < ghost->cache_count; i++)
        if (holds(ghost, &ghost->caches[i], &ghost->keys[at]))
            return true;
    return false;
}

static bool
is_older(const struct ghost *ghost, uint32_t at, uint32_t other)
{
    return at != GHOST_NONE && (other == GHOST_NONE ||
                                ghost->keys[at].tick < ghost->keys[other].tick);
}

/* What a cache still holds is known as long as possible. */
static void
forget_oldest(struct ghost *ghost)
{
    uint32_t oldest = GHOST_NONE, oldest_out = GHOST_NONE;

    for (unsigned i = 0; i < GHOST_CLASSES; i++) {
        uint32_t at = ghost->oldest[i];

        if (is_older(ghost, at, oldest))
            oldest = at;
        if (is_older(ghost, at, oldest_out) && !is_held(ghost, at))
            oldest_out = at;
    }
    forget(ghost, oldest_out != GHOST_NONE ? oldest_out : oldest);
}

static void
evict_one(struct ghost *ghost, struct ghost_cache *cache)
{
    uint64_t least = UINT64_MAX;
    unsigned from = 0;

    for (unsigned i = 0; i < GHOST_CLASSES; i++) {
        uint64_t number;

        if (cache->first[i] == GHOST_NONE)
            continue;
        number = ghost->keys[cache->first[i]].tick +
                 ghost_bonus(i, cache->plan.bonus, cache->size);
        if (number < least) {
            least = number;
            from = i;
        }
    }
    cache->first[from] = ghost->keys[cache->first[from]].newer;
    cache->count--;
}

static void
trim(struct ghost *ghost)
{
    for (unsigned i = 0; i < ghost->cache_count; i++)
        while (ghost->caches[i].count > ghost->caches[i].most)
            evict_one(ghost, &ghost->caches[i]);
    while (ghost->keys_known > ghost->keys_most)
        forget_oldest(ghost);
}

/* Half as many keys from now on. */
static void
thin_out(struct ghost *ghost)
{
    atomic_fetch_add_explicit(&ghost->shift, 1, memory_order_relaxed);
    for (uint32_t i = 0; i < ghost->key_count; i++)
        if (ghost->keys[i].is_known &&
            !ghost_is_sampled(ghost, ghost->keys[i].hash))
            forget(ghost, i);
}

void
ghost_fit(struct ghost *ghost, const uint64_t *sizes)
{
    uint64_t largest = 0, known;
    uint32_t shift;

    for (unsigned i = 0; i < ghost->cache_count; i++) {
        ghost->caches[i].size = sizes[i];
        if (sizes[i] > largest)
            largest = sizes[i];
    }
    ghost->is_full = true;
    known = largest * (ghost->has_bonus ? KNOWN_TIMES : 1);
    while (known >> ghost->shift > ghost->key_count)
        thin_out(ghost);
    shift = ghost->shift;
    ghost->keys_most =
        known >> shift < KNOWN_LEAST ? KNOWN_LEAST : (uint32_t)(known >> shift);
    for (unsigned i = 0; i < ghost->cache_count; i++) {
        struct ghost_cache *cache = &ghost->caches[i];

        cache->most = cache->size >> shift;
        if (cache->most == 0)
            cache->most = 1;
    }
    trim(ghost);
}

void
ghost_resize(struct ghost *ghost, uint64_t entries)
{
    uint64_t sizes[GHOST_CACHES];

    for (unsigned i = 0; i < ghost->cache_count; i++)
        sizes[i] = entries * ghost->caches[i].plan.percent / 100;
    ghost->entries = entries;
    ghost_fit(ghost, sizes);
}

static uint32_t
take_unused(struct ghost *ghost)
{
    uint32_t at;

    /* Nothing is evicted yet, but the sample is full. */
    while (ghost->unused == GHOST_NONE && !ghost->is_full)
        thin_out(ghost);
    if (ghost->unused == GHOST_NONE)
        forget_oldest(ghost);
    at = ghost->unused;
    ghost->unused = ghost->keys[at].chain;
    return at;
}

static void
count_odds(struct ghost_odds *odds)
{
    if (++odds->once < ODDS_MOST)
        return;
    odds->once /= 2;
    odds->again /= 2;
}

static void
count_misses(struct ghost *ghost, const struct ghost_key *key)
{
    for (unsigned i = 0; i < ghost->cache_count; i++)
        if (key == NULL || !holds(ghost, &ghost->caches[i], key))
            ghost->caches[i].misses += 1ull << ghost->shift;
}

static void
access_again(struct ghost *ghost, uint32_t at, uint64_t tick)
{
    struct ghost_key *key = &ghost->keys[at];
    uint8_t class = key->class;

    count_misses(ghost, key);
    if (class == 0)
        (key->is_tail ? &ghost->tails : &ghost->heads)->again++;
    unlink_key(ghost, at);
    key->tick = tick;
    append_key(ghost, at,
               class + 1u < GHOST_CLASSES ? (uint8_t)(class + 1) : class);
}

static void
access_first(struct ghost *ghost, uint64_t hash, uint64_t tick)
{
    uint32_t at, *bucket;
    struct ghost_key *key;

    count_misses(ghost, NULL);
    at = take_unused(ghost);
    if (!ghost_is_sampled(ghost, hash)) { /* any more */
        ghost->keys[at].chain = ghost->unused;
        ghost->unused = at;
        return;
    }
    key = &ghost->keys[at];
    bucket = bucket_of(ghost, hash);
    *key = (struct ghost_key){
        .hash = hash, .tick = tick, .chain = *bucket, .is_known = true};
    *bucket = at;
    ghost->keys_known++;
    count_odds(&ghost->heads);
    append_key(ghost, at, 0);
}

void
ghost_access(struct ghost *ghost, uint64_t hash, uint64_t tick)
{
    uint32_t at = find(ghost, hash);

    /* Threads may come a little out of order; the lists may not. */
    if (tick <= ghost->last_tick)
        tick = ghost->last_tick + 1;
    ghost->last_tick = tick;
    if (at == GHOST_NONE)
        access_first(ghost, hash, tick);
    else
        access_again(ghost, at, tick);
    trim(ghost);
}

void
ghost_end(struct ghost *ghost, uint64_t hash)
{
    uint32_t at = find(ghost, hash);

    if (at == GHOST_NONE || ghost->keys[at].class != 0 ||
        ghost->keys[at].is_tail)
        return;
    ghost->keys[at].is_tail = true;
    if (ghost->heads.once != 0)
        ghost->heads.once--;
    count_odds(&ghost->tails);
}

bool
ghost_may_end(const struct ghost *ghost)
{
    const struct ghost_odds *heads = &ghost->heads, *tails = &ghost->tails;

    return tails->once >= ODDS_LEAST && heads->again >= ODDS_LEAST / 4 &&
           2 * tails->again * heads->once < heads->again * tails->once;
}

double
ghost_hit_ratio(const struct ghost *ghost, unsigned cache, uint64_t tick)
{
    double misses = (double)ghost->caches[cache].misses;

    /* A key that is asked for all the time is in the sample or is not, but
     * never missing: so misses are counted, and not hits. */
    if (tick == 0 || misses >= (double)tick)
        return 0;
    return 1 - misses / (double)tick;
}

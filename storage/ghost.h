/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What caches of other sizes, or of other orders, would hit: a sample of the
 * keys by their hashes, as SHARDS does, small enough that what is sampled
 * keeps its size for ever, and over it up to GHOST_CACHES imagined caches.
 *
 * All caches share one set of keys in the order of their last accesses, apart
 * by how often they were used (1, 2, ... GHOST_CLASSES times, as long as they
 * are known).  A cache evicts the key with the least
 *
 *     tick of its last access + weight of its uses * bonus * size of the cache
 *
 * so that with a bonus of 0 it is LRU, and hits what has a stack distance below
 * its size.  What a cache holds of a class is then always the newest of it: a
 * cache is a mark in each class, and costs next to nothing.
 *
 * Pure, in the caller's memory; one thread at a time, but for
 * ghost_is_sampled(), which any may ask.
 */
#ifndef STORAGE_GHOST_H
#define STORAGE_GHOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GHOST_CACHES    32u
#define GHOST_CLASSES   5u
#define GHOST_NONE      UINT32_MAX
#define GHOST_BONUS_ONE 1000u

struct ghost_plan {
    uint32_t percent; /* of the present cache's entries */
    uint32_t bonus;   /* in thousandths; 0: LRU */
};

/* What uses (class + 1) are worth to a cache of that size, in accesses. */
static inline uint64_t
ghost_bonus(unsigned class, uint32_t bonus, uint64_t size)
{
    /* About the square root of (uses - 1), in tenths. */
    static const uint8_t weights[GHOST_CLASSES] = {0, 10, 14, 17, 20};

    return size * bonus / GHOST_BONUS_ONE * weights[class] / 10;
}

/* Of class i, what the cache holds begins at first[i] and goes on to the
 * newest; GHOST_NONE: it holds nothing of it. */
struct ghost_cache {
    struct ghost_plan plan;
    uint32_t first[GHOST_CLASSES];
    uint64_t count, most; /* sampled keys; most: UINT64_MAX at first */
    uint64_t size;        /* entries of the cache that it imagines */
    uint64_t misses;      /* estimated, of all keys */
};

struct ghost_key {
    uint64_t hash, tick;
    uint32_t older, newer; /* of its class */
    uint32_t chain;        /* of its bucket, or of the free ones */
    uint8_t class;
    bool is_known, is_tail;
};

/* Keys that were used once: how many, and how many of those a second time. */
struct ghost_odds {
    uint64_t once, again;
};

struct ghost {
    _Atomic uint32_t shift; /* one key in 2^shift is sampled */
    uint32_t key_count, keys_known, keys_most, unused;
    uint32_t bucket_mask, cache_count;
    uint64_t last_tick, entries; /* as ghost_resize() was told */
    bool is_full, has_bonus;
    uint32_t oldest[GHOST_CLASSES], newest[GHOST_CLASSES];
    struct ghost_odds heads, tails; /* tails: those told to ghost_end() */
    struct ghost_cache caches[GHOST_CACHES];
    struct ghost_key keys[]; /* then the buckets */
};

/* Bytes for so many sampled keys, a power of two. */
size_t ghost_size(uint32_t keys);
/* The memory is aligned to 8 bytes.  1 .. GHOST_CACHES plans are copied. */
void ghost_start(struct ghost *, uint32_t keys, const struct ghost_plan *,
                 unsigned count);

/* The present cache is full with so many entries; before this is told, nothing
 * is ever evicted from any. */
void ghost_resize(struct ghost *, uint64_t entries);
/* The same, where the caches have nothing to do with the percent of their plans:
 * entries of each. */
void ghost_fit(struct ghost *, const uint64_t *sizes);

bool ghost_is_sampled(const struct ghost *, uint64_t hash);
/* An access to a key that is sampled; ticks are 1 + the number of all accesses
 * before, to any key. */
void ghost_access(struct ghost *, uint64_t hash, uint64_t tick);
/* A sampled key is the last of its run. */
void ghost_end(struct ghost *, uint64_t hash);
/* Is a run's last key clearly less often used again than the others? */
bool ghost_may_end(const struct ghost *);

/* Of a cache, the share of the accesses up to tick that hit.  Who wants that of
 * a time looks at misses at both ends of it. */
double ghost_hit_ratio(const struct ghost *, unsigned cache, uint64_t tick);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A slot is 16 bits of fingerprint, 3 of uses and 13 of age: the number of
 * evictions so far, in steps of a power of two that depends on the table's size
 * alone.  A bucket is a cache line; its oldest slot is written over.
 */
#include "storage/policy_ghost.h"

#include <stdatomic.h>

#define BUCKET    16u
#define AGE_BITS  13u
#define AGE_MASK  ((1u << AGE_BITS) - 1)
#define USES_MASK 7u

static uint64_t
buckets_for(uint64_t keys)
{
    uint64_t buckets = 1;

    /* Buckets fill unevenly, and one key that is lost too early costs all
     * behind it in its run. */
    while (buckets * BUCKET < keys * 2)
        buckets *= 2;
    return buckets;
}

size_t
policy_ghost_size(uint64_t keys)
{
    return sizeof(struct policy_ghost) +
           buckets_for(keys) * BUCKET * sizeof(uint32_t);
}

void
policy_ghost_start(struct policy_ghost *ghost, uint64_t keys)
{
    ghost->mask = buckets_for(keys) - 1;
    atomic_init(&ghost->evictions, 0);
}

/* 1/1024 of the table or finer: the whole of it is well within AGE_BITS, so
 * that ages are told apart until long after their slots were written over. */
static unsigned
age_shift(const struct policy_ghost *ghost)
{
    unsigned shift = 0;

    while ((ghost->mask + 1) * BUCKET >> shift > 1024)
        shift++;
    return shift;
}

static uint32_t
age_of(const struct policy_ghost *ghost, uint64_t evictions, uint32_t slot)
{
    return ((uint32_t)(evictions >> age_shift(ghost)) - slot) & AGE_MASK;
}

/* Other bits of the hash than those that choose the part and the bucket. */
static uint32_t
fingerprint(uint64_t hash)
{
    return (uint32_t)(hash * 0x9e3779b97f4a7c15u >> 48);
}

static _Atomic uint32_t *
bucket_of(struct policy_ghost *ghost, uint64_t hash)
{
    return &ghost->slots[(hash & ghost->mask) * BUCKET];
}

void
policy_ghost_add(struct policy_ghost *ghost, uint64_t hash, unsigned uses)
{
    uint64_t now =
        atomic_fetch_add_explicit(&ghost->evictions, 1, memory_order_relaxed);
    uint32_t mark = fingerprint(hash), oldest = 0;
    _Atomic uint32_t *bucket = bucket_of(ghost, hash), *at = bucket;

    for (unsigned i = 0; i < BUCKET; i++) {
        uint32_t slot = atomic_load_explicit(&bucket[i], memory_order_relaxed);
        uint32_t age = age_of(ghost, now, slot);

        if (slot == 0 || slot >> 16 == mark) {
            at = &bucket[i];
            break;
        }
        if (age >= oldest) {
            oldest = age;
            at = &bucket[i];
        }
    }
    if (uses > POLICY_GHOST_USES)
        uses = POLICY_GHOST_USES;
    atomic_store_explicit(at,
                          mark << 16 | (uint32_t)uses << AGE_BITS |
                              ((uint32_t)(now >> age_shift(ghost)) & AGE_MASK),
                          memory_order_relaxed);
}

unsigned
policy_ghost_take(struct policy_ghost *ghost, uint64_t hash, uint64_t span)
{
    uint64_t now =
        atomic_load_explicit(&ghost->evictions, memory_order_relaxed);
    _Atomic uint32_t *bucket = bucket_of(ghost, hash);

    for (unsigned i = 0; i < BUCKET; i++) {
        uint32_t slot = atomic_load_explicit(&bucket[i], memory_order_relaxed);

        if (slot == 0 || slot >> 16 != fingerprint(hash))
            continue;
        atomic_store_explicit(&bucket[i], 0, memory_order_relaxed);
        if ((uint64_t)age_of(ghost, now, slot) << age_shift(ghost) > span)
            return 0;
        return slot >> AGE_BITS & USES_MASK;
    }
    return 0;
}

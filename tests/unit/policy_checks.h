/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cache of numbers for tests of policies: keys 0 .. BED_KEYS - 1, orders in
 * parts, and the search of all of them for who goes next.
 */
#ifndef UNIT_POLICY_CHECKS_H
#define UNIT_POLICY_CHECKS_H

#include "storage/policy.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define BED_KEYS  4096u
#define BED_PARTS 4u

struct bed_key {
    struct policy_node node; /* first */
    bool is_in;
};

struct bed {
    const struct policy *policy;
    struct policy_shared *shared;
    struct policy_order orders[BED_PARTS];
    struct bed_key keys[BED_KEYS];
    unsigned in, capacity, evictions, last_out;
    uint64_t tick, run_tick;
    uint32_t position, size; /* of what is used next; size: bytes */
};

static inline uint64_t
bed_hash(unsigned key)
{
    uint64_t hash = (key + 1) * 0x9e3779b97f4a7c15u;

    return hash ^ hash >> 29;
}

static inline void
bed_open(struct bed *bed, const struct policy *policy, unsigned capacity)
{
    size_t size = policy->shared_size(capacity);

    memset(bed, 0, sizeof *bed);
    bed->policy = policy;
    bed->capacity = capacity;
    if (size != 0) {
        bed->shared = aligned_alloc(64, (size + 63) / 64 * 64);
        cr_assert_not_null(bed->shared);
        memset(bed->shared, 0, size);
    }
    policy->open(bed->shared, capacity);
    for (unsigned i = 0; i < BED_PARTS; i++)
        policy_order_start(&bed->orders[i]);
}

static inline void
bed_close(struct bed *bed)
{
    free(bed->shared);
}

static inline struct policy_order *
bed_order(struct bed *bed, unsigned key)
{
    return &bed->orders[key % BED_PARTS];
}

/* Who would go next. */
static inline unsigned
bed_next(struct bed *bed)
{
    struct policy_node *node = NULL;

    while (node == NULL) {
        uint64_t least = UINT64_MAX;
        unsigned from = 0, queue = 0;

        for (unsigned i = 0; i < BED_PARTS; i++) {
            unsigned here = 0;
            uint64_t number = policy_order_least(bed->policy, bed->shared,
                                                 &bed->orders[i], &here);

            if (number < least) {
                least = number;
                from = i;
                queue = here;
            }
        }
        cr_assert(least != UINT64_MAX, "nothing is in");
        node = bed->policy->candidate(bed->shared, &bed->orders[from], queue);
    }
    return (unsigned)((struct bed_key *)node - bed->keys);
}

static inline unsigned
bed_evict(struct bed *bed)
{
    unsigned key = bed_next(bed);

    bed->policy->evict(bed->shared, bed_order(bed, key), &bed->keys[key].node,
                       bed_hash(key));
    bed->keys[key].is_in = false;
    bed->keys[key].node.uses = 0;
    bed->in--;
    bed->last_out = key;
    bed->evictions++;
    return key;
}

/* What follows is one run. */
static inline void
bed_run(struct bed *bed)
{
    bed->run_tick = bed->tick + 1;
    bed->position = 0;
}

/* True: it was there.  Evicts where there is no room. */
static inline bool
bed_use(struct bed *bed, unsigned key)
{
    struct policy_node *node = &bed->keys[key].node;
    bool was_in = bed->keys[key].is_in;
    struct policy_access access = {.hash = bed_hash(key),
                                   .tick = ++bed->tick,
                                   .run_tick = bed->run_tick,
                                   .position = bed->position++,
                                   .size = bed->size};

    while (!was_in && bed->in >= bed->capacity)
        bed_evict(bed);
    if (was_in)
        bed->policy->touch(bed->shared, bed_order(bed, key), node, &access);
    else
        bed->policy->insert(bed->shared, bed_order(bed, key), node, &access);
    bed->in += !was_in;
    bed->keys[key].is_in = true;
    return was_in;
}

/* A run of its own. */
static inline bool
bed_use_alone(struct bed *bed, unsigned key)
{
    bed_run(bed);
    return bed_use(bed, key);
}

#endif

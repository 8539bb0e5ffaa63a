/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which keys were evicted a short while ago, and how often they had been used:
 * a table of fingerprints of fixed size in the caller's memory.  Any thread at
 * any time: each slot is one word, and one that is lost is legal.  One key in
 * some thousands is taken for another's, which costs nothing but its place.
 */
#ifndef STORAGE_POLICY_GHOST_H
#define STORAGE_POLICY_GHOST_H

#include <stddef.h>
#include <stdint.h>

#define POLICY_GHOST_USES 7u /* the most that is remembered */

struct policy_ghost {
    uint64_t mask; /* of buckets */
    _Atomic uint64_t evictions;
    _Alignas(64) _Atomic uint32_t slots[];
};

/* Bytes for so many keys at a time. */
size_t policy_ghost_size(uint64_t keys);
/* The memory is zero. */
void policy_ghost_start(struct policy_ghost *, uint64_t keys);

/* An eviction; uses: 1 .. POLICY_GHOST_USES, more counts as that. */
void policy_ghost_add(struct policy_ghost *, uint64_t hash, unsigned uses);
/* Its uses, if it was evicted among the last `span` evictions, else 0; it is
 * forgotten either way. */
unsigned policy_ghost_take(struct policy_ghost *, uint64_t hash, uint64_t span);

#endif

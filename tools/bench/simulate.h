/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a trace would have found in a cache, with the very policy code that
 * serves (storage/policy.h), or with the optimum that knows the future (Belady).
 *
 * For each request, in order: its hits are the leading run of its blocks that
 * are present; they are touched as they are found, and the rest of its blocks
 * is put, in order.  The hit ratio is the sum of hits over the sum of blocks.
 * All blocks are of one size, all moves take no time, and one client asks.
 *
 * Tiers below DRAM are filled as the mover fills them, by what the server's own
 * policy says of each block (storage/policy_lower.h):
 *   NVMe   a log of segments, two of them always ready; when they are not, the
 *          oldest is gone through
 *   spill  what NVMe gives up; in groups, two of which are always free; when
 *          they are not, the oldest is gone through, and dropped whole
 * Of a unit up to SIMULATE_REINSERT percent are written anew.  What is written is
 * there at once, and no write is ever skipped.
 */
#ifndef TOOLS_BENCH_SIMULATE_H
#define TOOLS_BENCH_SIMULATE_H

#include "storage/policy.h"
#include "storage/policy_curve.h"
#include "tools/bench/trace.h"

#define SIMULATE_PARTS    16u
#define SIMULATE_REINSERT 75u
#define SIMULATE_GROUPS   64u
#define SIMULATE_SEGMENTS 128u

enum simulate_write {
    SIMULATE_ALL,    /* every PUT */
    SIMULATE_REUSED, /* what is asked for again */
    SIMULATE_EVICTED /* what leaves DRAM */
};

enum simulate_tier {
    SIMULATE_DRAM,
    SIMULATE_NVME,
    SIMULATE_SPILL,
    SIMULATE_TIERS
};

struct simulate_plan {
    const struct policy *policy;    /* NULL: the optimum, for DRAM alone */
    uint64_t sizes[SIMULATE_TIERS]; /* blocks; of DRAM at least 1, of others 0
                                       for none */
    enum simulate_write write;
    unsigned parts; /* of the index */
    bool has_curve; /* estimate what other sizes would hit */
};

struct simulate_result {
    uint32_t *hits; /* of each request; the caller's array */
    uint64_t tier_hits[SIMULATE_TIERS];
    uint64_t tier_writes[SIMULATE_TIERS];
    struct policy_curve_count curve; /* where the plan has one */
};

/* NO_SPACE without memory. */
enum status simulate_run(const struct trace *, const struct simulate_plan *,
                         struct simulate_result *) MUST_USE;
/* The optimum's part of it: blocks whose next use is last go first. */
enum status simulate_optimum(const struct trace *, uint64_t capacity,
                             uint32_t *hits_out) MUST_USE;
/* Hits of each request with LRU in DRAM alone.  capacity > 0. */
enum status simulate_lru(const struct trace *, uint64_t capacity,
                         uint32_t *hits_out) MUST_USE;

#endif

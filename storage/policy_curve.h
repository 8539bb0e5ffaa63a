/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the cache would hit if one of its tiers were of another size: from a
 * sample of the keys (ghost.h), imagined caches of as many entries as all tiers
 * together would then hold.  It tells an operator what the next gigabyte is
 * worth.
 *
 * The imagined caches are one tier each and lose nothing; the real one is several
 * and does.  So the caller tells what was really hit, and what is answered is
 * that, and the difference that the sample sees between the sizes.
 *
 * In the caller's memory; no clock of its own.  Any thread at any time: who finds
 * another one at it goes on without, nobody waits.
 */
#ifndef STORAGE_POLICY_CURVE_H
#define STORAGE_POLICY_CURVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define POLICY_CURVE_TIERS 3u /* DRAM, NVMe, spill: as enum tier_kind */
#define POLICY_CURVE_SIZES 4u /* 50, 100, 200 and 400 percent */

struct policy_curve;

/* Bytes, aligned to 64, all zero, to be opened once.  by_uses: DRAM is the only
 * tier, and its policy is not LRU; else LRU is what comes nearest. */
size_t policy_curve_size(void);
void policy_curve_open(struct policy_curve *, bool by_uses);

/* Each access that the DRAM's policy is told of (a GET's hit in any tier, a PUT):
 * the same hash and tick (policy_access). */
void policy_curve_access(struct policy_curve *, uint64_t hash, uint64_t tick);
/* What is in the cache now; every second or so, one thread. */
struct policy_curve_census {
    uint64_t entries;                   /* values, each once */
    uint64_t held[POLICY_CURVE_TIERS];  /* of each tier */
    uint64_t alone[POLICY_CURVE_TIERS]; /* of those, in that tier only */
    bool is_full;                       /* the lowest tier gave something up */
    bool leaves_written; /* what leaves DRAM is written (nvme.write: evicted) */
};
void policy_curve_resize(struct policy_curve *,
                         const struct policy_curve_census *);

/* All since the start; what was in a time is the difference of two of them. */
struct policy_curve_count {
    uint64_t accesses, hits; /* as they were */
    /* Estimated: how many more of the accesses would have hit (fewer: below 0),
     * had a tier had policy_curve_percent(size) of its size. */
    double gained[POLICY_CURVE_TIERS][POLICY_CURVE_SIZES];
};
/* hits: GETs that hit; accesses: those, and PUTs, by the caller's counters.
 * False, and nothing written, if another thread is at it just now. */
bool policy_curve_read(struct policy_curve *, uint64_t accesses, uint64_t hits,
                       struct policy_curve_count *out);

/* 50, 100, 200, 400. */
unsigned policy_curve_percent(unsigned size);
/* The estimated hit ratio in the time from `before` (NULL: the start) to `after`;
 * 0 where nothing was asked for. */
double policy_curve_ratio(const struct policy_curve_count *before,
                          const struct policy_curve_count *after, unsigned tier,
                          unsigned size);

#endif

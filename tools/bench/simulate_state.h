/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of a simulation, for simulate*.c alone. */
#ifndef TOOLS_BENCH_SIMULATE_STATE_H
#define TOOLS_BENCH_SIMULATE_STATE_H

#include "storage/policy_lower.h"
#include "storage/policy_run.h"
#include "tools/bench/simulate.h"

/* A block that was ever seen. */
struct simulate_block {
    struct policy_node node;         /* first: the policy hands it back */
    uint64_t hash;                   /* a bijection of its id */
    uint64_t places[SIMULATE_TIERS]; /* in the lower tiers' logs */
    struct policy_lower lower;
    uint8_t tiers; /* bit t: it is in tier t */
    bool is_known;
};

/* A lower tier: places count up for ever, and slot of place p is p % room. */
struct simulate_log {
    struct simulate_block **slots;
    uint64_t room, unit; /* slots; of a segment or group, which divides room */
    uint64_t spare;      /* slots that are to be free at any time */
    uint64_t first, next;
    struct policy_lower_room keep;
};

struct simulate_state {
    const struct simulate_plan *plan;
    struct simulate_result *result;
    struct simulate_block *blocks; /* open addressing; none is ever removed */
    uint64_t mask;
    struct policy_order *orders; /* plan->parts */
    struct policy_shared *shared;
    struct policy_run run;
    uint64_t tick;
    /* Blocks, by the tiers they are in; in none: at least so many. */
    uint64_t held[1u << SIMULATE_TIERS];
    enum simulate_tier lowest;
    bool is_full;               /* the lowest tier has let one go */
    struct policy_curve *curve; /* or NULL */
    struct simulate_log logs[SIMULATE_TIERS]; /* not of DRAM */
};

static inline bool
simulate_block_is_in(const struct simulate_block *block,
                     enum simulate_tier tier)
{
    return (block->tiers & (1u << tier)) != 0;
}

/* It comes into a tier, it goes out of one. */
void simulate_block_enter(struct simulate_state *, struct simulate_block *,
                          enum simulate_tier);
void simulate_block_leave(struct simulate_state *, struct simulate_block *,
                          enum simulate_tier);

/* DRAM: an access to a block, which is then there; the end of a run. */
void simulate_dram_access(struct simulate_state *, struct simulate_block *,
                          const struct policy_access *);
void simulate_dram_demote(struct simulate_state *, struct simulate_block *);

enum status simulate_tiers_open(struct simulate_state *) MUST_USE;
void simulate_tiers_close(struct simulate_state *);
/* Into the tier below DRAM, if there is one and the policy thinks it is worth
 * it. */
void simulate_tiers_offer(struct simulate_state *, struct simulate_block *,
                          enum policy_lower_reason);

enum status simulate_curve_open(struct simulate_state *) MUST_USE;
/* An access of the curve's. */
void simulate_curve_access(struct simulate_state *,
                           const struct policy_access *);
void simulate_curve_close(struct simulate_state *);

#endif

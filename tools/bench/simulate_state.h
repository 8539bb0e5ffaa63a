/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of a simulation, for simulate*.c alone. */
#ifndef TOOLS_BENCH_SIMULATE_STATE_H
#define TOOLS_BENCH_SIMULATE_STATE_H

#include "storage/policy_run.h"
#include "tools/bench/simulate.h"

/* A block that was ever seen. */
struct simulate_block {
    struct policy_node node;         /* first: the policy hands it back */
    uint64_t hash;                   /* a bijection of its id */
    uint64_t places[SIMULATE_TIERS]; /* in the lower tiers' logs */
    uint8_t tiers;                   /* bit t: it is in tier t */
    bool is_known;
    bool was_hit; /* since it was written to NVMe */
};

/* A lower tier: places count up for ever, and slot of place p is p % room. */
struct simulate_log {
    struct simulate_block **slots;
    uint64_t room, unit; /* slots; of a segment or group, which divides room */
    uint64_t spare;      /* slots that are to be free at any time */
    uint64_t first, next;
};

struct simulate_state {
    const struct simulate_plan *plan;
    struct simulate_result *result;
    struct simulate_block *blocks; /* open addressing; none is ever removed */
    uint64_t mask;
    struct policy_order *orders; /* plan->parts */
    struct policy_shared *shared;
    struct policy_run run;
    uint64_t tick, in_dram;
    struct simulate_log logs[SIMULATE_TIERS]; /* not of DRAM */
};

static inline bool
simulate_block_is_in(const struct simulate_block *block,
                     enum simulate_tier tier)
{
    return (block->tiers & (1u << tier)) != 0;
}

/* DRAM: an access to a block, which is then there; the end of a run. */
void simulate_dram_access(struct simulate_state *, struct simulate_block *,
                          const struct policy_access *);
void simulate_dram_demote(struct simulate_state *, struct simulate_block *);

enum status simulate_tiers_open(struct simulate_state *) MUST_USE;
void simulate_tiers_close(struct simulate_state *);
/* Into a lower tier, unless it is there or there is no such tier. */
void simulate_tiers_write(struct simulate_state *, struct simulate_block *,
                          enum simulate_tier);

#endif

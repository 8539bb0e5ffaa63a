/* SPDX-License-Identifier: Apache-2.0 */
/* The server's estimate for other sizes of each tier, fed by a simulation. */
#include "tools/bench/simulate_state.h"

#include <stdlib.h>
#include <string.h>

/* Accesses between two looks at how many blocks are where. */
#define CENSUS_EVERY 256u

enum status
simulate_curve_open(struct simulate_state *state)
{
    size_t size = policy_curve_size();

    state->curve = aligned_alloc(64, (size + 63) / 64 * 64);
    if (state->curve == NULL)
        return STATUS_NO_SPACE;
    memset(state->curve, 0, size);
    policy_curve_open(state->curve, state->plan->policy != &policy_lru &&
                                        state->lowest == SIMULATE_DRAM);
    return STATUS_OK;
}

static void
take_census(struct simulate_state *state)
{
    struct policy_curve_census census = {.is_full = state->is_full,
                                         .leaves_written = state->plan->write ==
                                                           SIMULATE_EVICTED};

    for (unsigned tiers = 1; tiers < 1u << SIMULATE_TIERS; tiers++) {
        census.entries += state->held[tiers];
        for (unsigned tier = 0; tier < SIMULATE_TIERS; tier++) {
            if ((tiers & (1u << tier)) != 0)
                census.held[tier] += state->held[tiers];
            if (tiers == 1u << tier)
                census.alone[tier] += state->held[tiers];
        }
    }
    policy_curve_resize(state->curve, &census);
}

void
simulate_curve_access(struct simulate_state *state,
                      const struct policy_access *access)
{
    if (state->curve == NULL)
        return;
    policy_curve_access(state->curve, access->hash, access->tick);
    if (access->tick % CENSUS_EVERY == 0)
        take_census(state);
}

void
simulate_curve_close(struct simulate_state *state)
{
    uint64_t hits = 0;

    if (state->curve == NULL)
        return;
    for (unsigned tier = 0; tier < SIMULATE_TIERS; tier++)
        hits += state->result->tier_hits[tier];
    if (!policy_curve_read(state->curve, state->tick, hits,
                           &state->result->curve))
        abort(); /* nobody else is at it */
    free(state->curve);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The first tier: orders in parts, as the index keeps them, and the search of
 * all of them for who goes next. */
#include "tools/bench/simulate_state.h"

#include "tools/bench/random.h"

static struct policy_order *
order_of(const struct simulate_state *state, const struct simulate_block *block)
{
    return &state->orders[random_mix(block->hash) % state->plan->parts];
}

/* NULL: the policy has moved it, and another one is to be looked for. */
static struct simulate_block *
candidate(const struct simulate_state *state)
{
    const struct policy *policy = state->plan->policy;
    uint64_t least = UINT64_MAX;
    unsigned from = 0, queue = 0;

    for (unsigned i = 0; i < state->plan->parts; i++) {
        unsigned here = 0;
        uint64_t number =
            policy_order_least(policy, state->shared, &state->orders[i], &here);

        if (number < least) {
            least = number;
            from = i;
            queue = here;
        }
    }
    return (struct simulate_block *)policy->candidate(
        state->shared, &state->orders[from], queue);
}

static void
evict(struct simulate_state *state)
{
    struct simulate_block *block = candidate(state);

    if (block == NULL)
        return;
    if (state->plan->write == SIMULATE_EVICTED) {
        block->was_hit = false;
        simulate_tiers_write(state, block, SIMULATE_NVME);
    }
    state->plan->policy->evict(state->shared, order_of(state, block),
                               &block->node, block->hash);
    block->tiers &= (uint8_t) ~(1u << SIMULATE_DRAM);
    if (block->tiers == 0) /* its entry is no more */
        block->node.uses = 0;
    state->in_dram--;
}

void
simulate_dram_access(struct simulate_state *state, struct simulate_block *block,
                     const struct policy_access *access)
{
    const struct policy *policy = state->plan->policy;
    struct policy_order *order = order_of(state, block);

    if (simulate_block_is_in(block, SIMULATE_DRAM)) {
        policy->touch(state->shared, order, &block->node, access);
    } else {
        while (state->in_dram >= state->plan->sizes[SIMULATE_DRAM])
            evict(state);
        policy->insert(state->shared, order, &block->node, access);
        block->tiers |= 1u << SIMULATE_DRAM;
        state->in_dram++;
    }
    block->node.is_first = access->position == 0;
}

void
simulate_dram_demote(struct simulate_state *state, struct simulate_block *block)
{
    if (simulate_block_is_in(block, SIMULATE_DRAM))
        state->plan->policy->demote(state->shared, order_of(state, block),
                                    &block->node, block->hash);
}

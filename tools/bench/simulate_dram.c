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
    policy_lower_leave(&block->lower, policy_is_tail(&block->node));
    if (state->plan->write == SIMULATE_EVICTED)
        simulate_tiers_offer(state, block, POLICY_LOWER_LEAVE);
    state->plan->policy->evict(state->shared, order_of(state, block),
                               &block->node, block->hash);
    simulate_block_leave(state, block, SIMULATE_DRAM);
}

static uint64_t
in_dram(const struct simulate_state *state)
{
    uint64_t sum = 0;

    for (unsigned tiers = 0; tiers < 1u << SIMULATE_TIERS; tiers++)
        if ((tiers & (1u << SIMULATE_DRAM)) != 0)
            sum += state->held[tiers];
    return sum;
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
        while (in_dram(state) >= state->plan->sizes[SIMULATE_DRAM])
            evict(state);
        policy->insert(state->shared, order, &block->node, access);
        simulate_block_enter(state, block, SIMULATE_DRAM);
    }
    block->node.is_first = access->position == 0;
    block->node.run = (uint32_t)access->run_tick;
}

void
simulate_dram_demote(struct simulate_state *state, struct simulate_block *block)
{
    if (simulate_block_is_in(block, SIMULATE_DRAM))
        state->plan->policy->demote(state->shared, order_of(state, block),
                                    &block->node, block->hash);
}

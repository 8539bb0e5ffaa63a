/* SPDX-License-Identifier: Apache-2.0 */
/* Drives the server's own policies over a trace. */
#include "tools/bench/simulate_state.h"

#include "tools/bench/random.h"

#include <stdlib.h>
#include <string.h>

void
simulate_block_enter(struct simulate_state *state, struct simulate_block *block,
                     enum simulate_tier tier)
{
    state->held[block->tiers]--;
    block->tiers |= (uint8_t)(1u << tier);
    state->held[block->tiers]++;
    policy_lower_enter(&block->lower, (enum policy_lower_tier)tier);
}

void
simulate_block_leave(struct simulate_state *state, struct simulate_block *block,
                     enum simulate_tier tier)
{
    state->held[block->tiers]--;
    block->tiers &= (uint8_t) ~(1u << tier);
    state->held[block->tiers]++;
    if (tier == state->lowest)
        state->is_full = true;
    if (block->tiers != 0)
        return;
    /* Its entry is no more. */
    block->node.uses = 0;
    block->lower = (struct policy_lower){0};
}

static struct simulate_block *
find(const struct simulate_state *state, uint64_t hash)
{
    uint64_t at = hash & state->mask;
    struct simulate_block *block = &state->blocks[at];

    while (block->is_known && block->hash != hash) {
        at = (at + 1) & state->mask;
        block = &state->blocks[at];
    }
    block->is_known = true;
    block->hash = hash;
    return block;
}

/* What this access is in the run, after the end of the one before. */
static struct policy_access
step(struct simulate_state *state, enum policy_step step,
     const struct simulate_block *block)
{
    struct policy_access access = {.hash = block->hash,
                                   .tick = state->tick + 1};
    uint64_t tail;

    if (policy_run_step(&state->run, step, block->node.is_first, &access,
                        &tail))
        simulate_dram_demote(state, find(state, tail));
    return access;
}

/* Got, or put: it is in DRAM now. */
static void
access_block(struct simulate_state *state, struct simulate_block *block,
             const struct policy_access *access)
{
    state->tick++;
    if (block->tiers != 0)
        policy_lower_hit(&block->lower);
    simulate_curve_access(state, access);
    simulate_dram_access(state, block, access);
}

static void
hit(struct simulate_state *state, struct simulate_block *block)
{
    struct policy_access access = step(state, POLICY_HIT, block);
    enum simulate_tier tier = SIMULATE_DRAM;

    while (!simulate_block_is_in(block, tier))
        tier++;
    state->result->tier_hits[tier]++;
    access_block(state, block, &access);
    if (state->plan->write != SIMULATE_EVICTED)
        simulate_tiers_offer(state, block, POLICY_LOWER_HIT);
}

static void
put(struct simulate_state *state, struct simulate_block *block)
{
    struct policy_access access = step(state, POLICY_PUT, block);
    bool is_same = block->tiers != 0;

    access_block(state, block, &access);
    if (state->plan->write == SIMULATE_ALL)
        simulate_tiers_offer(state, block, POLICY_LOWER_PUT);
    else if (state->plan->write == SIMULATE_REUSED && is_same)
        simulate_tiers_offer(state, block, POLICY_LOWER_HIT);
}

static uint32_t
serve(struct simulate_state *state, const struct trace_request *request)
{
    uint32_t hits = 0;

    for (; hits < request->block_count; hits++) {
        struct simulate_block *block =
            find(state, random_mix(request->ids[hits]));

        if (block->tiers == 0) {
            step(state, POLICY_MISS, block);
            break;
        }
        hit(state, block);
    }
    for (uint32_t i = hits; i < request->block_count; i++)
        put(state, find(state, random_mix(request->ids[i])));
    return hits;
}

static enum status
open_dram(struct simulate_state *state)
{
    const struct simulate_plan *plan = state->plan;
    uint64_t entries = plan->sizes[SIMULATE_DRAM];
    size_t size = plan->policy->shared_size(entries);

    state->orders = calloc(plan->parts, sizeof *state->orders);
    if (size != 0)
        state->shared = aligned_alloc(64, (size + 63) / 64 * 64);
    if (state->orders == NULL || (size != 0 && state->shared == NULL))
        return STATUS_NO_SPACE;
    if (size != 0)
        memset(state->shared, 0, size);
    plan->policy->open(state->shared, entries);
    for (unsigned i = 0; i < plan->parts; i++)
        policy_order_start(&state->orders[i]);
    return STATUS_OK;
}

static enum status
open_all(struct simulate_state *state, uint64_t ids)
{
    enum status status = open_dram(state);

    if (status == STATUS_OK)
        status = simulate_tiers_open(state);
    if (status == STATUS_OK && state->plan->has_curve)
        status = simulate_curve_open(state);
    state->mask = 1;
    while (state->mask < ids * 2)
        state->mask = state->mask * 2 + 1;
    state->blocks = calloc(state->mask + 1, sizeof *state->blocks);
    return state->blocks == NULL ? STATUS_NO_SPACE : status;
}

enum status
simulate_run(const struct trace *trace, const struct simulate_plan *plan,
             struct simulate_result *result)
{
    struct simulate_state state = {
        .plan = plan, .result = result, .held = {trace->id_count}};
    uint32_t *hits = result->hits;
    enum status status;

    memset(result, 0, sizeof *result);
    result->hits = hits;
    if (plan->policy == NULL) {
        status = simulate_optimum(trace, plan->sizes[SIMULATE_DRAM], hits);
        for (size_t i = 0; status == STATUS_OK && i < trace->count; i++)
            result->tier_hits[SIMULATE_DRAM] += hits[i];
        return status;
    }
    status = open_all(&state, trace->id_count);
    for (size_t i = 0; status == STATUS_OK && i < trace->count; i++)
        hits[i] = serve(&state, &trace->requests[i]);
    simulate_curve_close(&state);
    simulate_tiers_close(&state);
    free(state.blocks);
    free(state.orders);
    free(state.shared);
    return status;
}

enum status
simulate_lru(const struct trace *trace, uint64_t capacity, uint32_t *hits_out)
{
    struct simulate_result result = {.hits = hits_out};
    const struct simulate_plan plan = {
        .policy = &policy_lru, .sizes = {capacity}, .parts = 1};

    return simulate_run(trace, &plan, &result);
}

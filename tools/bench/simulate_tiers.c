/* SPDX-License-Identifier: Apache-2.0 */
/* The lower tiers: logs whose oldest unit is given back whole. */
#include "tools/bench/simulate_state.h"

#include <stdlib.h>

/* Of fewer blocks nothing could be written anew. */
#define UNIT_LEAST 4u
/* Bytes of a block; any number of them. */
#define BLOCK_SIZE 4096u

static uint64_t
unit_of(uint64_t blocks, unsigned count)
{
    uint64_t unit = blocks / count;

    if (unit < UNIT_LEAST)
        unit = UNIT_LEAST;
    return blocks < unit * UNIT_LEAST ? 1 : unit;
}

static enum status
open_log(struct simulate_log *log, uint64_t blocks, unsigned count,
         unsigned spare)
{
    if (blocks == 0)
        return STATUS_OK;
    log->unit = unit_of(blocks, count);
    log->room = blocks / log->unit * log->unit;
    /* A log that is nothing but spare room would hold nothing. */
    log->spare = log->unit * spare < log->room / 2 ? log->unit * spare : 0;
    log->slots = calloc(log->room, sizeof(struct simulate_block *));
    return log->slots == NULL ? STATUS_NO_SPACE : STATUS_OK;
}

enum status
simulate_tiers_open(struct simulate_state *state)
{
    const uint64_t *sizes = state->plan->sizes;
    enum status status = open_log(&state->logs[SIMULATE_NVME],
                                  sizes[SIMULATE_NVME], SIMULATE_SEGMENTS, 2);

    if (status == STATUS_OK)
        status = open_log(&state->logs[SIMULATE_SPILL], sizes[SIMULATE_SPILL],
                          SIMULATE_GROUPS, 2);
    while (state->lowest + 1 < SIMULATE_TIERS && sizes[state->lowest + 1] != 0)
        state->lowest++;
    return status;
}

void
simulate_tiers_close(struct simulate_state *state)
{
    for (unsigned tier = 0; tier < SIMULATE_TIERS; tier++)
        free(state->logs[tier].slots);
}

static void
append(struct simulate_state *state, struct simulate_block *block,
       enum simulate_tier tier)
{
    struct simulate_log *log = &state->logs[tier];

    log->slots[log->next % log->room] = block;
    block->places[tier] = log->next++;
    simulate_block_enter(state, block, tier);
    state->result->tier_writes[tier]++;
}

static struct policy_lower_facts
facts_of(const struct simulate_state *state, const struct simulate_block *block,
         enum simulate_tier tier)
{
    return (struct policy_lower_facts){
        .tiers = block->tiers,
        .uses = block->node.uses,
        .has_below =
            tier == SIMULATE_NVME && state->logs[SIMULATE_SPILL].room != 0,
        .leaves_written = state->plan->write == SIMULATE_EVICTED,
        .run = block->node.run,
        .size = BLOCK_SIZE,
        .room = state->logs[tier].keep.bytes};
}

static void write_block(struct simulate_state *, struct simulate_block *,
                        enum simulate_tier);

static void
end(struct simulate_state *state, struct simulate_block *block,
    enum simulate_tier tier)
{
    const struct policy_lower_facts facts = facts_of(state, block, tier);

    switch (
        policy_lower_end(&block->lower, (enum policy_lower_tier)tier, &facts)) {
    case POLICY_LOWER_KEEP:
        policy_lower_room_keep(&state->logs[tier].keep, BLOCK_SIZE);
        append(state, block, tier);
        return;
    case POLICY_LOWER_SINK:
        write_block(state, block, SIMULATE_SPILL);
        break;
    case POLICY_LOWER_FORGET:
        break;
    }
    simulate_block_leave(state, block, tier);
}

static void
reclaim(struct simulate_state *state, enum simulate_tier tier)
{
    struct simulate_log *log = &state->logs[tier];
    uint64_t last = log->first + log->unit;

    policy_lower_room_start(&log->keep, log->unit * BLOCK_SIZE,
                            SIMULATE_REINSERT);
    for (uint64_t place = log->first; place < last; place++) {
        struct simulate_block *block = log->slots[place % log->room];

        if (simulate_block_is_in(block, tier) && block->places[tier] == place)
            end(state, block, tier);
    }
    log->first = last;
}

static void
write_block(struct simulate_state *state, struct simulate_block *block,
            enum simulate_tier tier)
{
    struct simulate_log *log = &state->logs[tier];

    while (log->room - (log->next - log->first) <= log->spare)
        reclaim(state, tier);
    append(state, block, tier);
}

void
simulate_tiers_offer(struct simulate_state *state, struct simulate_block *block,
                     enum policy_lower_reason reason)
{
    const struct policy_lower_facts facts =
        facts_of(state, block, SIMULATE_DRAM);

    if (state->logs[SIMULATE_NVME].room != 0 &&
        !simulate_block_is_in(block, SIMULATE_NVME) &&
        policy_lower_may_enter(&block->lower, reason, &facts))
        write_block(state, block, SIMULATE_NVME);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The lower tiers: logs whose oldest part is given back whole. */
#include "tools/bench/simulate_state.h"

#include <stdlib.h>

/* Of fewer blocks nothing could be written anew. */
#define UNIT_LEAST 4u

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
                          SIMULATE_GROUPS, 0);
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
    block->tiers |= (uint8_t)(1u << tier);
    state->result->tier_writes[tier]++;
}

static void
forget(struct simulate_block *block, enum simulate_tier tier)
{
    block->tiers &= (uint8_t) ~(1u << tier);
    if (block->tiers == 0)
        block->node.uses = 0;
}

/* Is worth another life on NVMe, or goes one tier down. */
static void
give_up(struct simulate_state *state, struct simulate_block *block,
        enum simulate_tier tier, uint64_t *kept)
{
    if (tier == SIMULATE_NVME && block->was_hit &&
        *kept < state->logs[tier].unit * SIMULATE_REINSERT / 100) {
        ++*kept;
        block->was_hit = false;
        append(state, block, tier);
        return;
    }
    if (tier == SIMULATE_NVME)
        simulate_tiers_write(state, block, SIMULATE_SPILL);
    forget(block, tier);
}

static void
reclaim(struct simulate_state *state, enum simulate_tier tier)
{
    struct simulate_log *log = &state->logs[tier];
    uint64_t end = log->first + log->unit, kept = 0;

    for (uint64_t place = log->first; place < end; place++) {
        struct simulate_block *block = log->slots[place % log->room];

        if (simulate_block_is_in(block, tier) && block->places[tier] == place)
            give_up(state, block, tier, &kept);
    }
    log->first = end;
}

void
simulate_tiers_write(struct simulate_state *state, struct simulate_block *block,
                     enum simulate_tier tier)
{
    struct simulate_log *log = &state->logs[tier];

    if (log->room == 0 || simulate_block_is_in(block, tier))
        return;
    while (log->room - (log->next - log->first) <= log->spare)
        reclaim(state, tier);
    append(state, block, tier);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The one checked caller of every tier, and the table of tiers. */
#include "storage/tier.h"

#include <assert.h>

const struct tier_ops *const tier_kinds[TIER_COUNT] = {
    [TIER_DRAM] = &tier_dram,
    [TIER_NVME] = &tier_nvme,
    [TIER_SPILL] = &tier_spill,
};

enum status
tier_open(enum tier_kind kind, const struct tier_env *env,
          struct tier **tier_out)
{
    assert(kind < TIER_COUNT);
    return tier_kinds[kind]->open(env, tier_out);
}

void
tier_close(struct tier **tier)
{
    if (*tier == NULL)
        return;
    (*tier)->ops->close(tier);
    assert(*tier == NULL);
}

enum status
tier_recover(struct tier *tier, tier_found_fn *found, void *arg,
             uint64_t *sequence_out)
{
    if (tier->ops->recover == NULL) {
        *sequence_out = 0;
        return STATUS_OK;
    }
    return tier->ops->recover(tier, found, arg, sequence_out);
}

enum progress
tier_get(struct tier *tier, struct transfer *transfer)
{
    enum progress progress;

    assert(transfer->chunk == NULL);
    progress = tier->ops->get(tier, transfer);
    if (progress == FINISHED && transfer->status == STATUS_OK) {
        assert(transfer->chunk != NULL);
        assert(transfer->chunk->state == CHUNK_SEALED);
        assert(transfer->chunk->size == transfer->size);
    }
    return progress;
}

enum progress
tier_put(struct tier *tier, struct transfer *transfer)
{
    assert(transfer->chunk != NULL);
    assert(transfer->chunk->state == CHUNK_SEALED);
    return tier->ops->put(tier, transfer);
}

void
tier_drop(struct tier *tier, const struct tier_place *place, uint32_t size)
{
    tier->ops->drop(tier, place, size);
}

void
tier_usage(const struct tier *tier, struct tier_usage *out)
{
    tier->ops->usage(tier, out);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The one checked caller of every tier, and the table of tiers. */
#include "storage/tier.h"

#include <assert.h>

const struct tier_ops *const tier_kinds[TIER_COUNT] = {
    [TIER_DRAM] = &tier_dram,
};

enum status
tier_open(enum tier_kind kind, struct tier **tier_out)
{
    assert(kind < TIER_COUNT);
    return tier_kinds[kind]->open(tier_out);
}

void
tier_close(struct tier **tier)
{
    if (*tier == NULL)
        return;
    (*tier)->ops->close(tier);
    assert(*tier == NULL);
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

enum progress
tier_drop(struct tier *tier, struct transfer *transfer)
{
    return tier->ops->drop(tier, transfer);
}

void
tier_usage(const struct tier *tier, struct tier_usage *out)
{
    tier->ops->usage(tier, out);
}

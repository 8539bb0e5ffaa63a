/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The DRAM tier: a place is a reference to the chunk the socket filled.  All
 * of it finishes at once.  How much fits is the pool's affair.
 */
#include "storage/tier.h"

#include <assert.h>
#include <stdlib.h>

#define DRAM_MAGIC 0x6472616du

struct dram {
    struct tier tier;
    unsigned magic;
    _Atomic uint64_t bytes_used, chunks;
};

static struct dram *
dram_of(struct tier *tier)
{
    struct dram *dram = (struct dram *)tier;

    assert(dram->magic == DRAM_MAGIC);
    return dram;
}

static struct chunk *
chunk_at(const struct tier_place *place)
{
    assert(place->word[0] != 0);
    return (struct chunk *)(uintptr_t)place->word[0];
}

static enum status
dram_open(const struct tier_env *env, struct tier **tier_out)
{
    struct dram *dram = calloc(1, sizeof(*dram));

    (void)env;
    if (dram == NULL)
        return STATUS_NO_SPACE;
    dram->tier.ops = &tier_dram;
    dram->magic = DRAM_MAGIC;
    *tier_out = &dram->tier;
    return STATUS_OK;
}

static void
dram_close(struct tier **tier)
{
    struct dram *dram = dram_of(*tier);

    dram->magic = 0;
    free(dram);
    *tier = NULL;
}

static enum progress
dram_get(struct tier *tier, struct transfer *transfer)
{
    (void)dram_of(tier);
    transfer->chunk = chunk_hold(chunk_at(&transfer->place));
    transfer->status = STATUS_OK;
    return FINISHED;
}

static enum progress
dram_put(struct tier *tier, struct transfer *transfer)
{
    struct dram *dram = dram_of(tier);

    transfer->place.word[0] = (uintptr_t)chunk_hold(transfer->chunk);
    transfer->place.word[1] = transfer->sequence;
    atomic_fetch_add_explicit(&dram->bytes_used, transfer->chunk->size,
                              memory_order_relaxed);
    atomic_fetch_add_explicit(&dram->chunks, 1, memory_order_relaxed);
    transfer->status = STATUS_OK;
    return FINISHED;
}

static void
dram_drop(struct tier *tier, const struct tier_place *place, uint32_t size)
{
    struct dram *dram = dram_of(tier);
    struct chunk *chunk = chunk_at(place);

    assert(chunk->size == size);
    atomic_fetch_sub_explicit(&dram->bytes_used, size, memory_order_relaxed);
    atomic_fetch_sub_explicit(&dram->chunks, 1, memory_order_relaxed);
    chunk_drop(&chunk);
}

static void
dram_usage(const struct tier *tier, struct tier_usage *out)
{
    const struct dram *dram = (const struct dram *)tier;

    assert(dram->magic == DRAM_MAGIC);
    out->bytes_used =
        atomic_load_explicit(&dram->bytes_used, memory_order_relaxed);
    out->chunks = atomic_load_explicit(&dram->chunks, memory_order_relaxed);
}

const struct tier_ops tier_dram = {
    .name = "dram",
    .open = dram_open,
    .close = dram_close,
    .get = dram_get,
    .put = dram_put,
    .drop = dram_drop,
    .usage = dram_usage,
};

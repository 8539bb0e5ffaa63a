/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The oldest sealed segment, on its way to being used again: its table is read
 * so that the caller can look at each of its values, then it gets its next
 * generation, and with that nothing in it is believed any more.
 */
#include "storage/nvme_state.h"

#include "proto/checksum.h"

#include <assert.h>
#include <stdlib.h>

struct nvme_victim {
    struct lower_victim lower; /* first */
    struct nvme *nvme;
    uint32_t segment;
    uint64_t generation;
    uint8_t *table; /* as read; NULL: blind */
    const uint8_t *items, *at, *end;
    uint64_t bytes;
};

/* NULL: it can not be read, or is not what was written. */
static uint8_t *
read_table(struct nvme *nvme, struct nvme_victim *victim)
{
    const struct nvme_segment *segment = &nvme->log.segments[victim->segment];
    size_t size = segment->table_blocks * (size_t)NVME_BLOCK;
    struct nvme_record record;
    uint8_t *table;

    if (size == 0)
        return NULL;
    table = nvme_file_memory(size);
    if (table == NULL)
        return NULL;
    if (nvme_file_read(
            nvme, nvme_log_offset(nvme, victim->segment, segment->table_block),
            table, size) == STATUS_OK &&
        nvme_read_record(nvme->identity, victim->generation, table, NVME_BLOCK,
                         &record) == NVME_GOOD &&
        record.kind == NVME_RECORD_TABLE &&
        record.payload_size <= size - NVME_BLOCK &&
        checksum_of(table + NVME_BLOCK, record.payload_size) ==
            record.payload_checksum) {
        victim->items = table + NVME_BLOCK;
        victim->end = victim->items + record.payload_size;
        return table;
    }
    free(table);
    return NULL;
}

static void
sum_up(struct nvme_victim *victim)
{
    struct nvme_item item;
    struct tier_place place;

    victim->at = victim->items;
    while (nvme_victim_next(victim, &item, &place))
        victim->bytes += item.size;
}

/* The tombstones in a segment are for values in older ones: those go first,
 * also one that waits for its table. */
static bool
is_oldest(const struct nvme_log *log, uint32_t number)
{
    uint64_t generation = atomic_load(&log->segments[number].generation);

    for (unsigned i = 0; i < NVME_LEDGERS; i++)
        if (log->ledgers[i].segment != NVME_NO_SEGMENT &&
            log->ledgers[i].generation < generation)
            return false;
    return true;
}

bool
nvme_holds(const struct tier *tier, const struct tier_place *place)
{
    const struct nvme *nvme = nvme_of_const(tier);
    struct nvme_spot spot = nvme_log_spot(place);

    return spot.segment < nvme->log.count &&
           atomic_load(&nvme->log.segments[spot.segment].generation) ==
               spot.generation;
}

bool
nvme_may_promise(const struct tier *tier, const struct tier_place *place)
{
    const struct nvme *nvme = nvme_of_const(tier);

    return nvme_holds(tier, place) &&
           !atomic_load(
               &nvme->log.segments[nvme_log_spot(place).segment].is_closed);
}

uint64_t
nvme_losses(const struct tier *tier)
{
    return atomic_load(&nvme_of_const(tier)->log.losses);
}

enum status
nvme_victim_start(struct tier *tier, struct port *port,
                  struct nvme_victim **out)
{
    struct nvme *nvme = nvme_of(tier);
    uint32_t number = nvme_log_next(nvme, NVME_SEALED);
    struct nvme_victim *victim;

    atomic_store_explicit(&nvme->mover, port, memory_order_relaxed);
    assert(nvme_log_count(nvme, NVME_VICTIM) == 0);
    if (number == NVME_NO_SEGMENT || !is_oldest(&nvme->log, number))
        return STATUS_MISS;
    victim = calloc(1, sizeof(*victim));
    if (victim == NULL)
        return STATUS_MISS;
    victim->lower.tier = tier;
    victim->nvme = nvme;
    victim->segment = number;
    victim->generation = atomic_load(&nvme->log.segments[number].generation);
    victim->table = read_table(nvme, victim);
    nvme_log_use(nvme, number, NVME_VICTIM);
    sum_up(victim);
    *out = victim;
    return STATUS_OK;
}

bool
nvme_victim_next(struct nvme_victim *victim, struct nvme_item *item_out,
                 struct tier_place *place_out)
{
    struct nvme_item item;

    while (victim->table != NULL &&
           nvme_read_item(&victim->at, victim->end, &item)) {
        struct nvme_spot spot = {.generation = victim->generation,
                                 .segment = victim->segment,
                                 .block = item.block};

        if (item.kind != NVME_VALUE)
            continue;
        spot.head_blocks = nvme_head_blocks(&item.key, &item.meta);
        *item_out = item;
        *place_out = nvme_log_place(&spot);
        return true;
    }
    victim->at = victim->items;
    return false;
}

uint64_t
nvme_victim_bytes(const struct nvme_victim *victim)
{
    return victim->bytes;
}

static void
end(struct nvme_victim *victim, enum nvme_use use)
{
    atomic_store(&victim->nvme->log.segments[victim->segment].is_closed, false);
    nvme_log_use(victim->nvme, victim->segment, use);
    free(victim->table);
    free(victim);
}

void
nvme_victim_close(struct nvme_victim *victim)
{
    atomic_store(&victim->nvme->log.segments[victim->segment].is_closed, true);
}

enum status
nvme_victim_retire(struct nvme_victim *victim)
{
    enum status status = STATUS_IO;

    if (nvme_may_write(&victim->nvme->tier))
        status = nvme_log_head(victim->nvme, victim->segment);
    if (status != STATUS_OK)
        end(victim, NVME_SEALED);
    return status;
}

void
nvme_victim_abandon(struct nvme_victim **victim_in)
{
    struct nvme_victim *victim = *victim_in;

    *victim_in = NULL;
    end(victim, NVME_SEALED);
}

void
nvme_victim_finish(struct nvme_victim **victim_in)
{
    struct nvme_victim *victim = *victim_in;
    struct nvme_log *log = &victim->nvme->log;
    uint64_t generation =
        atomic_load(&log->segments[victim->segment].generation);

    *victim_in = NULL;
    assert(generation > victim->generation);
    if (victim->table == NULL)
        atomic_fetch_add(&log->losses, 1);
    /* One that was overtaken would stand before what it comes after. */
    end(victim, generation > log->last_active ? NVME_READY : NVME_FREE);
}

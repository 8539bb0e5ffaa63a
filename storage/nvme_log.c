/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Segments and what each is doing; which takes the next record.  They are used
 * in the order of their generations, which is what makes the log one.
 */
#include "storage/nvme_state.h"

#include "base/clock.h"

#include <assert.h>
#include <stdlib.h>

#define RETRY_NS    NS_PER_SECOND
#define READY_FEW   8u
#define READY_SHARE 32u
#define READY_MOST  4u
/* A place: segment and block in one word, generation in the other. */
#define SEGMENT_SHIFT 32u
#define BLOCK_SHIFT   2u
#define HEAD_MASK     3u

static_assert(NVME_HEAD_BLOCKS_MAX <= HEAD_MASK, "a place has room for it");
static_assert(NVME_SEGMENT_MAX / NVME_BLOCK <= 1u << 30, "and for a block");

enum status
nvme_log_open(struct nvme *nvme)
{
    struct nvme_log *log = &nvme->log;

    log->blocks = (uint32_t)(nvme->segment_size / NVME_BLOCK);
    log->next_generation = 1;
    log->heading = NVME_NO_SEGMENT;
    log->segments = calloc(log->count + 1u, sizeof(*log->segments));
    log->block = nvme_file_memory(NVME_BLOCK);
    for (unsigned i = 0; i < NVME_LEDGERS; i++) {
        log->ledgers[i].nvme = nvme;
        log->ledgers[i].segment = NVME_NO_SEGMENT;
    }
    if (log->segments == NULL || log->block == NULL)
        return STATUS_NO_SPACE;
    atomic_store(&log->uses[NVME_FREE], log->count);
    return STATUS_OK;
}

void
nvme_log_close(struct nvme *nvme)
{
    struct nvme_log *log = &nvme->log;

    for (unsigned i = 0; i < NVME_LEDGERS; i++) {
        assert(log->ledgers[i].pending == 0 && !log->ledgers[i].is_writing);
        nvme_seal_clear(&log->ledgers[i]);
    }
    free(log->segments);
    free(log->block);
}

uint64_t
nvme_log_offset(const struct nvme *nvme, uint32_t segment, uint32_t block)
{
    return NVME_DATA_START + segment * nvme->segment_size +
           block * (uint64_t)NVME_BLOCK;
}

struct tier_place
nvme_log_place(const struct nvme_spot *spot)
{
    struct tier_place place;

    place.word[0] = (uint64_t)spot->segment << SEGMENT_SHIFT |
                    (uint64_t)spot->block << BLOCK_SHIFT | spot->head_blocks;
    place.word[1] = spot->generation;
    return place;
}

struct nvme_spot
nvme_log_spot(const struct tier_place *place)
{
    struct nvme_spot spot;

    spot.segment = (uint32_t)(place->word[0] >> SEGMENT_SHIFT);
    spot.block = (uint32_t)place->word[0] >> BLOCK_SHIFT;
    spot.head_blocks = (uint32_t)place->word[0] & HEAD_MASK;
    spot.generation = place->word[1];
    return spot;
}

void
nvme_log_use(struct nvme *nvme, uint32_t number, enum nvme_use use)
{
    struct nvme_log *log = &nvme->log;
    struct nvme_segment *segment = &log->segments[number];

    atomic_fetch_sub_explicit(&log->uses[segment->use], 1,
                              memory_order_relaxed);
    segment->use = use;
    atomic_fetch_add_explicit(&log->uses[use], 1, memory_order_relaxed);
}

uint32_t
nvme_log_count(const struct nvme *nvme, enum nvme_use use)
{
    return atomic_load_explicit(&nvme->log.uses[use], memory_order_relaxed);
}

/* So many that reclaiming keeps ahead of a burst of writes, as far as a small
 * device can leave so much of it empty. */
uint32_t
nvme_log_ready_least(const struct nvme *nvme)
{
    uint32_t share = nvme->log.count / READY_SHARE;

    if (nvme->log.count < READY_FEW)
        return 1;
    return share < 2 ? 2 : share > READY_MOST ? READY_MOST : share;
}

uint32_t
nvme_log_next(const struct nvme *nvme, enum nvme_use use)
{
    const struct nvme_log *log = &nvme->log;
    uint32_t found = NVME_NO_SEGMENT;
    uint64_t least = UINT64_MAX;

    if (nvme_log_count(nvme, use) == 0)
        return NVME_NO_SEGMENT;
    for (uint32_t i = 0; i < log->count && least != 0; i++) {
        uint64_t generation = atomic_load_explicit(&log->segments[i].generation,
                                                   memory_order_relaxed);

        if (log->segments[i].use != use || generation >= least)
            continue;
        least = generation;
        found = i;
    }
    return found;
}

/* --- Headers. --- */

/* From here on a get() of what was there finds another generation. */
static void
begin_life(struct nvme *nvme, uint32_t number, uint64_t generation)
{
    struct nvme_segment *segment = &nvme->log.segments[number];

    atomic_store(&segment->generation, generation);
    segment->table_block = segment->table_blocks = 0;
}

enum status
nvme_log_head(struct nvme *nvme, uint32_t number)
{
    struct nvme_log *log = &nvme->log;
    uint64_t generation = log->next_generation++;
    uint8_t *block = nvme_file_memory(NVME_BLOCK);
    enum status status = STATUS_IO;

    if (block == NULL)
        return status;
    nvme_write_header(nvme->identity, generation, block);
    status = nvme_file_write(nvme, nvme_log_offset(nvme, number, 0), block,
                             NVME_BLOCK);
    if (status == STATUS_OK)
        begin_life(nvme, number, generation);
    free(block);
    return status;
}

void
nvme_log_head_some(struct nvme *nvme)
{
    while (nvme_log_count(nvme, NVME_READY) < nvme_log_ready_least(nvme)) {
        uint32_t number = nvme_log_next(nvme, NVME_FREE);

        if (number == NVME_NO_SEGMENT ||
            nvme_log_head(nvme, number) != STATUS_OK)
            return;
        nvme_log_use(nvme, number, NVME_READY);
    }
}

static struct nvme *
nvme_of_header(struct io *io)
{
    return (struct nvme *)((char *)io - offsetof(struct nvme, log.io));
}

static void
on_header(struct io *io)
{
    struct nvme *nvme = nvme_of_header(io);
    struct nvme_log *log = &nvme->log;
    uint32_t number = log->heading;
    bool is_written = io->result == (int32_t)io->size;

    log->heading = NVME_NO_SEGMENT;
    if (!is_written) {
        nvme_health_write_failed(nvme, -io->result);
        log->header_at_ns = clock_now_ns() + RETRY_NS;
    } else {
        begin_life(nvme, number, log->heading_generation);
    }
    /* One that was overtaken would stand before what it comes after. */
    if (is_written && log->heading_generation > log->last_active)
        nvme_log_use(nvme, number, NVME_READY);
    else
        nvme_log_use(nvme, number, NVME_FREE);
}

static void
start_header(struct nvme *nvme, uint32_t number)
{
    struct nvme_log *log = &nvme->log;

    nvme_log_use(nvme, number, NVME_HEADED);
    log->heading = number;
    log->heading_generation = log->next_generation++;
    nvme_write_header(nvme->identity, log->heading_generation, log->block);
    log->vector = (struct iovec){log->block, NVME_BLOCK};
    log->io = (struct io){.is_write = true,
                          .offset = nvme_log_offset(nvme, number, 0),
                          .done = on_header};
    nvme_file_start(nvme, &log->io, &log->vector);
}

void
nvme_log_care(struct nvme *nvme, uint64_t now_ns)
{
    struct nvme_log *log = &nvme->log;
    uint32_t number;

    if (log->heading != NVME_NO_SEGMENT || now_ns < log->header_at_ns ||
        !nvme->is_recovered || !nvme_may_write(&nvme->tier) ||
        nvme_log_count(nvme, NVME_READY) >= nvme_log_ready_least(nvme))
        return;
    number = nvme_log_next(nvme, NVME_FREE);
    if (number != NVME_NO_SEGMENT)
        start_header(nvme, number);
}

bool
nvme_wants_reclaim(const struct tier *tier)
{
    const struct nvme *nvme = nvme_of_const(tier);

    return nvme_log_count(nvme, NVME_READY) + nvme_log_count(nvme, NVME_FREE) +
                   nvme_log_count(nvme, NVME_HEADED) <
               nvme_log_ready_least(nvme) &&
           nvme_log_count(nvme, NVME_SEALED) != 0;
}

bool
nvme_is_tight(const struct tier *tier)
{
    return nvme_log_count(nvme_of_const(tier), NVME_READY) <= 1;
}

/* --- Records. --- */

static struct nvme_ledger *
free_ledger(struct nvme_log *log)
{
    for (unsigned i = 0; i < NVME_LEDGERS; i++)
        if (log->ledgers[i].segment == NVME_NO_SEGMENT)
            return &log->ledgers[i];
    return NULL;
}

static bool
activate(struct nvme *nvme)
{
    struct nvme_log *log = &nvme->log;
    uint32_t number = nvme_log_next(nvme, NVME_READY);
    struct nvme_ledger *ledger = free_ledger(log);

    if (number == NVME_NO_SEGMENT || ledger == NULL)
        return false;
    ledger->segment = number;
    ledger->generation = atomic_load(&log->segments[number].generation);
    ledger->next_block = 1;
    assert(ledger->generation > log->last_active);
    log->last_active = ledger->generation;
    log->active = ledger;
    nvme_log_use(nvme, number, NVME_ACTIVE);
    return true;
}

static bool
fits(const struct nvme_log *log, const struct nvme_ledger *ledger,
     uint32_t blocks, uint32_t item_size)
{
    uint64_t items = (uint64_t)ledger->items + item_size;
    uint64_t end = (uint64_t)ledger->next_block + blocks;

    /* Table and trailer come behind it. */
    end += 1 + nvme_blocks_of(items) + 1;
    return end <= log->blocks && items <= NVME_TABLE_MAX;
}

enum status
nvme_log_reserve(struct nvme *nvme, uint32_t blocks, uint32_t item_size,
                 struct nvme_ledger **ledger_out)
{
    struct nvme_log *log = &nvme->log;

    if (log->active != NULL && !fits(log, log->active, blocks, item_size))
        nvme_seal_start(log->active);
    if (log->active == NULL && !activate(nvme))
        return STATUS_BUSY;
    if (!nvme_seal_grow(log->active, item_size))
        return STATUS_NO_SPACE;
    *ledger_out = log->active;
    return STATUS_OK;
}

enum status
nvme_log_reserve_last(struct nvme *nvme, uint32_t blocks, uint32_t item_size,
                      struct nvme_ledger **ledger_out)
{
    struct nvme_log *log = &nvme->log;

    if (log->active != NULL && !fits(log, log->active, blocks, item_size)) {
        nvme_log_use(nvme, log->active->segment, NVME_SEALED);
        nvme_seal_clear(log->active);
        log->active = NULL;
    }
    return nvme_log_reserve(nvme, blocks, item_size, ledger_out);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table and the trailer of a segment that takes no more records: what makes
 * recovery fast, and what says which records are not there though their place
 * is.  A ledger gathers the items while the segment fills.
 */
#include "storage/nvme_state.h"

#include "base/clock.h"
#include "base/log.h"
#include "proto/checksum.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ROOM_LEAST    (64u << 10)
#define PIECE         (1u << 20)
#define FAILURES_MOST 3u
#define RETRY_NS      NS_PER_SECOND

/* --- The ledger. --- */

bool
nvme_seal_grow(struct nvme_ledger *ledger, uint32_t size)
{
    uint64_t room = ledger->room;
    uint8_t *table;

    if (ledger->room - ledger->items >= size)
        return true;
    while (room - ledger->items < size)
        room = room == 0 ? ROOM_LEAST : 2 * room;
    table = nvme_file_memory(NVME_BLOCK + room);
    if (table == NULL)
        return false;
    if (ledger->table != NULL)
        memcpy(table + NVME_BLOCK, ledger->table + NVME_BLOCK, ledger->items);
    free(ledger->table);
    ledger->table = table;
    ledger->room = (uint32_t)room;
    return true;
}

void
nvme_seal_clear(struct nvme_ledger *ledger)
{
    struct nvme *nvme = ledger->nvme;

    free(ledger->table);
    free(ledger->holes);
    free(ledger->trailer);
    memset(ledger, 0, sizeof(*ledger));
    ledger->nvme = nvme;
    ledger->segment = NVME_NO_SEGMENT;
}

static void
add_hole(struct nvme_ledger *ledger, uint32_t offset, uint32_t size)
{
    if (ledger->hole_count == ledger->hole_room) {
        uint32_t room = ledger->hole_room == 0 ? 16 : 2 * ledger->hole_room;
        struct nvme_hole *holes = realloc(ledger->holes, room * sizeof(*holes));

        if (holes == NULL) {
            ledger->is_spoiled = true;
            return;
        }
        ledger->holes = holes;
        ledger->hole_room = room;
    }
    ledger->holes[ledger->hole_count++] = (struct nvme_hole){offset, size};
}

static int
compare(const void *left, const void *right)
{
    const struct nvme_hole *a = left, *b = right;

    return a->offset < b->offset ? -1 : a->offset > b->offset;
}

static void
leave_out_holes(struct nvme_ledger *ledger)
{
    uint8_t *items = ledger->table + NVME_BLOCK;
    uint32_t to = 0, from = 0;

    if (ledger->hole_count == 0)
        return;
    qsort(ledger->holes, ledger->hole_count, sizeof(*ledger->holes), compare);
    for (uint32_t i = 0; i < ledger->hole_count; i++) {
        uint32_t size = ledger->holes[i].offset - from;

        memmove(items + to, items + from, size);
        to += size;
        from = ledger->holes[i].offset + ledger->holes[i].size;
    }
    memmove(items + to, items + from, ledger->items - from);
    ledger->items = to + ledger->items - from;
    ledger->hole_count = 0;
}

/* --- Its two parts. --- */

static uint64_t
trailer_offset(const struct nvme_ledger *ledger)
{
    return nvme_log_offset(ledger->nvme, ledger->segment,
                           ledger->nvme->log.blocks - 1);
}

/* In memory, both; false: no memory. */
static bool
write_parts(struct nvme_ledger *ledger)
{
    const uint8_t *identity = ledger->nvme->identity;
    struct nvme_record record = {.kind = NVME_RECORD_TABLE, .head_blocks = 1};
    struct nvme_trailer trailer = {.generation = ledger->generation,
                                   .table_block = ledger->next_block};
    uint8_t *items;
    uint32_t padded;

    padded = nvme_blocks_of(ledger->items) * NVME_BLOCK;
    if (!nvme_seal_grow(ledger, padded - ledger->items + NVME_BLOCK))
        return false;
    if (ledger->trailer == NULL)
        ledger->trailer = nvme_file_memory(NVME_BLOCK);
    if (ledger->trailer == NULL)
        return false;
    items = ledger->table + NVME_BLOCK;
    memset(items + ledger->items, 0, padded - ledger->items);
    record.generation = ledger->generation;
    record.payload_size = ledger->items;
    record.payload_checksum = checksum_of(items, ledger->items);
    nvme_write_record(identity, &record, ledger->table);
    ledger->table_blocks = trailer.table_blocks = 1 + padded / NVME_BLOCK;
    nvme_write_trailer(identity, &trailer, ledger->trailer);
    return true;
}

/* In the end, with or without them on the device. */
static void
end(struct nvme_ledger *ledger, bool is_written)
{
    struct nvme *nvme = ledger->nvme;
    struct nvme_segment *segment = &nvme->log.segments[ledger->segment];

    segment->table_block = is_written ? ledger->next_block : 0;
    segment->table_blocks = is_written ? ledger->table_blocks : 0;
    nvme_log_use(nvme, ledger->segment, NVME_SEALED);
    nvme_seal_clear(ledger);
}

enum status
nvme_seal_write(struct nvme_ledger *ledger)
{
    struct nvme *nvme = ledger->nvme;
    enum status status = STATUS_NO_SPACE;

    if (write_parts(ledger) &&
        ledger->next_block + ledger->table_blocks < nvme->log.blocks) {
        uint64_t offset =
            nvme_log_offset(nvme, ledger->segment, ledger->next_block);

        status = nvme_file_write(nvme, offset, ledger->table,
                                 ledger->table_blocks * (size_t)NVME_BLOCK);
        if (status == STATUS_OK)
            status = nvme_file_write(nvme, trailer_offset(ledger),
                                     ledger->trailer, NVME_BLOCK);
    }
    end(ledger, status == STATUS_OK);
    return status;
}

/* --- While the server runs. --- */

static void start_next(struct nvme_ledger *ledger);

static void
fail(struct nvme_ledger *ledger)
{
    ledger->failures++;
    ledger->retry_at_ns = clock_now_ns() + RETRY_NS;
    if (ledger->failures < FAILURES_MOST)
        return;
    log_event(LOG_WARN, "nvme segment has no table",
              "segment %u; recovery will walk its records", ledger->segment);
    end(ledger, false);
}

static void
on_written(struct io *io)
{
    struct nvme_ledger *ledger =
        (struct nvme_ledger *)((char *)io - offsetof(struct nvme_ledger, io));

    ledger->is_writing = false;
    if (io->result != (int32_t)io->size) {
        nvme_health_write_failed(ledger->nvme, -io->result);
        fail(ledger);
        return;
    }
    if (ledger->written == ledger->table_blocks) {
        end(ledger, true);
        return;
    }
    ledger->written += io->size / NVME_BLOCK;
    start_next(ledger);
}

/* The table in pieces, then the trailer. */
static void
start_next(struct nvme_ledger *ledger)
{
    struct nvme *nvme = ledger->nvme;
    size_t left = (size_t)(ledger->table_blocks - ledger->written) * NVME_BLOCK;

    ledger->io = (struct io){.is_write = true, .done = on_written};
    if (left != 0) {
        ledger->vector.iov_base =
            ledger->table + (size_t)ledger->written * NVME_BLOCK;
        ledger->vector.iov_len = left < PIECE ? left : PIECE;
        ledger->io.offset = nvme_log_offset(
            nvme, ledger->segment, ledger->next_block + ledger->written);
    } else {
        ledger->vector = (struct iovec){ledger->trailer, NVME_BLOCK};
        ledger->io.offset = trailer_offset(ledger);
    }
    ledger->is_writing = true;
    nvme_file_start(nvme, &ledger->io, &ledger->vector);
}

static void
start_writing(struct nvme_ledger *ledger)
{
    leave_out_holes(ledger);
    if (ledger->items == 0 && !ledger->is_spoiled) {
        nvme_log_use(ledger->nvme, ledger->segment, NVME_FREE);
        nvme_seal_clear(ledger);
        return;
    }
    if (ledger->is_spoiled || !write_parts(ledger)) {
        end(ledger, false);
        return;
    }
    ledger->written = 0;
    start_next(ledger);
}

void
nvme_seal_start(struct nvme_ledger *ledger)
{
    struct nvme *nvme = ledger->nvme;

    assert(nvme->log.active == ledger);
    nvme->log.active = NULL;
    nvme_log_use(nvme, ledger->segment, NVME_SEALING);
    if (ledger->pending == 0)
        start_writing(ledger);
}

void
nvme_seal_done(struct nvme_ledger *ledger, const struct nvme_append *append)
{
    struct nvme *nvme = ledger->nvme;

    ledger->pending--;
    if (append->has_failed) {
        ledger->has_hole = true;
        add_hole(ledger, append->item_at, append->item_size);
        if (nvme->log.active == ledger) {
            nvme_seal_start(ledger);
            return;
        }
    }
    if (nvme->log.active != ledger && ledger->pending == 0)
        start_writing(ledger);
}

void
nvme_seal_care(struct nvme *nvme, uint64_t now_ns)
{
    for (unsigned i = 0; i < NVME_LEDGERS; i++) {
        struct nvme_ledger *ledger = &nvme->log.ledgers[i];

        if (ledger->segment != NVME_NO_SEGMENT && ledger->failures != 0 &&
            !ledger->is_writing && now_ns >= ledger->retry_at_ns &&
            nvme_may_write(&nvme->tier))
            start_writing(ledger);
    }
}

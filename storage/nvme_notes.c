/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tombstones and changes between those who note them, under a lock of the
 * index, and the record that takes them to the device.  Two buffers: one is
 * filled by anybody while the other is written.
 */
#include "storage/nvme_state.h"

#include "base/clock.h"
#include "base/log.h"
#include "proto/checksum.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define WAIT_MOST_NS (200 * NS_PER_MS)

static_assert(NVME_NOTES_RECORD >= NVME_ITEM_MAX, "one item fits in a record");

enum status
nvme_notes_open(struct nvme *nvme)
{
    struct nvme_notes *notes = &nvme->notes;

    pthread_mutex_init(&notes->lock, NULL);
    notes->filling = malloc(NVME_NOTES_SIZE);
    notes->writing = malloc(NVME_NOTES_SIZE);
    notes->record = nvme_file_memory(NVME_BLOCK + NVME_NOTES_RECORD);
    if (notes->filling == NULL || notes->writing == NULL ||
        notes->record == NULL)
        return STATUS_NO_SPACE;
    notes->payload = notes->record + NVME_BLOCK;
    return STATUS_OK;
}

void
nvme_notes_close(struct nvme *nvme)
{
    struct nvme_notes *notes = &nvme->notes;

    free(notes->filling);
    free(notes->writing);
    free(notes->record);
    pthread_mutex_destroy(&notes->lock);
}

void
nvme_note(struct tier *tier, const struct nvme_item *item)
{
    struct nvme *nvme = nvme_of(tier);
    struct nvme_notes *notes = &nvme->notes;
    uint8_t *at;

    if (nvme->is_dead)
        return;
    nvme_see_sequence(nvme, item->sequence);
    atomic_fetch_add_explicit(&notes->count, 1, memory_order_relaxed);
    pthread_mutex_lock(&notes->lock);
    at = notes->filling + notes->filled;
    if (notes->filled == 0)
        notes->oldest_ns = clock_now_ns();
    if (!notes->is_overflown &&
        nvme_write_item(item, &at, notes->filling + NVME_NOTES_SIZE)) {
        notes->filled = (uint32_t)(at - notes->filling);
    } else {
        notes->is_overflown = true;
        atomic_fetch_add_explicit(&notes->lost, 1, memory_order_relaxed);
    }
    pthread_mutex_unlock(&notes->lock);
}

/* Whole items, as many as one record takes. */
static uint32_t
next_record(const struct nvme_notes *notes)
{
    const uint8_t *from = notes->writing + notes->done, *at = from;
    const uint8_t *end = notes->writing + notes->size;
    struct nvme_item item;
    uint32_t size = 0;

    while (nvme_read_item(&at, end, &item) && at - from <= NVME_NOTES_RECORD)
        size = (uint32_t)(at - from);
    return size;
}

/* The other buffer is written from here on. */
static bool
turn(struct nvme_notes *notes, uint64_t now_ns)
{
    bool is_due;

    pthread_mutex_lock(&notes->lock);
    is_due = notes->filled >= NVME_NOTES_RECORD ||
             (notes->filled != 0 && now_ns >= notes->oldest_ns &&
              now_ns - notes->oldest_ns >= WAIT_MOST_NS);
    if (is_due) {
        uint8_t *filling = notes->writing;

        notes->writing = notes->filling;
        notes->size = notes->filled;
        notes->done = 0;
        notes->filling = filling;
        notes->filled = 0;
    }
    pthread_mutex_unlock(&notes->lock);
    return is_due;
}

/* More were noted than there is room for: all that was PUT so far goes. */
static void
give_up(struct nvme *nvme)
{
    struct nvme_notes *notes = &nvme->notes;
    uint64_t sequence;
    bool is_overflown;

    pthread_mutex_lock(&notes->lock);
    is_overflown = notes->is_overflown;
    if (is_overflown) {
        notes->is_overflown = false;
        notes->filled = 0;
    }
    sequence = atomic_load(&nvme->sequence_max);
    pthread_mutex_unlock(&notes->lock);
    if (!is_overflown)
        return;
    if (notes->under_way == 0)
        notes->size = notes->done = 0;
    nvme_super_raise(nvme, sequence);
    log_event(LOG_WARN, "nvme gives up what it holds",
              "more was deleted than it could be told; after a restart "
              "nothing PUT until now is there");
}

static void
copy_items(struct nvme_notes *notes, const uint8_t *items, uint32_t size)
{
    memcpy(notes->payload, items, size);
    memset(notes->payload + size, 0,
           (size_t)nvme_blocks_of(size) * NVME_BLOCK - size);
}

static void
start(struct nvme *nvme)
{
    struct nvme_notes *notes = &nvme->notes;
    uint32_t size = next_record(notes);
    const uint8_t *items = notes->writing + notes->done;

    copy_items(notes, items, size);
    notes->under_way = size;
    if (nvme_write_notes(nvme, items, size) != STATUS_OK)
        notes->under_way = 0;
}

void
nvme_notes_care(struct nvme *nvme, uint64_t now_ns)
{
    struct nvme_notes *notes = &nvme->notes;

    if (!nvme->is_recovered || !nvme_may_write(&nvme->tier))
        return;
    give_up(nvme);
    if (notes->under_way != 0)
        return;
    if (notes->done < notes->size || turn(notes, now_ns))
        start(nvme);
}

void
nvme_notes_done(struct nvme *nvme, bool is_written)
{
    struct nvme_notes *notes = &nvme->notes;

    if (is_written)
        notes->done += notes->under_way;
    notes->under_way = 0;
    if (is_written && notes->done < notes->size)
        start(nvme);
}

/* --- Without a port. --- */

static enum status
write_record(struct nvme *nvme, const uint8_t *items, uint32_t size)
{
    struct nvme_notes *notes = &nvme->notes;
    uint32_t blocks = 1 + nvme_blocks_of(size);
    struct nvme_record record = {.kind = NVME_RECORD_NOTES,
                                 .head_blocks = 1,
                                 .payload_size = size,
                                 .payload_checksum = checksum_of(items, size)};
    struct nvme_ledger *ledger;
    enum status status = STATUS_IO;

    if (nvme_may_write(&nvme->tier))
        status = nvme_log_reserve_last(nvme, blocks, size, &ledger);
    if (status != STATUS_OK)
        return status;
    copy_items(notes, items, size);
    record.generation = ledger->generation;
    nvme_write_record(nvme->identity, &record, notes->record);
    memcpy(ledger->table + NVME_BLOCK + ledger->items, items, size);
    status = nvme_file_write(
        nvme, nvme_log_offset(nvme, ledger->segment, ledger->next_block),
        notes->record, (size_t)blocks * NVME_BLOCK);
    ledger->next_block += blocks;
    ledger->items += size;
    return status;
}

static enum status
write_rest(struct nvme *nvme)
{
    struct nvme_notes *notes = &nvme->notes;

    while (notes->done < notes->size) {
        uint32_t size = next_record(notes);
        enum status status =
            write_record(nvme, notes->writing + notes->done, size);

        if (status != STATUS_OK)
            return status;
        notes->done += size;
    }
    return STATUS_OK;
}

/* What there was no room for is in what the superblocks are to say then. */
enum status
nvme_notes_write_all(struct nvme *nvme)
{
    struct nvme_notes *notes = &nvme->notes;
    enum status status = write_rest(nvme);

    if (status == STATUS_OK && turn(notes, UINT64_MAX))
        status = write_rest(nvme);
    if (status == STATUS_OK && notes->is_overflown)
        give_up(nvme);
    return status;
}

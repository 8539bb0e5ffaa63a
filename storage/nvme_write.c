/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records on their way into the log.  Each has its place at once, stands in the
 * queue until all of it is in writes, and is done with the last of these.
 */
#include "storage/nvme_state.h"

#include "proto/checksum.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Heads and small values of a write more than the budget has. */
#define STAGING_MORE (2u * IO_SIZE_MAX)

enum status
nvme_write_open(struct nvme *nvme)
{
    struct nvme_writer *writer = &nvme->writer;
    uint32_t blocks;

    writer->staging_size =
        nvme->options.inflight / NVME_BLOCK * NVME_BLOCK + (size_t)STAGING_MORE;
    blocks = (uint32_t)(writer->staging_size / NVME_BLOCK);
    /* Touched only as far as small values need it. */
    writer->staging = mmap(NULL, writer->staging_size, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    writer->free_blocks = malloc(blocks * sizeof(*writer->free_blocks));
    if (writer->staging == MAP_FAILED) {
        writer->staging = NULL;
        return STATUS_NO_SPACE;
    }
    if (writer->free_blocks == NULL)
        return STATUS_NO_SPACE;
    for (uint32_t i = blocks; i > 0; i--)
        writer->free_blocks[writer->free_count++] =
            writer->staging + (size_t)(i - 1) * NVME_BLOCK;
    return STATUS_OK;
}

void
nvme_write_close(struct nvme *nvme)
{
    struct nvme_writer *writer = &nvme->writer;

    assert(writer->first == NULL && writer->planned == 0);
    assert(writer->in_flight == 0);
    if (writer->staging != NULL)
        munmap(writer->staging, writer->staging_size);
    free(writer->free_blocks);
}

/* --- Into the queue. --- */

static uint32_t
payload_blocks(const struct nvme_append *append)
{
    return nvme_blocks_of(append->payload_size);
}

static struct nvme_append *
take_append(struct nvme_writer *writer)
{
    struct nvme_append *append = writer->free_appends;

    if (append != NULL)
        writer->free_appends = append->next;
    else if (writer->append_count < NVME_RECORDS)
        append = &writer->appends[writer->append_count++];
    else
        return NULL;
    memset(append, 0, sizeof(*append));
    return append;
}

static void
give_append(struct nvme_writer *writer, struct nvme_append *append)
{
    append->next = writer->free_appends;
    writer->free_appends = append;
}

/* Room in the log for a record whose sizes are known. */
static enum status
place(struct nvme *nvme, struct nvme_append *append)
{
    uint32_t blocks = append->head_blocks + payload_blocks(append);
    enum status status =
        nvme_log_reserve(nvme, blocks, append->item_size, &append->ledger);

    if (status != STATUS_OK)
        return status;
    append->block = append->ledger->next_block;
    append->size = blocks * NVME_BLOCK;
    append->item_at = append->ledger->items;
    append->ledger->next_block += blocks;
    append->ledger->pending++;
    return STATUS_OK;
}

static uint8_t *
items_end(struct nvme_ledger *ledger)
{
    return ledger->table + NVME_BLOCK + ledger->items;
}

static void
enqueue(struct nvme_writer *writer, struct nvme_append *append)
{
    append->next = NULL;
    if (writer->first != NULL)
        writer->last->next = append;
    else
        writer->first = append;
    writer->last = append;
}

struct nvme_item
nvme_write_item_of(const struct nvme_append *append)
{
    const struct transfer *transfer = append->transfer;

    return (struct nvme_item){.kind = NVME_VALUE,
                              .key = transfer->key,
                              .sequence = transfer->sequence,
                              .expires_unix_ms = transfer->expires_unix_ms,
                              .size = transfer->chunk->size,
                              .checksum = transfer->chunk->checksum,
                              .meta = append->meta,
                              .form = transfer->form,
                              .block = append->block};
}

/* What the blocks of the value's last run hold beyond it belongs to nobody, and
 * goes to the device with the rest. */
static void
clear_rest(struct chunk *chunk)
{
    uint32_t rest = chunk->size % NVME_BLOCK;
    struct chunk_cursor cursor;
    struct iovec last;

    if (rest == 0 || !nvme_has_runs(chunk))
        return;
    cursor = chunk_cursor_at(chunk, chunk->size - 1);
    (void)chunk_cursor_vectors(&cursor, &last, 1, 1);
    memset((uint8_t *)last.iov_base + 1, 0, NVME_BLOCK - rest);
}

static enum status
put(struct nvme *nvme, struct transfer *transfer)
{
    struct nvme_append *append;
    struct nvme_item item;
    enum status status;
    uint8_t *at;

    if (!nvme_may_write(&nvme->tier) || !nvme->is_recovered)
        return STATUS_IO;
    if (transfer->chunk->size > nvme_value_max(&nvme->tier))
        return STATUS_TOO_BIG;
    append = take_append(&nvme->writer);
    if (append == NULL)
        return STATUS_BUSY;
    append->transfer = transfer;
    if (transfer->meta != NULL)
        append->meta = *transfer->meta;
    append->kind = NVME_RECORD_VALUE;
    append->head_blocks = nvme_head_blocks(&transfer->key, &append->meta);
    append->payload_size = transfer->chunk->size;
    append->payload_checksum = transfer->chunk->checksum;
    item = nvme_write_item_of(append);
    append->item_size = nvme_item_size(&item);
    status = place(nvme, append);
    if (status != STATUS_OK) {
        give_append(&nvme->writer, append);
        return status;
    }
    item.block = append->block;
    at = items_end(append->ledger);
    if (!nvme_write_item(&item, &at, at + append->item_size))
        assert(!"there was room for it");
    append->ledger->items += append->item_size;
    clear_rest(transfer->chunk);
    enqueue(&nvme->writer, append);
    return STATUS_OK;
}

enum progress
nvme_write_put(struct nvme *nvme, struct transfer *transfer)
{
    atomic_store_explicit(&nvme->mover, transfer->port, memory_order_relaxed);
    nvme_see_sequence(nvme, transfer->sequence);
    transfer->status = put(nvme, transfer);
    return transfer->status == STATUS_OK ? PENDING : FINISHED;
}

enum status
nvme_write_notes(struct nvme *nvme, const uint8_t *items, uint32_t size)
{
    struct nvme_append *append = take_append(&nvme->writer);
    enum status status;

    if (append == NULL)
        return STATUS_BUSY;
    append->kind = NVME_RECORD_NOTES;
    append->head_blocks = 1;
    append->payload_size = size;
    append->payload_checksum = checksum_of(items, size);
    append->item_size = size;
    status = place(nvme, append);
    if (status != STATUS_OK) {
        give_append(&nvme->writer, append);
        return status;
    }
    memcpy(items_end(append->ledger), items, size);
    append->ledger->items += size;
    enqueue(&nvme->writer, append);
    return STATUS_OK;
}

/* --- Out of it. --- */

void
nvme_write_finish(struct nvme *nvme, struct nvme_append *append)
{
    struct transfer *transfer = append->transfer;
    struct nvme_spot spot = {.generation = append->ledger->generation,
                             .segment = append->ledger->segment,
                             .block = append->block,
                             .head_blocks = append->head_blocks};
    bool has_failed = append->has_failed;

    nvme_seal_done(append->ledger, append);
    give_append(&nvme->writer, append);
    if (transfer == NULL) {
        nvme_notes_done(nvme, !has_failed);
        return;
    }
    transfer->status = has_failed ? STATUS_IO : STATUS_OK;
    if (!has_failed) {
        transfer->place = nvme_log_place(&spot);
        atomic_fetch_add_explicit(&nvme->bytes_used, transfer->chunk->size,
                                  memory_order_relaxed);
        atomic_fetch_add_explicit(&nvme->chunks, 1, memory_order_relaxed);
    }
    transfer->done(transfer);
}

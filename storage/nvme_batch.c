/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queue of records, cut into writes of about a megabyte: small records that
 * lie side by side share one, large ones take several.
 *
 *   batch   free -> (planned: waits for the budget) -> in flight -> free
 *
 * Notes go to the device only when all before them are there: a walk ends at a
 * hole, and what was deleted must not come back.
 */
#include "storage/nvme_state.h"

#include <assert.h>
#include <string.h>

#define PIECE (1u << 20) /* of a payload in one write */

static_assert(PIECE + NVME_HEAD_BLOCKS_MAX * NVME_BLOCK <= IO_SIZE_MAX,
              "a piece and its head are one write");
static_assert(NVME_NOTES_RECORD + NVME_BLOCK <= IO_SIZE_MAX, "so are notes");

/* --- What is in it. --- */

static void
add_vector(struct nvme_batch *batch, uint8_t *at, uint32_t size)
{
    struct iovec *last = &batch->vectors[batch->io.count];

    /* Staging blocks often lie side by side. */
    if (batch->io.count != 0 &&
        (uint8_t *)last[-1].iov_base + last[-1].iov_len == at) {
        last[-1].iov_len += size;
    } else {
        last->iov_base = at;
        last->iov_len = size;
        batch->io.count++;
    }
    batch->io.size += size;
}

static uint8_t *
take_block(struct nvme_writer *writer, struct nvme_batch *batch)
{
    uint8_t *block = writer->free_blocks[--writer->free_count];

    batch->blocks[batch->block_count++] = block;
    return block;
}

static void
add_head(struct nvme *nvme, struct nvme_batch *batch,
         struct nvme_append *append)
{
    uint8_t head[NVME_HEAD_BLOCKS_MAX * NVME_BLOCK];
    struct nvme_record record = {.kind = append->kind,
                                 .head_blocks = append->head_blocks,
                                 .payload_size = append->payload_size,
                                 .payload_checksum = append->payload_checksum,
                                 .generation = append->ledger->generation};

    if (append->transfer != NULL)
        record.item = nvme_write_item_of(append);
    nvme_write_record(nvme->identity, &record, head);
    for (uint32_t i = 0; i < append->head_blocks; i++) {
        uint8_t *block = take_block(&nvme->writer, batch);

        memcpy(block, head + i * NVME_BLOCK, NVME_BLOCK);
        add_vector(batch, block, NVME_BLOCK);
    }
    append->started = append->head_blocks * NVME_BLOCK;
}

/* Values that lie behind their own header are in no blocks of their own. */
static void
add_copy(struct nvme *nvme, struct nvme_batch *batch,
         struct nvme_append *append)
{
    const struct chunk *chunk = append->transfer->chunk;
    uint8_t *block = take_block(&nvme->writer, batch);

    chunk_copy_out(chunk, 0, block, chunk->size);
    memset(block + chunk->size, 0, NVME_BLOCK - chunk->size);
    add_vector(batch, block, NVME_BLOCK);
    append->started += NVME_BLOCK;
}

static void
add_runs(struct nvme_batch *batch, struct nvme_append *append, uint32_t limit)
{
    uint32_t offset = append->started - append->head_blocks * NVME_BLOCK;
    struct chunk *chunk = append->transfer->chunk;
    struct chunk_cursor cursor = chunk_cursor_at(chunk, offset);
    struct iovec run;

    while (limit != 0 && batch->io.count < IO_VECTORS_MAX &&
           chunk_cursor_vectors(&cursor, &run, 1, limit) == 1) {
        uint32_t size = (uint32_t)run.iov_len;

        chunk_cursor_advance(&cursor, size);
        limit -= size;
        /* Only the end of the value may fall inside a block. */
        assert(size % NVME_BLOCK == 0 || limit == 0);
        size = nvme_blocks_of(size) * NVME_BLOCK;
        add_vector(batch, run.iov_base, size);
        append->started += size;
    }
    assert(append->started <= append->size);
}

/* Bytes the next piece of a record wants, and its blocks of staging. */
static uint32_t
next_piece(const struct nvme_append *append, uint32_t *staging_out)
{
    uint32_t head = append->head_blocks * NVME_BLOCK;
    uint32_t from = append->started == 0 ? 0 : append->started - head;
    uint32_t payload = append->size - head - from;

    /* Pieces begin at whole megabytes of the payload. */
    if (payload > PIECE - from % PIECE)
        payload = PIECE - from % PIECE;
    *staging_out = append->started == 0 ? append->head_blocks : 0;
    if (append->transfer != NULL && payload != 0 &&
        !nvme_has_runs(append->transfer->chunk))
        ++*staging_out;
    return payload + (append->started == 0 ? head : 0);
}

/* False: there is no room for it in this batch, or no staging. */
static bool
add_piece(struct nvme *nvme, struct nvme_batch *batch,
          struct nvme_append *append)
{
    uint32_t staging, size = next_piece(append, &staging);
    uint32_t payload = size;

    if (size > IO_SIZE_MAX - batch->io.size ||
        staging > nvme->writer.free_count ||
        staging + 1 > IO_VECTORS_MAX - batch->io.count)
        return false;
    if (append->started == 0) {
        add_head(nvme, batch, append);
        payload -= append->started;
    }
    if (append->transfer == NULL) {
        add_vector(batch, nvme->notes.payload, payload);
        append->started += payload;
    } else if (payload != 0 && !nvme_has_runs(append->transfer->chunk)) {
        add_copy(nvme, batch, append);
    } else if (payload != 0) {
        uint32_t left = append->transfer->chunk->size -
                        (append->started - append->head_blocks * NVME_BLOCK);

        add_runs(batch, append, payload < left ? payload : left);
    }
    if (batch->last != append)
        append->batches++;
    if (batch->first == NULL)
        batch->first = append;
    batch->last = append;
    return true;
}

/* The first of the queue has no bytes left for another batch. */
static void
leave_queue(struct nvme_writer *writer)
{
    writer->first = writer->first->next;
    if (writer->first == NULL)
        writer->last = NULL;
}

static bool
is_hopeless(struct nvme *nvme, const struct nvme_append *append)
{
    bool is_behind_hole = append->transfer == NULL && append->ledger->has_hole;

    return append->has_failed || is_behind_hole || !nvme_may_write(&nvme->tier);
}

/* It fails without another write, once those under way have ended. */
static void
drop_first(struct nvme *nvme)
{
    struct nvme_append *append = nvme->writer.first;

    leave_queue(&nvme->writer);
    append->has_failed = true;
    append->started = append->size;
    if (append->batches == 0)
        nvme_write_finish(nvme, append);
}

static bool
must_wait(const struct nvme_writer *writer, const struct nvme_batch *batch)
{
    const struct nvme_append *append = writer->first;

    if (append->transfer == NULL && append->started == 0)
        return writer->in_flight != 0 || batch->first != NULL;
    return batch->first != NULL && batch->last->ledger != append->ledger;
}

/* False: there is nothing to write now. */
static bool
fill_batch(struct nvme *nvme, struct nvme_batch *batch)
{
    struct nvme_writer *writer = &nvme->writer;

    while (writer->first != NULL) {
        struct nvme_append *append = writer->first;
        uint64_t offset =
            nvme_log_offset(nvme, append->ledger->segment, append->block) +
            append->started;

        if (is_hopeless(nvme, append)) {
            if (batch->first != NULL)
                break;
            drop_first(nvme);
            continue;
        }
        if (must_wait(writer, batch) || !add_piece(nvme, batch, append))
            break;
        if (batch->io.offset == 0)
            batch->io.offset = offset;
        if (append->started == append->size)
            leave_queue(writer);
    }
    return batch->first != NULL;
}

/* --- Its way. --- */

static struct nvme_batch *
take_batch(struct nvme *nvme)
{
    struct nvme_writer *writer = &nvme->writer;
    struct nvme_batch *batch = writer->free_batches;

    if (batch != NULL)
        writer->free_batches = batch->next;
    else if (writer->batch_count < NVME_BATCHES)
        batch = &writer->batches[writer->batch_count++];
    else
        return NULL;
    batch->nvme = nvme;
    batch->first = batch->last = NULL;
    batch->block_count = 0;
    batch->io = (struct io){.is_write = true, .vectors = batch->vectors};
    return batch;
}

static void
give_batch(struct nvme_writer *writer, struct nvme_batch *batch)
{
    while (batch->block_count != 0)
        writer->free_blocks[writer->free_count++] =
            batch->blocks[--batch->block_count];
    batch->next = writer->free_batches;
    writer->free_batches = batch;
}

/* Takes those that are done with it out of the order of the log. */
static struct nvme_append *
collect(struct nvme_batch *batch, bool is_written)
{
    struct nvme_append *append = batch->first, *done = NULL, **end = &done;
    bool is_last = false;

    while (!is_last) {
        struct nvme_append *next = append->next;

        is_last = append == batch->last;
        append->batches--;
        append->has_failed = append->has_failed || !is_written;
        if (append->batches == 0 && append->started == append->size) {
            append->next = NULL;
            *end = append;
            end = &append->next;
        }
        append = next;
    }
    return done;
}

static void
on_written(struct io *io)
{
    struct nvme_batch *batch =
        (struct nvme_batch *)((char *)io - offsetof(struct nvme_batch, io));
    struct nvme *nvme = batch->nvme;
    bool is_written = io->result == (int32_t)io->size;
    struct nvme_append *done = collect(batch, is_written);

    if (is_written)
        atomic_fetch_add_explicit(&nvme->written_bytes, io->size,
                                  memory_order_relaxed);
    else
        nvme_health_write_failed(nvme, -io->result);
    nvme->writer.in_flight--;
    nvme_budget_give(&nvme->budget, batch->wait.bytes, true);
    give_batch(&nvme->writer, batch);
    while (done != NULL) {
        struct nvme_append *append = done;

        done = append->next;
        nvme_write_finish(nvme, append);
    }
    nvme_batch_pump(nvme);
}

static void
start(struct nvme_batch *batch)
{
    batch->io.done = on_written;
    port_start(batch->wait.port, &batch->io);
}

static void
on_granted(struct nvme_wait *wait)
{
    struct nvme_batch *batch = (struct nvme_batch *)wait;
    struct nvme *nvme = batch->nvme;

    nvme->writer.planned--;
    start(batch);
    nvme_batch_pump(nvme);
}

void
nvme_batch_pump(struct nvme *nvme)
{
    struct nvme_writer *writer = &nvme->writer;

    while (writer->first != NULL && writer->planned == 0) {
        struct nvme_batch *batch = take_batch(nvme);

        if (batch == NULL)
            return;
        if (!fill_batch(nvme, batch)) {
            give_batch(writer, batch);
            return;
        }
        writer->in_flight++;
        batch->wait.bytes = batch->io.size < PIECE ? batch->io.size : PIECE;
        batch->wait.is_write = true;
        batch->wait.port = atomic_load(&nvme->mover);
        batch->wait.granted = on_granted;
        if (nvme_budget_take(&nvme->budget, &batch->wait))
            start(batch);
        else
            writer->planned++;
    }
}

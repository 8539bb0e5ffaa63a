/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records read into chunks.  Memory is taken when the budget admits the read,
 * all of it from the pool, and the reads go straight into the chunk's blocks;
 * only a value that lies behind its header is copied there.  Bytes are hashed
 * in their order, as soon as those before them are there.
 *
 *   read   waits for the budget -> under way -> checked -> done()
 *
 * Nothing is believed: the head must be of this device, generation, key and
 * PUT, and the bytes those of its checksum.
 */
#include "storage/nvme_state.h"

#include "base/clock.h"
#include "base/log.h"
#include "storage/pool.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define PIECE (1u << 20)
/* Vectors of a piece: one of them fits in a cell of the pool, which there is as
 * long as any block is free. */
#define PIECE_VECTORS 112u
#define STAGING_MAX   (NVME_HEAD_BLOCKS_MAX + 1u)
/* Others may take what was made free. */
#define ROOM_TRIES 8u

static_assert(NVME_BLOCK == POOL_BLOCK,
              "runs are read and written as they are");

/* One read of some of it. */
struct piece {
    struct io io; /* first */
    struct read *read;
    struct piece *next; /* in the order of the value */
    uint32_t bytes;     /* of the value */
    unsigned count;     /* of vectors */
    bool is_there;
    struct iovec vectors[];
};

static_assert(sizeof(struct piece) + PIECE_VECTORS * sizeof(struct iovec) <=
                  POOL_CELL_MAX,
              "a piece is a cell");

struct read {
    struct nvme_wait wait; /* first */
    struct nvme *nvme;
    struct transfer *transfer;
    struct nvme_spot spot;
    uint32_t blocks; /* of the payload */
    /* Blocks for the head, and for the payload of a value without runs. */
    uint8_t *staging[STAGING_MAX];
    unsigned staged;
    struct piece *first, *last;
    struct piece *unhashed; /* the first one that is */
    unsigned pending;
    int error;
};

/* --- Memory. --- */

static bool
make_room(struct read *read, uint64_t bytes)
{
    struct nvme *nvme = read->nvme;

    return nvme->make_room != NULL &&
           nvme->make_room(read->transfer->port, bytes);
}

static void *
new_object(struct read *read, size_t size)
{
    void *object = pool_object_new(read->nvme->pool, size);

    for (unsigned i = 0; object == NULL && i < ROOM_TRIES; i++) {
        if (!make_room(read, POOL_OBJECT_MAX))
            return NULL;
        object = pool_object_new(read->nvme->pool, size);
    }
    return object;
}

static enum status
take_staging(struct read *read, uint32_t blocks)
{
    struct pool *pool = read->nvme->pool;

    assert(blocks <= STAGING_MAX);
    for (unsigned tries = 0; read->staged < blocks && tries < ROOM_TRIES;) {
        struct pool_run run;

        if (pool_run_take(pool, 1, &run))
            read->staging[read->staged++] = run.data;
        else if (make_room(read, POOL_BLOCK))
            tries++;
        else
            break;
    }
    return read->staged == blocks ? STATUS_OK : STATUS_NO_SPACE;
}

/* All of it at once: a read can not wait half-way. */
static enum status
take_chunk(struct read *read)
{
    struct transfer *transfer = read->transfer;
    uint32_t size = transfer->size, before = 0;
    struct chunk *chunk;

    (void)make_room(read, chunk_footprint(size));
    if (chunk_new(read->nvme->pool, size, &transfer->chunk) != STATUS_OK &&
        (!make_room(read, POOL_OBJECT_MAX) ||
         chunk_new(read->nvme->pool, size, &transfer->chunk) != STATUS_OK))
        return STATUS_NO_SPACE;
    chunk = transfer->chunk;
    for (unsigned tries = 0; chunk->taken < size; tries++) {
        before = chunk->taken;
        if (chunk_grow(chunk, size - before) == STATUS_OK &&
            chunk->taken != before)
            tries = 0;
        else if (tries == ROOM_TRIES || !make_room(read, size - before))
            return STATUS_NO_SPACE;
    }
    return STATUS_OK;
}

static size_t
piece_size(unsigned vectors)
{
    return sizeof(struct piece) + vectors * sizeof(struct iovec);
}

static struct piece *
add_piece(struct read *read, const struct iovec *vectors, unsigned count)
{
    struct piece *piece = new_object(read, piece_size(count));

    if (piece == NULL)
        return NULL;
    memset(piece, 0, sizeof(*piece));
    piece->read = read;
    piece->io.vectors = piece->vectors;
    piece->io.count = piece->count = count;
    for (unsigned i = 0; i < count; i++) {
        piece->vectors[i] = vectors[i];
        piece->io.size += (uint32_t)vectors[i].iov_len;
    }
    if (read->last != NULL)
        read->last->next = piece;
    else
        read->first = piece;
    read->last = piece;
    return piece;
}

static void
free_read(struct read *read)
{
    struct pool *pool = read->nvme->pool;

    while (read->first != NULL) {
        struct piece *piece = read->first;

        read->first = piece->next;
        pool_object_free(pool, piece, piece_size(piece->count));
    }
    while (read->staged != 0) {
        struct pool_run run = {read->staging[--read->staged], 1};

        pool_run_give(pool, run);
    }
    pool_object_free(pool, read, sizeof(*read));
}

/* --- What to read where. --- */

/* The next megabyte of the value's runs, whole blocks. */
static unsigned
next_runs(const struct chunk *chunk, uint32_t from, struct iovec *vectors,
          unsigned max)
{
    struct chunk_cursor cursor = chunk_cursor_at(chunk, from);
    uint32_t left = chunk->size - from;
    unsigned count;

    count = chunk_cursor_vectors(&cursor, vectors, max,
                                 left < PIECE ? left : PIECE);
    for (unsigned i = 0; i < count; i++)
        vectors[i].iov_len =
            (size_t)nvme_blocks_of(vectors[i].iov_len) * NVME_BLOCK;
    return count;
}

static uint32_t
sum_of(const struct iovec *vectors, unsigned count)
{
    size_t sum = 0;

    for (unsigned i = 0; i < count; i++)
        sum += vectors[i].iov_len;
    return (uint32_t)sum;
}

/* The head goes with the first of them. */
static enum status
cut(struct read *read)
{
    const struct chunk *chunk = read->transfer->chunk;
    bool has_runs = nvme_has_runs(chunk);
    struct iovec vectors[PIECE_VECTORS];
    uint32_t from = 0;
    uint64_t offset =
        nvme_log_offset(read->nvme, read->spot.segment, read->spot.block);

    do {
        unsigned count = 0;
        struct piece *piece;
        uint32_t bytes = chunk->size;

        while (from == 0 && count < read->staged) {
            vectors[count] = (struct iovec){read->staging[count], NVME_BLOCK};
            count++;
        }
        if (has_runs) {
            unsigned staged = count;

            count +=
                next_runs(chunk, from, vectors + count, PIECE_VECTORS - count);
            bytes = sum_of(vectors + staged, count - staged);
        }
        if (bytes > chunk->size - from)
            bytes = chunk->size - from;
        piece = add_piece(read, vectors, count);
        if (piece == NULL)
            return STATUS_NO_SPACE;
        piece->bytes = bytes;
        piece->io.offset = offset;
        offset += piece->io.size;
        from += bytes;
    } while (from < chunk->size);
    read->unhashed = read->first;
    return STATUS_OK;
}

/* --- What was read. --- */

static bool
is_current(const struct read *read)
{
    const struct nvme_segment *segment =
        &read->nvme->log.segments[read->spot.segment];

    return atomic_load(&segment->generation) == read->spot.generation;
}

/* A place that is another's by now is a miss; else the device has changed what
 * it was given. */
static enum status
doubt(const struct read *read)
{
    return is_current(read) ? STATUS_CORRUPT : STATUS_MISS;
}

static enum status
check_head(const struct read *read, uint8_t *head,
           struct nvme_record *record_out)
{
    const struct nvme *nvme = read->nvme;
    const struct transfer *transfer = read->transfer;

    for (uint32_t i = 0; i < read->spot.head_blocks; i++)
        memcpy(head + i * NVME_BLOCK, read->staging[i], NVME_BLOCK);
    switch (nvme_read_record(nvme->identity, read->spot.generation, head,
                             read->spot.head_blocks * NVME_BLOCK, record_out)) {
    case NVME_GOOD:
        break;
    case NVME_BLANK:
    case NVME_FOREIGN:
        return STATUS_MISS;
    case NVME_BROKEN:
    case NVME_NEWER:
        return doubt(read);
    }
    if (record_out->kind != NVME_RECORD_VALUE ||
        record_out->head_blocks != read->spot.head_blocks ||
        record_out->payload_size != transfer->size ||
        record_out->item.sequence != transfer->sequence ||
        !key_is_equal(&record_out->item.key, &transfer->key))
        return STATUS_MISS;
    return STATUS_OK;
}

static enum status
check(struct read *read)
{
    struct chunk *chunk = read->transfer->chunk;
    uint8_t head[NVME_HEAD_BLOCKS_MAX * NVME_BLOCK];
    struct nvme_record record;
    enum status status;

    if (read->error != 0)
        return STATUS_IO;
    status = check_head(read, head, &record);
    if (status != STATUS_OK)
        return status;
    if (!nvme_has_runs(chunk))
        chunk_copy_in(chunk, read->staging[read->staged - 1], chunk->size);
    chunk_seal(chunk);
    return chunk->checksum == record.payload_checksum ? STATUS_OK : doubt(read);
}

static void
count_outcome(const struct read *read, enum status status)
{
    static struct log_limiter limiter;
    struct nvme *nvme = read->nvme;

    if (status == STATUS_MISS)
        atomic_fetch_add_explicit(&nvme->stale, 1, memory_order_relaxed);
    if (status != STATUS_CORRUPT)
        return;
    atomic_fetch_add_explicit(&nvme->corrupt, 1, memory_order_relaxed);
    log_limited(&limiter, LOG_WARN, "nvme value corrupt",
                "segment %u, block %u: not what was written; it is a miss",
                read->spot.segment, read->spot.block);
}

/* Ends it with a status; the caller tells. */
static void
end(struct read *read, enum status status)
{
    struct transfer *transfer = read->transfer;

    transfer->status = status;
    if (status != STATUS_OK)
        chunk_drop(&transfer->chunk);
    count_outcome(read, status);
    free_read(read);
}

static void
finish(struct read *read)
{
    struct nvme *nvme = read->nvme;
    struct transfer *transfer = read->transfer;
    uint64_t bytes =
        (uint64_t)(read->spot.head_blocks + read->blocks) * NVME_BLOCK;

    if (read->error != 0)
        nvme_health_read_failed(nvme, read->error);
    atomic_store_explicit(&nvme->health.read_done_ns, clock_now_ns(),
                          memory_order_relaxed);
    /* Others may go on while this one is checked. */
    nvme_budget_give(&nvme->budget, read->wait.bytes, false);
    atomic_fetch_add_explicit(&nvme->read_bytes, bytes, memory_order_relaxed);
    end(read, check(read));
    transfer->done(transfer);
}

static void
hash_some(struct read *read)
{
    struct chunk *chunk = read->transfer->chunk;

    if (!nvme_has_runs(chunk))
        return;
    while (read->unhashed != NULL && read->unhashed->is_there) {
        chunk_fill(chunk, read->unhashed->bytes);
        read->unhashed = read->unhashed->next;
    }
}

static void
on_read(struct io *io)
{
    struct piece *piece = (struct piece *)io;
    struct read *read = piece->read;

    if (io->result == (int32_t)io->size)
        piece->is_there = true;
    else
        read->error = io->result < 0 ? -io->result : EIO;
    hash_some(read);
    if (--read->pending == 0)
        finish(read);
}

/* --- Its way. --- */

/* Admitted: memory, and off. */
static enum status
begin(struct read *read)
{
    uint32_t staging = read->spot.head_blocks;
    enum status status = take_chunk(read);

    if (status == STATUS_OK && !nvme_has_runs(read->transfer->chunk))
        staging += read->blocks;
    if (status == STATUS_OK)
        status = take_staging(read, staging);
    if (status == STATUS_OK)
        status = cut(read);
    if (status != STATUS_OK)
        return status;
    for (struct piece *piece = read->first; piece != NULL; piece = piece->next)
        read->pending++;
    for (struct piece *piece = read->first; piece != NULL;) {
        struct piece *next = piece->next;

        piece->io.done = on_read;
        port_start(read->wait.port, &piece->io);
        piece = next;
    }
    return STATUS_OK;
}

static void
on_granted(struct nvme_wait *wait)
{
    struct read *read = (struct read *)wait;
    struct transfer *transfer = read->transfer;
    struct nvme *nvme = read->nvme;
    bool is_taken = !wait->is_refused;
    enum status status = STATUS_IO;

    if (is_taken && nvme_may_read(&nvme->tier))
        status = begin(read);
    if (status == STATUS_OK)
        return;
    if (is_taken)
        nvme_budget_give(&nvme->budget, wait->bytes, false);
    end(read, status);
    transfer->done(transfer);
}

/* Could there be such a record? */
static bool
may_be(const struct nvme *nvme, const struct nvme_spot *spot, uint32_t blocks)
{
    const struct nvme_log *log = &nvme->log;

    return spot->segment < log->count && spot->block >= 1 &&
           spot->head_blocks >= 1 &&
           spot->head_blocks <= NVME_HEAD_BLOCKS_MAX &&
           (uint64_t)spot->block + spot->head_blocks + blocks < log->blocks &&
           atomic_load(&log->segments[spot->segment].generation) ==
               spot->generation;
}

static enum status
start(struct nvme *nvme, struct transfer *transfer)
{
    struct nvme_spot spot = nvme_log_spot(&transfer->place);
    uint32_t blocks = nvme_blocks_of(transfer->size);
    struct read need = {.nvme = nvme, .transfer = transfer};
    enum status status = STATUS_OK;
    struct read *read;

    if (!nvme_may_read(&nvme->tier))
        return STATUS_IO;
    if (!may_be(nvme, &spot, blocks)) {
        atomic_fetch_add_explicit(&nvme->stale, 1, memory_order_relaxed);
        return STATUS_MISS;
    }
    read = new_object(&need, sizeof(*read));
    if (read == NULL)
        return STATUS_NO_SPACE;
    *read = need;
    read->spot = spot;
    read->blocks = blocks;
    /* Without its head, so that a budget of megabytes is used up by values of
     * megabytes. */
    read->wait.bytes = (uint64_t)(blocks == 0 ? 1 : blocks) * NVME_BLOCK;
    read->wait.port = transfer->port;
    read->wait.granted = on_granted;
    if (!nvme_budget_take(&nvme->budget, &read->wait))
        return STATUS_OK;
    status = begin(read);
    if (status != STATUS_OK) {
        nvme_budget_give(&nvme->budget, read->wait.bytes, false);
        end(read, status);
    }
    return status;
}

enum progress
nvme_read_get(struct nvme *nvme, struct transfer *transfer)
{
    transfer->status = start(nvme, transfer);
    return transfer->status == STATUS_OK ? PENDING : FINISHED;
}

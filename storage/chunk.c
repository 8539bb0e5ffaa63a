/* SPDX-License-Identifier: Apache-2.0 */
/* Chunks: lifetime and filling.  Reading them out is chunk_cursor.c's. */
#include "storage/chunk.h"

#include "storage/pool.h"

#include <assert.h>
#include <string.h>
#include <sys/uio.h>

#define CHUNK_MAGIC 0x63686e6bu
#define RUNS_INSIDE 3u
#define RUNS_TABLE  31u
/* Values up to here share one object with their header. */
#define INLINE_MAX (POOL_CELL_MAX - (uint32_t)sizeof(struct chunk) - 16u)

static size_t
head_size(uint32_t size)
{
    if (size <= INLINE_MAX)
        return sizeof(struct chunk) + sizeof(struct chunk_run) + size;
    return sizeof(struct chunk) + RUNS_INSIDE * sizeof(struct chunk_run);
}

/* A checksum wants 64-byte alignment, the pool's objects have 16. */
#define HASH_OBJECT (sizeof(struct checksum) + 48)

static enum status
new_hash(struct chunk *chunk)
{
    uintptr_t at;

    chunk->hash_object = pool_object_new(chunk->pool, HASH_OBJECT);
    if (chunk->hash_object == NULL)
        return STATUS_NO_SPACE;
    at = ((uintptr_t)chunk->hash_object + 63) / 64 * 64;
    chunk->hash = (struct checksum *)at;
    checksum_start(chunk->hash);
    return STATUS_OK;
}

static void
free_hash(struct chunk *chunk)
{
    pool_object_free(chunk->pool, chunk->hash_object, HASH_OBJECT);
    chunk->hash = NULL;
}

static size_t
table_size(void)
{
    return sizeof(struct run_table) + RUNS_TABLE * sizeof(struct chunk_run);
}

uint32_t
chunk_footprint(uint32_t size)
{
    uint32_t blocks = (size + POOL_BLOCK - 1) / POOL_BLOCK;

    if (size <= INLINE_MAX)
        return (uint32_t)head_size(size);
    return (uint32_t)head_size(size) + blocks * POOL_BLOCK;
}

enum status
chunk_new(struct pool *pool, uint32_t size, struct chunk **chunk_out)
{
    size_t object_size = head_size(size);
    struct chunk *chunk = pool_object_new(pool, object_size);

    if (chunk == NULL)
        return STATUS_NO_SPACE;
    memset(chunk, 0, sizeof(*chunk));
    chunk->magic = CHUNK_MAGIC;
    atomic_init(&chunk->refs, 1);
    chunk->state = CHUNK_FILLING;
    chunk->size = size;
    chunk->object_size = (uint32_t)object_size;
    chunk->pool = pool;
    chunk->last = &chunk->first;
    chunk->first.room = RUNS_INSIDE;
    if (size <= INLINE_MAX) {
        chunk->first.room = chunk->first.count = 1;
        chunk->first.runs[0].data = (uint8_t *)&chunk->first.runs[1];
        chunk->first.runs[0].size = size;
        chunk->taken = size;
    } else if (new_hash(chunk) != STATUS_OK) {
        chunk_drop(&chunk);
        return STATUS_NO_SPACE;
    }
    *chunk_out = chunk;
    return STATUS_OK;
}

struct chunk *
chunk_hold(struct chunk *chunk)
{
    unsigned before =
        atomic_fetch_add_explicit(&chunk->refs, 1, memory_order_relaxed);

    assert(chunk->magic == CHUNK_MAGIC && before != 0);
    return chunk;
}

static void
give_runs(struct pool *pool, const struct run_table *table)
{
    for (uint32_t i = 0; i < table->count; i++) {
        uint32_t blocks = (table->runs[i].size + POOL_BLOCK - 1) / POOL_BLOCK;
        struct pool_run run = {table->runs[i].data, blocks};

        pool_run_give(pool, run);
    }
}

static void
free_chunk(struct chunk *chunk)
{
    struct pool *pool = chunk->pool;
    struct run_table *table = chunk->first.next;

    if (chunk->size > INLINE_MAX)
        give_runs(pool, &chunk->first);
    while (table != NULL) {
        struct run_table *next = table->next;

        give_runs(pool, table);
        pool_object_free(pool, table, table_size());
        table = next;
    }
    if (chunk->hash != NULL)
        free_hash(chunk);
    chunk->magic = 0;
    pool_object_free(pool, chunk, chunk->object_size);
}

void
chunk_drop(struct chunk **chunk_in)
{
    struct chunk *chunk = *chunk_in;

    if (chunk == NULL)
        return;
    *chunk_in = NULL;
    assert(chunk->magic == CHUNK_MAGIC);
    if (atomic_fetch_sub_explicit(&chunk->refs, 1, memory_order_acq_rel) == 1)
        free_chunk(chunk);
}

bool
chunk_is_shared(const struct chunk *chunk)
{
    assert(chunk->magic == CHUNK_MAGIC);
    return atomic_load_explicit(&chunk->refs, memory_order_acquire) > 1;
}

uint32_t
chunk_missing(const struct chunk *chunk)
{
    return chunk->size - chunk->filled;
}

uint32_t
chunk_room(const struct chunk *chunk)
{
    return chunk->taken - chunk->filled;
}

static enum status
add_run(struct chunk *chunk, struct pool_run run, uint32_t size)
{
    struct run_table *table = chunk->last;

    if (table->count == table->room) {
        table = pool_object_new(chunk->pool, table_size());
        if (table == NULL)
            return STATUS_NO_SPACE;
        table->next = NULL;
        table->count = 0;
        table->room = RUNS_TABLE;
        chunk->last->next = table;
        chunk->last = table;
    }
    table->runs[table->count].data = run.data;
    table->runs[table->count].size = size;
    table->count++;
    chunk->taken += size;
    return STATUS_OK;
}

enum status
chunk_grow(struct chunk *chunk, uint32_t bytes)
{
    uint32_t end = chunk->taken;

    assert(chunk->magic == CHUNK_MAGIC && chunk->state == CHUNK_FILLING);
    end = bytes < chunk->size - end ? end + bytes : chunk->size;
    while (chunk->taken < end) {
        uint32_t want = end - chunk->taken;
        uint32_t blocks = (want + POOL_BLOCK - 1) / POOL_BLOCK;
        struct pool_run run;

        if (blocks > POOL_EXTENT_BLOCKS)
            blocks = POOL_EXTENT_BLOCKS;
        if (!pool_run_take(chunk->pool, blocks, &run))
            return chunk_room(chunk) != 0 ? STATUS_OK : STATUS_NO_SPACE;
        if (want > run.blocks * POOL_BLOCK)
            want = run.blocks * POOL_BLOCK;
        if (add_run(chunk, run, want) != STATUS_OK) {
            pool_run_give(chunk->pool, run);
            return chunk_room(chunk) != 0 ? STATUS_OK : STATUS_NO_SPACE;
        }
    }
    return STATUS_OK;
}

unsigned
chunk_space(const struct chunk *chunk, struct iovec *vectors, unsigned max)
{
    struct chunk_cursor cursor = chunk_cursor_at(chunk, chunk->filled);

    assert(chunk->magic == CHUNK_MAGIC && chunk->state == CHUNK_FILLING);
    return chunk_cursor_vectors(&cursor, vectors, max, chunk_room(chunk));
}

void
chunk_fill(struct chunk *chunk, uint32_t n)
{
    struct chunk_cursor cursor = chunk_cursor_at(chunk, chunk->filled);

    assert(chunk->state == CHUNK_FILLING && n <= chunk_room(chunk));
    chunk->filled += n;
    while (chunk->hash != NULL && n != 0) {
        struct iovec piece;

        chunk_cursor_vectors(&cursor, &piece, 1, n);
        checksum_add(chunk->hash, piece.iov_base, piece.iov_len);
        chunk_cursor_advance(&cursor, (uint32_t)piece.iov_len);
        n -= (uint32_t)piece.iov_len;
    }
}

void
chunk_copy_in(struct chunk *chunk, const void *bytes, uint32_t n)
{
    const uint8_t *at = bytes;

    assert(n <= chunk_room(chunk));
    while (n != 0) {
        struct iovec piece;
        uint32_t size;

        chunk_space(chunk, &piece, 1);
        size = piece.iov_len < n ? (uint32_t)piece.iov_len : n;
        memcpy(piece.iov_base, at, size);
        chunk_fill(chunk, size);
        at += size;
        n -= size;
    }
}

void
chunk_seal(struct chunk *chunk)
{
    assert(chunk->magic == CHUNK_MAGIC && chunk->state == CHUNK_FILLING);
    assert(chunk->filled == chunk->size);
    if (chunk->hash != NULL) {
        chunk->checksum = checksum_value(chunk->hash);
        free_hash(chunk);
    } else {
        chunk->checksum = checksum_of(chunk->first.runs[0].data, chunk->size);
    }
    chunk->state = CHUNK_SEALED;
}

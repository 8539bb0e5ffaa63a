/* SPDX-License-Identifier: Apache-2.0 */
/* Chunks: any way of filling gives the same bytes, any way of reading too. */
#include "storage/chunk.h"
#include "storage/pool.h"
#include "tests/lib/store_values.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define POOL_SIZE   (16u << 20)
#define POOL_BLOCKS (POOL_SIZE / POOL_BLOCK)
#define LARGEST     (5u << 20)

static struct pool *pool;
static uint8_t *expected;

static void
start(void)
{
    cr_assert_eq(pool_open(POOL_SIZE, false, &pool), STATUS_OK);
    expected = malloc(LARGEST);
    cr_assert_not_null(expected);
}

static void
end(void)
{
    cr_assert_eq(pool_free_bytes(pool), pool_size(pool));
    pool_close(&pool);
    free(expected);
}

TestSuite(chunk, .init = start, .fini = end);

/* Takes every other block, so that each run that is left has one. */
static struct pool_run *
fragment(void)
{
    struct pool_run *runs = calloc(POOL_BLOCKS, sizeof(*runs));

    cr_assert_not_null(runs);
    for (unsigned i = 0; i < POOL_BLOCKS; i++)
        cr_assert(pool_run_take(pool, 1, &runs[i]));
    for (unsigned i = 0; i < POOL_BLOCKS; i += 2)
        pool_run_give(pool, runs[i]);
    return runs;
}

static void
mend(struct pool_run *runs)
{
    for (unsigned i = 1; i < POOL_BLOCKS; i += 2)
        pool_run_give(pool, runs[i]);
    free(runs);
}

/* Receives as a socket would: at most `slice` bytes a time. */
static void
receive(struct chunk *chunk, uint64_t seed, uint32_t slice)
{
    uint32_t left = slice;

    while (left != 0 && chunk_missing(chunk) != 0) {
        struct iovec vectors[3];
        unsigned count;

        if (chunk_room(chunk) == 0)
            cr_assert_eq(chunk_grow(chunk, 1u << 20), STATUS_OK);
        count = chunk_space(chunk, vectors, 3);
        cr_assert(count >= 1 && count <= 3);
        for (unsigned i = 0; i < count && left != 0; i++) {
            uint32_t size =
                vectors[i].iov_len < left ? (uint32_t)vectors[i].iov_len : left;

            value_write(vectors[i].iov_base, seed, chunk->filled, size);
            chunk_fill(chunk, size);
            left -= size;
        }
    }
}

static struct chunk *
make(uint32_t size, uint64_t seed, uint32_t slice)
{
    struct chunk *chunk;

    cr_assert_eq(chunk_new(pool, size, &chunk), STATUS_OK);
    cr_assert_eq(chunk_missing(chunk), size);
    while (chunk_missing(chunk) != 0)
        receive(chunk, seed, slice);
    cr_assert_eq(chunk_room(chunk), 0);
    chunk_seal(chunk);
    return chunk;
}

static void
holds(const struct chunk *chunk, uint32_t size, uint64_t seed)
{
    value_write(expected, seed, 0, size);
    cr_assert_eq(chunk->state, CHUNK_SEALED);
    cr_assert_eq(chunk->size, size);
    cr_assert(value_fills(chunk, seed), "size %u", size);
    cr_assert_eq(chunk->checksum, checksum_of(expected, size), "size %u", size);
}

Test(chunk, holds_the_same_bytes_however_they_arrived)
{
    static const uint32_t sizes[] = {0,     1,     2000,    4096,    4097,
                                     65536, 70001, 1048576, 1048577, LARGEST};
    static const uint32_t slices[] = {1, 7, 4096, 65521, 1u << 20, UINT32_MAX};

    for (unsigned i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        for (unsigned k = 0; k < sizeof(slices) / sizeof(*slices); k++) {
            struct chunk *chunk;

            if (sizes[i] / slices[k] > 80000)
                continue;
            chunk = make(sizes[i], i, slices[k]);
            holds(chunk, sizes[i], i);
            chunk_drop(&chunk);
            cr_assert_null(chunk);
        }
    }
}

Test(chunk, holds_the_same_bytes_when_they_are_copied_in_part)
{
    uint64_t random = 6;

    for (unsigned step = 0; step < 300; step++) {
        uint32_t size = random_below(&random, 200000);
        uint32_t early = size == 0 ? 0 : random_below(&random, size);
        struct chunk *chunk;

        cr_assert_eq(chunk_new(pool, size, &chunk), STATUS_OK);
        value_write(expected, step, 0, size);
        cr_assert_eq(chunk_grow(chunk, size), STATUS_OK);
        cr_assert_eq(chunk_room(chunk), size);
        chunk_copy_in(chunk, expected, early);
        while (chunk_missing(chunk) != 0)
            receive(chunk, step, 1 + random_below(&random, 50000));
        chunk_seal(chunk);
        holds(chunk, size, step);
        chunk_drop(&chunk);
    }
}

Test(chunk, of_any_small_size_is_right)
{
    for (uint32_t size = 0; size <= 4097; size += size == 1 ? 1899 : 1) {
        struct chunk *chunk = make(size, size, UINT32_MAX);

        holds(chunk, size, size);
        chunk_copy_out(chunk, 0, expected, size);
        cr_assert(value_is(expected, size, 0, size));
        chunk_drop(&chunk);
        cr_assert_eq(pool_free_bytes(pool), pool_size(pool));
    }
}

Test(chunk, takes_no_pages_before_bytes_come)
{
    size_t before = pool_free_bytes(pool);
    struct chunk *chunk;

    cr_assert_eq(chunk_new(pool, LARGEST, &chunk), STATUS_OK);
    cr_assert_geq(pool_free_bytes(pool) + 2 * POOL_BLOCK, before);
    cr_assert_eq(chunk_room(chunk), 0);
    cr_assert_eq(chunk_grow(chunk, 8192), STATUS_OK);
    cr_assert_eq(chunk_room(chunk), 8192);
    chunk_drop(&chunk);
}

Test(chunk, of_a_megabyte_is_one_run)
{
    struct chunk *chunk = make(1u << 20, 9, UINT32_MAX);
    struct chunk_cursor cursor = chunk_cursor_at(chunk, 0);
    struct iovec vectors[4];

    cr_assert_eq(chunk_cursor_vectors(&cursor, vectors, 4, UINT32_MAX), 1);
    cr_assert_eq(vectors[0].iov_len, 1u << 20);
    cr_assert_eq((uintptr_t)vectors[0].iov_base % POOL_BLOCK, 0);
    chunk_drop(&chunk);
}

Test(chunk, grows_in_a_pool_of_single_blocks)
{
    struct pool_run *runs = fragment();
    uint32_t size = 300 * POOL_BLOCK + 5;
    struct chunk *chunk = make(size, 10, 100000);
    struct chunk_cursor cursor = chunk_cursor_at(chunk, 0);
    struct iovec vectors[400];

    holds(chunk, size, 10);
    cr_assert_eq(chunk_cursor_vectors(&cursor, vectors, 400, UINT32_MAX), 301);
    for (unsigned i = 0; i < 300; i++)
        cr_assert_eq(vectors[i].iov_len, POOL_BLOCK);
    chunk_drop(&chunk);
    mend(runs);
}

Test(chunk, says_when_the_pool_is_full_and_goes_on_when_it_is_not)
{
    struct pool_run *runs = fragment();
    uint32_t size = POOL_SIZE / 2 + (1u << 20);
    struct chunk *chunk;

    cr_assert_eq(chunk_new(pool, size, &chunk), STATUS_OK);
    while (pool_free_bytes(pool) != 0) {
        cr_assert_eq(chunk_grow(chunk, 1u << 20), STATUS_OK);
        receive(chunk, 11, chunk_room(chunk));
    }
    cr_assert_eq(chunk_grow(chunk, 1u << 20), STATUS_NO_SPACE);
    for (unsigned i = 1; i < POOL_BLOCKS; i += 2)
        pool_run_give(pool, runs[i]);
    free(runs);
    while (chunk_missing(chunk) != 0)
        receive(chunk, 11, UINT32_MAX);
    chunk_seal(chunk);
    cr_assert(value_fills(chunk, 11));
    chunk_drop(&chunk);
}

Test(chunk, needs_room_for_its_header)
{
    struct pool_run runs[POOL_BLOCKS], run;
    unsigned count = 0;
    struct chunk *chunk = NULL;

    while (pool_run_take(pool, POOL_EXTENT_BLOCKS, &runs[count]))
        count++;
    cr_assert_eq(chunk_new(pool, 10, &chunk), STATUS_NO_SPACE);
    cr_assert_eq(chunk_new(pool, 10000, &chunk), STATUS_NO_SPACE);
    /* One block: the head finds room in it, and maybe the hash. */
    run = (struct pool_run){runs[0].data, 1};
    pool_run_give(pool, run);
    cr_assert_eq(chunk_new(pool, 10000, &chunk), STATUS_NO_SPACE);
    cr_assert_eq(pool_free_bytes(pool), POOL_BLOCK);
    runs[0].data += POOL_BLOCK;
    runs[0].blocks--;
    while (count != 0)
        pool_run_give(pool, runs[--count]);
}

/* Reads from `offset` on by vectors of our own choice. */
static void
reads_from(const struct chunk *chunk, uint32_t offset, unsigned max,
           uint32_t limit, uint64_t seed)
{
    struct chunk_cursor cursor = chunk_cursor_at(chunk, offset);
    uint32_t at = offset;

    while (at < chunk->size) {
        struct iovec vectors[16];
        unsigned count = chunk_cursor_vectors(&cursor, vectors, max, limit);
        uint32_t sum = 0;

        cr_assert(count >= 1 && count <= max);
        for (unsigned i = 0; i < count; i++) {
            uint32_t size = (uint32_t)vectors[i].iov_len;

            cr_assert_neq(size, 0);
            cr_assert(value_is(vectors[i].iov_base, seed, at + sum, size));
            sum += size;
        }
        cr_assert_leq(sum, limit);
        chunk_cursor_advance(&cursor, sum);
        at += sum;
    }
    cr_assert_eq(at, chunk->size);
    cr_assert_eq(chunk_cursor_vectors(&cursor, &(struct iovec){0}, 1, 1), 0);
}

Test(chunk, is_read_from_every_offset)
{
    static const uint32_t sizes[] = {1, 17, 1900, 4097, 3 * POOL_BLOCK + 1};
    struct pool_run *runs = fragment();

    for (unsigned i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        struct chunk *chunk = make(sizes[i], i, UINT32_MAX);

        for (uint32_t offset = 0; offset <= sizes[i]; offset++) {
            reads_from(chunk, offset, 2, 5000, i);
            chunk_copy_out(chunk, offset, expected, sizes[i] - offset);
            cr_assert(value_is(expected, i, offset, sizes[i] - offset));
        }
        chunk_drop(&chunk);
    }
    mend(runs);
}

Test(chunk, gives_no_more_vectors_and_bytes_than_asked_for)
{
    struct pool_run *runs = fragment();
    struct chunk *chunk = make(100 * POOL_BLOCK, 12, UINT32_MAX);

    for (unsigned max = 1; max <= 16; max += 5)
        for (uint32_t limit = 1; limit < 200000; limit = limit * 3 + 1)
            if (limit > 50)
                reads_from(chunk, 3, max, limit, 12);
    chunk_drop(&chunk);
    mend(runs);
}

Test(chunk, lives_until_its_last_reference_goes)
{
    struct chunk *chunk = make(5000, 13, UINT32_MAX);
    struct chunk *second = chunk_hold(chunk);

    cr_assert_eq(second, chunk);
    cr_assert(chunk_is_shared(chunk));
    chunk_drop(&chunk);
    cr_assert_null(chunk);
    cr_assert_not(chunk_is_shared(second));
    cr_assert(value_fills(second, 13));
    chunk_drop(&second);
    chunk_drop(&second);
}

Test(chunk, takes_what_its_footprint_says)
{
    static const uint32_t sizes[] = {5000, 65536, 70001, 1048576, LARGEST};

    for (unsigned i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        struct chunk *chunk = make(sizes[i], i, 123456);
        size_t used = pool_size(pool) - pool_free_bytes(pool);

        cr_assert_geq(used,
                      chunk_footprint(sizes[i]) / POOL_BLOCK * POOL_BLOCK);
        cr_assert_leq(used, chunk_footprint(sizes[i]) + 2 * POOL_BLOCK);
        chunk_drop(&chunk);
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The pool against a map of its blocks: what is taken, what is best, and that
 * all of it comes back. */
#include "storage/poison.h"
#include "storage/pool.h"
#include "tests/lib/store_values.h"

#include <criterion/criterion.h>

#define EXTENTS     4u
#define BLOCKS      (EXTENTS * POOL_EXTENT_BLOCKS)
#define HELD_MAX    600u
#define MEGABYTE    (1u << 20)
#define STEPS       100000u
#define OBJECT_MANY 3000u

static struct pool *pool;
static uint8_t *base;

/* Block by block: by how many runs and objects it is held. */
static uint16_t holders[BLOCKS];

struct held {
    uint8_t *data;
    uint32_t blocks; /* 0: an object ... */
    size_t size;     /* ... of this size */
};
static struct held held[HELD_MAX];
static unsigned held_count;

/* The lowest block is the first to go, which tells where the pool starts. */
static void
start(size_t size)
{
    struct pool_run run;

    cr_assert_eq(pool_open(size, false, &pool), STATUS_OK);
    cr_assert(pool_run_take(pool, 1, &run));
    base = run.data;
    pool_run_give(pool, run);
    cr_assert_eq(pool_free_bytes(pool), pool_size(pool));
}

static void
end(void)
{
    cr_assert_eq(pool_free_bytes(pool), pool_size(pool));
    pool_close(&pool);
    cr_assert_null(pool);
}

static uint32_t
longest_in(uint32_t extent)
{
    uint32_t longest = 0, here = 0;

    for (uint32_t i = 0; i < POOL_EXTENT_BLOCKS; i++) {
        here = holders[extent * POOL_EXTENT_BLOCKS + i] == 0 ? here + 1 : 0;
        if (here > longest)
            longest = here;
    }
    return longest;
}

/* The shortest of the extents' longest free runs from `want` on, or the
 * longest of all where none has so many. */
static uint32_t
best_for(uint32_t want)
{
    uint32_t best = UINT32_MAX, longest = 0;

    for (uint32_t extent = 0; extent < EXTENTS; extent++) {
        uint32_t here = longest_in(extent);

        if (here >= want && here < best)
            best = here;
        if (here > longest)
            longest = here;
    }
    return best == UINT32_MAX ? longest : best;
}

static void
hold(uint8_t *data, uint32_t blocks, size_t size)
{
    size_t first = (size_t)(data - base) / POOL_BLOCK;
    size_t last = (size_t)(data - base + size - 1) / POOL_BLOCK;
    bool is_cell = blocks == 0 && size <= POOL_CELL_MAX;

    cr_assert(data >= base && last < BLOCKS);
    for (size_t i = first; i <= last; i++) {
        cr_assert(is_cell || holders[i] == 0, "block %zu is held twice", i);
        holders[i]++;
    }
    value_write(data, (uintptr_t)data, 0, 1);
    data[size - 1] = (uint8_t)size;
    held[held_count++] = (struct held){data, blocks, size};
}

static struct held
let_go(unsigned which)
{
    struct held it = held[which];
    size_t first = (size_t)(it.data - base) / POOL_BLOCK;
    size_t last = (size_t)(it.data - base + it.size - 1) / POOL_BLOCK;

    held[which] = held[--held_count];
    cr_assert_eq(it.data[it.size - 1], (uint8_t)it.size);
    for (size_t i = first; i <= last; i++)
        holders[i]--;
    return it;
}

static void
take_run(uint64_t *random)
{
    uint32_t want = random_below(random, 3) == 0
                        ? 1 + random_below(random, POOL_EXTENT_BLOCKS)
                        : 1 + random_below(random, 24);
    uint32_t best = best_for(want), extent;
    struct pool_run run;
    bool taken = pool_run_take(pool, want, &run);

    cr_assert_eq(taken, best != 0);
    if (!taken)
        return;
    cr_assert_eq(run.blocks, want < best ? want : best);
    cr_assert_eq((uintptr_t)run.data % POOL_BLOCK, 0);
    extent = (uint32_t)((size_t)(run.data - base) / MEGABYTE);
    cr_assert_eq(longest_in(extent), best, "a longer run was cut for %u", want);
    hold(run.data, run.blocks, (size_t)run.blocks * POOL_BLOCK);
}

static void
take_object(uint64_t *random)
{
    size_t size = random_below(random, 8) == 0
                      ? 1 + random_below(random, POOL_OBJECT_MAX)
                      : 1 + random_below(random, POOL_CELL_MAX);
    uint32_t blocks = (uint32_t)((size + POOL_BLOCK - 1) / POOL_BLOCK);
    uint8_t *object = pool_object_new(pool, size);

    if (object == NULL) {
        cr_assert_lt(best_for(blocks), blocks);
        return;
    }
    cr_assert_eq((uintptr_t)object % 16, 0);
    hold(object, 0, size);
}

static void
give(unsigned which)
{
    struct held it = let_go(which);

    if (it.blocks == 0)
        pool_object_free(pool, it.data, it.size);
    else
        pool_run_give(pool, (struct pool_run){it.data, it.blocks});
}

static void
trim(unsigned which, uint64_t *random)
{
    struct held it = held[which];
    struct pool_run run = {it.data, it.blocks};
    uint32_t keep;

    if (it.blocks < 2)
        return;
    let_go(which);
    keep = 1 + random_below(random, it.blocks);
    pool_run_trim(pool, &run, keep);
    cr_assert_eq(run.blocks, keep);
    hold(run.data, keep, (size_t)keep * POOL_BLOCK);
}

static size_t
free_blocks(void)
{
    size_t count = 0;

    for (unsigned i = 0; i < BLOCKS; i++)
        count += holders[i] == 0;
    return count;
}

Test(pool, loses_and_doubles_no_block_in_random_churn)
{
    uint64_t random = 1;

    start((size_t)BLOCKS * POOL_BLOCK);
    for (unsigned i = 0; i < STEPS; i++) {
        unsigned what = random_below(&random, 16);

        if (held_count == HELD_MAX || (what < 7 && held_count != 0))
            give(random_below(&random, held_count));
        else if (what == 7 && held_count != 0)
            trim(random_below(&random, held_count), &random);
        else if (what < 12)
            take_object(&random);
        else
            take_run(&random);
        cr_assert_eq(pool_free_bytes(pool), free_blocks() * POOL_BLOCK,
                     "after step %u", i);
    }
    while (held_count != 0)
        give(0);
    end();
}

Test(pool, gives_the_longest_run_there_is_where_none_is_long_enough)
{
    struct pool_run runs[BLOCKS], run;

    start((size_t)BLOCKS * POOL_BLOCK);
    for (unsigned i = 0; i < BLOCKS; i++)
        cr_assert(pool_run_take(pool, 1, &runs[i]));
    cr_assert_not(pool_run_take(pool, 1, &run));
    cr_assert_null(pool_object_new(pool, 16));
    for (unsigned i = 0; i < BLOCKS; i++)
        if (i % 7 < 2)
            pool_run_give(pool, runs[i]);
    for (unsigned i = 0; i < 10; i++) {
        cr_assert(pool_run_take(pool, 200, &run));
        cr_assert_eq(run.blocks, 2);
        pool_run_give(pool, run);
    }
    cr_assert_not_null(pool_object_new(pool, POOL_OBJECT_MAX));
    pool_close(&pool);
}

Test(pool, keeps_a_megabyte_one_run_while_like_replaces_like)
{
    enum { RUNS = 48, WHOLE = 8 };
    static const uint32_t sizes[] = {256, 16, 75, 1, 256, 28};
    struct pool_run runs[RUNS];
    uint64_t random = 2;

    start((size_t)(RUNS + WHOLE) * MEGABYTE);
    for (unsigned i = 0; i < RUNS; i++)
        cr_assert(pool_run_take(pool, sizes[i % 6], &runs[i]));
    for (unsigned i = 0; i < 20000; i++) {
        unsigned which = random_below(&random, RUNS);
        uint32_t want = sizes[which % 6];

        pool_run_give(pool, runs[which]);
        cr_assert(pool_run_take(pool, want, &runs[which]));
        cr_assert_eq(runs[which].blocks, want);
    }
    for (unsigned i = 0; i < WHOLE; i++) {
        struct pool_run run;

        cr_assert(pool_run_take(pool, POOL_EXTENT_BLOCKS, &run));
        cr_assert_eq(run.blocks, POOL_EXTENT_BLOCKS);
        pool_run_give(pool, run);
    }
    for (unsigned i = 0; i < RUNS; i++)
        pool_run_give(pool, runs[i]);
    end();
}

Test(pool, can_be_filled_to_the_last_block_after_the_sizes_shift)
{
    struct pool_run runs[BLOCKS];
    unsigned count = 0;

    start((size_t)BLOCKS * POOL_BLOCK);
    for (unsigned i = 0; i < EXTENTS; i++) {
        cr_assert(pool_run_take(pool, POOL_EXTENT_BLOCKS, &runs[i]));
        cr_assert_eq(runs[i].blocks, POOL_EXTENT_BLOCKS);
    }
    for (unsigned i = 0; i < EXTENTS; i++)
        pool_run_give(pool, runs[i]);
    while (pool_run_take(pool, 16, &runs[count])) {
        cr_assert_eq(runs[count].blocks, 16);
        count++;
    }
    cr_assert_eq(count, BLOCKS / 16);
    cr_assert_eq(pool_free_bytes(pool), 0);
    while (count != 0)
        pool_run_give(pool, runs[--count]);
    end();
}

Test(pool, has_slabs_give_their_block_back_when_the_last_object_goes)
{
    static void *objects[OBJECT_MANY];

    start(16 * MEGABYTE);
    for (size_t size = 1; size <= POOL_OBJECT_MAX; size += size / 8 + 1) {
        for (unsigned i = 0; i < OBJECT_MANY / 2; i++) {
            objects[i] = pool_object_new(pool, size);
            cr_assert_not_null(objects[i]);
            memset(objects[i], (int)i, size);
        }
        for (unsigned i = 0; i < OBJECT_MANY / 2; i++) {
            unsigned which = i * 7 % (OBJECT_MANY / 2);

            cr_assert_eq(*(uint8_t *)objects[which], (uint8_t)which);
            pool_object_free(pool, objects[which], size);
        }
        cr_assert_eq(pool_free_bytes(pool), pool_size(pool), "of size %zu",
                     size);
    }
    end();
}

Test(pool, fills_its_slabs_to_three_fifths_with_any_size)
{
    static void *objects[OBJECT_MANY];

    start(16 * MEGABYTE);
    for (size_t size = 64; size <= POOL_CELL_MAX; size += 16) {
        size_t used, least = OBJECT_MANY * size;

        for (unsigned i = 0; i < OBJECT_MANY; i++)
            cr_assert_not_null(objects[i] = pool_object_new(pool, size));
        used = pool_size(pool) - pool_free_bytes(pool);
        cr_assert_leq(used, least * 5 / 3 + 2 * POOL_BLOCK, "of size %zu",
                      size);
        for (unsigned i = 0; i < OBJECT_MANY; i++)
            pool_object_free(pool, objects[i], size);
    }
    end();
}

Test(pool, rounds_its_size_down_to_whole_blocks)
{
    struct pool_run run;
    size_t all = 0;

    start(MEGABYTE + 3 * POOL_BLOCK + 17);
    cr_assert_eq(pool_size(pool), MEGABYTE + 3 * POOL_BLOCK);
    while (pool_run_take(pool, POOL_EXTENT_BLOCKS, &run)) {
        memset(run.data, 1, (size_t)run.blocks * POOL_BLOCK);
        all += run.blocks;
    }
    cr_assert_eq(all, POOL_EXTENT_BLOCKS + 3);
    pool_close(&pool);
}

Test(pool, may_touch_all_of_its_memory_at_start)
{
    struct pool_run run;

    cr_assert_eq(pool_open(3 * MEGABYTE, true, &pool), STATUS_OK);
    cr_assert(pool_run_take(pool, POOL_EXTENT_BLOCKS, &run));
    memset(run.data, 1, MEGABYTE);
    pool_run_give(pool, run);
    end();
}

#if defined(__SANITIZE_ADDRESS__)
Test(pool, poisons_what_nobody_has)
{
    struct pool_run run;
    uint8_t *object;

    start(MEGABYTE);
    cr_assert_not_null(__asan_region_is_poisoned(base, MEGABYTE));
    cr_assert(pool_run_take(pool, 3, &run));
    cr_assert_null(__asan_region_is_poisoned(run.data, 3 * POOL_BLOCK));
    cr_assert(__asan_address_is_poisoned(run.data + 3 * POOL_BLOCK));
    pool_run_trim(pool, &run, 1);
    cr_assert(__asan_address_is_poisoned(run.data + POOL_BLOCK));
    pool_run_give(pool, run);
    cr_assert(__asan_address_is_poisoned(run.data));
    object = pool_object_new(pool, 100);
    cr_assert_null(__asan_region_is_poisoned(object, 100));
    cr_assert(__asan_address_is_poisoned(object + 128));
    pool_object_free(pool, object, 100);
    cr_assert(__asan_address_is_poisoned(object));
    end();
}
#endif

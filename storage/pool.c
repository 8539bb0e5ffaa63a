/* SPDX-License-Identifier: Apache-2.0 */
/* The mapping and the runs of blocks; objects are pool_object.c's. */
#include "storage/pool.h"

#include "storage/poison.h"
#include "storage/pool_lists.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#define HUGE_PAGE (2u << 20)

static void
list(struct pool *pool, uint32_t index)
{
    struct extent *extent = &pool->extents[index];
    uint32_t *head = &pool->by_longest[extent->longest];

    extent->previous = POOL_NONE;
    extent->next = *head;
    if (*head != POOL_NONE)
        pool->extents[*head].previous = index;
    *head = index;
    pool->is_listed[extent->longest / 64] |= 1ull << (extent->longest % 64);
}

static void
unlist(struct pool *pool, uint32_t index)
{
    struct extent *extent = &pool->extents[index];
    uint32_t *head = &pool->by_longest[extent->longest];

    if (extent->previous != POOL_NONE)
        pool->extents[extent->previous].next = extent->next;
    else
        *head = extent->next;
    if (extent->next != POOL_NONE)
        pool->extents[extent->next].previous = extent->previous;
    if (*head == POOL_NONE)
        pool->is_listed[extent->longest / 64] &=
            ~(1ull << (extent->longest % 64));
}

static void
relist(struct pool *pool, uint32_t index)
{
    uint16_t longest = extent_measure(&pool->extents[index]);

    if (longest == pool->extents[index].longest)
        return;
    unlist(pool, index);
    pool->extents[index].longest = longest;
    list(pool, index);
}

/* The least length from `least` on that some extent offers, or 0. */
static uint32_t
least_listed(const struct pool *pool, uint32_t least)
{
    for (uint32_t word = least / 64; word <= EXTENT_BLOCKS / 64; word++) {
        uint64_t bits = pool->is_listed[word];

        if (word == least / 64)
            bits &= ~0ull << (least % 64);
        if (bits != 0)
            return word * 64 + (uint32_t)__builtin_ctzll(bits);
    }
    return 0;
}

static uint32_t
greatest_listed(const struct pool *pool)
{
    for (uint32_t word = EXTENT_BLOCKS / 64 + 1; word-- > 0;)
        if (pool->is_listed[word] != 0)
            return word * 64 + 63 -
                   (uint32_t)__builtin_clzll(pool->is_listed[word]);
    return 0;
}

bool
pool_take_locked(struct pool *pool, uint32_t blocks, struct pool_run *run_out)
{
    uint32_t longest = least_listed(pool, blocks);
    uint32_t index, first;

    if (longest == 0)
        longest = blocks = greatest_listed(pool);
    if (longest == 0)
        return false;
    index = pool->by_longest[longest];
    first = extent_find(&pool->extents[index], blocks);
    extent_mark_taken(&pool->extents[index], first, blocks);
    relist(pool, index);
    atomic_fetch_sub_explicit(&pool->free_blocks, blocks, memory_order_relaxed);
    run_out->data =
        pool->base + ((size_t)index * EXTENT_BLOCKS + first) * POOL_BLOCK;
    run_out->blocks = blocks;
    POISON_RELEASE(run_out->data, (size_t)blocks * POOL_BLOCK);
    return true;
}

void
pool_give_locked(struct pool *pool, struct pool_run run)
{
    size_t block = (size_t)(run.data - pool->base) / POOL_BLOCK;
    uint32_t index = (uint32_t)(block / EXTENT_BLOCKS);

    assert(index < pool->extent_count && run.blocks != 0);
    POISON_HOLD(run.data, (size_t)run.blocks * POOL_BLOCK);
    extent_mark_free(&pool->extents[index], block % EXTENT_BLOCKS, run.blocks);
    relist(pool, index);
    atomic_fetch_add_explicit(&pool->free_blocks, run.blocks,
                              memory_order_relaxed);
}

bool
pool_run_take(struct pool *pool, uint32_t blocks, struct pool_run *run_out)
{
    bool taken;

    assert(pool->magic == POOL_MAGIC);
    assert(blocks >= 1 && blocks <= POOL_EXTENT_BLOCKS);
    pthread_mutex_lock(&pool->lock);
    taken = pool_take_locked(pool, blocks, run_out);
    pthread_mutex_unlock(&pool->lock);
    return taken;
}

void
pool_run_give(struct pool *pool, struct pool_run run)
{
    assert(pool->magic == POOL_MAGIC);
    pthread_mutex_lock(&pool->lock);
    pool_give_locked(pool, run);
    pthread_mutex_unlock(&pool->lock);
}

void
pool_run_trim(struct pool *pool, struct pool_run *run, uint32_t keep)
{
    struct pool_run rest = {run->data + (size_t)keep * POOL_BLOCK,
                            run->blocks - keep};

    assert(keep <= run->blocks);
    if (rest.blocks != 0)
        pool_run_give(pool, rest);
    run->blocks = keep;
}

size_t
pool_size(const struct pool *pool)
{
    return pool->size;
}

size_t
pool_free_bytes(const struct pool *pool)
{
    return atomic_load_explicit(&pool->free_blocks, memory_order_relaxed) *
           POOL_BLOCK;
}

/* All blocks free, the lowest extents first in line, so that memory is touched
 * from one end. */
static void
free_all(struct pool *pool)
{
    size_t blocks = pool->size / POOL_BLOCK;

    for (unsigned i = 0; i <= EXTENT_BLOCKS; i++)
        pool->by_longest[i] = POOL_NONE;
    for (uint32_t index = pool->extent_count; index-- > 0;) {
        size_t left = blocks - (size_t)index * EXTENT_BLOCKS;
        uint32_t here = left < EXTENT_BLOCKS ? (uint32_t)left : EXTENT_BLOCKS;

        extent_mark_free(&pool->extents[index], 0, here);
        pool->extents[index].longest = (uint16_t)here;
        list(pool, index);
    }
    atomic_store(&pool->free_blocks, blocks);
    POISON_HOLD(pool->base, pool->size);
}

/* Reserves size bytes at a multiple of the huge page size. */
static uint8_t *
map_aligned(size_t size)
{
    uint8_t *whole = mmap(NULL, size + HUGE_PAGE, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    size_t before;

    if (whole == MAP_FAILED)
        return NULL;
    before = (HUGE_PAGE - (uintptr_t)whole % HUGE_PAGE) % HUGE_PAGE;
    if (before != 0)
        munmap(whole, before);
    munmap(whole + before + size, HUGE_PAGE - before);
    /* Only advice: a kernel without huge pages serves small ones. */
    (void)madvise(whole + before, size, MADV_HUGEPAGE);
    return whole + before;
}

enum status
pool_open(size_t size, bool prefault, struct pool **pool_out)
{
    struct pool *pool = calloc(1, sizeof(*pool));
    size_t extent_size = (size_t)EXTENT_BLOCKS * POOL_BLOCK;

    if (pool == NULL)
        return STATUS_NO_SPACE;
    pool->magic = POOL_MAGIC;
    pool->size = size / POOL_BLOCK * POOL_BLOCK;
    pool->mapped = (pool->size + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
    pool->extent_count =
        (uint32_t)((pool->size + extent_size - 1) / extent_size);
    pool->extents = calloc(pool->extent_count, sizeof(*pool->extents));
    pool->base = map_aligned(pool->mapped);
    if (pool->extents == NULL || pool->base == NULL)
        goto failed;
    if (prefault && madvise(pool->base, pool->size, MADV_POPULATE_WRITE) != 0 &&
        errno != EINVAL)
        goto failed;
    pthread_mutex_init(&pool->lock, NULL);
    free_all(pool);
    pool_classes_start(pool);
    *pool_out = pool;
    return STATUS_OK;
failed:
    if (pool->base != NULL)
        munmap(pool->base, pool->mapped);
    free(pool->extents);
    free(pool);
    return STATUS_NO_SPACE;
}

void
pool_close(struct pool **pool_in)
{
    struct pool *pool = *pool_in;

    if (pool == NULL)
        return;
    assert(pool->magic == POOL_MAGIC);
    *pool_in = NULL;
    pool->magic = 0;
    POISON_RELEASE(pool->base, pool->size);
    munmap(pool->base, pool->mapped);
    pthread_mutex_destroy(&pool->lock);
    free(pool->extents);
    free(pool);
}

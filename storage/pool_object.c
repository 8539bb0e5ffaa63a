/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects of a pool.  A slab is one block cut into cells of one size, with its
 * own head in front; it exists while one of its cells is taken.
 */
#include "storage/poison.h"
#include "storage/pool_lists.h"

#include <assert.h>

#define SLAB_MAGIC 0x736c6162u
#define SLAB_HEAD  64u
#define SLAB_ROOM  (POOL_BLOCK - SLAB_HEAD)

struct slab {
    unsigned magic;
    uint16_t class;
    uint64_t free; /* one bit a cell */
    struct slab *previous, *next;
};

static_assert(sizeof(struct slab) <= SLAB_HEAD, "the head fits its place");

/* Cells to a slab, one class each: the least waste for any size. */
static const uint8_t cells_of_class[POOL_CLASSES] = {
    63, 50, 42, 36, 31, 28, 25, 21, 18, 16, 14, 13,
    12, 11, 10, 9,  8,  7,  6,  5,  4,  3,  2};

void
pool_classes_start(struct pool *pool)
{
    unsigned class = 0;

    for (unsigned i = 0; i < POOL_CLASSES; i++) {
        pool->class_cells[i] = cells_of_class[i];
        pool->class_size[i] =
            (uint16_t)(SLAB_ROOM / cells_of_class[i] / 16 * 16);
    }
    for (unsigned i = 0; i <= POOL_CELL_MAX / 16; i++) {
        while (pool->class_size[class] < i * 16)
            class ++;
        pool->class_of[i] = (uint8_t) class;
    }
}

static uint64_t
all_cells(const struct pool *pool, unsigned class)
{
    return ~0ull >> (64 - pool->class_cells[class]);
}

static void
list(struct pool *pool, struct slab *slab)
{
    struct slab **head = &pool->partial[slab->class];

    slab->previous = NULL;
    slab->next = *head;
    if (*head != NULL)
        (*head)->previous = slab;
    *head = slab;
}

static void
unlist(struct pool *pool, struct slab *slab)
{
    if (slab->previous != NULL)
        slab->previous->next = slab->next;
    else
        pool->partial[slab->class] = slab->next;
    if (slab->next != NULL)
        slab->next->previous = slab->previous;
}

static struct slab *
new_slab(struct pool *pool, unsigned class)
{
    struct pool_run run;
    struct slab *slab;

    if (!pool_take_locked(pool, 1, &run))
        return NULL;
    slab = (struct slab *)run.data;
    slab->magic = SLAB_MAGIC;
    slab->class = (uint16_t) class;
    slab->free = all_cells(pool, class);
    POISON_HOLD(run.data + SLAB_HEAD, SLAB_ROOM);
    list(pool, slab);
    return slab;
}

static void *
take_cell(struct pool *pool, unsigned class)
{
    struct slab *slab = pool->partial[class];
    unsigned cell;
    uint8_t *at;

    if (slab == NULL)
        slab = new_slab(pool, class);
    if (slab == NULL)
        return NULL;
    cell = (unsigned)__builtin_ctzll(slab->free);
    slab->free &= slab->free - 1;
    if (slab->free == 0)
        unlist(pool, slab);
    at = (uint8_t *)slab + SLAB_HEAD + (size_t)cell * pool->class_size[class];
    POISON_RELEASE(at, pool->class_size[class]);
    return at;
}

static void
give_cell(struct pool *pool, uint8_t *at, unsigned class)
{
    uint8_t *block = (uint8_t *)((uintptr_t)at / POOL_BLOCK * POOL_BLOCK);
    struct slab *slab = (struct slab *)block;
    size_t cell = (size_t)(at - block - SLAB_HEAD) / pool->class_size[class];
    struct pool_run run = {block, 1};

    assert(slab->magic == SLAB_MAGIC && slab->class == class);
    assert((slab->free & (1ull << cell)) == 0);
    POISON_HOLD(at, pool->class_size[class]);
    if (slab->free == 0)
        list(pool, slab);
    slab->free |= 1ull << cell;
    if (slab->free != all_cells(pool, class))
        return;
    unlist(pool, slab);
    slab->magic = 0;
    pool_give_locked(pool, run);
}

/* Blocks side by side, or nothing. */
static void *
take_blocks(struct pool *pool, uint32_t blocks)
{
    struct pool_run run;

    if (!pool_take_locked(pool, blocks, &run))
        return NULL;
    if (run.blocks == blocks)
        return run.data;
    pool_give_locked(pool, run);
    return NULL;
}

void *
pool_object_new(struct pool *pool, size_t size)
{
    void *object;

    assert(pool->magic == POOL_MAGIC);
    assert(size >= 1 && size <= POOL_OBJECT_MAX);
    pthread_mutex_lock(&pool->lock);
    if (size <= POOL_CELL_MAX)
        object = take_cell(pool, pool->class_of[(size + 15) / 16]);
    else
        object =
            take_blocks(pool, (uint32_t)((size + POOL_BLOCK - 1) / POOL_BLOCK));
    pthread_mutex_unlock(&pool->lock);
    return object;
}

void
pool_object_free(struct pool *pool, void *object, size_t size)
{
    struct pool_run run = {object,
                           (uint32_t)((size + POOL_BLOCK - 1) / POOL_BLOCK)};

    assert(pool->magic == POOL_MAGIC);
    assert(size >= 1 && size <= POOL_OBJECT_MAX);
    pthread_mutex_lock(&pool->lock);
    if (size <= POOL_CELL_MAX)
        give_cell(pool, object, pool->class_of[(size + 15) / 16]);
    else
        pool_give_locked(pool, run);
    pthread_mutex_unlock(&pool->lock);
}

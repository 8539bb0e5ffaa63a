/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of a pool, for pool.c (runs) and pool_object.c (objects) alone.
 */
#ifndef STORAGE_POOL_LISTS_H
#define STORAGE_POOL_LISTS_H

#include "storage/extent.h"
#include "storage/pool.h"

#include <pthread.h>
#include <stdatomic.h>

#define POOL_NONE    UINT32_MAX
#define POOL_CLASSES 23u
#define POOL_MAGIC   0x706f6f6cu

struct slab;

struct pool {
    unsigned magic;
    uint8_t *base; /* aligned to 2 MiB */
    size_t size, mapped;
    pthread_mutex_t lock;
    _Atomic size_t free_blocks;

    struct extent *extents;
    uint32_t extent_count;
    uint32_t by_longest[EXTENT_BLOCKS + 1]; /* heads of lists of extents */
    uint64_t is_listed[EXTENT_BLOCKS / 64 + 1];

    uint16_t class_size[POOL_CLASSES], class_cells[POOL_CLASSES];
    uint8_t class_of[POOL_CELL_MAX / 16 + 1];
    struct slab *partial[POOL_CLASSES]; /* slabs with a free cell */
};

/* With the lock held. */
bool pool_take_locked(struct pool *, uint32_t blocks, struct pool_run *run_out);
void pool_give_locked(struct pool *, struct pool_run);
void pool_classes_start(struct pool *);

#endif

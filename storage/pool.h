/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory of the cache, mapped once at start and never grown.  There are
 * two pools: one for chunks (dram.size) and one for the index
 * (limits.index_memory).
 *
 * A pool hands out two things:
 *
 *   runs      blocks of 4 KiB that lie side by side, 1 to 256 of them (1 MiB),
 *             4 KiB aligned: what bodies are received into and sent from
 *   objects   anything up to 8 KiB, 16-byte aligned: headers, entries, bodies
 *             of less than half a block
 *
 * Space is kept as extents of 256 blocks.  Runs are taken best fit by the
 * longest free run of an extent, so that a megabyte stays one run as long as
 * the pool can make one, and a body can always be made of shorter runs as long
 * as enough blocks are free: nothing is ever lost to fragments of 4 KiB and
 * more.  Objects share blocks by size class; a block whose last object is freed
 * goes back to the common free blocks, so that no size owns memory for ever.
 *
 *   memory     is free       pool_run_take() / pool_object_new()
 *              is taken      pool_run_give() / pool_object_free()
 *
 * Under AddressSanitizer free memory is poisoned.  All functions may be called
 * by any thread; one short lock guards a pool, and is held for no I/O.
 */
#ifndef STORAGE_POOL_H
#define STORAGE_POOL_H

#include "proto/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define POOL_BLOCK         4096u
#define POOL_EXTENT_BLOCKS 256u
#define POOL_OBJECT_MAX    8192u
/* Objects above this take whole blocks. */
#define POOL_CELL_MAX 2016u

struct pool;

struct pool_run {
    uint8_t *data;
    uint32_t blocks; /* of POOL_BLOCK bytes */
};

/* Maps size bytes, rounded down to whole blocks; with prefault, touches them
 * all (NO_SPACE when the system has not got them).  One owner, the main
 * thread. */
enum status pool_open(size_t size, bool prefault,
                      struct pool **pool_out) MUST_USE;
void pool_close(struct pool **);

/* The best run of at most `blocks` (1..POOL_EXTENT_BLOCKS): exactly that long
 * if any extent has so many side by side, else the longest there is.  False
 * when no block is free.  Contents are undefined. */
bool pool_run_take(struct pool *, uint32_t blocks, struct pool_run *run_out);
void pool_run_give(struct pool *, struct pool_run);
/* Gives the blocks from `keep` on back; the run has `keep` blocks after. */
void pool_run_trim(struct pool *, struct pool_run *, uint32_t keep);

/* size bytes (1..POOL_OBJECT_MAX), undefined contents; NULL when there is no
 * room.  Freed with the same size. */
void *pool_object_new(struct pool *, size_t size);
void pool_object_free(struct pool *, void *object, size_t size);

/* Bytes: of the whole pool, and of blocks that nobody has.  A recent value. */
size_t pool_size(const struct pool *);
size_t pool_free_bytes(const struct pool *);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* One extent of a pool: which of its 256 blocks are free.  Pure, no locks. */
#ifndef STORAGE_EXTENT_H
#define STORAGE_EXTENT_H

#include <stdbool.h>
#include <stdint.h>

#define EXTENT_BLOCKS 256u

struct extent {
    uint64_t free[EXTENT_BLOCKS / 64]; /* bit b of word w: block 64 w + b */
    uint32_t previous, next;           /* in the pool's list of this length */
    uint16_t longest;                  /* free blocks side by side */
};

/* Marks blocks first..first+count-1; they must all be in the other state. */
void extent_mark_free(struct extent *, uint32_t first, uint32_t count);
void extent_mark_taken(struct extent *, uint32_t first, uint32_t count);

/* The first of `count` free blocks side by side; there must be such. */
uint32_t extent_find(const struct extent *, uint32_t count);

/* The length of the longest run of free blocks, 0..256. */
uint16_t extent_measure(const struct extent *);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Bit work on the free map of one extent. */
#include "storage/extent.h"

#include <assert.h>

#define WORDS (EXTENT_BLOCKS / 64)

/* The first block from `from` on whose bit is `state`, or EXTENT_BLOCKS. */
static uint32_t
next_in_state(const struct extent *extent, uint32_t from, bool state)
{
    while (from < EXTENT_BLOCKS) {
        uint64_t word = extent->free[from / 64];

        if (!state)
            word = ~word;
        word >>= from % 64;
        if (word != 0)
            return from + (uint32_t)__builtin_ctzll(word);
        from = (from / 64 + 1) * 64;
    }
    return EXTENT_BLOCKS;
}

static uint64_t
word_mask(uint32_t word, uint32_t first, uint32_t end)
{
    uint32_t low = word * 64 > first ? word * 64 : first;
    uint32_t high = word * 64 + 64 < end ? word * 64 + 64 : end;

    if (low >= high)
        return 0;
    return (~0ull >> (64 - (high - low))) << (low % 64);
}

void
extent_mark_free(struct extent *extent, uint32_t first, uint32_t count)
{
    assert(first + count <= EXTENT_BLOCKS);
    for (uint32_t word = first / 64; word < WORDS; word++) {
        uint64_t mask = word_mask(word, first, first + count);

        assert((extent->free[word] & mask) == 0);
        extent->free[word] |= mask;
    }
}

void
extent_mark_taken(struct extent *extent, uint32_t first, uint32_t count)
{
    assert(first + count <= EXTENT_BLOCKS);
    for (uint32_t word = first / 64; word < WORDS; word++) {
        uint64_t mask = word_mask(word, first, first + count);

        assert((extent->free[word] & mask) == mask);
        extent->free[word] &= ~mask;
    }
}

uint32_t
extent_find(const struct extent *extent, uint32_t count)
{
    uint32_t from = 0;

    for (;;) {
        uint32_t first = next_in_state(extent, from, true);
        uint32_t end = next_in_state(extent, first, false);

        assert(first < EXTENT_BLOCKS);
        if (end - first >= count)
            return first;
        from = end;
    }
}

uint16_t
extent_measure(const struct extent *extent)
{
    uint32_t longest = 0;

    for (uint32_t from = 0; from < EXTENT_BLOCKS;) {
        uint32_t first = next_in_state(extent, from, true);
        uint32_t end = next_in_state(extent, first, false);

        if (end - first > longest)
            longest = end - first;
        from = end;
    }
    return (uint16_t)longest;
}

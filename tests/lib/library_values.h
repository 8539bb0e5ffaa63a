/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values that are made from a number and judged by it, and the time.
 */
#ifndef TESTS_LIB_LIBRARY_VALUES_H
#define TESTS_LIB_LIBRARY_VALUES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

static inline uint64_t
library_values_now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* Word i of a value: another one at each place, and for each seed. */
static inline uint64_t
library_values_word(uint64_t seed, size_t i)
{
    uint64_t x = (seed + 1) * 0x9e3779b97f4a7c15ull + i;

    x ^= x >> 29;
    return x * 0xbf58476d1ce4e5b9ull;
}

static inline void
library_values_fill(uint8_t *body, size_t size, uint64_t seed)
{
    for (size_t i = 0; i < size; i += 8) {
        uint64_t word = library_values_word(seed, i);

        memcpy(body + i, &word, size - i < 8 ? size - i : 8);
    }
}

static inline bool
library_values_match(const uint8_t *body, size_t size, uint64_t seed)
{
    for (size_t i = 0; i < size; i += 8) {
        uint64_t word = library_values_word(seed, i);

        if (memcmp(body + i, &word, size - i < 8 ? size - i : 8) != 0)
            return false;
    }
    return true;
}

#endif

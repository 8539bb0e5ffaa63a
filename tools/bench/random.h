/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Repeatable numbers for bodies, names and traces: the same seed gives the
 * same run anywhere.  Nothing here is secret or needs to be unpredictable.
 */
#ifndef TOOLS_BENCH_RANDOM_H
#define TOOLS_BENCH_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* A bijection of 64-bit numbers that leaves no visible pattern (the finalizer
 * of splitmix64). */
static inline uint64_t
random_mix(uint64_t number)
{
    number += 0x9e3779b97f4a7c15u;
    number = (number ^ (number >> 30)) * 0xbf58476d1ce4e5b9u;
    number = (number ^ (number >> 27)) * 0x94d049bb133111ebu;
    return number ^ (number >> 31);
}

/* The next number of the stream *state, which starts at any seed. */
static inline uint64_t
random_next(uint64_t *state)
{
    uint64_t number = random_mix(*state);
    *state += 0x9e3779b97f4a7c15u;
    return number;
}

/* 0 <= result < bound; bound is not 0.  The bias of a modulus by numbers this
 * small is far below what any run could show. */
static inline uint64_t
random_below(uint64_t *state, uint64_t bound)
{
    return random_next(state) % bound;
}

/* 0 <= result < 1. */
static inline double
random_share(uint64_t *state)
{
    return (double)(random_next(state) >> 11) * 0x1p-53;
}

static inline void
random_fill(uint64_t seed, uint64_t *into, size_t count)
{
    for (size_t i = 0; i < count; i++)
        into[i] = random_next(&seed);
}

#endif

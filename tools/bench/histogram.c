/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The arithmetic of the buckets.  What is measured, and who reads it, is
 * load.c's and replay_client.c's.
 */
#include "tools/bench/histogram.h"

#define STEP_BITS 5u
#define STEPS     (1u << STEP_BITS) /* buckets in a power of two */

static unsigned
bucket_of(uint64_t value)
{
    if (value < STEPS)
        return (unsigned)value;
    unsigned shift = 63u - (unsigned)__builtin_clzll(value) - STEP_BITS;
    return shift * STEPS + (unsigned)(value >> shift);
}

/* The middle of a bucket, so that the error is half its width either way. */
static uint64_t
middle_of(unsigned bucket)
{
    if (bucket < 2 * STEPS)
        return bucket;
    unsigned shift = bucket / STEPS - 1;
    uint64_t lowest = (uint64_t)(bucket - shift * STEPS) << shift;
    return lowest + ((uint64_t)1 << shift) / 2;
}

void
histogram_add(struct histogram *histogram, uint64_t value)
{
    histogram->count[bucket_of(value)]++;
    histogram->total++;
    histogram->sum += (double)value;
    if (value > histogram->most)
        histogram->most = value;
}

void
histogram_merge(struct histogram *into, const struct histogram *from)
{
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
        into->count[i] += from->count[i];
    into->total += from->total;
    into->sum += from->sum;
    if (from->most > into->most)
        into->most = from->most;
}

uint64_t
histogram_quantile(const struct histogram *histogram, double share)
{
    if (histogram->total == 0)
        return 0;
    double rank = share * (double)histogram->total;
    uint64_t below = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS && share < 1; i++) {
        below += histogram->count[i];
        if (below == 0 || (double)below < rank)
            continue;
        uint64_t value = middle_of(i);
        return value < histogram->most ? value : histogram->most;
    }
    return histogram->most;
}

double
histogram_mean(const struct histogram *histogram)
{
    if (histogram->total == 0)
        return 0;
    return histogram->sum / (double)histogram->total;
}

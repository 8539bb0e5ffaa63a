/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Latencies in log-linear buckets, as HDR histograms have them: 32 buckets in
 * every power of two, so that a quantile is within 3 % of the truth from one
 * nanosecond to centuries.  One writer; histograms of several threads are
 * merged when the threads are done.
 */
#ifndef TOOLS_BENCH_HISTOGRAM_H
#define TOOLS_BENCH_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_BUCKETS 1920u

/* All zero is an empty one. */
struct histogram {
    uint64_t count[HISTOGRAM_BUCKETS];
    uint64_t total; /* values added */
    uint64_t most;  /* the largest of them, exact */
    double sum;
};

void histogram_add(struct histogram *, uint64_t value);
void histogram_merge(struct histogram *into, const struct histogram *from);

/* The value that a `share` (0 to 1) of all values does not exceed; 0 of an
 * empty histogram; share 1 is exact. */
uint64_t histogram_quantile(const struct histogram *, double share);
double histogram_mean(const struct histogram *);

#endif

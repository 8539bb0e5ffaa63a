/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a trace would have found in a cache that evicts the least recently used
 * block, with room for so many blocks.
 *
 * For each request, in order: its hits are the leading run of its blocks that
 * are present; then all of its blocks are touched or inserted, in order.  The
 * hit ratio is the sum of hits over the sum of blocks.
 */
#ifndef TOOLS_BENCH_SIMULATE_H
#define TOOLS_BENCH_SIMULATE_H

#include "tools/bench/trace.h"

/* One number a request into hits_out; NO_SPACE without memory. capacity > 0. */
enum status simulate_lru(const struct trace *, uint64_t capacity,
                         uint32_t *hits_out) MUST_USE;

#endif

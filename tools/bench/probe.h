/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The index itself, without a server: a store in this process with many small
 * values, and one thread that looks for their names in random order.
 */
#ifndef TOOLS_BENCH_PROBE_H
#define TOOLS_BENCH_PROBE_H

#include "proto/status.h"

#include <stdint.h>

struct probe_result {
    double here_per_second; /* names looked for that are there, spelled and
                               hashed anew each time */
    double missing_per_second;
    uint64_t wrong; /* found where there is nothing, or not found */
};

/* OK, or NO_SPACE if the entries do not fit into memory. */
enum status probe_run(uint64_t entries, double seconds,
                      struct probe_result *) MUST_USE;

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prefix lookups against a running server: connections that ask PREFIX.MATCH of
 * so many keys that are all there, at random places of what was put, one lookup
 * after the other; beside them, if wanted, one that puts large values.
 */
#ifndef TOOLS_BENCH_LOOKUP_H
#define TOOLS_BENCH_LOOKUP_H

#include "client/wire.h"
#include "tools/bench/histogram.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOOKUP_KEYS_MAX 8192u

struct lookup_plan {
    struct wire_url url; /* redis:// */
    uint64_t entries;    /* small values, put first if is_filled */
    unsigned keys;       /* of a lookup, 1 .. LOOKUP_KEYS_MAX */
    unsigned connections;
    double seconds;
    uint64_t
        write_rate;    /* bytes a second put meanwhile; 0: none, UINT64_MAX: as
                            many as go */
    size_t write_size; /* of each such value */
    bool is_filled, with_tiers;
};

struct lookup_result {
    struct histogram latency; /* ns */
    uint64_t elapsed_ns, written_bytes;
    uint64_t incomplete; /* lookups that did not match all their keys */
};

/* A failure has a sentence in why[room]. */
enum status lookup_run(const struct lookup_plan *, struct lookup_result *,
                       char *why, size_t room) MUST_USE;

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lookups against a running server: connections that ask for so many keys that
 * are all there, at random places of what was put, one lookup after the other;
 * beside them, if wanted, one that puts large values.
 */
#ifndef TOOLS_BENCH_LOOKUP_H
#define TOOLS_BENCH_LOOKUP_H

#include "tools/bench/histogram.h"
#include "tools/bench/load_url.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOOKUP_KEYS_MAX 8192u

enum lookup_verb {
    LOOKUP_PREFIX, /* how many are here, from the first on; not over lm:// */
    LOOKUP_EXISTS  /* each, with a lease */
};

struct lookup_plan {
    struct load_url url; /* not memcached:// */
    enum lookup_verb verb;
    uint64_t entries; /* small values, put first if is_filled */
    unsigned keys;    /* of a lookup, 1 .. LOOKUP_KEYS_MAX */
    unsigned connections;
    double seconds;
    uint64_t
        write_rate;    /* bytes a second put meanwhile; 0: none, UINT64_MAX: as
                            many as go */
    size_t write_size; /* of each such value */
    bool is_filled, with_tiers; /* of PREFIX over redis:// */
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

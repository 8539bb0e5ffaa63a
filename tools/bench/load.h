/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One measured run: connections that get, put or ask for keys as fast as they
 * are answered, each a client on a thread of its own.  The same code measures
 * every server, whatever its wire, so that their figures compare.
 */
#ifndef TOOLS_BENCH_LOAD_H
#define TOOLS_BENCH_LOAD_H

#include "tools/bench/histogram.h"
#include "tools/bench/load_tier.h"
#include "tools/bench/load_url.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum load_mode { LOAD_GET, LOAD_PUT, LOAD_MIXED, LOAD_EXISTS };
enum load_kind { KIND_GET, KIND_PUT, KIND_EXISTS, KIND_COUNT };

struct load_plan {
    struct load_url url;
    enum load_mode mode;
    unsigned get_share; /* of MIXED, in per cent */
    unsigned connections;
    unsigned in_flight; /* requests of each that are on their way at most */
    size_t size;        /* of each value */
    uint64_t keys;      /* walked round and round, so that memory is cold */
    uint64_t first_key; /* the number of the first */
    double seconds;
    uint64_t rate;  /* bytes a second over all connections; 0: no limit */
    bool is_filled; /* put every key before the clock starts */
    bool is_verified;
    enum load_tier_kind tier; /* they are to come from, or go to; or NONE */
    pid_t pid; /* the server's, for its processor time; 0: not known */
};

struct load_result {
    struct histogram latency[KIND_COUNT]; /* ns */
    uint64_t bytes;                       /* of values, both ways */
    uint64_t hits, misses;                /* of GET and EXISTS */
    uint64_t wrong;                       /* values got that were not theirs */
    uint64_t refused;                     /* requests answered with an error */
    uint64_t elapsed_ns;
    uint64_t server_cpu_ns;                 /* 0: not known */
    struct load_tier_figures before, after; /* with a tier */
};

/* BAD_REQUEST, GONE and so on, with a sentence in why[room], if the run could
 * not be finished.  Over lm:// a PUT has no reply; the clock stops when an
 * EXIST behind the last one has been answered.
 *
 * tier: a prefixcached that has it.  It is filled no faster than its disk takes
 * it, and then with as many other keys as push the values out of all faster
 * tiers; the clock starts when everything is written, and the server is left when
 * everything is written again. */
enum status load_run(const struct load_plan *, struct load_result *, char *why,
                     size_t room) MUST_USE;

#endif

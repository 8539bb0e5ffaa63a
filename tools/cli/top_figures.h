/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happened at one shard between two looks at what it counts, and how it
 * was at the second one.  Pure.
 */
#ifndef CLI_TOP_FIGURES_H
#define CLI_TOP_FIGURES_H

#include "tools/cli/facts.h"

#include <stdbool.h>
#include <stdint.h>

enum top_count {
    TOP_REQUESTS,
    TOP_QUERIES, /* keys asked for: an EXISTS and the GETs behind it are one */
    TOP_HITS,    /* of those */
    TOP_GET_HITS,
    TOP_GET_MISSES,
    TOP_GET_BYTES,
    TOP_PUTS, /* stored, or there already */
    TOP_PUTS_DROPPED,
    TOP_PUT_BYTES,
    TOP_EVICTIONS,
    TOP_COUNTS
};

enum top_tier { TOP_DRAM, TOP_NVME, TOP_SPILL, TOP_TIERS };
const char *top_tier_name(enum top_tier);

struct top_tier_figures {
    bool is_there;
    unsigned
        out_count; /* shards that do not read from it, or not write to it */
    uint64_t size, used, values;
    uint64_t hits; /* GETs that it answered, meanwhile */
    double
        get_ms; /* what a GET of a value of its mean size takes; negative: not
                      known */
};

/* One look. */
struct top_sample {
    bool is_up; /* the shard has answered */
    uint64_t at_ns;
    double answer_ms; /* how long that took */
    struct facts facts;
};
void top_sample_drop(struct top_sample *);

struct top_figures {
    bool is_up;
    bool is_anew;   /* the server has been started since */
    double seconds; /* between the looks; 0: nothing is known of before */
    uint64_t counts[TOP_COUNTS];
    uint64_t connections;
    double answer_ms;
    struct top_tier_figures tiers[TOP_TIERS];
};

/* `before` is NULL for all since the server's start.  A shard that does not
 * answer now, or did not before, has no counts. */
void top_figures_read(const struct top_sample *before,
                      const struct top_sample *after, struct top_figures *out);
/* To a sum that began all zero; its seconds and answer_ms are the longest. */
void top_figures_add(struct top_figures *sum, const struct top_figures *);

/* A second; 0 where no time has passed. */
double top_figures_rate(const struct top_figures *, uint64_t count);
/* 0 to 1; negative where there was nothing. */
double top_figures_hit_ratio(const struct top_figures *);
double top_figures_tier_ratio(const struct top_figures *, enum top_tier);

#endif

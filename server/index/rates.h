/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much of what engines ask for is here, by namespace and model (labels.h);
 * since the start, and over the last minutes and the last hour.
 *
 * A query is an EXISTS, or a GET of a key that no EXISTS has promised: the GETs
 * within the lease of an EXISTS belong to its query.  A hit is one that was
 * answered with yes, or with the value.  What is newly PUT is what was computed
 * for want of a hit: clients stop asking at the first miss, so that misses are
 * too few.
 *
 * Each worker has a table of its own, which only it writes, without locks; a
 * reader adds them up.
 */
#ifndef INDEX_RATES_H
#define INDEX_RATES_H

#include "proto/message.h"
#include "storage/tier.h"

#include <stdbool.h>
#include <stdint.h>

struct rates;
struct rates_table;

/* All numbers of chunks and of bytes. */
struct rates_count {
    uint64_t queries, query_bytes; /* a miss is taken to be of the size that
                                      its model's values had lately */
    uint64_t hits[TIER_COUNT], hit_bytes[TIER_COUNT];
    uint64_t puts, put_bytes; /* of values that were not there */
};
uint64_t rates_count_hits(const struct rates_count *);
uint64_t rates_count_hit_bytes(const struct rates_count *);
/* Of chunks, 0 to 1; negative where nothing was asked for. */
double rates_count_ratio(const struct rates_count *);

/* For so many workers, and so many models that are told apart.  Main thread. */
enum status rates_open(unsigned workers, unsigned models, uint64_t now_ns,
                       struct rates **out) MUST_USE;
void rates_close(struct rates **);
struct rates_table *rates_worker(struct rates *, unsigned number);

/* The number that a key's model has; it never changes.  guess: what this was for
 * a key before, which costs least where it is right again; else 0.  All four on
 * the worker's own thread. */
unsigned rates_label(struct rates_table *, uint16_t space,
                     const struct bytes *key, unsigned guess);
void rates_hit(struct rates_table *, unsigned label, enum tier_kind,
               uint64_t bytes);
void rates_miss(struct rates_table *, unsigned label);
void rates_put(struct rates_table *, unsigned label, uint64_t bytes);

/* Keeps what is counted now, for windows to come.  Call it now and then: it does
 * so each ten seconds.  One thread. */
void rates_sample(struct rates *, uint64_t now_ns);

/* From here on any thread. */

/* Labels are below this; the last one is the sum of all others. */
unsigned rates_labels(const struct rates *);
/* False: nothing was counted under it yet. */
bool rates_name(const struct rates *, unsigned label, uint16_t *space_out,
                const char **model_out); /* lent for good */

/* What was counted since some time. */
struct rates_window {
    struct rates_count count;
    uint64_t ns; /* how long ago it began: somewhat more than was asked for, or
                    less if the server has not run for so long */
};
#define RATES_START   UINT64_MAX
#define RATES_LONGEST (3600ull * 1000000000)
/* Those that are shown. */
#define RATES_SPANS 4u
extern const struct rates_span {
    const char *name; /* 1m, 5m, 1h, start */
    uint64_t ns;
} rates_spans[RATES_SPANS];
/* The last age_ns: at most RATES_LONGEST, or RATES_START for all of it. */
void rates_read(struct rates *, unsigned label, uint64_t age_ns,
                uint64_t now_ns, struct rates_window *out);

/* What had been counted in all at times of the last hour, the oldest first: ten
 * seconds apart in the last five minutes, a minute before that; at first the
 * start.  How many. */
struct rates_moment {
    uint64_t at_ns, queries, hits;
};
#define RATES_MOMENTS 92u
unsigned rates_moments(struct rates *, struct rates_moment out[RATES_MOMENTS]);

#endif

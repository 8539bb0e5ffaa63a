/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What had been counted at times of the last hour, so that rates over a minute,
 * five, or an hour can be told without anybody who scrapes.  Any thread.
 */
#ifndef OBSERVE_HISTORY_H
#define OBSERVE_HISTORY_H

#include "storage/policy_curve.h"
#include "storage/tier.h"

#include <stdbool.h>
#include <stdint.h>

struct history;
struct server;

struct history_point {
    uint64_t at_ns;        /* monotonic */
    uint64_t hits, misses; /* of GETs, as their clients see them */
    uint64_t tier_hits[TIER_COUNT];
    uint64_t puts; /* that were stored, or were there already */
    uint64_t get_bytes, put_bytes;
    bool has_curve;
    struct policy_curve_count curve;
};

enum status history_open(struct history **out) MUST_USE;
void history_close(struct history **);
/* Keeps what is counted now; call it now and then, it does so each ten seconds. */
void history_sample(struct server *);
void history_now(struct server *, struct history_point *out);
/* The youngest one kept that is at least so old; else the oldest; all zero if
 * none is, which is what the start was. */
void history_before(struct server *, uint64_t age_ns,
                    struct history_point *out);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counters, made from counters.def.  Each thread that counts has a set of its
 * own, which only it writes, with relaxed atomic stores; a reader sums them.
 */
#ifndef BASE_COUNTERS_H
#define BASE_COUNTERS_H

#include <stdatomic.h>
#include <stdint.h>

enum counter_id {
#define COUNTER(name, metric, labels, help) COUNTER_##name,
#include "base/counters.def"
#undef COUNTER
    COUNTER_COUNT
};

struct counters {
    _Alignas(64) _Atomic uint64_t value[COUNTER_COUNT];
};

/* Only the thread that owns the set. */
static inline void
count(struct counters *counters, enum counter_id id, uint64_t n)
{
    uint64_t now =
        atomic_load_explicit(&counters->value[id], memory_order_relaxed);

    atomic_store_explicit(&counters->value[id], now + n, memory_order_relaxed);
}

/* Any thread. */
static inline uint64_t
counter_read(const struct counters *counters, enum counter_id id)
{
    return atomic_load_explicit(&counters->value[id], memory_order_relaxed);
}

struct counter_row {
    const char *name;   /* as in `stat` and INFO: requests_lm_get */
    const char *metric; /* prefixcache_requests_total; rows of one metric stand
                           together */
    const char *labels; /* wire="lm",verb="get", or empty */
    const char *help;
};
extern const struct counter_row counter_rows[COUNTER_COUNT];

#endif

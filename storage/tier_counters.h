/* SPDX-License-Identifier: Apache-2.0 */
/* The counters of each tier: which row of base/counters.def is whose. */
#ifndef STORAGE_TIER_COUNTERS_H
#define STORAGE_TIER_COUNTERS_H

#include "base/counters.h"
#include "storage/tier.h"

/* Of DRAM: hits alone. */
struct tier_counters {
    enum counter_id hits;
    enum counter_id reads_good, reads_joined, reads_ahead, reads_corrupt,
        reads_failed;
    enum counter_id reads_stale, reads_late, reads_no_space;
    enum counter_id writes_put, writes_kept, writes_skipped, writes_void;
    enum counter_id writes_too_big, writes_failed;
    enum counter_id write_bytes_put, write_bytes_kept, write_bytes_skipped;
    enum counter_id reclaimed;
};

extern const struct tier_counters tier_counters[TIER_COUNT];

#endif

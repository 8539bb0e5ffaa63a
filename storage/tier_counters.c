/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/tier_counters.h"

#define LOWER(tier)                                                            \
    {                                                                          \
        .hits = COUNTER_hits_##tier,                                           \
        .reads_good = COUNTER_##tier##_reads_good,                             \
        .reads_joined = COUNTER_##tier##_reads_joined,                         \
        .reads_ahead = COUNTER_##tier##_reads_ahead,                           \
        .reads_corrupt = COUNTER_##tier##_reads_corrupt,                       \
        .reads_failed = COUNTER_##tier##_reads_failed,                         \
        .reads_stale = COUNTER_##tier##_reads_stale,                           \
        .reads_late = COUNTER_##tier##_reads_late,                             \
        .reads_no_space = COUNTER_##tier##_reads_no_space,                     \
        .writes_put = COUNTER_##tier##_writes_put,                             \
        .writes_kept = COUNTER_##tier##_writes_kept,                           \
        .writes_skipped = COUNTER_##tier##_writes_skipped,                     \
        .writes_void = COUNTER_##tier##_writes_void,                           \
        .writes_too_big = COUNTER_##tier##_writes_too_big,                     \
        .writes_failed = COUNTER_##tier##_writes_failed,                       \
        .write_bytes_put = COUNTER_##tier##_write_bytes_put,                   \
        .write_bytes_kept = COUNTER_##tier##_write_bytes_kept,                 \
        .write_bytes_skipped = COUNTER_##tier##_write_bytes_skipped,           \
        .reclaimed = COUNTER_##tier##_reclaimed                                \
    }

const struct tier_counters tier_counters[TIER_COUNT] = {
    [TIER_DRAM] = {.hits = COUNTER_hits_dram},
    [TIER_NVME] = LOWER(nvme),
    [TIER_SPILL] = LOWER(spill),
};

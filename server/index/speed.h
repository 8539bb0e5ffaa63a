/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long GETs take, by the tier their value was in: from when the value was
 * first asked for until its last byte was the kernel's.  So what the client's
 * network can take is in it.
 *
 * Each worker has one, which only it writes; a reader adds them up without a
 * lock.  The last few dozen GETs count, older ones less and less.
 */
#ifndef INDEX_SPEED_H
#define INDEX_SPEED_H

#include "storage/tier.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Weighted sums over GETs, for a line through them: time over size. */
struct speed_sums {
    _Atomic double weight, size, time, size_size, size_time;
};

struct speed {
    _Alignas(64) struct speed_sums tiers[TIER_COUNT];
};

/* One more GET.  The thread that owns it. */
void speed_note(struct speed *, enum tier_kind, uint64_t bytes, uint64_t ns);

/* A GET of n bytes takes get_ns + n * byte_ns.  Where all values were of nearly
 * one size those can not be told apart: of small values all of it is get_ns, of
 * others byte_ns. */
struct speed_line {
    bool is_known; /* some GET was measured */
    double get_ns, byte_ns;
};
/* Over `count` of them.  Any thread. */
struct speed_line speed_line(const struct speed *, unsigned count,
                             enum tier_kind);

#endif

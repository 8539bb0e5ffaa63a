/* SPDX-License-Identifier: Apache-2.0 */
/* What the adaptive policy knows beside who goes next. */
#ifndef STORAGE_POLICY_ADAPTIVE_H
#define STORAGE_POLICY_ADAPTIVE_H

#include "storage/policy.h"

#define POLICY_ADAPTIVE_SIZES 4u

/* An estimate of what the cache would have hit since it was opened, had it been
 * so many percent of its present size: 50, 100, 200 and 400.  accesses: hits and
 * puts so far.  Any thread; false, and nothing written, if another one is at it
 * just now. */
struct policy_adaptive_curve {
    unsigned percent[POLICY_ADAPTIVE_SIZES];
    double hit_ratio[POLICY_ADAPTIVE_SIZES];
    double bonus; /* the present one, see policy_adaptive.c */
};

bool policy_adaptive_curve(struct policy_shared *, uint64_t accesses,
                           struct policy_adaptive_curve *out);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* What the hit ratio would be with other sizes of the tiers (policy_curve.h), for
 * INFO, for /metrics and for /v1/stats.  Any thread. */
#ifndef OBSERVE_CURVE_H
#define OBSERVE_CURVE_H

#include "storage/policy_curve.h"

#include <stdbool.h>
#include <stdio.h>

struct server;

/* Of the last hour: hits as a share of hits and PUTs. */
struct curve {
    double hit_ratio; /* as it was */
    struct {
        bool is_there;
        double hit_ratios[POLICY_CURVE_SIZES]; /* with policy_curve_percent() of
                                                  its size */
    } tiers[POLICY_CURVE_TIERS];
};
/* False: ask again. */
bool curve_read(struct server *, struct curve *out);

void curve_write_info(struct server *, FILE *);
void curve_write_metrics(struct server *, FILE *);

#endif

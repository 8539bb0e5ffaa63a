/* SPDX-License-Identifier: Apache-2.0 */
/* What the lower tiers hold and how they fare, for INFO and for /metrics, from
 * one table.  Writes nothing where there is no such tier.  Any thread. */
#ifndef OBSERVE_TIERS_H
#define OBSERVE_TIERS_H

#include "storage/store.h"

#include <stdio.h>

void tiers_write_nvme_info(const struct store_usage *, FILE *);
void tiers_write_spill_info(const struct store_usage *, FILE *);
void tiers_write_metrics(const struct store_usage *, FILE *);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Hit rates by namespace and model (server/index/rates.h), for INFO and for
 * /metrics.  Any thread. */
#ifndef OBSERVE_RATES_TEXT_H
#define OBSERVE_RATES_TEXT_H

#include <stdio.h>

struct server;

void rates_text_info(struct server *, FILE *);
/* queries and hits have the same labels, so that a rate of one may be divided by
 * a rate of the other. */
void rates_text_metrics(struct server *, FILE *);

#endif

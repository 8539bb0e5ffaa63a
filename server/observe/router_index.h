/* SPDX-License-Identifier: Apache-2.0 */
/* What the router's index holds and when it was saved, for INFO and for /metrics,
 * from one table.  Any thread. */
#ifndef OBSERVE_ROUTER_INDEX_H
#define OBSERVE_ROUTER_INDEX_H

#include <stdio.h>

struct server;

void router_index_write_info(struct server *, FILE *);
void router_index_write_metrics(struct server *, FILE *);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The server's state in Prometheus's text format, version 0.0.4.  Any
 * thread. */
#ifndef OBSERVE_METRICS_H
#define OBSERVE_METRICS_H

#include <stdio.h>

struct server;

void metrics_write(struct server *, FILE *);

#endif

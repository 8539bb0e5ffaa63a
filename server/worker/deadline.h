/* SPDX-License-Identifier: Apache-2.0 */
/* The limits in time that a connection is held to. */
#ifndef WORKER_DEADLINE_H
#define WORKER_DEADLINE_H

#include <stdint.h>

struct connection;

/* Checks them now; may close it. */
void deadline_check(struct connection *, uint64_t now_ns);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker: a thread with an event loop, a storage port, counters and buffers
 * of its own, and the group of connections it was given.
 */
#ifndef WORKER_WORKER_H
#define WORKER_WORKER_H

#include "proto/status.h"

struct server;
struct worker;

/* Main thread.  worker_start() begins to turn its loop, worker_stop() ends it
 * and closes what connections are left. */
enum status worker_open(struct server *, unsigned number,
                        struct worker **out) MUST_USE;
enum status worker_start(struct worker *) MUST_USE;
void worker_stop(struct worker *);
/* For a caller that has not started it: what is ready now, on the caller's
 * thread, without waiting. */
void worker_turn(struct worker *);
void worker_close(struct worker **);

/* Any thread: gives a connected socket to the worker; peer is copied. */
void worker_give(struct worker *, int fd, const char *peer);
/* Any thread: has it look at the server's state again (draining). */
void worker_wake(struct worker *);
/* Any thread: a recent value. */
unsigned worker_connections(const struct worker *);

#endif

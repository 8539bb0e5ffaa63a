/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker: a thread with an event loop, a storage port, counters and buffers
 * of its own, and the connections it was given.
 */
#ifndef NET_WORKER_H
#define NET_WORKER_H

#include "base/counters.h"
#include "proto/status.h"
#include "server/net/buffers.h"
#include "server/net/watch.h"
#include "storage/store.h"

#include <stdbool.h>
#include <stdint.h>

struct connection;
struct server;
struct worker;

#define WORKER_SCRATCH (256u << 10)

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
/* Any thread: recent values. */
unsigned worker_connections(const struct worker *);
uint64_t worker_pinned_bytes(const struct worker *);

/* The worker's own thread only. */
struct server *worker_server(struct worker *);
struct watch_group *worker_watches(struct worker *);
struct store_port *worker_port(struct worker *);
struct counters *worker_counters(struct worker *);
struct buffers *worker_buffers(struct worker *);
unsigned worker_number(const struct worker *);
uint8_t *worker_scratch(struct worker *); /* WORKER_SCRATCH bytes, for now */
void worker_add(struct worker *, struct connection *);
void worker_remove(struct worker *, struct connection *);
/* limits.head_memory is used up: closes the connection, but not `spared`, that
 * has kept a buffer longest without getting on.  False: there is none. */
bool worker_shed(struct worker *, const struct connection *spared);
/* Something was started on the port that has a deadline. */
void worker_watch_deadline(struct worker *);

#endif

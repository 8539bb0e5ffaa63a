/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a worker's event loop offers to the rest of the server, so that only
 * worker.c knows which library turns it.  All on the worker's own thread.
 */
#ifndef NET_WATCH_H
#define NET_WATCH_H

#include <stdbool.h>
#include <stdint.h>

struct worker;
struct watch;

/* The descriptor is ready in the ways that were asked for.  Level triggered:
 * what is left unread or unwritten calls again. */
typedef void watch_ready_fn(void *arg, bool may_read, bool may_write);

/* Watches a descriptor for reading; NULL without memory. */
struct watch *watch_new(struct worker *, int fd, watch_ready_fn *ready,
                        void *arg);
/* No system call where nothing changes. */
void watch_want(struct watch *, bool read, bool write);
void watch_free(struct watch **);

#endif

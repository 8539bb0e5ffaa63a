/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The descriptors of a worker's connections and whose turn it is among them.
 * Short requests go first; slices of large bodies are done one at a time, and
 * the kernel is asked for short requests in between, so that an EXISTS never
 * waits for more than one slice.  All on the worker's own thread.
 */
#ifndef NET_WATCH_H
#define NET_WATCH_H

#include "proto/status.h"

#include <stdbool.h>
#include <stdint.h>

struct event_base;
struct watch;

/* Priorities of the group's event base. */
enum watch_priority { WATCH_SHORT, WATCH_BULK, WATCH_PRIORITIES };

typedef void watch_after_fn(void *arg);

struct watch_group {
    struct event_base *base;
    unsigned short_run; /* short turns since the last slice of bulk */
    struct event *after_event;
    watch_after_fn *after;
    void *after_arg;
};

/* after() is called once behind all short turns that were due together, and
 * behind each slice of bulk. */
enum status watch_group_open(struct watch_group *, watch_after_fn *after,
                             void *after_arg) MUST_USE;
void watch_group_close(struct watch_group *);
/* Has it called behind another callback of this base too. */
void watch_group_follow(struct watch_group *);

/* The descriptor is ready in the ways that were asked for.  Level triggered:
 * what is left unread or unwritten calls again. */
typedef void watch_ready_fn(void *arg, bool may_read, bool may_write);

/* Watches a descriptor for reading; NULL without memory. */
struct watch *watch_new(struct watch_group *, int fd, watch_ready_fn *ready,
                        void *arg);
/* Has ready() called soon, in line with bulk, as if it might write.  No system
 * call. */
void watch_wake(struct watch *);
/* No system call where nothing changes. */
void watch_want(struct watch *, bool read, bool write);
/* Is what it waits to read a part of a body?  Then it waits as writing always
 * does: behind short requests. */
void watch_set_bulk(struct watch *, bool is_bulk);
void watch_free(struct watch **);

#endif

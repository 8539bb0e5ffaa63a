/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accepts connections on the data port (and the Unix socket) and gives each to
 * the worker that has the fewest, where it stays.  Turns on the main thread,
 * which also waits for signals here.
 */
#ifndef WORKER_LISTENER_H
#define WORKER_LISTENER_H

#include "proto/status.h"

#include <stddef.h>

struct counters;
struct listener;
struct server;

/* Binds listen.data and listen.unix; counters are the main thread's own. */
enum status listener_open(struct server *, struct counters *,
                          struct listener **out, char *why,
                          size_t room) MUST_USE;
/* Until SIGTERM or SIGINT; then accepts no more and waits until no connection
 * is left, at most limits.drain.  reload() on SIGHUP. */
void listener_run(struct listener *, void (*reload)(struct server *));
void listener_close(struct listener **);
const char *listener_address(const struct listener *);

#endif

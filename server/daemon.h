/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server's threads and its life from configuration to exit.  The main
 * thread owns it.
 *
 *   state      /readyz   by
 *   SERVING    200       daemon_open()
 *   DRAINING   503       SIGTERM or SIGINT: nothing new is accepted, what is
 *                        under way is answered, then connections close
 */
#ifndef SERVER_DAEMON_H
#define SERVER_DAEMON_H

#include "base/options.h"
#include "proto/status.h"

#include <stddef.h>

struct http;
struct listener;
struct server;

struct daemon {
    struct server *server;
    struct listener *listener;
    struct http *http;
};

/* Opens all of it.  On failure why[room] says what, where and what was
 * expected. */
enum status daemon_open(const struct options *, struct daemon **out, char *why,
                        size_t room) MUST_USE;
/* Serves until SIGTERM or SIGINT, then drains.  reload() is called on SIGHUP,
 * on the main thread. */
void daemon_run(struct daemon *, void (*reload)(struct server *));
void daemon_close(struct daemon **);

#endif

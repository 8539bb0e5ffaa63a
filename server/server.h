/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The running server: what its threads share, and its life from configuration
 * to exit.  The main thread owns it.
 *
 *   state      /readyz   by
 *   SERVING    200       server_open()
 *   DRAINING   503       server_drain(): nothing new is accepted, what is
 *                        under way is answered, then connections close
 */
#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

#include "base/counters.h"
#include "base/options.h"
#include "server/net/buffers.h"
#include "server/net/roster.h"
#include "storage/store.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define SERVER_VERSION PACKAGE_VERSION

struct http;
struct listener;
struct worker;

/* What connections are held to; SIGHUP may change it while they are open. */
struct server_limits {
    _Atomic uint64_t key, head, connections;
    _Atomic uint64_t header_timeout_ns, body_timeout_ns, slow_body_ns;
    _Atomic uint64_t output_timeout_ns, pinned_timeout_ns, drain_ns;
};

struct server {
    struct options options; /* as started; read by any thread */
    struct server_limits limits;
    struct store *store;
    struct roster roster;
    struct buffer_account head_memory;
    _Atomic bool is_draining;
    uint64_t started_ns, started_unix_ms;

    unsigned worker_count;
    struct worker **workers;
    unsigned counters_count; /* a set for each worker, the listener, HTTP,
                                the mover */
    struct counters *counters;

    struct listener *listener;
    struct http *http;
};

/* Opens all of it.  On failure why[room] says what, where and what was
 * expected. */
enum status server_open(const struct options *, struct server **out, char *why,
                        size_t room) MUST_USE;
/* Serves until SIGTERM or SIGINT, then drains.  reload() is called on SIGHUP,
 * on the main thread. */
void server_run(struct server *, void (*reload)(struct server *));
void server_close(struct server **);

/* Takes over the options that may change. */
void server_reload(struct server *, const struct options *);

/* host:port the data and the HTTP port are bound to. */
const char *server_data_address(const struct server *);
const char *server_http_address(const struct server *);

/* The sum over all threads.  Any thread. */
uint64_t server_count(const struct server *, enum counter_id);
/* Connections and bytes that unsent replies keep in memory.  Any thread. */
unsigned server_connections(struct server *);
uint64_t server_pinned_bytes(const struct server *);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What all threads of the server share.  Its threads, and its life from the
 * configuration to the exit, are the daemon's (daemon.h).
 */
#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

#include "base/counters.h"
#include "base/options.h"
#include "server/index/catalog.h"
#include "server/index/saver.h"
#include "server/index/speed.h"
#include "server/net/buffers.h"
#include "server/net/roster.h"
#include "storage/store.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define SERVER_VERSION PACKAGE_VERSION

struct events;
struct history;
struct rates;
struct worker;

/* What connections are held to; SIGHUP may change it while they are open. */
struct server_limits {
    _Atomic uint64_t key, head, connections;
    _Atomic uint64_t header_timeout_ns, body_timeout_ns, slow_body_ns;
    _Atomic uint64_t output_timeout_ns, pinned_timeout_ns, drain_ns;
    _Atomic uint64_t lease_ns; /* as the store has it, for those who are told */
};

struct server {
    struct options options; /* as started; read by any thread */
    struct options present; /* with what was reloaded: server_options() */
    pthread_mutex_t present_lock;
    struct server_limits limits;
    struct events *events; /* NULL: nobody is told */
    struct store *store;
    struct catalog *catalog; /* the router's index */
    struct saver *saver;     /* of the catalog; NULL: nowhere */
    struct roster roster;
    struct buffer_account head_memory;
    _Atomic bool is_draining; /* nothing new is accepted, what is under way is
                                 answered, then connections close */
    _Atomic uint64_t pinned_bytes; /* kept up by each worker's tick */
    uint64_t started_ns, started_unix_ms;
    char node_id[41]; /* 40 digits by chance: what CLUSTER calls this server */

    unsigned worker_count;   /* limits.workers */
    unsigned counters_count; /* a set for each worker, the listener, HTTP,
                                the mover, the events */
    struct counters *counters;
    struct speed *speeds; /* one for each worker */
    struct rates *rates;

    /* The daemon's, set before any thread starts. */
    struct history *history; /* observe/history.h */
    struct worker **workers;
    const char *data_address, *http_address; /* host:port, as bound */
};

/* Main thread: the store, the counters, the limits; no workers yet.  On failure
 * why[room] says what, where and what was expected. */
enum status server_open(const struct options *, struct server **out, char *why,
                        size_t room) MUST_USE;
void server_close(struct server **);

/* Takes over the options that may change.  Main thread. */
void server_reload(struct server *, const struct options *);

/* The options that hold now.  Any thread. */
void server_options(struct server *, struct options *out);

/* The sum over all threads.  Any thread. */
uint64_t server_count(const struct server *, enum counter_id);
/* Connections and bytes that unsent replies keep in memory.  Any thread. */
unsigned server_connections(struct server *);
uint64_t server_pinned_bytes(const struct server *);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a connection and its limits in time; what it does in between is
 * turn.c's. */
#include "server/net/connection.h"

#include "base/clock.h"
#include "server/net/turn.h"
#include "server/net/watch.h"
#include "server/net/worker.h"
#include "server/server.h"

#include <assert.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTION_MAGIC 0x636f6e6eu
#define SLOW_LEAST       (1u << 20)

static void
on_ready(void *arg, bool may_read, bool may_write)
{
    struct connection *connection = arg;

    (void)may_write;
    assert(connection->magic == CONNECTION_MAGIC);
    if (may_read && connection->phase == PHASE_WAITING)
        return;
    if (may_read)
        connection->may_read = true;
    turn_run(connection);
}

enum status
connection_open(struct worker *worker, int fd, const char *peer)
{
    struct connection *connection = calloc(1, sizeof(*connection));
    int on = 1;

    if (connection == NULL)
        goto failed;
    connection->magic = CONNECTION_MAGIC;
    connection->fd = fd;
    connection->worker = worker;
    connection->server = worker_server(worker);
    connection->counters = worker_counters(worker);
    connection->port = worker_port(worker);
    connection->phase = PHASE_HEAD;
    connection->end_reason = COUNTER_connections_closed;
    connection->watch =
        watch_new(worker_watches(worker), fd, on_ready, connection);
    if (connection->watch == NULL)
        goto failed;
    /* Fails on a Unix socket, which has nothing to wait with. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    connection->row.fd = fd;
    connection->row.worker = worker_number(worker);
    connection->row.opened_ns = clock_now_ns();
    snprintf(connection->row.peer, sizeof(connection->row.peer), "%s", peer);
    roster_add(&connection->server->roster, &connection->row);
    worker_add(worker, connection);
    count(connection->counters, COUNTER_connections_accepted, 1);
    return STATUS_OK;
failed:
    free(connection);
    close(fd);
    return STATUS_NO_SPACE;
}

void
connection_close(struct connection *connection, enum counter_id why)
{
    struct buffers *buffers = worker_buffers(connection->worker);

    assert(connection->magic == CONNECTION_MAGIC);
    count(connection->counters, why, 1);
    if (connection->request.has_put) {
        count(connection->counters, COUNTER_puts_cut, 1);
        store_put_cancel(connection->port, &connection->request.put);
    }
    watch_free(&connection->watch);
    input_drop(&connection->input, buffers);
    outbox_drop(&connection->outbox, buffers);
    roster_remove(&connection->server->roster, &connection->row);
    worker_remove(connection->worker, connection);
    close(connection->fd);
    connection->magic = 0;
    free(connection);
}

bool
connection_is_idle(const struct connection *connection)
{
    return connection->phase == PHASE_HEAD &&
           input_size(&connection->input) == 0 &&
           outbox_is_empty(&connection->outbox);
}

uint64_t
connection_kept_since_ns(const struct connection *connection)
{
    if (connection->outbox.text == NULL && connection->input.buffer == NULL)
        return 0;
    /* Behind a reply that is not read, requests wait in the input. */
    if (!outbox_is_empty(&connection->outbox))
        return connection->outbox.moved_ns;
    return connection->head_since_ns;
}

void
connection_finish(struct connection *connection)
{
    connection->is_finishing = true;
    /* What had arrived before is read and answered; a turn that leaves an idle
     * connection behind closes it. */
    connection->may_read = true;
    turn_run(connection);
}

static bool
is_late(uint64_t since_ns, uint64_t now_ns, const _Atomic uint64_t *limit_ns)
{
    return since_ns != 0 && now_ns > since_ns &&
           now_ns - since_ns >
               atomic_load_explicit(limit_ns, memory_order_relaxed);
}

/* Unread output may stay for long, unless all of it together pins so much that
 * others feel it. */
static bool
is_unread(struct connection *connection, uint64_t now_ns)
{
    struct server *server = connection->server;
    struct store_usage usage;

    if (outbox_is_empty(&connection->outbox))
        return false;
    if (is_late(connection->outbox.moved_ns, now_ns,
                &server->limits.output_timeout_ns))
        return true;
    if (!is_late(connection->outbox.moved_ns, now_ns,
                 &server->limits.pinned_timeout_ns))
        return false;
    store_usage(server->store, &usage);
    return server_pinned_bytes(server) > usage.dram_size / 8;
}

/* A body that hardly moves gives its memory back and is drained. */
static void
check_slow(struct connection *connection, uint64_t now_ns)
{
    if (!is_late(connection->slow_since_ns, now_ns,
                 &connection->server->limits.slow_body_ns))
        return;
    if (connection->slow_bytes < SLOW_LEAST && connection->body_left != 0) {
        turn_body_abandon(connection, STATUS_BUSY, COUNTER_puts_slow);
        return;
    }
    connection->slow_since_ns = now_ns;
    connection->slow_bytes = 0;
}

void
connection_check(struct connection *connection, uint64_t now_ns)
{
    struct server_limits *limits = &connection->server->limits;

    assert(connection->magic == CONNECTION_MAGIC);
    if (is_late(connection->head_since_ns, now_ns, &limits->header_timeout_ns))
        connection_close(connection, COUNTER_closed_header_timeout);
    else if (is_unread(connection, now_ns))
        connection_close(connection, COUNTER_closed_output_timeout);
    else if ((connection->phase == PHASE_BODY ||
              connection->phase == PHASE_DRAIN) &&
             is_late(connection->body_moved_ns, now_ns,
                     &limits->body_timeout_ns))
        connection_close(connection, COUNTER_closed_body_timeout);
    else if (connection->phase == PHASE_BODY)
        check_slow(connection, now_ns);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Unfinished heads, bodies that hardly move, replies nobody reads, values that
 * come too late. */
#include "server/worker/deadline.h"

#include "server/server.h"
#include "server/worker/turn.h"

#include <assert.h>

#define SLOW_LEAST (1u << 20)

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

/* A GET of the native wire that stands in line is told too, and ends it. */
static void
check_gets(struct connection *connection, uint64_t now_ns)
{
    const struct request *request = &connection->request;
    uint64_t deadline_ns = request->native.deadline_ns;

    order_expire(&connection->orders, now_ns);
    if (request->is_waiting && deadline_ns != 0 && now_ns > deadline_ns)
        connection_wake(connection);
}

void
deadline_check(struct connection *connection, uint64_t now_ns)
{
    struct server_limits *limits = &connection->server->limits;

    assert(connection->magic == CONNECTION_MAGIC);
    check_gets(connection, now_ns);
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

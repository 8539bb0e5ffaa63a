/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a connection; what it does in between is the turn's. */
#include "server/net/connection.h"

#include "base/clock.h"
#include "base/log.h"
#include "server/net/group.h"
#include "server/net/watch.h"

#include <assert.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static void
link_in(struct group *group, struct connection *connection)
{
    connection->next = group->first;
    if (group->first != NULL)
        group->first->previous = connection;
    group->first = connection;
}

static void
unlink_from(struct group *group, struct connection *connection)
{
    if (connection->previous != NULL)
        connection->previous->next = connection->next;
    else
        group->first = connection->next;
    if (connection->next != NULL)
        connection->next->previous = connection->previous;
    group_leave(group);
}

static void
on_fetch(struct fetch_list *list)
{
    connection_wake(
        (struct connection *)((char *)list -
                              offsetof(struct connection, request.fetches)));
}

static void
on_order(struct order_list *list)
{
    connection_wake((struct connection *)((char *)list -
                                          offsetof(struct connection, orders)));
}

enum status
connection_open(struct group *group, int fd, const char *peer)
{
    struct connection *connection = calloc(1, sizeof(*connection));
    int on = 1;

    if (connection == NULL)
        goto failed;
    connection->magic = CONNECTION_MAGIC;
    connection->fd = fd;
    connection->group = group;
    connection->server = group->server;
    connection->counters = group->counters;
    connection->port = group->port;
    connection->outbox.speed = group->speed;
    connection->request.fetches.stock = &group->fetches;
    connection->request.fetches.run = &connection->run;
    connection->request.fetches.wake = on_fetch;
    connection->orders.stock = &group->orders;
    connection->orders.run = &connection->run;
    connection->orders.wake = on_order;
    connection->phase = PHASE_HEAD;
    connection->end_reason = COUNTER_connections_closed;
    connection->watch =
        watch_new(&group->watches, fd, group->on_ready, connection);
    if (connection->watch == NULL)
        goto failed;
    /* Fails on a Unix socket, which has nothing to wait with. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    connection->row.fd = fd;
    connection->row.worker = group->number;
    connection->row.opened_ns = clock_now_ns();
    snprintf(connection->row.peer, sizeof(connection->row.peer), "%s", peer);
    roster_add(group->roster, &connection->row);
    link_in(group, connection);
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
    struct group *group = connection->group;

    assert(connection->magic == CONNECTION_MAGIC);
    count(connection->counters, why, 1);
    if (connection->request.has_put) {
        count(connection->counters, COUNTER_puts_cut, 1);
        store_put_cancel(connection->port, &connection->request.put);
    }
    fetch_forget(&connection->request.fetches, FETCH_ALL);
    order_forget(&connection->orders);
    if (connection->request.has_flush)
        store_flush_cancel(connection->port, &connection->request.flush);
    watch_free(&connection->watch);
    input_drop(&connection->input, &group->buffers);
    outbox_drop(&connection->outbox, &group->buffers);
    roster_remove(group->roster, &connection->row);
    unlink_from(group, connection);
    close(connection->fd);
    connection->magic = 0;
    free(connection);
}

bool
connection_is_idle(const struct connection *connection)
{
    return connection->phase == PHASE_HEAD &&
           input_size(&connection->input) == 0 &&
           connection->orders.count == 0 &&
           outbox_is_empty(&connection->outbox);
}

/* Since when it keeps a buffer for a head that is not whole, for output that
 * is not read or for what waits behind that; 0: it does not. */
static uint64_t
kept_since_ns(const struct connection *connection)
{
    if (connection->outbox.text == NULL && connection->input.buffer == NULL)
        return 0;
    /* Behind a reply that is not read, requests wait in the input. */
    if (!outbox_is_empty(&connection->outbox))
        return connection->outbox.moved_ns;
    return connection->head_since_ns;
}

void
connection_wake(struct connection *connection)
{
    assert(connection->magic == CONNECTION_MAGIC);
    connection->request.is_waiting = false;
    watch_wake(connection->watch);
}

/* Without getting on. */
static struct connection *
find_oldest(struct group *group, const struct connection *spared)
{
    struct connection *oldest = NULL;
    uint64_t oldest_ns = UINT64_MAX;

    for (struct connection *at = group->first; at != NULL; at = at->next) {
        uint64_t since_ns = kept_since_ns(at);

        if (at == spared || since_ns == 0 || since_ns >= oldest_ns)
            continue;
        oldest = at;
        oldest_ns = since_ns;
    }
    return oldest;
}

/* Of those whose request waits for storage, the one that keeps most of it; what
 * a first buffer would have room for is left to it. */
static struct connection *
find_longest(struct group *group, const struct connection *spared)
{
    struct connection *longest = NULL;
    uint32_t most = BUFFER_SIZE;

    for (struct connection *at = group->first; at != NULL; at = at->next) {
        if (at == spared || !at->request.is_waiting ||
            at->input.buffer == NULL || at->input.capacity <= most)
            continue;
        longest = at;
        most = at->input.capacity;
    }
    return longest;
}

bool
connection_shed(struct group *group, const struct connection *spared)
{
    static struct log_limiter limiter;
    struct connection *found = find_oldest(group, spared);
    const char *what = "the oldest unfinished head or unread reply";

    if (found == NULL) {
        found = find_longest(group, spared);
        what = "the longest request that waits for storage";
    }
    if (found == NULL)
        return false;
    log_limited(&limiter, LOG_WARN, "limits.head_memory used up",
                "closing %s, peer=%s", what, found->row.peer);
    connection_close(found, COUNTER_closed_limit);
    return true;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop of a worker: sockets, its storage port, its inbox of new
 * connections, and a tick for the limits in time.
 */
#include "server/net/worker.h"

#include "base/clock.h"
#include "base/log.h"
#include "server/net/connection.h"
#include "server/server.h"

#include <assert.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define WORKER_MAGIC 0x776f726bu
#define TICK_MS      100u
#define PEER_MAX     64u

struct given {
    struct given *next;
    int fd;
    char peer[PEER_MAX];
};

struct worker {
    unsigned magic, number;
    struct server *server;
    pthread_t thread;
    struct watch_group watches;
    struct event inbox_event, port_event, deadline_event, tick_event;
    struct counters *counters;
    struct store_port *port;
    struct buffers buffers;
    struct connection *first;
    _Atomic unsigned connections; /* those given and not yet closed */
    _Atomic uint64_t pinned_bytes;
    _Atomic bool is_stopping;
    int inbox_fd;
    pthread_mutex_t inbox_lock;
    struct given *inbox;
    uint8_t scratch[WORKER_SCRATCH];
};

void
worker_give(struct worker *worker, int fd, const char *peer)
{
    struct given *given = calloc(1, sizeof(*given));

    assert(worker->magic == WORKER_MAGIC);
    if (given == NULL) {
        close(fd);
        return;
    }
    given->fd = fd;
    snprintf(given->peer, sizeof(given->peer), "%s", peer);
    atomic_fetch_add(&worker->connections, 1);
    atomic_fetch_add(&worker->server->roster.count, 1);
    pthread_mutex_lock(&worker->inbox_lock);
    given->next = worker->inbox;
    worker->inbox = given;
    pthread_mutex_unlock(&worker->inbox_lock);
    worker_wake(worker);
}

void
worker_wake(struct worker *worker)
{
    eventfd_write(worker->inbox_fd, 1);
}

static void
count_out(struct worker *worker)
{
    atomic_fetch_sub(&worker->connections, 1);
    atomic_fetch_sub(&worker->server->roster.count, 1);
}

static void
empty_inbox(struct worker *worker)
{
    struct given *given;

    pthread_mutex_lock(&worker->inbox_lock);
    given = worker->inbox;
    worker->inbox = NULL;
    pthread_mutex_unlock(&worker->inbox_lock);
    while (given != NULL) {
        struct given *next = given->next;

        if (connection_open(worker, given->fd, given->peer) != STATUS_OK)
            count_out(worker);
        free(given);
        given = next;
    }
}

/* A connection's turn may close others, so that each search begins anew. */
static void
finish_all(struct worker *worker)
{
    struct connection *at = worker->first;

    while (at != NULL) {
        if (at->is_finishing) {
            at = at->next;
        } else {
            connection_finish(at);
            at = worker->first;
        }
    }
}

static void
on_inbox(evutil_socket_t fd, short what, void *arg)
{
    struct worker *worker = arg;
    eventfd_t wakes;

    (void)what;
    (void)eventfd_read(fd, &wakes);
    empty_inbox(worker);
    if (atomic_load(&worker->server->is_draining))
        finish_all(worker);
    if (atomic_load(&worker->is_stopping))
        event_base_loopbreak(worker->watches.base);
}

void
worker_watch_deadline(struct worker *worker)
{
    uint64_t deadline_ns = store_port_deadline_ns(worker->port);
    uint64_t now_ns = clock_now_ns(), left_ns;
    struct timeval left;

    if (deadline_ns == 0)
        return;
    left_ns = deadline_ns > now_ns ? deadline_ns - now_ns : 0;
    left.tv_sec = (time_t)(left_ns / NS_PER_SECOND);
    left.tv_usec = (suseconds_t)(left_ns % NS_PER_SECOND / 1000 + 1);
    event_add(&worker->deadline_event, &left);
}

static void
on_port(evutil_socket_t fd, short what, void *arg)
{
    struct worker *worker = arg;

    (void)fd;
    (void)what;
    store_port_run(worker->port);
    worker_watch_deadline(worker);
}

static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct worker *worker = arg;
    uint64_t now_ns = clock_now_ns(), pinned = 0;
    struct connection *next;

    (void)fd;
    (void)what;
    for (struct connection *at = worker->first; at != NULL; at = next) {
        next = at->next;
        if (at->outbox.body != NULL)
            pinned += at->outbox.body->size;
        connection_check(at, now_ns);
    }
    atomic_store_explicit(&worker->pinned_bytes, pinned, memory_order_relaxed);
    if (worker->number == 0)
        store_sweep(worker->port);
}

static enum status
watch_own(struct worker *worker)
{
    struct timeval tick = {0, TICK_MS * 1000};

    event_assign(&worker->inbox_event, worker->watches.base, worker->inbox_fd,
                 EV_READ | EV_PERSIST, on_inbox, worker);
    event_assign(&worker->port_event, worker->watches.base,
                 store_port_fd(worker->port), EV_READ | EV_PERSIST, on_port,
                 worker);
    event_assign(&worker->tick_event, worker->watches.base, -1, EV_PERSIST,
                 on_tick, worker);
    event_assign(&worker->deadline_event, worker->watches.base, -1, 0, on_port,
                 worker);
    event_priority_set(&worker->inbox_event, WATCH_SHORT);
    event_priority_set(&worker->port_event, WATCH_SHORT);
    event_priority_set(&worker->tick_event, WATCH_SHORT);
    event_priority_set(&worker->deadline_event, WATCH_SHORT);
    return event_add(&worker->inbox_event, NULL) == 0 &&
                   event_add(&worker->port_event, NULL) == 0 &&
                   event_add(&worker->tick_event, &tick) == 0
               ? STATUS_OK
               : STATUS_NO_SPACE;
}

enum status
worker_open(struct server *server, unsigned number, struct worker **out)
{
    struct worker *worker = calloc(1, sizeof(*worker));

    if (worker == NULL)
        return STATUS_NO_SPACE;
    worker->magic = WORKER_MAGIC;
    worker->number = number;
    worker->server = server;
    worker->counters = &server->counters[number];
    worker->buffers.account = &server->head_memory;
    pthread_mutex_init(&worker->inbox_lock, NULL);
    worker->inbox_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (worker->inbox_fd < 0 ||
        watch_group_open(&worker->watches) != STATUS_OK ||
        store_port_open(server->store, worker->counters, &worker->port) !=
            STATUS_OK ||
        watch_own(worker) != STATUS_OK) {
        worker_close(&worker);
        return STATUS_NO_SPACE;
    }
    *out = worker;
    return STATUS_OK;
}

void
worker_turn(struct worker *worker)
{
    event_base_loop(worker->watches.base,
                    EVLOOP_NONBLOCK | EVLOOP_NO_EXIT_ON_EMPTY);
}

static void *
turn(void *arg)
{
    struct worker *worker = arg;

    event_base_loop(worker->watches.base, EVLOOP_NO_EXIT_ON_EMPTY);
    return NULL;
}

enum status
worker_start(struct worker *worker)
{
    char name[16];

    if (pthread_create(&worker->thread, NULL, turn, worker) != 0)
        return STATUS_NO_SPACE;
    snprintf(name, sizeof(name), "worker-%u", worker->number % 10000);
    pthread_setname_np(worker->thread, name);
    return STATUS_OK;
}

void
worker_stop(struct worker *worker)
{
    atomic_store(&worker->is_stopping, true);
    worker_wake(worker);
    pthread_join(worker->thread, NULL);
    empty_inbox(worker);
    while (worker->first != NULL)
        connection_close(worker->first, COUNTER_closed_limit);
}

void
worker_close(struct worker **worker_in)
{
    struct worker *worker = *worker_in;

    if (worker == NULL)
        return;
    *worker_in = NULL;
    assert(worker->magic == WORKER_MAGIC && worker->first == NULL);
    store_port_close(&worker->port);
    watch_group_close(&worker->watches);
    if (worker->inbox_fd >= 0)
        close(worker->inbox_fd);
    pthread_mutex_destroy(&worker->inbox_lock);
    buffers_close(&worker->buffers);
    worker->magic = 0;
    free(worker);
}

void
worker_add(struct worker *worker, struct connection *connection)
{
    connection->previous = NULL;
    connection->next = worker->first;
    if (worker->first != NULL)
        worker->first->previous = connection;
    worker->first = connection;
}

void
worker_remove(struct worker *worker, struct connection *connection)
{
    if (connection->previous != NULL)
        connection->previous->next = connection->next;
    else
        worker->first = connection->next;
    if (connection->next != NULL)
        connection->next->previous = connection->previous;
    count_out(worker);
}

bool
worker_shed(struct worker *worker, const struct connection *spared)
{
    static struct log_limiter limiter;
    struct connection *oldest = NULL;
    uint64_t oldest_ns = UINT64_MAX;

    for (struct connection *at = worker->first; at != NULL; at = at->next) {
        uint64_t since_ns = connection_kept_since_ns(at);

        if (at == spared || since_ns == 0 || since_ns >= oldest_ns)
            continue;
        oldest = at;
        oldest_ns = since_ns;
    }
    if (oldest == NULL)
        return false;
    log_limited(&limiter, LOG_WARN, "limits.head_memory used up",
                "closing the oldest unfinished head or unread reply, peer=%s",
                oldest->row.peer);
    connection_close(oldest, COUNTER_closed_limit);
    return true;
}

unsigned
worker_connections(const struct worker *worker)
{
    return atomic_load(&worker->connections);
}

uint64_t
worker_pinned_bytes(const struct worker *worker)
{
    return atomic_load_explicit(&worker->pinned_bytes, memory_order_relaxed);
}

struct server *
worker_server(struct worker *worker)
{
    return worker->server;
}

struct watch_group *
worker_watches(struct worker *worker)
{
    return &worker->watches;
}

struct store_port *
worker_port(struct worker *worker)
{
    return worker->port;
}

struct counters *
worker_counters(struct worker *worker)
{
    return worker->counters;
}

struct buffers *
worker_buffers(struct worker *worker)
{
    return &worker->buffers;
}

unsigned
worker_number(const struct worker *worker)
{
    return worker->number;
}

uint8_t *
worker_scratch(struct worker *worker)
{
    return worker->scratch;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop of a worker: sockets, its storage port, its inbox of new
 * connections, and a tick for the limits in time.
 */
#include "server/worker/worker.h"

#include "base/clock.h"
#include "base/thread.h"
#include "server/index/rates.h"
#include "server/net/connection.h"
#include "server/net/group.h"
#include "server/observe/history.h"
#include "server/server.h"
#include "server/worker/deadline.h"
#include "server/worker/turn.h"

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
    unsigned magic;
    struct group group;
    pthread_t thread;
    struct event inbox_event, port_event, deadline_event, tick_event;
    uint64_t deadline_ns;  /* the one that is waited for; 0: none */
    uint64_t pinned_bytes; /* its share of the server's */
    _Atomic bool is_stopping;
    int inbox_fd;
    pthread_mutex_t inbox_lock;
    struct given *inbox;
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
    group_join(&worker->group);
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
empty_inbox(struct worker *worker)
{
    struct given *given;

    pthread_mutex_lock(&worker->inbox_lock);
    given = worker->inbox;
    worker->inbox = NULL;
    pthread_mutex_unlock(&worker->inbox_lock);
    while (given != NULL) {
        struct given *next = given->next;

        if (connection_open(&worker->group, given->fd, given->peer) !=
            STATUS_OK)
            group_leave(&worker->group);
        free(given);
        given = next;
    }
}

/* A connection's turn may close others, so that each search begins anew. */
static void
finish_all(struct worker *worker)
{
    struct connection *at = worker->group.first;

    while (at != NULL) {
        if (at->is_finishing) {
            at = at->next;
        } else {
            turn_finish(at);
            at = worker->group.first;
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
    if (atomic_load(&worker->group.server->is_draining))
        finish_all(worker);
    if (atomic_load(&worker->is_stopping))
        event_base_loopbreak(worker->group.watches.base);
    watch_group_follow(&worker->group.watches);
}

/* Something may have been started on the port that has a deadline. */
static void
watch_deadline(struct worker *worker)
{
    uint64_t deadline_ns = store_port_deadline_ns(worker->group.port);
    uint64_t now_ns, left_ns;
    struct timeval left;

    if (deadline_ns == 0 || deadline_ns == worker->deadline_ns)
        return;
    worker->deadline_ns = deadline_ns;
    now_ns = clock_now_ns();
    left_ns = deadline_ns > now_ns ? deadline_ns - now_ns : 0;
    left.tv_sec = (time_t)(left_ns / NS_PER_SECOND);
    left.tv_usec = (suseconds_t)(left_ns % NS_PER_SECOND / 1000 + 1);
    event_add(&worker->deadline_event, &left);
}

static void
after_turns(void *arg)
{
    struct worker *worker = arg;

    store_port_submit(worker->group.port);
    watch_deadline(worker);
}

static void
on_port(evutil_socket_t fd, short what, void *arg)
{
    struct worker *worker = arg;

    (void)fd;
    (void)what;
    worker->deadline_ns = 0;
    store_port_run(worker->group.port);
    watch_group_follow(&worker->group.watches);
}

static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct worker *worker = arg;
    struct group *group = &worker->group;
    uint64_t now_ns = clock_now_ns(), pinned = 0;
    struct connection *next;

    (void)fd;
    (void)what;
    for (struct connection *at = group->first; at != NULL; at = next) {
        next = at->next;
        if (at->outbox.body != NULL)
            pinned += at->outbox.body->size;
        pinned += fetch_bytes(&at->request.fetches) + at->orders.bytes;
        deadline_check(at, now_ns);
    }
    atomic_fetch_add_explicit(&group->server->pinned_bytes,
                              pinned - worker->pinned_bytes,
                              memory_order_relaxed);
    worker->pinned_bytes = pinned;
    if (group->number == 0) {
        store_sweep(group->port);
        history_sample(group->server);
        rates_sample(group->server->rates, now_ns);
    }
    watch_group_follow(&group->watches);
}

static enum status
watch_own(struct worker *worker)
{
    struct event_base *base = worker->group.watches.base;
    struct timeval tick = {0, TICK_MS * 1000};

    event_assign(&worker->inbox_event, base, worker->inbox_fd,
                 EV_READ | EV_PERSIST, on_inbox, worker);
    event_assign(&worker->port_event, base, store_port_fd(worker->group.port),
                 EV_READ | EV_PERSIST, on_port, worker);
    event_assign(&worker->tick_event, base, -1, EV_PERSIST, on_tick, worker);
    event_assign(&worker->deadline_event, base, -1, 0, on_port, worker);
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
    struct group *group;

    if (worker == NULL)
        return STATUS_NO_SPACE;
    worker->magic = WORKER_MAGIC;
    group = &worker->group;
    group->number = number;
    group->server = server;
    group->roster = &server->roster;
    group->counters = &server->counters[number];
    group->speed = &server->speeds[number];
    group->rates = rates_worker(server->rates, number);
    group->buffers.account = &server->head_memory;
    group->on_ready = turn_ready;
    pthread_mutex_init(&worker->inbox_lock, NULL);
    worker->inbox_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (worker->inbox_fd < 0 ||
        watch_group_open(&group->watches, after_turns, worker) != STATUS_OK ||
        store_port_open(server->store, group->counters, &group->port) !=
            STATUS_OK ||
        watch_own(worker) != STATUS_OK) {
        worker_close(&worker);
        return STATUS_NO_SPACE;
    }
    group->fetches.port = group->orders.port = group->port;
    *out = worker;
    return STATUS_OK;
}

void
worker_turn(struct worker *worker)
{
    event_base_loop(worker->group.watches.base,
                    EVLOOP_NONBLOCK | EVLOOP_NO_EXIT_ON_EMPTY);
}

static void *
turn(void *arg)
{
    struct worker *worker = arg;

    event_base_loop(worker->group.watches.base, EVLOOP_NO_EXIT_ON_EMPTY);
    return NULL;
}

enum status
worker_start(struct worker *worker)
{
    char name[24];

    snprintf(name, sizeof(name), "worker-%u", worker->group.number);
    return thread_start(&worker->thread, name, turn, worker);
}

void
worker_stop(struct worker *worker)
{
    atomic_store(&worker->is_stopping, true);
    worker_wake(worker);
    pthread_join(worker->thread, NULL);
    empty_inbox(worker);
    while (worker->group.first != NULL)
        connection_close(worker->group.first, COUNTER_closed_limit);
}

void
worker_close(struct worker **worker_in)
{
    struct worker *worker = *worker_in;

    if (worker == NULL)
        return;
    *worker_in = NULL;
    assert(worker->magic == WORKER_MAGIC && worker->group.first == NULL);
    fetch_stock_close(&worker->group.fetches);
    order_stock_close(&worker->group.orders);
    store_port_close(&worker->group.port);
    watch_group_close(&worker->group.watches);
    if (worker->inbox_fd >= 0)
        close(worker->inbox_fd);
    pthread_mutex_destroy(&worker->inbox_lock);
    buffers_close(&worker->group.buffers);
    worker->magic = 0;
    free(worker);
}

unsigned
worker_connections(const struct worker *worker)
{
    return atomic_load(&worker->group.count);
}

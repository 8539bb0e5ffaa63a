/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop.  What each event means to a connection is left to link*.c.
 */
#include "client/engine.h"

#include "client/cache.h"
#include "client/clock.h"
#include "client/link.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define EVENTS_AT_ONCE 64
#define WAKE_EVENT     UINT64_MAX

enum status
engine_open(struct engine *engine, struct prefixcache *cache,
            unsigned link_room)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = WAKE_EVENT};

    memset(engine, 0, sizeof *engine);
    engine->cache = cache;
    engine->timer_ns = UINT64_MAX;
    pthread_mutex_init(&engine->lock, NULL);
    TAILQ_INIT(&engine->inbox);
    engine->links = calloc(link_room, sizeof(struct link *));
    engine->link_room = link_room;
    engine->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    engine->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (engine->links == NULL || engine->epoll_fd < 0 || engine->wake_fd < 0 ||
        epoll_ctl(engine->epoll_fd, EPOLL_CTL_ADD, engine->wake_fd, &event))
        return STATUS_NO_SPACE;
    return STATUS_OK;
}

void
engine_close(struct engine *engine)
{
    if (engine->epoll_fd >= 0)
        close(engine->epoll_fd);
    if (engine->wake_fd >= 0)
        close(engine->wake_fd);
    free(engine->links);
    pthread_mutex_destroy(&engine->lock);
}

void
engine_wake(struct engine *engine)
{
    eventfd_write(engine->wake_fd, 1);
}

void
engine_post(struct engine *engine, struct ask *ask)
{
    bool is_told;

    pthread_mutex_lock(&engine->lock);
    TAILQ_INSERT_TAIL(&engine->inbox, ask, queue);
    is_told = engine->is_told;
    engine->is_told = true;
    pthread_mutex_unlock(&engine->lock);
    if (!is_told)
        engine_wake(engine);
}

void
engine_time(struct engine *engine, struct ask *ask)
{
    deadlines_add(&engine->deadlines, ask);
    ask->is_timed = true;
}

void
engine_untime(struct engine *engine, struct ask *ask)
{
    if (!ask->is_timed)
        return;
    deadlines_remove(&engine->deadlines, ask);
    ask->is_timed = false;
}

void
engine_due(struct engine *engine, struct link *link)
{
    if (link->next_due != NULL)
        return;
    link->next_due = engine->due != NULL ? engine->due : link;
    engine->due = link;
}

/* False: it is over. */
static bool
empty_inbox(struct engine *engine)
{
    struct ask_queue asks = TAILQ_HEAD_INITIALIZER(asks);
    struct ask *ask;
    bool is_over;

    pthread_mutex_lock(&engine->lock);
    TAILQ_CONCAT(&asks, &engine->inbox, queue);
    engine->is_told = false;
    is_over = engine->is_over;
    pthread_mutex_unlock(&engine->lock);
    while ((ask = TAILQ_FIRST(&asks)) != NULL) {
        TAILQ_REMOVE(&asks, ask, queue);
        link_take(ask->link, ask);
    }
    return !is_over;
}

static void
expire_asks(struct engine *engine)
{
    struct ask *ask;

    while ((ask = engine->deadlines.first) != NULL &&
           ask->deadline_ns <= engine->now_ns)
        link_late(ask->link, ask);
}

static void
expire_links(struct engine *engine)
{
    uint64_t next_ns = UINT64_MAX;

    if (engine->timer_ns > engine->now_ns)
        return;
    engine->timer_ns = UINT64_MAX;
    for (unsigned i = 0; i < engine->link_count; i++) {
        struct link *link = engine->links[i];

        if (link->timer_ns <= engine->now_ns)
            link_timer(link);
        if (link->timer_ns < next_ns)
            next_ns = link->timer_ns;
    }
    if (next_ns < engine->timer_ns)
        engine->timer_ns = next_ns;
}

static void
lose_condemned(struct engine *engine)
{
    if (!atomic_load(&engine->has_condemned) ||
        !atomic_exchange(&engine->has_condemned, false))
        return;
    for (unsigned i = 0; i < engine->link_count; i++)
        if (atomic_exchange(&engine->links[i]->is_condemned, false))
            link_lose(engine->links[i]);
}

/* What has to be done whatever else there is to do. */
static void
keep_time(struct engine *engine)
{
    engine->now_ns = clock_ns();
    expire_asks(engine);
    expire_links(engine);
    lose_condemned(engine);
}

static void
send_due(struct engine *engine)
{
    struct link *link = engine->due;

    engine->due = NULL;
    while (link != NULL) {
        struct link *next = link->next_due;

        link->next_due = NULL;
        link_flush(link);
        link = next != link ? next : NULL;
        keep_time(engine);
    }
}

/* Rounded up, so that it is not woken before something is to be done. */
static int
wait_ms(const struct engine *engine)
{
    const struct ask *ask = engine->deadlines.first;
    uint64_t next_ns = engine->timer_ns, now_ns;

    if (engine->due != NULL)
        return 0;
    if (ask != NULL && ask->deadline_ns < next_ns)
        next_ns = ask->deadline_ns;
    if (next_ns == UINT64_MAX)
        return -1;
    now_ns = clock_ns();
    if (next_ns <= now_ns)
        return 0;
    next_ns = (next_ns - now_ns + CLOCK_NS_PER_MS - 1) / CLOCK_NS_PER_MS;
    return next_ns < 60000 ? (int)next_ns : 60000;
}

/* Which link, and which of its sockets: an event of an earlier one may still be
 * in the same batch. */
static void
tell_link(struct engine *engine, const struct epoll_event *event)
{
    struct link *link = engine->links[(uint32_t)event->data.u64];

    if (link->life == event->data.u64 >> 32 && link->fd >= 0)
        link_ready(link, event->events);
}

static void *
run(void *argument)
{
    struct epoll_event events[EVENTS_AT_ONCE];
    struct engine *engine = argument;

    for (;;) {
        int count = epoll_wait(engine->epoll_fd, events, EVENTS_AT_ONCE,
                               wait_ms(engine));
        eventfd_t value;

        engine->now_ns = clock_ns();
        for (int i = 0; i < count; i++) {
            /* Read before the inbox is looked at: who posts after that has to
             * wake us again. */
            if (events[i].data.u64 == WAKE_EVENT)
                eventfd_read(engine->wake_fd, &value);
            else
                tell_link(engine, &events[i]);
            keep_time(engine);
        }
        keep_time(engine);
        if (!empty_inbox(engine))
            return NULL;
        send_due(engine);
    }
}

enum status
engine_start(struct engine *engine)
{
    sigset_t all, before;
    int error;

    engine->now_ns = clock_ns();
    for (unsigned i = 0; i < engine->link_count; i++)
        link_connect(engine->links[i]);
    /* The program's signals are for its own threads. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(&engine->thread, NULL, run, engine);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    engine->is_running = error == 0;
    return error == 0 ? STATUS_OK : STATUS_NO_SPACE;
}

void
engine_stop(struct engine *engine)
{
    if (!engine->is_running)
        return;
    pthread_mutex_lock(&engine->lock);
    engine->is_over = true;
    pthread_mutex_unlock(&engine->lock);
    engine_wake(engine);
    pthread_join(engine->thread, NULL);
    engine->is_running = false;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection's life: it connects, greets, stands, is lost, pauses and begins
 * again; and the asks it was given, from the inbox to their end.
 */
#include "client/link.h"

#include "client/cache.h"
#include "client/clock.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define MOVES_MAX 4u
/* A pause is up to this, and twice as long after each attempt that failed. */
#define PAUSE_FIRST_MS 10u
/* While a name is looked up for the first time. */
#define LOOK_AGAIN_NS (2 * CLOCK_NS_PER_MS)

enum status
link_open(struct link *link, struct shard *shard, struct engine *engine)
{
    memset(link, 0, sizeof *link);
    link->shard = shard;
    link->engine = engine;
    link->fd = -1;
    link->timer_ns = UINT64_MAX;
    link->seed = clock_ns() ^ (uint64_t)(uintptr_t)link;
    TAILQ_INIT(&link->reads);
    TAILQ_INIT(&link->writes);
    TAILQ_INIT(&link->sending);
    for (unsigned i = 0; i < LINK_WINDOW; i++)
        link->uses[i] = 1;
    atomic_init(&link->reach, LINK_SOON);
    link->input_room = LINK_INPUT_SIZE;
    link->input = malloc(link->input_room);
    if (link->input == NULL)
        return STATUS_NO_SPACE;
    link->number = engine->link_count;
    engine->links[engine->link_count++] = link;
    return STATUS_OK;
}

void
link_condemn(struct link *link)
{
    atomic_store(&link->is_condemned, true);
    atomic_store(&link->engine->has_condemned, true);
    engine_wake(link->engine);
}

static void
set_timer(struct link *link, uint64_t timer_ns)
{
    link->timer_ns = timer_ns;
    if (timer_ns < link->engine->timer_ns)
        link->engine->timer_ns = timer_ns;
}

static void
set_state(struct link *link, enum link_state state)
{
    enum link_reach reach = LINK_SOON;

    link->state = state;
    if (state == LINK_UP)
        reach = LINK_READY;
    else if (state == LINK_PAUSED && link->attempts > 0)
        reach = LINK_NONE;
    atomic_store_explicit(&link->reach, (int)reach, memory_order_relaxed);
}

/* From half to the whole of the pause that is due, so that clients do not all
 * come back in the same moment. */
static uint64_t
pause_ns(struct link *link)
{
    uint64_t longest_ms = link->shard->cache->options.retry_ms, pause_ms;
    unsigned shift = link->attempts < 16 ? link->attempts : 16;

    link->seed = link->seed * 6364136223846793005ull + 1442695040888963407ull;
    pause_ms = (uint64_t)PAUSE_FIRST_MS << shift;
    if (pause_ms > longest_ms)
        pause_ms = longest_ms;
    return pause_ms * CLOCK_NS_PER_MS / 2 +
           (link->seed >> 33) * (pause_ms * CLOCK_NS_PER_MS / 2) / (1ull << 31);
}

void
link_finish(struct link *link, struct ask *ask, enum status status)
{
    struct link_counts *counts = &link->counts;
    unsigned keys = ask->left > 0 ? ask->left : 1;

    engine_untime(link->engine, ask);
    atomic_fetch_sub_explicit(&link->load, ask->cost, memory_order_relaxed);
    ask->cost = 0;
    if (link->slots[ask->slot] == ask) {
        link->slots[ask->slot] = NULL;
        link->uses[ask->slot]++;
        link->used_count--;
    }
    if (link->receiver == ask) {
        link->receiver = NULL;
        link->body_at = NULL;
    }
    if (status == STATUS_LATE)
        atomic_fetch_add_explicit(&counts->misses_late, keys,
                                  memory_order_relaxed);
    if (status == STATUS_GONE && ask->head.verb != NATIVE_HELLO)
        atomic_fetch_add_explicit(&counts->misses_gone, keys,
                                  memory_order_relaxed);
    ask_finish(ask, status);
    if (ask->state == ASK_WAITING)
        TAILQ_REMOVE(ask->head.verb == NATIVE_PUT ? &link->writes
                                                  : &link->reads,
                     ask, queue);
    if (ask->state != ASK_SENDING)
        ask_free(&ask);
    engine_due(link->engine, link);
}

void
link_ask_sent(struct link *link, struct ask *ask)
{
    TAILQ_REMOVE(&link->sending, ask, queue);
    ask->state = ASK_SENT;
    if (ask->is_over)
        ask_free(&ask);
    else if (ask->has_verdict)
        link_finish(link, ask, ask->verdict);
}

/* Gives one that waits to a link that stands, if there is one. */
static void
rehome(struct link *link, struct ask_queue *queue, struct ask *ask)
{
    struct link *other = shard_link(link->shard);

    if (other != NULL && other != link && ask->moves < MOVES_MAX &&
        link_reach(other) == LINK_READY) {
        engine_untime(link->engine, ask);
        TAILQ_REMOVE(queue, ask, queue);
        atomic_fetch_sub(&link->load, ask->cost);
        atomic_fetch_add(&other->load, ask->cost);
        ask->state = ASK_MADE;
        ask->moves++;
        ask->link = other;
        engine_post(other->engine, ask);
    } else if (link_reach(link) == LINK_NONE ||
               atomic_load(&link->shard->is_open)) {
        link_finish(link, ask, STATUS_GONE);
    }
}

static void
rehome_all(struct link *link)
{
    struct ask_queue *const queues[] = {&link->reads, &link->writes};

    if (link->state == LINK_UP)
        return;
    for (unsigned i = 0; i < 2; i++) {
        struct ask *ask, *next;

        for (ask = TAILQ_FIRST(queues[i]); ask != NULL; ask = next) {
            next = TAILQ_NEXT(ask, queue);
            rehome(link, queues[i], ask);
        }
    }
}

/* A child that was forked may have the socket as well: then close() alone ends
 * neither the connection nor what epoll says of it. */
static void
close_socket(struct link *link)
{
    epoll_ctl(link->engine->epoll_fd, EPOLL_CTL_DEL, link->fd, NULL);
    shutdown(link->fd, SHUT_RDWR);
    close(link->fd);
    link->fd = -1;
}

/* Nothing of an earlier connection is left: asks, bytes, the socket. */
static void
drop_socket(struct link *link)
{
    struct ask *ask;

    if (link->fd >= 0)
        close_socket(link);
    link->life++;
    link->is_full = link->is_room_watched = false;
    while ((ask = TAILQ_FIRST(&link->sending)) != NULL) {
        TAILQ_REMOVE(&link->sending, ask, queue);
        ask->state = ASK_SENT;
        if (ask->is_over)
            ask_free(&ask);
        else
            link_finish(link, ask,
                        ask->has_verdict ? ask->verdict : STATUS_GONE);
    }
    for (unsigned i = 0; i < LINK_WINDOW; i++)
        if (link->slots[i] != NULL)
            link_finish(link, link->slots[i], STATUS_GONE);
    link->sent = link->unsent = 0;
    link->input_begin = link->input_end = 0;
    link->body_left = 0;
    link->receiver = NULL;
    link->late_count = 0;
    link->unnoticed = 0;
}

void
link_close(struct link *link)
{
    drop_socket(link);
    free(link->input);
}

static void
rest(struct link *link)
{
    set_state(link, LINK_PAUSED);
    set_timer(link, link->engine->now_ns + pause_ns(link));
    rehome_all(link);
}

/* The attempt to reach it has come to nothing. */
static void
give_up(struct link *link)
{
    drop_socket(link);
    addresses_refresh(link->shard->addresses);
    link->attempts++;
    shard_unreached(link->shard);
    rest(link);
}

void
link_lose(struct link *link)
{
    if (link->state == LINK_UP) {
        atomic_fetch_sub(&link->shard->up_count, 1);
        /* Who greets and says no more is not to be asked at once again. */
        link->relapses = link->has_answered ? 0 : link->relapses + 1;
        link->attempts = link->relapses;
        set_state(link, LINK_PAUSED);
        drop_socket(link);
        rest(link);
    } else {
        /* Condemned, but it does not stand: the attempt goes on. */
        rehome_all(link);
    }
}

/* HELLO is the first request of every connection. */
static bool
greet(struct link *link)
{
    struct ask *ask;

    if (ask_new(NULL, 0, 0, &ask) != STATUS_OK)
        return false;
    set_state(link, LINK_GREETING);
    ask->head.verb = NATIVE_HELLO;
    ask->shard = link->shard;
    ask->link = link;
    ask->state = ASK_WAITING;
    TAILQ_INSERT_HEAD(&link->reads, ask, queue);
    return link_send(link);
}

void
link_greeted(struct link *link, const struct native_reply *reply)
{
    link->attempts = 0;
    link->has_answered = false;
    link->timer_ns = UINT64_MAX;
    shard_greeted(link->shard, reply);
    set_state(link, LINK_UP);
    engine_due(link->engine, link);
}

/* Waits for the socket, and greets once it is connected. */
static bool
watch(struct link *link, bool is_connected)
{
    struct epoll_event event = {
        .events = is_connected ? EPOLLIN : EPOLLIN | EPOLLOUT,
        .data.u64 = (uint64_t)link->life << 32 | link->number};
    int one = 1;

    setsockopt(link->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (epoll_ctl(link->engine->epoll_fd, EPOLL_CTL_ADD, link->fd, &event) != 0)
        return false;
    if (is_connected)
        return greet(link);
    set_state(link, LINK_CONNECTING);
    return true;
}

/* The next of its addresses that does not refuse at once. */
static bool
dial(struct link *link)
{
    unsigned count = addresses_count(link->shard->addresses);
    struct addresses_one address;

    for (; link->tried < count; link->tried++) {
        int error;

        if (!addresses_get(link->shard->addresses, link->address++, &address))
            return false;
        link->fd = socket(address.family,
                          SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (link->fd < 0)
            continue;
        error = connect(link->fd, (const struct sockaddr *)&address.where,
                        address.size);
        if ((error == 0 || errno == EINPROGRESS) && watch(link, error == 0)) {
            link->tried++;
            return true;
        }
        drop_socket(link);
    }
    return false;
}

/* Within the attempt that is under way. */
static void
dial_on(struct link *link)
{
    if (dial(link)) {
        set_timer(link, link->given_up_ns);
        return;
    }
    if (addresses_count(link->shard->addresses) == 0 &&
        addresses_is_looking(link->shard->addresses) &&
        link->engine->now_ns < link->given_up_ns) {
        set_timer(link, link->engine->now_ns + LOOK_AGAIN_NS);
        return;
    }
    give_up(link);
}

void
link_connect(struct link *link)
{
    link->tried = 0;
    link->given_up_ns =
        link->engine->now_ns +
        link->shard->cache->options.connect_ms * CLOCK_NS_PER_MS;
    dial_on(link);
}

void
link_timer(struct link *link)
{
    link->timer_ns = UINT64_MAX;
    switch (link->state) {
    case LINK_PAUSED:
        if (addresses_count(link->shard->addresses) == 0 &&
            link->engine->now_ns < link->given_up_ns)
            dial_on(link);
        else
            link_connect(link);
        return;
    case LINK_CONNECTING:
    case LINK_GREETING:
        give_up(link);
        return;
    case LINK_UP:
        return;
    }
}

/* The answer to a connect() that was under way. */
static void
end_dial(struct link *link)
{
    struct epoll_event event = {.events = EPOLLIN,
                                .data.u64 =
                                    (uint64_t)link->life << 32 | link->number};
    socklen_t size = sizeof(int);
    int error = 0;

    if (getsockopt(link->fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 &&
        error == 0 &&
        epoll_ctl(link->engine->epoll_fd, EPOLL_CTL_MOD, link->fd, &event) ==
            0 &&
        greet(link))
        return;
    drop_socket(link);
    set_state(link, LINK_PAUSED);
    dial_on(link);
}

void
link_ready(struct link *link, uint32_t events)
{
    if (link->state == LINK_CONNECTING) {
        end_dial(link);
        return;
    }
    if (events & EPOLLOUT) {
        /* It took something: it lives. */
        link->is_full = false;
        link->progress_ns = link->engine->now_ns;
        shard_progress(link->shard, link->progress_ns);
        engine_due(link->engine, link);
    }
    if ((events & ~(uint32_t)EPOLLOUT) == 0 || link_receive(link))
        return;
    if (link->state == LINK_UP)
        link_lose(link);
    else
        give_up(link);
}

void
link_flush(struct link *link)
{
    if (link->fd < 0 || link->state < LINK_GREETING || link->is_full)
        return;
    if (link_send(link))
        return;
    if (link->state == LINK_UP)
        link_lose(link);
    else
        give_up(link);
}

void
link_take(struct link *link, struct ask *ask)
{
    struct ask_queue *queue =
        ask->head.verb == NATIVE_PUT ? &link->writes : &link->reads;

    ask->state = ASK_WAITING;
    TAILQ_INSERT_TAIL(queue, ask, queue);
    engine_time(link->engine, ask);
    if (ask->moves == 0)
        atomic_fetch_add_explicit(&link->counts.requests,
                                  ask->left > 0 ? ask->left : 1,
                                  memory_order_relaxed);
    if (link->state == LINK_UP)
        engine_due(link->engine, link);
    else
        rehome(link, queue, ask);
}

/* Was a part of it sent already? */
static bool
is_begun(const struct link *link, const struct ask *ask)
{
    return link->sent > 0 && TAILQ_FIRST(&link->sending) == ask;
}

void
link_late(struct link *link, struct ask *ask)
{
    bool is_sending = ask->state == ASK_SENDING, is_cut = false;
    bool is_silent =
        ask->state >= ASK_SENDING && link->progress_ns < ask->sent_ns;
    uint64_t sent_ns = ask->sent_ns;

    if (is_sending && !is_begun(link, ask)) {
        TAILQ_REMOVE(&link->sending, ask, queue);
        link->unsent -= ask_size(ask);
        ask->state = ASK_SENT;
    } else if (is_sending && ask->body != ask->copied) {
        /* The rest of the frame is the caller's from now on, and a frame can not
         * be left half sent. */
        TAILQ_REMOVE(&link->sending, ask, queue);
        ask->state = ASK_SENT;
        is_cut = true;
    }
    link_finish(link, ask, ask->has_verdict ? ask->verdict : STATUS_LATE);
    if (is_cut) {
        link_lose(link);
    } else if (is_silent) {
        shard_was_late(link->shard, sent_ns);
        if (++link->late_count >= link->shard->cache->options.failures)
            link_condemn(link);
    }
}

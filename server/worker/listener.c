/* SPDX-License-Identifier: Apache-2.0 */
/* Accepting, backing off when descriptors run out, and the main thread's
 * signals. */
#include "server/worker/listener.h"

#include "base/clock.h"
#include "base/log.h"
#include "server/net/address.h"
#include "server/server.h"
#include "server/worker/worker.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACK_OFF_MS   100
#define DRAIN_LOOK_MS 10
/* Accepted in one go before signals are looked at again. */
#define BATCH 64

struct listener {
    struct server *server;
    struct counters *counters;
    struct event_base *base;
    int fd[2]; /* TCP, Unix or -1 */
    struct event accept[2], back_off, drain, terminate, interrupt, hang_up;
    void (*reload)(struct server *);
    uint64_t drain_until_ns;
    char address[ADDRESS_TEXT_MAX];
};

static struct worker *
least_busy(const struct server *server)
{
    struct worker *least = server->workers[0];

    for (unsigned i = 1; i < server->worker_count; i++)
        if (worker_connections(server->workers[i]) < worker_connections(least))
            least = server->workers[i];
    return least;
}

/* False when the first watching fails for lack of memory. */
static bool
watch_sockets(struct listener *listener, bool on)
{
    int failed = 0;

    for (unsigned i = 0; i < 2; i++) {
        if (listener->fd[i] < 0)
            continue;
        failed |= on ? event_add(&listener->accept[i], NULL)
                     : event_del(&listener->accept[i]);
    }
    return failed == 0;
}

/* No descriptor or memory for one more: those who wait stay in the backlog,
 * and asking at once again would only burn a core. */
static void
back_off(struct listener *listener)
{
    static struct log_limiter limiter;
    struct timeval later = {0, BACK_OFF_MS * 1000};
    int error = errno;

    count(listener->counters, COUNTER_accept_errors, 1);
    log_limited(&limiter, LOG_WARN, "accept failed",
                "errno=%d; trying again in %d ms", error, BACK_OFF_MS);
    watch_sockets(listener, false);
    event_add(&listener->back_off, &later);
}

static void
on_back_off(evutil_socket_t fd, short what, void *arg)
{
    struct listener *listener = arg;

    (void)fd;
    (void)what;
    if (!atomic_load(&listener->server->is_draining))
        watch_sockets(listener, true);
}

static void
take(struct listener *listener, int fd, const struct sockaddr_storage *from)
{
    static struct log_limiter limiter;
    struct server *server = listener->server;
    uint64_t most =
        atomic_load_explicit(&server->limits.connections, memory_order_relaxed);
    char peer[ADDRESS_TEXT_MAX];

    if (roster_count(&server->roster) >= most) {
        count(listener->counters, COUNTER_closed_limit, 1);
        log_limited(&limiter, LOG_WARN, "too many connections",
                    "limits.connections=%llu", (unsigned long long)most);
        close(fd);
        return;
    }
    address_spell(from, peer, sizeof(peer));
    worker_give(least_busy(server), fd, peer);
}

static void
on_accept(evutil_socket_t listening, short what, void *arg)
{
    struct listener *listener = arg;

    (void)what;
    for (unsigned i = 0; i < BATCH; i++) {
        struct sockaddr_storage from = {.ss_family = AF_UNIX};
        socklen_t size = sizeof(from);
        int fd = accept4(listening, (struct sockaddr *)&from, &size,
                         SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd >= 0) {
            take(listener, fd, &from);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
                   errno == ENOMEM) {
            back_off(listener);
            return;
        } else if (errno == EAGAIN) {
            return;
        }
    }
}

static void
on_drain(evutil_socket_t fd, short what, void *arg)
{
    struct listener *listener = arg;
    struct timeval soon = {0, DRAIN_LOOK_MS * 1000};
    unsigned left = roster_count(&listener->server->roster);

    (void)fd;
    (void)what;
    if (left == 0 || clock_now_ns() >= listener->drain_until_ns) {
        if (left != 0)
            log_event(LOG_WARN, "drain ended",
                      "connections=%u still busy after limits.drain", left);
        event_base_loopbreak(listener->base);
        return;
    }
    event_add(&listener->drain, &soon);
}

static void
on_end(evutil_socket_t number, short what, void *arg)
{
    struct listener *listener = arg;
    struct server *server = listener->server;
    struct timeval soon = {0, 0};

    (void)what;
    if (atomic_exchange(&server->is_draining, true))
        return;
    log_event(LOG_INFO, "draining", "signal=%d connections=%u", (int)number,
              roster_count(&server->roster));
    watch_sockets(listener, false);
    listener->drain_until_ns =
        clock_now_ns() + atomic_load(&server->limits.drain_ns);
    for (unsigned i = 0; i < server->worker_count; i++)
        worker_wake(server->workers[i]);
    event_add(&listener->drain, &soon);
}

static void
on_hang_up(evutil_socket_t number, short what, void *arg)
{
    struct listener *listener = arg;

    (void)number;
    (void)what;
    listener->reload(listener->server);
}

static enum status
set_up(struct listener *listener)
{
    struct event_base *base = listener->base;

    for (unsigned i = 0; i < 2; i++)
        if (listener->fd[i] >= 0)
            event_assign(&listener->accept[i], base, listener->fd[i],
                         EV_READ | EV_PERSIST, on_accept, listener);
    event_assign(&listener->back_off, base, -1, 0, on_back_off, listener);
    event_assign(&listener->drain, base, -1, 0, on_drain, listener);
    evsignal_assign(&listener->terminate, base, SIGTERM, on_end, listener);
    evsignal_assign(&listener->interrupt, base, SIGINT, on_end, listener);
    evsignal_assign(&listener->hang_up, base, SIGHUP, on_hang_up, listener);
    return event_add(&listener->terminate, NULL) == 0 &&
                   event_add(&listener->interrupt, NULL) == 0 &&
                   event_add(&listener->hang_up, NULL) == 0 &&
                   watch_sockets(listener, true)
               ? STATUS_OK
               : STATUS_NO_SPACE;
}

enum status
listener_open(struct server *server, struct counters *counters,
              struct listener **out, char *why, size_t room)
{
    struct listener *listener = calloc(1, sizeof(*listener));
    const struct options *options = &server->options;
    enum status status;

    if (listener == NULL)
        return STATUS_NO_SPACE;
    listener->server = server;
    listener->counters = counters;
    listener->fd[0] = listener->fd[1] = -1;
    listener->base = event_base_new();
    status = listener->base == NULL ? STATUS_NO_SPACE : STATUS_OK;
    if (status == STATUS_OK)
        status = address_listen(options->listen_data, &listener->fd[0],
                                listener->address, why, room);
    if (status == STATUS_OK && options->listen_unix[0] != '\0')
        status = address_listen_unix(options->listen_unix, &listener->fd[1],
                                     why, room);
    if (status == STATUS_OK)
        status = set_up(listener);
    if (status != STATUS_OK)
        listener_close(&listener);
    *out = listener;
    return status;
}

/* A second SIGTERM must not kill what is being put away: the base gives the
 * signals their old meanings back when it goes. */
static void
hold_signals(void)
{
    sigset_t signals;

    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
}

void
listener_run(struct listener *listener, void (*reload)(struct server *))
{
    listener->reload = reload;
    event_base_loop(listener->base, EVLOOP_NO_EXIT_ON_EMPTY);
    hold_signals();
}

void
listener_close(struct listener **listener_in)
{
    struct listener *listener = *listener_in;

    if (listener == NULL)
        return;
    *listener_in = NULL;
    if (listener->base != NULL)
        event_base_free(listener->base);
    if (listener->fd[0] >= 0)
        close(listener->fd[0]);
    if (listener->fd[1] >= 0) {
        close(listener->fd[1]);
        unlink(listener->server->options.listen_unix);
    }
    free(listener);
}

const char *
listener_address(const struct listener *listener)
{
    return listener->address;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The real server on the test's own thread: its one worker's loop is turned
 * here, so that what happens between two turns is the test's to say.
 */
#ifndef LIB_INLINE_SERVER_H
#define LIB_INLINE_SERVER_H

#include "base/clock.h"
#include "base/log.h"
#include "server/daemon.h"
#include "server/server.h"
#include "server/worker/worker.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define INLINE_REPLY_MAX (4u << 20)

struct inline_server {
    struct daemon *daemon;
    struct server *server;
    struct worker *worker;
};

struct inline_client {
    struct inline_server *home;
    int fd;
    bool is_over; /* the server has closed */
    size_t size;
    char reply[INLINE_REPLY_MAX]; /* what came so far */
};

/* more: "section.key=value" each, up to a NULL. */
static inline bool
inline_server_open(struct inline_server *here, const char *const *more)
{
    static const char *const settings[] = {
        "listen.data=127.0.0.1:0",  "listen.http=127.0.0.1:0",
        "dram.size=64MiB",          "limits.index_memory=1MiB",
        "limits.workers=1",         "limits.header_timeout=1h",
        "limits.output_timeout=1h", "limits.pinned_timeout=1h",
    };
    static struct options options;
    struct option_problem problem;
    char why[256];

    log_setup(LOG_ERROR, LOG_LOGFMT);
    options_init(&options);
    for (unsigned i = 0; i < sizeof(settings) / sizeof(*settings); i++)
        if (option_set_pair(&options, settings[i], "here", &problem) !=
            STATUS_OK)
            return false;
    for (; more != NULL && *more != NULL; more++)
        if (option_set_pair(&options, *more, "here", &problem) != STATUS_OK)
            return false;
    if (options_finish(&options, &problem) != STATUS_OK ||
        daemon_open(&options, &here->daemon, why, sizeof(why)) != STATUS_OK)
        return false;
    here->server = here->daemon->server;
    here->worker = here->server->workers[0];
    return true;
}

static inline bool
inline_client_open(struct inline_server *here, struct inline_client *client)
{
    int fd[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd) != 0)
        return false;
    client->home = here;
    client->fd = fd[0];
    client->is_over = false;
    client->size = 0;
    worker_give(here->worker, fd[1], "test");
    worker_turn(here->worker);
    return true;
}

static inline void
inline_client_receive(struct inline_client *client)
{
    for (;;) {
        ssize_t n = recv(client->fd, client->reply + client->size,
                         INLINE_REPLY_MAX - 1 - client->size, MSG_DONTWAIT);

        if (n < 0)
            break;
        client->is_over = n == 0;
        if (n == 0)
            break;
        client->size += (size_t)n;
    }
    client->reply[client->size] = '\0';
}

/* Turns the loop until nothing moves any more. */
static inline void
inline_client_settle(struct inline_client *client)
{
    unsigned still = 0;

    while (still < 3) {
        size_t before = client->size;

        worker_turn(client->home->worker);
        inline_client_receive(client);
        still = client->size == before ? still + 1 : 0;
    }
}

/* All of it, however large. */
static inline void
inline_client_send(struct inline_client *client, const void *bytes, size_t size)
{
    const char *at = bytes;

    while (size != 0) {
        ssize_t n = send(client->fd, at, size, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n < 0 && errno != EAGAIN)
            return;
        if (n > 0) {
            at += n;
            size -= (size_t)n;
        }
        worker_turn(client->home->worker);
        inline_client_receive(client);
    }
    inline_client_settle(client);
}

/* What has come since the last call is exactly this. */
static inline bool
inline_client_got(struct inline_client *client, const char *reply)
{
    bool is_same;

    inline_client_settle(client);
    is_same = client->size == strlen(reply) &&
              memcmp(client->reply, reply, client->size) == 0;
    if (is_same)
        client->size = 0;
    return is_same;
}

static inline void
inline_client_close(struct inline_client *client)
{
    close(client->fd);
}

static inline bool
inline_server_close(struct inline_server *here)
{
    uint64_t until_ns = clock_now_ns() + 10 * NS_PER_SECOND;
    bool is_clean;

    while (server_connections(here->server) != 0 && clock_now_ns() < until_ns)
        worker_turn(here->worker);
    is_clean = server_connections(here->server) == 0 &&
               atomic_load(&here->server->head_memory.used) == 0;
    daemon_close(&here->daemon);
    return is_clean;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Putting the parts together, in the order they need each other, and taking
 * them apart again. */
#include "server/daemon.h"

#include "base/log.h"
#include "server/events/events.h"
#include "server/observe/history.h"
#include "server/observe/http.h"
#include "server/server.h"
#include "server/worker/listener.h"
#include "server/worker/worker.h"

#include <stdio.h>
#include <stdlib.h>

static enum status
open_workers(struct server *server)
{
    server->workers = calloc(server->worker_count, sizeof(*server->workers));
    if (server->workers == NULL)
        return STATUS_NO_SPACE;
    for (unsigned i = 0; i < server->worker_count; i++) {
        enum status status = worker_open(server, i, &server->workers[i]);

        if (status != STATUS_OK)
            return status;
    }
    return STATUS_OK;
}

static enum status
open_threads(struct daemon *daemon, char *why, size_t room)
{
    struct server *server = daemon->server;
    struct counters *counters = server->counters + server->worker_count;
    enum status status;

    snprintf(why, room, "out of memory or descriptors at start");
    status = history_open(&server->history);
    if (status == STATUS_OK)
        status = open_workers(server);
    if (status == STATUS_OK)
        status = listener_open(server, counters, &daemon->listener, why, room);
    if (status == STATUS_OK)
        status = http_open(server, counters + 1, &daemon->http, why, room);
    if (status != STATUS_OK)
        return status;
    server->data_address = listener_address(daemon->listener);
    server->http_address = http_address(daemon->http);
    return STATUS_OK;
}

enum status
daemon_open(const struct options *options, struct daemon **out, char *why,
            size_t room)
{
    struct daemon *daemon = calloc(1, sizeof(*daemon));
    enum status status;

    if (daemon == NULL)
        return STATUS_NO_SPACE;
    status = server_open(options, &daemon->server, why, room);
    if (status == STATUS_OK)
        status = open_threads(daemon, why, room);
    if (status != STATUS_OK)
        daemon_close(&daemon);
    *out = daemon;
    return status;
}

/* Before the first worker: what it does is told from its start. */
static enum status
start_events(struct server *server)
{
    const struct options *options = &server->options;
    const char *pod = server->data_address;
    struct events_view view;

    if (server->events == NULL)
        return STATUS_OK;
    if (options->cluster_announce[0] != '\0')
        pod = options->cluster_announce;
    if (options->events_pod[0] != '\0')
        pod = options->events_pod;
    events_view(server->events, &view);
    log_event(LOG_INFO, "publishing events", "on=%s replay=%s", view.listen,
              view.replay);
    return events_start(server->events, server->store, pod);
}

void
daemon_run(struct daemon *daemon, void (*reload)(struct server *))
{
    struct server *server = daemon->server;
    unsigned started = 0;
    enum status status = http_start(daemon->http);

    if (status == STATUS_OK)
        status = start_events(server);
    while (status == STATUS_OK && started < server->worker_count) {
        status = worker_start(server->workers[started]);
        started += status == STATUS_OK;
    }
    if (status == STATUS_OK) {
        printf("prefixcached ready data=%s http=%s\n", server->data_address,
               server->http_address);
        fflush(stdout);
        listener_run(daemon->listener, reload);
    } else {
        log_event(LOG_ERROR, "can not start threads", "%s",
                  status_text(status));
    }
    while (started > 0)
        worker_stop(server->workers[--started]);
}

static void
close_threads(struct daemon *daemon)
{
    struct server *server = daemon->server;

    http_close(&daemon->http);
    listener_close(&daemon->listener);
    for (unsigned i = 0; server->workers != NULL && i < server->worker_count;
         i++)
        worker_close(&server->workers[i]);
    free(server->workers);
    history_close(&server->history);
}

void
daemon_close(struct daemon **daemon_in)
{
    struct daemon *daemon = *daemon_in;

    if (daemon == NULL)
        return;
    *daemon_in = NULL;
    if (daemon->server != NULL)
        close_threads(daemon);
    server_close(&daemon->server);
    free(daemon);
}

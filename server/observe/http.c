/* SPDX-License-Identifier: Apache-2.0 */
/* evhttp on a thread of its own. */
#include "server/observe/http.h"

#include "base/log.h"
#include "base/thread.h"
#include "server/net/address.h"
#include "server/observe/metrics.h"
#include "server/server.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define HEADERS_MAX 16384
#define BODY_MAX    65536
#define TIMEOUT_S   30
#define BACK_OFF_MS 100

struct http {
    struct server *server;
    struct counters *counters;
    struct event_base *base;
    struct evhttp *evhttp;
    struct event *stop_event;
    int stop_fd;
    pthread_t thread;
    bool is_started;
    char address[ADDRESS_TEXT_MAX];
};

static void
reply(struct evhttp_request *request, int code, const char *type,
      const char *text, size_t size)
{
    struct evbuffer *body = evbuffer_new();

    if (body == NULL || evbuffer_add(body, text, size) != 0) {
        evhttp_send_error(request, HTTP_INTERNAL, NULL);
    } else {
        evhttp_add_header(evhttp_request_get_output_headers(request),
                          "Content-Type", type);
        evhttp_send_reply(request, code, NULL, body);
    }
    if (body != NULL)
        evbuffer_free(body);
}

static void
reply_text(struct evhttp_request *request, int code, const char *text)
{
    reply(request, code, "text/plain; charset=utf-8", text, strlen(text));
}

/* GET and HEAD only: nothing is changed by this port. */
static bool
is_reading(struct evhttp_request *request)
{
    enum evhttp_cmd_type method = evhttp_request_get_command(request);

    if (method == EVHTTP_REQ_GET || method == EVHTTP_REQ_HEAD)
        return true;
    evhttp_add_header(evhttp_request_get_output_headers(request), "Allow",
                      "GET, HEAD");
    reply_text(request, HTTP_BADMETHOD, "only GET and HEAD are answered\n");
    return false;
}

static void
on_live(struct evhttp_request *request, void *arg)
{
    struct http *http = arg;

    count(http->counters, COUNTER_http_requests, 1);
    if (is_reading(request))
        reply_text(request, HTTP_OK, "ok\n");
}

static void
on_ready(struct evhttp_request *request, void *arg)
{
    struct http *http = arg;

    count(http->counters, COUNTER_http_requests, 1);
    if (!is_reading(request))
        return;
    if (atomic_load(&http->server->is_draining))
        reply_text(request, HTTP_SERVUNAVAIL, "draining\n");
    else
        reply_text(request, HTTP_OK, "ready\n");
}

static void
on_metrics(struct evhttp_request *request, void *arg)
{
    struct http *http = arg;
    char *text = NULL;
    size_t size = 0;
    bool is_whole;
    FILE *file;

    count(http->counters, COUNTER_http_requests, 1);
    if (!is_reading(request))
        return;
    file = open_memstream(&text, &size);
    if (file == NULL) {
        evhttp_send_error(request, HTTP_INTERNAL, NULL);
        return;
    }
    metrics_write(http->server, file);
    is_whole = !ferror(file);
    if (fclose(file) != 0 || !is_whole || text == NULL) {
        free(text);
        evhttp_send_error(request, HTTP_INTERNAL, NULL);
        return;
    }
    reply(request, HTTP_OK, "text/plain; version=0.0.4; charset=utf-8", text,
          size);
    free(text);
}

static void
on_other(struct evhttp_request *request, void *arg)
{
    struct http *http = arg;

    count(http->counters, COUNTER_http_requests, 1);
    reply_text(request, HTTP_NOTFOUND,
               "not found; there are /livez /readyz /healthz /metrics\n");
}

static void
on_stop(evutil_socket_t fd, short what, void *arg)
{
    struct http *http = arg;

    (void)fd;
    (void)what;
    event_base_loopbreak(http->base);
}

static void
on_back_off(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    evconnlistener_enable(arg);
}

/* No descriptor for one more: left alone, the loop would ask again at once.
 * The argument is evhttp's own. */
static void
on_accept_error(struct evconnlistener *listener, void *arg)
{
    static struct log_limiter limiter;
    struct timeval later = {0, BACK_OFF_MS * 1000};
    int error = errno;

    (void)arg;
    log_limited(&limiter, LOG_WARN, "accept failed on the HTTP port",
                "errno=%d; trying again in %d ms", error, BACK_OFF_MS);
    if (event_base_once(evconnlistener_get_base(listener), -1, EV_TIMEOUT,
                        on_back_off, listener, &later) == 0)
        evconnlistener_disable(listener);
}

static const struct {
    const char *path;
    void (*answer)(struct evhttp_request *, void *);
} pages[] = {{"/livez", on_live},
             {"/readyz", on_ready},
             {"/healthz", on_ready},
             {"/metrics", on_metrics}};

/* From here on evhttp closes the descriptor, which is then no longer *fd. */
static enum status
accept_on(struct http *http, int *fd)
{
    struct evhttp_bound_socket *bound =
        evhttp_accept_socket_with_handle(http->evhttp, *fd);
    struct evconnlistener *listener;

    if (bound == NULL)
        return STATUS_NO_SPACE;
    *fd = -1;
    listener = evhttp_bound_socket_get_listener(bound);
    evconnlistener_set_error_cb(listener, on_accept_error);
    /* It is enabled, unless that failed without a word. */
    return evconnlistener_enable(listener) == 0 ? STATUS_OK : STATUS_NO_SPACE;
}

static enum status
set_up(struct http *http, int *fd)
{
    http->stop_event =
        event_new(http->base, http->stop_fd, EV_READ, on_stop, http);
    http->evhttp = evhttp_new(http->base);
    if (http->stop_event == NULL || http->evhttp == NULL ||
        event_add(http->stop_event, NULL) != 0)
        return STATUS_NO_SPACE;
    evhttp_set_max_headers_size(http->evhttp, HEADERS_MAX);
    evhttp_set_max_body_size(http->evhttp, BODY_MAX);
    evhttp_set_timeout(http->evhttp, TIMEOUT_S);
    evhttp_set_gencb(http->evhttp, on_other, http);
    for (unsigned i = 0; i < sizeof(pages) / sizeof(pages[0]); i++)
        if (evhttp_set_cb(http->evhttp, pages[i].path, pages[i].answer, http) !=
            0)
            return STATUS_NO_SPACE;
    return accept_on(http, fd);
}

enum status
http_open(struct server *server, struct counters *counters, struct http **out,
          char *why, size_t room)
{
    const char *address = server->options.listen_http;
    struct http *http = calloc(1, sizeof(*http));
    enum status status;
    int fd;

    if (http == NULL)
        return STATUS_NO_SPACE;
    http->server = server;
    http->counters = counters;
    http->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    http->base = event_base_new();
    status = address_listen(address, &fd, http->address, why, room);
    if (status == STATUS_OK) {
        status = http->stop_fd < 0 || http->base == NULL ? STATUS_NO_SPACE
                                                         : set_up(http, &fd);
        if (status != STATUS_OK) {
            if (fd >= 0)
                close(fd);
            snprintf(why, room, "can not serve HTTP on %s: out of memory",
                     address);
        }
    }
    if (status != STATUS_OK)
        http_close(&http);
    *out = http;
    return status;
}

static void *
serve(void *arg)
{
    struct http *http = arg;

    event_base_dispatch(http->base);
    return NULL;
}

enum status
http_start(struct http *http)
{
    enum status status = thread_start(&http->thread, "http", serve, http);

    http->is_started = status == STATUS_OK;
    return status;
}

void
http_close(struct http **http_in)
{
    struct http *http = *http_in;

    if (http == NULL)
        return;
    *http_in = NULL;
    if (http->is_started) {
        eventfd_write(http->stop_fd, 1);
        pthread_join(http->thread, NULL);
    }
    if (http->evhttp != NULL)
        evhttp_free(http->evhttp);
    if (http->stop_event != NULL)
        event_free(http->stop_event);
    if (http->base != NULL)
        event_base_free(http->base);
    if (http->stop_fd >= 0)
        close(http->stop_fd);
    free(http);
}

const char *
http_address(const struct http *http)
{
    return http->address;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* evhttp on a thread of its own. */
#include "server/observe/http.h"

#include "base/log.h"
#include "base/thread.h"
#include "server/net/address.h"
#include "server/observe/page.h"
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

#define HEADERS_MAX 65536
#define BODY_MAX    1048576
#define TIMEOUT_S   30
#define BACK_OFF_MS 100

enum { MAY_GET = 1, MAY_POST = 2 };

/* GET comes with HEAD. */
static const struct route {
    const char *path;
    unsigned methods;
    page_fn *page;
} routes[] = {
    {"/", MAY_GET, page_status},
    {"/livez", MAY_GET, page_live},
    {"/readyz", MAY_GET, page_ready},
    {"/healthz", MAY_GET, page_ready},
    {"/metrics", MAY_GET, page_metrics},
    {"/v1/config", MAY_GET, page_config},
    {"/v1/keys", MAY_GET, page_keys},
    {"/v1/stats", MAY_GET, page_stats},
    {"/v1/prefix", MAY_POST, page_prefix},
    {"/query_by_hash", MAY_POST, page_query_by_hash},
    {"/batch_query_keys", MAY_GET, page_batch_query_keys},
};

#define ROUTES (sizeof(routes) / sizeof(routes[0]))

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
    struct bound {
        struct http *http;
        const struct route *route;
    } bound[ROUTES];
};

/* Frees the page. */
static void
send_page(struct evhttp_request *request, struct page *page)
{
    struct evbuffer *body = evbuffer_new();

    if (page->code == 0 || body == NULL ||
        evbuffer_add(body, page->text, page->size) != 0) {
        evhttp_send_error(request, HTTP_INTERNAL, NULL);
    } else {
        evhttp_add_header(evhttp_request_get_output_headers(request),
                          "Content-Type", page->type);
        evhttp_send_reply(request, page->code, NULL, body);
    }
    if (body != NULL)
        evbuffer_free(body);
    page_free(page);
}

static unsigned
method_of(struct evhttp_request *request)
{
    switch (evhttp_request_get_command(request)) {
    case EVHTTP_REQ_GET:
    case EVHTTP_REQ_HEAD:
        return MAY_GET;
    case EVHTTP_REQ_POST:
        return MAY_POST;
    default:
        return 0;
    }
}

static void
refuse_method(struct evhttp_request *request, const struct route *route)
{
    const char *allowed = route->methods == MAY_POST ? "POST" : "GET, HEAD";
    struct page page = {0};

    evhttp_add_header(evhttp_request_get_output_headers(request), "Allow",
                      allowed);
    page_error(&page, HTTP_BADMETHOD, "method_not_allowed",
               "%s takes %s; nothing is changed by this port", route->path,
               allowed);
    send_page(request, &page);
}

static void
on_request(struct evhttp_request *request, void *arg)
{
    const struct bound *bound = arg;
    struct http *http = bound->http;
    struct evbuffer *body = evhttp_request_get_input_buffer(request);
    const char *query =
        evhttp_uri_get_query(evhttp_request_get_evhttp_uri(request));
    struct page_ask ask = {.server = http->server, .counters = http->counters};
    struct page page = {0};

    count(http->counters, COUNTER_http_requests, 1);
    if ((method_of(request) & bound->route->methods) == 0) {
        refuse_method(request, bound->route);
        return;
    }
    if (query != NULL)
        ask.query = (struct bytes){(const uint8_t *)query, strlen(query)};
    ask.body.size = evbuffer_get_length(body);
    ask.body.at = evbuffer_pullup(body, -1);
    if (ask.body.at != NULL || ask.body.size == 0)
        bound->route->page(&ask, &page);
    send_page(request, &page);
}

static void
on_other(struct evhttp_request *request, void *arg)
{
    struct http *http = arg;
    char paths[512] = "";
    struct page page = {0};
    size_t size = 0;

    count(http->counters, COUNTER_http_requests, 1);
    for (unsigned i = 0; i < ROUTES; i++)
        size += (size_t)snprintf(paths + size, sizeof(paths) - size, " %s",
                                 routes[i].path);
    page_error(&page, HTTP_NOTFOUND, "not_found", "there are%s", paths);
    send_page(request, &page);
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
    for (unsigned i = 0; i < ROUTES; i++) {
        http->bound[i] = (struct bound){http, &routes[i]};
        if (evhttp_set_cb(http->evhttp, routes[i].path, on_request,
                          &http->bound[i]) != 0)
            return STATUS_NO_SPACE;
    }
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

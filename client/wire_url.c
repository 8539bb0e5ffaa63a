/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads the URL of a server.  It resolves nothing: hosts and ports stay text
 * until a stream connects to them.
 */
#include "client/wire.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SPACE_MAX 65535u

struct scheme {
    const char *name;
    enum wire_kind kind;
    const char *port;
};

static const struct scheme schemes[] = {
    {"lm", WIRE_LM, "7654"},
    {"redis", WIRE_RESP, "7654"},
    {"resp", WIRE_RESP, "7654"},
    {"memcached", WIRE_MEMCACHED, "11211"},
};

struct sentence {
    char *why;
    size_t room;
};

static enum status refuse(const struct sentence *, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static enum status
refuse(const struct sentence *to, const char *format, ...)
{
    va_list words;

    va_start(words, format);
    vsnprintf(to->why, to->room, format, words);
    va_end(words);
    return STATUS_BAD_REQUEST;
}

static const struct scheme *
find_scheme(const char *text, size_t size)
{
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
        if (strlen(schemes[i].name) == size &&
            memcmp(schemes[i].name, text, size) == 0)
            return &schemes[i];
    return NULL;
}

/* A whole decimal number of at most five digits, or -1. */
static long
number(const char *text, size_t size)
{
    long value = 0;

    if (size == 0 || size > 5)
        return -1;
    for (size_t i = 0; i < size; i++) {
        if (text[i] < '0' || text[i] > '9')
            return -1;
        value = value * 10 + (text[i] - '0');
    }
    return value;
}

static enum status
read_port(const char *text, size_t size, struct wire_url *out,
          const struct sentence *why)
{
    long port = number(text, size);

    if (port < 1 || port > 65535)
        return refuse(why, "the port \"%.*s\" is not a number from 1 to 65535",
                      (int)size, text);
    snprintf(out->port, sizeof out->port, "%ld", port);
    return STATUS_OK;
}

/* host, host:port, [v6] or [v6]:port; all of text[size]. */
static enum status
read_authority(const char *text, size_t size, struct wire_url *out,
               const struct sentence *why)
{
    const char *end = text + size, *host = text, *host_end, *after;

    if (memchr(text, '@', size) != NULL)
        return refuse(why, "a user or password in a URL is not supported");
    if (size > 0 && *text == '[') {
        host = text + 1;
        host_end = memchr(host, ']', (size_t)(end - host));
        if (host_end == NULL)
            return refuse(why, "the \"[\" of an IPv6 address has no \"]\"");
        after = host_end + 1;
    } else {
        host_end = memchr(text, ':', size);
        if (host_end == NULL)
            host_end = end;
        after = host_end;
    }
    if (host_end == host)
        return refuse(why, "the host is missing");
    if ((size_t)(host_end - host) >= sizeof out->host)
        return refuse(why, "the host is longer than %zu bytes",
                      sizeof out->host - 1);
    memcpy(out->host, host, (size_t)(host_end - host));
    out->host[host_end - host] = '\0';
    if (after == end)
        return STATUS_OK;
    if (*after != ':')
        return refuse(why,
                      "\"%.*s\" stands behind the host where a port was "
                      "expected",
                      (int)(end - after), after);
    return read_port(after + 1, (size_t)(end - after - 1), out, why);
}

/* "", "/", or "/N" for redis://. */
static enum status
read_space(const char *text, struct wire_url *out, const struct sentence *why)
{
    long space;

    if (*text == '\0' || strcmp(text, "/") == 0)
        return STATUS_OK;
    if (out->kind != WIRE_RESP)
        return refuse(why, "\"%s\" names a namespace, which only redis:// has",
                      text);
    space = number(text + 1, strlen(text + 1));
    if (space < 0 || space > (long)SPACE_MAX)
        return refuse(why, "the namespace \"%s\" is not a number from 0 to %u",
                      text + 1, SPACE_MAX);
    out->space = (unsigned)space;
    return STATUS_OK;
}

static enum status
read_path(const char *text, struct wire_url *out, const struct sentence *why)
{
    if (*text != '/')
        return refuse(why,
                      "the path \"%s\" of a Unix socket does not start "
                      "with \"/\"",
                      text);
    if (strlen(text) >= sizeof out->host)
        return refuse(why,
                      "the path of the Unix socket is longer than %zu "
                      "bytes",
                      sizeof out->host - 1);
    snprintf(out->host, sizeof out->host, "%s", text);
    out->is_unix = true;
    return STATUS_OK;
}

enum status
wire_url_parse(const char *text, struct wire_url *out, char *why_text,
               size_t room)
{
    const struct sentence why = {why_text, room};
    const char *colon = strstr(text, "://");
    const char *rest, *plus;
    const struct scheme *scheme;
    struct wire_url url = {0};
    enum status status;

    if (colon == NULL)
        return refuse(&why, "no scheme: expected lm://HOST:PORT or "
                            "redis://HOST:PORT");
    plus = memchr(text, '+', (size_t)(colon - text));
    scheme = find_scheme(text, (size_t)((plus ? plus : colon) - text));
    if (scheme == NULL ||
        (plus != NULL && (colon - plus != 5 || memcmp(plus, "+unix", 5) != 0)))
        return refuse(&why,
                      "unknown scheme \"%.*s\": expected lm, redis, "
                      "resp or memcached, with or without +unix",
                      (int)(colon - text), text);
    rest = colon + 3;
    url.kind = scheme->kind;
    if (plus != NULL) {
        status = read_path(rest, &url, &why);
    } else {
        const char *slash = strchrnul(rest, '/');

        snprintf(url.port, sizeof url.port, "%s", scheme->port);
        status = read_authority(rest, (size_t)(slash - rest), &url, &why);
        if (status == STATUS_OK)
            status = read_space(slash, &url, &why);
    }
    if (status == STATUS_OK)
        *out = url;
    return status;
}

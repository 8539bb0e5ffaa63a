/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads the URL of a cache from left to right: scheme, shards, namespace,
 * options.  Names come out in one spelling, as placement goes by them.
 */
#include "client/cache_url.h"

#include "client/cache_options.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#define DEFAULT_PORT "7654"
#define SHOWN        60 /* of a part that is wrong, at most */

struct sentence {
    char *why;
    size_t room;
};

/* Some of the URL. */
struct part {
    const char *at;
    size_t size;
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

static int
shown(struct part part)
{
    return part.size < SHOWN ? (int)part.size : SHOWN;
}

static bool
is_text(struct part part, const char *text)
{
    return strlen(text) == part.size && memcmp(part.at, text, part.size) == 0;
}

/* Cuts off what stands before the first `mark`, and the mark; all if none. */
static struct part
take_until(struct part *rest, char mark)
{
    const char *end =
        rest->size == 0 ? NULL : memchr(rest->at, mark, rest->size);
    struct part taken = *rest;

    if (end == NULL) {
        *rest = (struct part){rest->at + rest->size, 0};
        return taken;
    }
    taken.size = (size_t)(end - rest->at);
    *rest = (struct part){end + 1, rest->size - taken.size - 1};
    return taken;
}

static bool
is_letter_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9');
}

static char
lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static enum status
read_port(struct part text, struct cache_url_shard *shard,
          const struct sentence *why)
{
    unsigned port = 0;
    bool is_number = text.size > 0 && text.size <= 5;

    for (size_t i = 0; is_number && i < text.size; i++) {
        is_number = text.at[i] >= '0' && text.at[i] <= '9';
        port = port * 10 + (unsigned)(text.at[i] - '0');
    }
    if (!is_number || port < 1 || port > 65535)
        return refuse(why,
                      "the port \"%.*s\" behind \"%s\" is not a number from 1 "
                      "to 65535",
                      shown(text), text.at, shard->host);
    snprintf(shard->port, sizeof shard->port, "%u", port);
    return STATUS_OK;
}

static enum status
read_name(struct part text, struct cache_url_shard *shard,
          const struct sentence *why)
{
    if (text.size == 0)
        return refuse(why, "a host is missing before \"%.*s\"", SHOWN, text.at);
    if (text.size >= sizeof shard->host)
        return refuse(why, "the host \"%.*s...\" is longer than %zu bytes",
                      shown(text), text.at, sizeof shard->host - 1);
    for (size_t i = 0; i < text.size; i++) {
        char c = text.at[i];

        if (!is_letter_or_digit(c) && strchr("-._", c) == NULL)
            return refuse(why,
                          "the host \"%.*s\" has a \"%c\", expected letters, "
                          "digits, \"-\", \".\" and \"_\"",
                          shown(text), text.at, c);
        shard->host[i] = lower(c);
    }
    shard->host[text.size] = '\0';
    return STATUS_OK;
}

/* One address has many spellings; all become one.  Behind a % stands the name
 * of an interface. */
static enum status
read_ipv6(struct part text, struct cache_url_shard *shard,
          const struct sentence *why)
{
    struct part zone = text, address = take_until(&zone, '%');
    char spelled[INET6_ADDRSTRLEN] = "";
    struct in6_addr binary;
    bool is_good = address.size < sizeof spelled && zone.size <= 32 &&
                   (zone.size > 0 || address.size == text.size);

    for (size_t i = 0; is_good && i < zone.size; i++)
        is_good =
            is_letter_or_digit(zone.at[i]) || strchr("-._", zone.at[i]) != NULL;
    if (is_good) {
        memcpy(spelled, address.at, address.size);
        spelled[address.size] = '\0';
    }
    if (!is_good || inet_pton(AF_INET6, spelled, &binary) != 1 ||
        inet_ntop(AF_INET6, &binary, spelled, sizeof spelled) == NULL)
        return refuse(why, "\"[%.*s]\" is not an IPv6 address in brackets",
                      shown(text), text.at);
    snprintf(shard->host, sizeof shard->host, "%s%s%.*s", spelled,
             zone.size > 0 ? "%" : "", (int)zone.size, zone.at);
    return STATUS_OK;
}

/* host, host:port, [v6] or [v6]:port; all of the text. */
static enum status
read_shard(struct part text, struct cache_url_shard *shard,
           const struct sentence *why)
{
    struct part rest = text, host;
    bool has_port;
    enum status status;

    snprintf(shard->port, sizeof shard->port, "%s", DEFAULT_PORT);
    if (text.size > 0 && memchr(text.at, '@', text.size) != NULL)
        return refuse(why,
                      "\"%.*s\" has a user or a password, which a URL of a "
                      "cache does not take",
                      shown(text), text.at);
    if (text.size > 0 && text.at[0] == '[') {
        rest = (struct part){text.at + 1, text.size - 1};
        host = take_until(&rest, ']');
        if (host.size == text.size - 1)
            return refuse(why, "the \"[\" of \"%.*s\" has no \"]\"",
                          shown(text), text.at);
        status = read_ipv6(host, shard, why);
        has_port = rest.size > 0 && rest.at[0] == ':';
        if (status == STATUS_OK && rest.size > 0 && !has_port)
            return refuse(why,
                          "\"%.*s\" stands behind \"]\", where only a \":\" "
                          "and a port may",
                          shown(rest), rest.at);
        rest = (struct part){rest.at + has_port, rest.size - has_port};
    } else {
        host = take_until(&rest, ':');
        has_port = host.size < text.size;
        if (memchr(rest.at, ':', rest.size) != NULL)
            return refuse(why,
                          "\"%.*s\" has more than one \":\"; an IPv6 address "
                          "stands in brackets, [::1]:" DEFAULT_PORT,
                          shown(text), text.at);
        status = read_name(host, shard, why);
    }
    if (status != STATUS_OK || !has_port)
        return status;
    return read_port(rest, shard, why);
}

static enum status
read_path(struct part text, struct cache_url_shard *shard,
          const struct sentence *why)
{
    const size_t most = sizeof((struct sockaddr_un *)NULL)->sun_path - 1;

    if (text.size < 2 || text.at[0] != '/')
        return refuse(why,
                      "\"%.*s\" is not the path of a Unix socket, which starts "
                      "with \"/\": prefixcache+unix:///PATH",
                      shown(text), text.at);
    if (text.size > most)
        return refuse(why,
                      "the path \"%.*s...\" has %zu bytes, and that of a Unix "
                      "socket at most %zu",
                      shown(text), text.at, text.size, most);
    memcpy(shard->host, text.at, text.size);
    shard->host[text.size] = '\0';
    shard->port[0] = '\0';
    shard->is_unix = true;
    return STATUS_OK;
}

static enum status
check_new(const struct cache_url *url, const struct sentence *why)
{
    const struct cache_url_shard *last = &url->shards[url->count - 1];
    char name[CACHE_URL_NAME_SIZE];

    for (unsigned i = 0; i + 1 < url->count; i++)
        if (strcmp(url->shards[i].host, last->host) == 0 &&
            strcmp(url->shards[i].port, last->port) == 0) {
            cache_url_name(last, name);
            return refuse(why, "shards %u and %u are both \"%.*s\"", i + 1,
                          url->count, SHOWN, name);
        }
    return STATUS_OK;
}

static enum status
read_shards(struct part list, bool is_unix, struct cache_url *url,
            const struct sentence *why)
{
    bool is_last = false;

    while (!is_last) {
        const char *end = list.at + list.size;
        struct part one = take_until(&list, ',');
        struct cache_url_shard *shard = &url->shards[url->count];
        enum status status;

        is_last = one.at + one.size == end;
        if (url->count == PREFIXCACHE_SHARDS_MAX)
            return refuse(why, "\"%.*s\" is one more than %u shards",
                          shown(one), one.at, PREFIXCACHE_SHARDS_MAX);
        status =
            is_unix ? read_path(one, shard, why) : read_shard(one, shard, why);
        url->count++;
        if (status == STATUS_OK)
            status = check_new(url, why);
        if (status != STATUS_OK)
            return status;
    }
    return STATUS_OK;
}

static struct bytes
bytes_of(struct part part)
{
    return (struct bytes){(const uint8_t *)part.at, part.size};
}

/* What stands behind the "/": nothing, or a number. */
static enum status
read_space(struct part text, struct cache_url *url, const struct sentence *why)
{
    static const struct part space = {"space", 5};

    if (text.size == 0)
        return STATUS_OK;
    if (cache_options_set(&url->options, bytes_of(space), bytes_of(text),
                          why->why, why->room) != STATUS_OK)
        return refuse(why,
                      "the namespace \"%.*s\" behind the shards is not a "
                      "number from 0 to 255",
                      shown(text), text.at);
    return STATUS_OK;
}

static enum status
read_options(struct part list, struct cache_url *url,
             const struct sentence *why)
{
    while (list.size > 0) {
        struct part number = take_until(&list, '&');
        struct part name = take_until(&number, '=');
        enum status status =
            cache_options_set(&url->options, bytes_of(name), bytes_of(number),
                              why->why, why->room);

        if (status != STATUS_OK)
            return status;
    }
    return STATUS_OK;
}

static enum status
read_url(const char *text, struct cache_url *url, const struct sentence *why)
{
    const char *colon = text == NULL ? NULL : strstr(text, "://");
    struct part scheme, query, shards;
    bool is_unix;
    enum status status;

    if (colon == NULL)
        return refuse(why,
                      "\"%.*s\" has no scheme, expected "
                      "prefixcache://HOST[:PORT][,HOST[:PORT]...]",
                      SHOWN, text == NULL ? "" : text);
    scheme = (struct part){text, (size_t)(colon - text)};
    is_unix = is_text(scheme, "prefixcache+unix");
    url->wants_ucx = is_text(scheme, "prefixcache+ucx");
    if (!is_unix && !url->wants_ucx && !is_text(scheme, "prefixcache"))
        return refuse(why,
                      "unknown scheme \"%.*s\", expected prefixcache, "
                      "prefixcache+unix or prefixcache+ucx",
                      shown(scheme), scheme.at);
    query = (struct part){colon + 3, strlen(colon + 3)};
    shards = take_until(&query, '?');
    if (is_unix) {
        status = read_shards(shards, true, url, why);
    } else {
        struct part space = shards;

        shards = take_until(&space, '/');
        status = read_shards(shards, false, url, why);
        if (status == STATUS_OK)
            status = read_space(space, url, why);
    }
    if (status == STATUS_OK)
        status = read_options(query, url, why);
    return status;
}

/* A terminal is to show the sentence, whatever was in the URL. */
static void
make_printable(const struct sentence *sentence)
{
    if (sentence->room == 0)
        return;
    for (char *at = sentence->why; *at != '\0'; at++)
        if (*at < ' ' || *at > '~')
            *at = '?';
}

enum status
cache_url_parse(const char *text, struct cache_url *out, char *why, size_t room)
{
    const struct sentence sentence = {why, room};
    struct cache_url url = {.options = {.size = sizeof url.options}};
    enum status status = read_url(text, &url, &sentence);

    if (status != STATUS_OK) {
        make_printable(&sentence);
        return status;
    }
    url.space = url.options.space;
    *out = url;
    return STATUS_OK;
}

void
cache_url_name(const struct cache_url_shard *shard,
               char name_out[CACHE_URL_NAME_SIZE])
{
    bool is_ipv6 = !shard->is_unix && strchr(shard->host, ':') != NULL;

    snprintf(name_out, CACHE_URL_NAME_SIZE, "%s%.255s%s%s%.5s",
             is_ipv6 ? "[" : "", shard->host, is_ipv6 ? "]" : "",
             shard->is_unix ? "" : ":", shard->port);
}

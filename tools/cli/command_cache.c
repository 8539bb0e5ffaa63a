/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening caches of libprefixcache for a command: URLs of the other wires name
 * the same servers, and what is not there is said before a verb begins.
 */
#include "tools/cli/command.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SCHEME  "prefixcache"
#define URL_MAX 1024u

bool
command_is_native(const char *url)
{
    const char *rest = url + sizeof SCHEME - 1;

    return strncmp(url, SCHEME, sizeof SCHEME - 1) == 0 &&
           (*rest == '+' || strncmp(rest, "://", 3) == 0);
}

/* host:port of a prefixcache:// URL end at a slash, but a path has some. */
int
command_space(const char *url)
{
    const char *rest = strstr(url, "://");
    const char *query = strchr(url, '?'), *at;
    bool is_unix = strncmp(url, SCHEME "+unix", sizeof SCHEME + 4) == 0;

    if (query != NULL && (at = strstr(query, "space=")) != NULL &&
        (at[-1] == '?' || at[-1] == '&'))
        return atoi(at + 6);
    if (rest == NULL || is_unix)
        return -1;
    at = strchr(rest + 3, '/');
    if (at == NULL || at[1] < '0' || at[1] > '9')
        return -1;
    return atoi(at + 1);
}

/* False, and a complaint: no URL, or one of a server that is no prefixcache. */
static bool
spell(const struct command *command, const char *url, char into[URL_MAX])
{
    struct wire_url wire;
    char why[256];
    bool has_brackets;

    if (wire_url_parse(url, &wire, why, sizeof why) != STATUS_OK) {
        command_complain(command, "%s: %s", url, why);
        return false;
    }
    if (wire.kind == WIRE_MEMCACHED) {
        command_complain(command, "memcached:// cannot say this; expected a "
                                  "prefixcache://, redis:// or lm:// URL");
        return false;
    }
    if (wire.is_unix) {
        snprintf(into, URL_MAX, SCHEME "+unix://%s", wire.host);
        return true;
    }
    has_brackets = strchr(wire.host, ':') != NULL;
    snprintf(into, URL_MAX, SCHEME "://%s%s%s:%s", has_brackets ? "[" : "",
             wire.host, has_brackets ? "]" : "", wire.port);
    if (wire.kind == WIRE_RESP && command_space(url) >= 0)
        snprintf(into + strlen(into), URL_MAX - strlen(into), "/%u",
                 wire.space);
    return true;
}

enum exit_code
command_open_cache(const struct command *command,
                   const struct command_target *target,
                   struct prefixcache **cache_out)
{
    bool is_long =
        command->timeout_ms == 0 || command->timeout_ms > COMMAND_FOREVER_MS;
    unsigned ms = is_long ? COMMAND_FOREVER_MS : command->timeout_ms;
    struct prefixcache_options options = {.size = sizeof options,
                                          .connect_ms = ms,
                                          .lookup_ms = ms,
                                          .get_ms = ms,
                                          .put_ms = ms,
                                          .space = target->space,
                                          .flags = target->flags};
    char url[URL_MAX], why[PREFIXCACHE_WHY_SIZE];
    const char *text = target->url;
    int status;

    if (!command_is_native(text)) {
        if (!spell(command, text, url))
            return EXIT_USAGE;
        text = url;
    }
    status = prefixcache_open(text, &options, cache_out, why);
    if (status == PREFIXCACHE_OK)
        return EXIT_DONE;
    if (status == PREFIXCACHE_NO_SPACE)
        return command_fail_memory(command);
    command_complain(command, "%s: %s", target->url, why);
    return EXIT_USAGE;
}

enum exit_code
command_greet(const struct command *command, const char *url,
              struct prefixcache *cache)
{
    size_t count = prefixcache_shards(cache, NULL, 0, 0);
    int status = PREFIXCACHE_GONE;

    for (size_t i = 0; i < count; i++) {
        char *text = NULL;

        status = prefixcache_stats(cache, i, &text);
        free(text);
        if (status == PREFIXCACHE_OK)
            return EXIT_DONE;
    }
    command_complain(command, "%s does not answer: %s", url,
                     prefixcache_status_name(status));
    return EXIT_CONNECTION;
}

uint64_t
command_lost(struct prefixcache *cache)
{
    struct prefixcache_shard shards[PREFIXCACHE_SHARDS_MAX];
    size_t count = prefixcache_shards(cache, shards, PREFIXCACHE_SHARDS_MAX,
                                      sizeof *shards);
    uint64_t lost = 0;

    for (size_t i = 0; i < count; i++)
        lost += shards[i].misses_late + shards[i].misses_gone;
    return lost;
}

enum exit_code
command_fail_native(const struct command *command, int status)
{
    if (status == PREFIXCACHE_LATE || status == PREFIXCACHE_GONE) {
        command_complain(command, "%s does not answer: %s", command->url_text,
                         prefixcache_status_name(status));
        return EXIT_CONNECTION;
    }
    command_complain(command, "%s answered: %s", command->url_text,
                     prefixcache_status_name(status));
    return EXIT_REFUSED;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The URL of a cache.  One that is taken is spelled again and then read as the
 * same; one that is refused has a sentence that a terminal may show.
 */
#include "client/cache_options.h"
#include "client/cache_url.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX  8192u
#define SPELL_MAX (PREFIXCACHE_SHARDS_MAX * CACHE_URL_NAME_SIZE + 1000u)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool is_so)
{
    if (!is_so)
        abort();
}

static void
require_sentence(const char *why, size_t room)
{
    const char *end = memchr(why, '\0', room);

    require(end != NULL && end > why);
    for (; why < end; why++)
        require(*why >= ' ' && *why <= '~');
}

static void
spell(const struct cache_url *url, char *out)
{
    const struct prefixcache_options *options = &url->options;
    const char *scheme = url->shards[0].is_unix ? "prefixcache+unix"
                         : url->wants_ucx       ? "prefixcache+ucx"
                                                : "prefixcache";
    int at = sprintf(out, "%s://", scheme);

    for (unsigned i = 0; i < url->count; i++) {
        char name[CACHE_URL_NAME_SIZE];

        cache_url_name(&url->shards[i], name);
        at += sprintf(out + at, "%s%s", i == 0 ? "" : ",", name);
    }
    sprintf(out + at,
            "?connect_ms=%u&lookup_ms=%u&get_ms=%u&put_ms=%u&connections=%u"
            "&threads=%u&space=%u&retry_ms=%u&failures=%u&queue_bytes=%" PRIu64
            "&flags=%u",
            options->connect_ms, options->lookup_ms, options->get_ms,
            options->put_ms, options->connections, options->threads,
            options->space, options->retry_ms, options->failures,
            options->queue_bytes, options->flags);
}

static void
try_url(const char *text)
{
    static struct cache_url url, again;
    static char spelled[SPELL_MAX], respelled[SPELL_MAX];
    char why[PREFIXCACHE_WHY_SIZE] = "", little[12] = "";
    enum status status = cache_url_parse(text, &url, why, sizeof why);

    if (status != STATUS_OK) {
        require(status == STATUS_BAD_REQUEST);
        require_sentence(why, sizeof why);
        require(cache_url_parse(text, &again, little, sizeof little) == status);
        require_sentence(little, sizeof little);
        return;
    }
    require(url.count >= 1 && url.count <= PREFIXCACHE_SHARDS_MAX);
    spell(&url, spelled);
    require(cache_url_parse(spelled, &again, why, sizeof why) == STATUS_OK);
    spell(&again, respelled);
    require(strcmp(spelled, respelled) == 0);
    require(cache_options_finish(&url.options, NULL, why, sizeof why) ==
            STATUS_OK);
    require(url.options.get_ms > 0 && url.options.connections > 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text;

    if (size > TEXT_MAX)
        return 0;
    /* Exactly as long as it is, so that a sanitizer sees a step too far. */
    text = malloc(size + 1);
    require(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    try_url(text);
    free(text);
    return 0;
}

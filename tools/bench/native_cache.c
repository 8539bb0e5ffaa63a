/* SPDX-License-Identifier: Apache-2.0 */
/* The library takes a server that is not there for misses; nobody wants those
 * measured. */
#include "tools/bench/native_cache.h"

#include <stdio.h>
#include <stdlib.h>

#define PATIENCE_MS 30000u

enum status
native_cache_status(int status)
{
    switch ((enum prefixcache_status)status) {
    case PREFIXCACHE_OK:
        return STATUS_OK;
    case PREFIXCACHE_MISS:
        return STATUS_MISS;
    case PREFIXCACHE_UNMET:
        return STATUS_UNMET;
    case PREFIXCACHE_BUSY:
        return STATUS_BUSY;
    case PREFIXCACHE_TOO_BIG:
        return STATUS_TOO_BIG;
    case PREFIXCACHE_NO_SPACE:
        return STATUS_NO_SPACE;
    case PREFIXCACHE_BAD_REQUEST:
        return STATUS_BAD_REQUEST;
    case PREFIXCACHE_CORRUPT:
        return STATUS_CORRUPT;
    case PREFIXCACHE_LATE:
        return STATUS_LATE;
    case PREFIXCACHE_GONE:
        return STATUS_GONE;
    }
    return STATUS_BAD_REQUEST;
}

static enum status
greet(struct prefixcache *cache, char *why, size_t room)
{
    struct prefixcache_shard shards[PREFIXCACHE_SHARDS_MAX];
    size_t count = prefixcache_shards(cache, shards, PREFIXCACHE_SHARDS_MAX,
                                      sizeof shards[0]);

    for (size_t i = 0; i < count; i++) {
        char *text = NULL;
        int status = prefixcache_stats(cache, i, &text);

        free(text);
        if (status == PREFIXCACHE_OK)
            continue;
        snprintf(why, room, "%s: %s", shards[i].name,
                 status == PREFIXCACHE_GONE ? "no prefixcached answers there"
                                            : prefixcache_status_name(status));
        return native_cache_status(status);
    }
    return STATUS_OK;
}

enum status
native_cache_open(const char *url, struct prefixcache **cache_out, char *why,
                  size_t room)
{
    const struct prefixcache_options options = {.size = sizeof options,
                                                .connect_ms = PATIENCE_MS,
                                                .lookup_ms = PATIENCE_MS,
                                                .get_ms = PATIENCE_MS,
                                                .put_ms = PATIENCE_MS,
                                                .connections = 1,
                                                .threads = 1};
    char reason[PREFIXCACHE_WHY_SIZE];
    struct prefixcache *cache;
    enum status status =
        native_cache_status(prefixcache_open(url, &options, &cache, reason));

    if (status != STATUS_OK) {
        snprintf(why, room, "%s", reason);
        return status;
    }
    status = greet(cache, why, room);
    if (status == STATUS_OK)
        *cache_out = cache;
    else
        prefixcache_close(&cache);
    return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* One call of libprefixcache, which is one request where there is one shard. */
#include "tools/bench/lookup_asker.h"
#include "tools/bench/native_cache.h"

#include <stdio.h>
#include <stdlib.h>

struct lookup_native {
    struct lookup_asker base;
    struct prefixcache *cache;
    const char *why;
    struct prefixcache_item items[LOOKUP_KEYS_MAX];
};

static void
close_native(struct lookup_asker *base)
{
    struct lookup_native *asker = (struct lookup_native *)base;

    prefixcache_close(&asker->cache);
    free(asker);
}

static enum status
open_native(const struct lookup_plan *plan, struct lookup_asker **out,
            char *why, size_t room)
{
    struct lookup_native *asker = calloc(1, sizeof *asker);
    enum status status;

    if (asker == NULL) {
        snprintf(why, room, "no memory for a connection");
        return STATUS_NO_SPACE;
    }
    asker->base =
        (struct lookup_asker){.type = &lookup_asker_native, .plan = plan};
    asker->why = "";
    status = native_cache_open(plan->url.text, &asker->cache, why, room);
    if (status == STATUS_OK)
        *out = &asker->base;
    else
        close_native(&asker->base);
    return status;
}

static enum status
judge(struct lookup_native *asker, int status)
{
    if (status != PREFIXCACHE_OK)
        asker->why = prefixcache_status_name(status);
    return native_cache_status(status);
}

static void
name_items(struct lookup_native *asker, const struct bytes *names,
           unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        asker->items[i].key = names[i].at;
        asker->items[i].key_size = names[i].size;
        asker->items[i].kind = PREFIXCACHE_ANY;
    }
}

/* The first item that is neither OK nor a miss, as a status. */
static enum status
judge_items(struct lookup_native *asker, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        int status = asker->items[i].status;

        if (status != PREFIXCACHE_OK && status != PREFIXCACHE_MISS)
            return judge(asker, status);
    }
    return STATUS_OK;
}

static enum status
put(struct lookup_asker *base, const struct bytes *names, unsigned count,
    struct bytes value)
{
    struct lookup_native *asker = (struct lookup_native *)base;

    name_items(asker, names, count);
    for (unsigned i = 0; i < count; i++) {
        /* A put only reads it. */
        asker->items[i].body = (void *)(uintptr_t)value.at;
        asker->items[i].body_size = value.size;
    }
    prefixcache_put(asker->cache, asker->items, count);
    return judge_items(asker, count);
}

static enum status
ask(struct lookup_asker *base, const struct bytes *names, unsigned count,
    unsigned *matched_out)
{
    struct lookup_native *asker = (struct lookup_native *)base;
    struct prefixcache_match match = {.size = sizeof match};
    enum status status;

    name_items(asker, names, count);
    if (base->plan->verb == LOOKUP_PREFIX) {
        status = judge(asker, prefixcache_prefix(asker->cache, asker->items,
                                                 count, NULL, &match));
    } else {
        int found = prefixcache_exists(asker->cache, asker->items, count, 0);

        match.matched = found < 0 ? 0 : (uint32_t)found;
        status = judge_items(asker, count);
    }
    if (status == STATUS_OK)
        *matched_out = match.matched;
    return status;
}

static const char *
why(const struct lookup_asker *base)
{
    return ((const struct lookup_native *)base)->why;
}

const struct lookup_asker_type lookup_asker_native = {.open = open_native,
                                                      .close = close_native,
                                                      .put = put,
                                                      .ask = ask,
                                                      .why = why};

/* SPDX-License-Identifier: Apache-2.0 */
/* Which reader a URL is for.  Both are the client's own. */
#include "tools/bench/load_url.h"

#include "client/cache_url.h"

#include <stdio.h>
#include <string.h>

#define NATIVE "prefixcache"

static bool
is_native(const char *text)
{
    const char *rest = text + sizeof NATIVE - 1;

    return strncmp(text, NATIVE, sizeof NATIVE - 1) == 0 &&
           (*rest == '+' || strncmp(rest, "://", 3) == 0);
}

static enum status
read_native(const char *text, struct load_url *out, char *why, size_t room)
{
    struct cache_url url;
    enum status status = cache_url_parse(text, &url, why, room);

    if (status != STATUS_OK)
        return status;
    *out = (struct load_url){
        .text = text,
        .is_native = true,
        .shards = url.count,
        .wire = {.kind = WIRE_RESP, .is_unix = url.shards[0].is_unix}};
    snprintf(out->wire.host, sizeof out->wire.host, "%s", url.shards[0].host);
    snprintf(out->wire.port, sizeof out->wire.port, "%s", url.shards[0].port);
    return STATUS_OK;
}

enum status
load_url_parse(const char *text, struct load_url *out, char *why, size_t room)
{
    struct load_url url = {.text = text, .shards = 1};
    enum status status;

    if (is_native(text))
        return read_native(text, out, why, room);
    status = wire_url_parse(text, &url.wire, why, room);
    if (status == STATUS_OK)
        *out = url;
    return status;
}

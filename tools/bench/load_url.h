/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server that is measured: a URL of client/wire.h's, or prefixcache://, for
 * which libprefixcache is the client.
 */
#ifndef TOOLS_BENCH_LOAD_URL_H
#define TOOLS_BENCH_LOAD_URL_H

#include "client/wire.h"

#include <stdbool.h>
#include <stddef.h>

struct load_url {
    const char *text; /* as it was given; lent */
    bool is_native;
    unsigned shards; /* 1, but of a prefixcache:// that names more */
    /* Of prefixcache://, redis:// at the same place, the first if it names
     * more: for what only RESP can say. */
    struct wire_url wire;
};

/* BAD_REQUEST and a sentence in why[room] if it is none.  `text` must stay. */
enum status load_url_parse(const char *text, struct load_url *out, char *why,
                           size_t room) MUST_USE;

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads the URL of a cache.  It resolves nothing: hosts and ports stay text
 * until something connects to them.  Pure, any thread.
 *
 *     prefixcache://HOST[:PORT][,HOST[:PORT]...][/SPACE][?NAME=NUMBER[&...]]
 *     prefixcache+ucx://       the same
 *     prefixcache+unix:///PATH[,/PATH...][?NAME=NUMBER[&...]]
 *
 * HOST is a name, an IPv4 address or an IPv6 address in brackets, PORT is 7654
 * unless said, a NAME is a field of struct prefixcache_options but its size.
 */
#ifndef CLIENT_CACHE_URL_H
#define CLIENT_CACHE_URL_H

#include "client/prefixcache.h"
#include "proto/status.h"

#include <stdbool.h>

#define CACHE_URL_NAME_SIZE 264u

struct cache_url_shard {
    char host[256]; /* in lower case, without brackets; or the path of a Unix
                       socket, which fits a sockaddr_un */
    char port[16];  /* decimal, without zeros in front; "" of a Unix socket */
    bool is_unix;
};

struct cache_url {
    unsigned count; /* 1 to PREFIXCACHE_SHARDS_MAX, each another name */
    struct cache_url_shard shards[PREFIXCACHE_SHARDS_MAX]; /* in its order */
    unsigned space;                                        /* options.space */
    bool wants_ucx;
    struct prefixcache_options options; /* 0 where the URL does not say;
                                           cache_options_finish() goes on */
};

/* BAD_REQUEST and a sentence in why[room] if it is none. */
enum status cache_url_parse(const char *text, struct cache_url *out, char *why,
                            size_t room) MUST_USE;

/* host:port, [v6]:port, or the path: what placement goes by and people see. */
void cache_url_name(const struct cache_url_shard *,
                    char name_out[CACHE_URL_NAME_SIZE]);

#endif

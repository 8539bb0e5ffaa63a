/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a shard is: the addresses of its host.  An address that is written in
 * numbers and the path of a Unix socket are known at once.  A name is looked up
 * by a thread that does nothing else and ends when it is done, since the
 * resolver may take as long as it likes: meanwhile the addresses of the last
 * lookup are still tried, and nobody waits.
 *
 * Any thread.
 */
#ifndef CLIENT_ADDRESSES_H
#define CLIENT_ADDRESSES_H

#include "client/cache_url.h"
#include "proto/status.h"

#include <stdbool.h>
#include <sys/socket.h>

#define ADDRESSES_MAX 8u

struct addresses;
struct addresses_one {
    int family;
    socklen_t size;
    struct sockaddr_storage where;
};

/* NO_SPACE; BAD_REQUEST: a path no socket can have. */
enum status addresses_new(const struct cache_url_shard *,
                          struct addresses **out) MUST_USE;
/* A lookup that is under way keeps what it needs until it ends. */
void addresses_drop(struct addresses **);

/* The one of this number, modulo how many there are.  False: none is known. */
bool addresses_get(struct addresses *, unsigned number,
                   struct addresses_one *out);
/* How many are known. */
unsigned addresses_count(struct addresses *);

/* Is it being looked up? */
bool addresses_is_looking(struct addresses *);
/* Begins to look the name up, unless it is no name or that is being done.  What
 * is found replaces what was known; nothing found changes nothing. */
void addresses_refresh(struct addresses *);

#endif

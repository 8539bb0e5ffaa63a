/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The options of a cache, by their names: what a URL says and what a caller
 * passes, their ranges and their defaults.  Pure, any thread.
 */
#ifndef CLIENT_CACHE_OPTIONS_H
#define CLIENT_CACHE_OPTIONS_H

#include "client/prefixcache.h"
#include "proto/message.h"
#include "proto/status.h"

/* Sets the one that is called `name` from a decimal number.  BAD_REQUEST and a
 * sentence in why[room]: no such option (the nearest there is), no number, out
 * of range. */
enum status cache_options_set(struct prefixcache_options *, struct bytes name,
                              struct bytes number, char *why,
                              size_t room) MUST_USE;

/* Fills what is still 0: from `given`, which may be NULL and is as long as its
 * size says, then from the defaults.  BAD_REQUEST and a sentence in why[room]
 * where something in `given` is out of range, or behind what is known here and
 * not 0. */
enum status cache_options_finish(struct prefixcache_options *,
                                 const struct prefixcache_options *given,
                                 char *why, size_t room) MUST_USE;

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cache of libprefixcache for measuring: one connection to each shard and one
 * thread, if its URL does not say otherwise, and deadlines that only what has
 * really failed does not meet.
 */
#ifndef TOOLS_BENCH_NATIVE_CACHE_H
#define TOOLS_BENCH_NATIVE_CACHE_H

#include "client/prefixcache.h"
#include "proto/status.h"

#include <stddef.h>

/* OK: all its shards have answered.  Else a sentence in why[room]. */
enum status native_cache_open(const char *url, struct prefixcache **cache_out,
                              char *why, size_t room) MUST_USE;

/* Of a status of the library. */
enum status native_cache_status(int status);

#endif

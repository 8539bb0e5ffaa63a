/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection of the ceiling's server.  Belongs to the thread whose epoll
 * it is registered with; frees itself when its peer has gone.
 *
 *   state     leaves it when
 *   HEAD      the 186 bytes of a request are there
 *   REPLY     its reply head (and, for a GET, a slot of the pool) is sent
 *   BODY      a PUT's body has been received into its slot
 */
#ifndef TOOLS_BENCH_CEILING_CONNECTION_H
#define TOOLS_BENCH_CEILING_CONNECTION_H

#include "proto/status.h"

#include <stddef.h>
#include <stdint.h>

#define CEILING_THREADS_MAX 64u

/* Shared by all threads, unguarded: connections that put the same key put the
 * same bytes. */
struct ceiling_pool {
    uint8_t *bytes;
    size_t size;    /* of each value */
    uint64_t slots; /* how many there are */
};

struct ceiling_connection;

/* Takes fd, non-blocking, to be watched by the epoll `queue`. */
enum status ceiling_connection_new(int queue, int fd,
                                   const struct ceiling_pool *,
                                   struct ceiling_connection **out) MUST_USE;

/* From here on it belongs to the thread that waits on its queue; IO if it can
 * not be watched. */
enum status ceiling_connection_start(struct ceiling_connection *) MUST_USE;

/* Moves at most about 1 MiB, so that all connections get their turn. */
void ceiling_connection_on_ready(struct ceiling_connection *);

#endif

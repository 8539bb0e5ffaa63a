/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection of a run, whatever its wire: requests are started, and finish in
 * any order.  load_wire.c has those of client/wire.h, which block, so that one
 * is all they have on its way; load_native.c has libprefixcache.
 *
 * One thread at a time.
 */
#ifndef TOOLS_BENCH_LOAD_CONNECTION_H
#define TOOLS_BENCH_LOAD_CONNECTION_H

#include "tools/bench/load.h"

#include <stddef.h>
#include <stdint.h>

struct load_request {
    unsigned slot; /* below in_flight, and in no other request's use */
    enum load_kind kind;
    struct bytes name;
    struct bytes
        body; /* of a PUT; stays until it has finished, as does `into` */
    struct iovec into; /* of a GET */
};

struct load_answer {
    unsigned slot;
    enum status status; /* OK, MISS, CORRUPT, TOO_BIG; else it was refused */
    size_t size;        /* of the value, of a GET */
};

struct load_connection;

/* What a wire does; each as the function of its name below. */
struct load_connection_type {
    enum status (*open)(const struct load_url *, unsigned in_flight,
                        struct load_connection **out, char *why, size_t room);
    void (*close)(struct load_connection *);
    enum status (*start)(struct load_connection *, const struct load_request *);
    enum status (*finish)(struct load_connection *, uint64_t until_ns,
                          struct load_answer *out);
    enum status (*settle)(struct load_connection *, struct bytes name);
    const char *(*why)(const struct load_connection *);
};
extern const struct load_connection_type load_connection_wire;
extern const struct load_connection_type load_connection_native;

/* The first member of what a wire makes of it. */
struct load_connection {
    const struct load_connection_type *type;
};

/* A server that does not answer is GONE or LATE, with a sentence in why[room]. */
enum status load_connection_open(const struct load_url *, unsigned in_flight,
                                 struct load_connection **out, char *why,
                                 size_t room) MUST_USE;
/* NULL is let go.  The memory of requests may be freed only then, or when they
 * have finished. */
void load_connection_close(struct load_connection **);

/* Anything but OK: the connection is lost. */
enum status load_connection_start(struct load_connection *,
                                  const struct load_request *) MUST_USE;
/* Waits for a request that has finished, one of those that were started: OK.
 * BUSY: none has until then (CLOCK_MONOTONIC; UINT64_MAX: no limit).  Else the
 * connection is lost. */
enum status load_connection_finish(struct load_connection *, uint64_t until_ns,
                                   struct load_answer *out) MUST_USE;
/* An lm:// PUT has no reply: waits until the server has taken the last one.  With
 * nothing on its way; asks for any name. */
enum status load_connection_settle(struct load_connection *,
                                   struct bytes name) MUST_USE;
/* How it was lost. */
const char *load_connection_why(const struct load_connection *);

/* Most that are on their way over one connection to such a server. */
unsigned load_connection_in_flight_max(const struct load_url *);

#endif

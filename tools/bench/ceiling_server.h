/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The most a TCP server could do on this machine: one that keeps nothing and
 * looks nothing up.  It speaks just enough of lm:// v1 that `load` can not tell
 * the difference: a GET is answered, and a PUT received, straight from and into
 * one static pool.  It trusts its peer, and is therefore only ever run by
 * `ceiling`, on loopback, as a process of its own.
 */
#ifndef TOOLS_BENCH_CEILING_SERVER_H
#define TOOLS_BENCH_CEILING_SERVER_H

#include "proto/status.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct ceiling_server_plan {
    unsigned threads; /* connections are dealt to them in turn */
    size_t size;      /* of each value */
    uint64_t slots;   /* values the pool holds; key n is slot n % slots */
};

struct ceiling_server {
    pid_t pid;
    uint16_t port; /* on 127.0.0.1 */
};

/* Forks, and returns when the pool is filled with the values of load_value.h
 * and the port is open.  The process ends with its parent at the latest. */
enum status ceiling_server_start(const struct ceiling_server_plan *,
                                 struct ceiling_server *out) MUST_USE;
void ceiling_server_stop(struct ceiling_server *);

#endif

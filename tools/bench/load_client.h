/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One client of a run: a connection, what is on its way over it, and its own
 * figures.  Clients share nothing that changes.  Threads and barriers are load.c's.
 */
#ifndef TOOLS_BENCH_LOAD_CLIENT_H
#define TOOLS_BENCH_LOAD_CLIENT_H

#include "tools/bench/load.h"
#include "tools/bench/load_connection.h"
#include "tools/bench/load_value.h"

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

/* What all clients read; the times are written between preparing and measuring. */
struct load_shared {
    const struct load_plan *plan;
    const struct load_value *value;
    struct load_tier *tier; /* NULL: none is asked for */
    uint64_t start_ns, stop_ns;
};

/* A request on its way. */
struct load_slot {
    enum load_kind kind;
    uint64_t number;   /* of its key */
    uint64_t start_ns; /* when it was sent */
    uint8_t *buffer;   /* for what a GET gets */
};

struct load_client {
    const struct load_shared *shared;
    pthread_t thread;
    unsigned index;
    struct load_connection *connection;
    struct load_slot *slots; /* as many as may be on their way */
    unsigned *idle;          /* those that are free, idle_count of them */
    unsigned idle_count;
    uint64_t number; /* of the next key */
    uint64_t random;
    uint64_t end_ns;
    struct load_result result;
    enum status status; /* the first failure, and what it was */
    char why[256];
};

/* Connects.  A failure has a sentence in why[room]; close it in any case. */
enum status load_client_open(struct load_client *, const struct load_shared *,
                             unsigned index, char *why, size_t room) MUST_USE;
void load_client_close(struct load_client *);

/* On the client's thread: what comes before the clock starts, and from start_ns
 * to stop_ns.  Failures are in `status`. */
void load_client_prepare(struct load_client *);
void load_client_measure(struct load_client *);

#endif

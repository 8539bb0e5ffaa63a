/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A trace played through real connections.  Requests are dealt, in order, to
 * clients, each a thread with a connection of its own; a client looks its
 * request's blocks up in order, gets the run that hits, and puts the rest.
 * Every byte got is compared.
 *
 * Over lm:// a block is one GET or PUT; over redis:// it is LMCache's two
 * halves, GET Kmetadata then GET Kkv_bytes, SET Kkv_bytes then SET Kmetadata;
 * over memcached:// it is one plain key.
 */
#ifndef TOOLS_BENCH_REPLAY_H
#define TOOLS_BENCH_REPLAY_H

#include "client/wire.h"
#include "tools/bench/histogram.h"
#include "tools/bench/trace.h"

#include <stddef.h>
#include <stdint.h>

#define REPLAY_URLS_MAX 16u

struct replay_plan {
    struct wire_url urls[REPLAY_URLS_MAX]; /* clients are spread over them */
    unsigned url_count;
    unsigned clients;
    size_t block_bytes;
    double speed; /* times real time; 0: as fast as it goes */
    const char *model;
};

struct replay_result {
    uint32_t *hits; /* blocks got of each request; the caller's array */
    struct histogram lookup; /* ns a request spent in GETs, checking excluded */
    uint64_t got_bytes, put_bytes;
    uint64_t wrong_bytes;
    uint64_t refused; /* PUTs or GETs answered with an error */
    uint64_t elapsed_ns;
};

/* result->hits has an element for each request.  BAD_REQUEST, GONE and so on,
 * with a sentence in why[room], if the trace could not be played to its end. */
enum status replay_run(const struct replay_plan *, const struct trace *,
                       struct replay_result *result, char *why,
                       size_t room) MUST_USE;

#endif

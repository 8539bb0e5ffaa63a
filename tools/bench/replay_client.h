/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One client of a replay: its connection, its buffer and its own figures.
 * Used by one thread; others read only the two progress numbers.
 */
#ifndef TOOLS_BENCH_REPLAY_CLIENT_H
#define TOOLS_BENCH_REPLAY_CLIENT_H

#include "tools/bench/replay.h"
#include "tools/bench/replay_block.h"

#include <stdatomic.h>
#include <stdbool.h>

struct replay_client {
    const struct replay_block *block;
    enum wire_kind kind;
    struct wire *wire;
    uint64_t *buffer;
    size_t block_bytes;
    struct replay_result result; /* hits unused */
    _Atomic uint64_t requests_done, bytes_moved;
    enum status status; /* the first failure that ended it */
    char why[256];
};

/* Connects.  On failure client->why says what happened. */
enum status replay_client_open(struct replay_client *, const struct wire_url *,
                               const struct replay_block *,
                               size_t block_bytes) MUST_USE;
void replay_client_close(struct replay_client *);

/* Plays one request and returns how many of its blocks were got.  After a
 * failure client->status is not OK and the client is of no more use. */
uint32_t replay_client_play(struct replay_client *,
                            const struct trace_request *);

/* Waits until the server has taken everything that was put. */
void replay_client_settle(struct replay_client *);

#endif

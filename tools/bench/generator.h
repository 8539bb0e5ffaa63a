/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Synthetic traces of chat: sessions that each stand on one of several shared
 * system prompts and grow by a turn with every request.  The same plan gives
 * the same trace on any machine.
 *
 * At any time `sessions` conversations are open.  A request is the next turn of
 * one of them, chosen by Zipf; its prompt is the system prompt, the turns and
 * answers so far, and new user text.  A session ends after a number of turns
 * that is geometric with mean `turns`, or when its prompt would exceed
 * `blocks_max`; a new one, on a system prompt chosen by Zipf, takes its place.
 * Full blocks of a prompt keep their ids as it grows; a last one that is only
 * part full has an id of its own, as content hashes would.
 */
#ifndef TOOLS_BENCH_GENERATOR_H
#define TOOLS_BENCH_GENERATOR_H

#include "tools/bench/trace.h"

struct generator_plan {
    uint64_t seed;
    uint64_t requests;
    unsigned sessions;      /* open at any time */
    double turns;           /* mean of a session, at least 1 */
    unsigned systems;       /* different system prompts */
    unsigned system_blocks; /* length of each */
    double turn_blocks;     /* mean length of a turn's new text */
    double output_tokens;   /* mean length of an answer */
    double zipf;            /* exponent, over sessions and over systems */
    double rate;            /* requests a second of trace time */
    unsigned block_tokens;
    unsigned blocks_max; /* of one prompt */
};

struct generator;

/* NO_SPACE without memory.  The plan is copied. */
enum status generator_new(const struct generator_plan *,
                          struct generator **out) MUST_USE;
void generator_drop(struct generator **);

/* MISS when all requests have been made.  request_out->ids is valid until the
 * next call. */
enum status generator_next(struct generator *,
                           struct trace_request *request_out) MUST_USE;

#endif

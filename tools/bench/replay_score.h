/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hits per request made into ratios, the same way for a server and for a
 * simulation.  In blocks: blocks got over blocks asked for.  In tokens: those
 * that the blocks got hold (a prompt's last block is only as full as its
 * input_length says) over all input tokens.
 */
#ifndef TOOLS_BENCH_REPLAY_SCORE_H
#define TOOLS_BENCH_REPLAY_SCORE_H

#include "tools/bench/trace.h"

struct replay_score {
    uint64_t hit_blocks, blocks;
    uint64_t hit_tokens, tokens;
};

/* Of requests first..first+count-1; hits has one number for each of the
 * trace's requests. */
struct replay_score replay_score_of(const struct trace *, const uint32_t *hits,
                                    size_t first, size_t count,
                                    unsigned block_tokens);

/* hit / all; 0 where nothing was asked for. */
double replay_score_blocks(const struct replay_score *);
double replay_score_tokens(const struct replay_score *);

#endif

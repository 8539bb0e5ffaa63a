/* SPDX-License-Identifier: Apache-2.0 */
/* Sums and divides; who prints or draws it is replay_report.c's. */
#include "tools/bench/replay_score.h"

struct replay_score
replay_score_of(const struct trace *trace, const uint32_t *hits, size_t first,
                size_t count, unsigned block_tokens)
{
    struct replay_score score = {0};
    for (size_t i = first; i < first + count; i++) {
        const struct trace_request *request = &trace->requests[i];
        uint64_t held = (uint64_t)hits[i] * block_tokens;
        score.hit_blocks += hits[i];
        score.blocks += request->block_count;
        score.hit_tokens +=
            held < request->input_length ? held : request->input_length;
        score.tokens += request->input_length;
    }
    return score;
}

static double
ratio(uint64_t part, uint64_t whole)
{
    return whole == 0 ? 0 : (double)part / (double)whole;
}

double
replay_score_blocks(const struct replay_score *score)
{
    return ratio(score->hit_blocks, score->blocks);
}

double
replay_score_tokens(const struct replay_score *score)
{
    return ratio(score->hit_tokens, score->tokens);
}

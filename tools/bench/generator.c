/* SPDX-License-Identifier: Apache-2.0 */
/* Makes one request after the other.  Options and output are
 * generate_command.c's. */
#include "tools/bench/generator.h"

#include "tools/bench/random.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct session {
    uint64_t *ids; /* of its full blocks; room for blocks_max */
    uint32_t block_count;
    uint64_t tokens; /* of the prompt and answers so far */
    bool is_ending;
};

struct generator {
    struct generator_plan plan;
    uint64_t random, next_id, made;
    double now_ms;
    double *session_shares, *system_shares; /* cumulated Zipf */
    struct session *sessions;
    uint64_t *ids; /* of all sessions, and of all system prompts behind them */
};

static void
cumulate_zipf(double *shares, unsigned count, double exponent)
{
    double sum = 0;
    for (unsigned i = 0; i < count; i++) {
        sum += pow(i + 1, -exponent);
        shares[i] = sum;
    }
    for (unsigned i = 0; i < count; i++)
        shares[i] /= sum;
}

static unsigned
draw_zipf(uint64_t *random, const double *shares, unsigned count)
{
    double share = random_share(random);
    unsigned low = 0, high = count - 1;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (shares[middle] <= share)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static double
draw_exponential(uint64_t *random, double mean)
{
    return -log(1 - random_share(random)) * mean;
}

/* Text is not shorter than a token, nor longer than ten times the usual. */
static uint64_t
draw_tokens(uint64_t *random, double mean)
{
    return 1 + (uint64_t)fmin(draw_exponential(random, mean), mean * 10);
}

static void
begin_session(struct generator *generator, struct session *session)
{
    const struct generator_plan *plan = &generator->plan;
    unsigned system =
        draw_zipf(&generator->random, generator->system_shares, plan->systems);
    const uint64_t *prompts =
        generator->ids + (size_t)plan->sessions * plan->blocks_max;
    if (plan->system_blocks > 0)
        memcpy(session->ids, prompts + (size_t)system * plan->system_blocks,
               plan->system_blocks * sizeof(uint64_t));
    session->block_count = plan->system_blocks;
    session->tokens = (uint64_t)plan->system_blocks * plan->block_tokens;
    session->is_ending = false;
}

enum status
generator_new(const struct generator_plan *plan, struct generator **out)
{
    struct generator *generator = calloc(1, sizeof *generator);
    if (generator == NULL)
        return STATUS_NO_SPACE;
    size_t session_ids = (size_t)plan->sessions * plan->blocks_max;
    size_t system_ids = (size_t)plan->systems * plan->system_blocks;
    generator->plan = *plan;
    generator->random = random_mix(plan->seed);
    generator->session_shares = calloc(plan->sessions, sizeof(double));
    generator->system_shares = calloc(plan->systems, sizeof(double));
    generator->sessions = calloc(plan->sessions, sizeof(struct session));
    generator->ids = calloc(session_ids + system_ids, sizeof(uint64_t));
    if (generator->session_shares == NULL || generator->system_shares == NULL ||
        generator->sessions == NULL || generator->ids == NULL) {
        generator_drop(&generator);
        return STATUS_NO_SPACE;
    }
    cumulate_zipf(generator->session_shares, plan->sessions, plan->zipf);
    cumulate_zipf(generator->system_shares, plan->systems, plan->zipf);
    for (size_t i = 0; i < system_ids; i++)
        generator->ids[session_ids + i] = generator->next_id++;
    for (unsigned i = 0; i < plan->sessions; i++) {
        generator->sessions[i].ids =
            generator->ids + (size_t)i * plan->blocks_max;
        begin_session(generator, &generator->sessions[i]);
    }
    *out = generator;
    return STATUS_OK;
}

void
generator_drop(struct generator **generator)
{
    if (*generator == NULL)
        return;
    free((*generator)->session_shares);
    free((*generator)->system_shares);
    free((*generator)->sessions);
    free((*generator)->ids);
    free(*generator);
    *generator = NULL;
}

/* The prompt is now `tokens` long: new full blocks get ids that stay. */
static uint32_t
grow(struct generator *generator, struct session *session, uint64_t tokens)
{
    unsigned block_tokens = generator->plan.block_tokens;
    uint32_t full = (uint32_t)(tokens / block_tokens);
    while (session->block_count < full)
        session->ids[session->block_count++] = generator->next_id++;
    if (tokens % block_tokens == 0)
        return full;
    session->ids[full] = generator->next_id++;
    return full + 1;
}

enum status
generator_next(struct generator *generator, struct trace_request *request_out)
{
    const struct generator_plan *plan = &generator->plan;
    if (generator->made == plan->requests)
        return STATUS_MISS;
    struct session *session = &generator->sessions[draw_zipf(
        &generator->random, generator->session_shares, plan->sessions)];
    uint64_t limit = (uint64_t)plan->blocks_max * plan->block_tokens;
    uint64_t added =
        draw_tokens(&generator->random, plan->turn_blocks * plan->block_tokens);
    if (session->is_ending || session->tokens + added > limit)
        begin_session(generator, session);
    if (session->tokens + added > limit)
        added = limit - session->tokens;
    uint64_t input = session->tokens + added;
    uint64_t output = draw_tokens(&generator->random, plan->output_tokens);
    *request_out =
        (struct trace_request){.timestamp_ms = (uint64_t)generator->now_ms,
                               .input_length = (uint32_t)input,
                               .output_length = (uint32_t)output,
                               .block_count = grow(generator, session, input),
                               .ids = session->ids};
    session->tokens = input + output;
    session->is_ending = random_share(&generator->random) < 1 / plan->turns;
    generator->now_ms +=
        draw_exponential(&generator->random, 1000 / plan->rate);
    generator->made++;
    return STATUS_OK;
}

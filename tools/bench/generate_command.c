/* SPDX-License-Identifier: Apache-2.0 */
/* `prefixcache-bench generate`: a synthetic trace on standard output. */
#include "tools/bench/command.h"
#include "tools/bench/generator.h"
#include "tools/bench/quantity.h"

#include <argp.h>
#include <stdio.h>

enum {
    OPTION_SEED = 0x100,
    OPTION_REQUESTS,
    OPTION_SESSIONS,
    OPTION_TURNS,
    OPTION_SYSTEMS,
    OPTION_SYSTEM_BLOCKS,
    OPTION_TURN_BLOCKS,
    OPTION_OUTPUT_TOKENS,
    OPTION_ZIPF,
    OPTION_RATE,
    OPTION_BLOCK_TOKENS,
    OPTION_BLOCKS_MAX
};

static const struct generator_plan defaults = {.seed = 1,
                                               .requests = 3000,
                                               .sessions = 200,
                                               .turns = 6,
                                               .systems = 20,
                                               .system_blocks = 4,
                                               .turn_blocks = 3,
                                               .output_tokens = 350,
                                               .zipf = 0.9,
                                               .rate = 5,
                                               .block_tokens = 512,
                                               .blocks_max = 256};

static const struct argp_option options[] = {
    {"seed", OPTION_SEED, "N", 0, "Equal seeds give equal traces (1)", 0},
    {"requests", OPTION_REQUESTS, "N", 0, "Requests in all (3000)", 0},
    {"sessions", OPTION_SESSIONS, "N", 0,
     "Conversations open at any time (200)", 0},
    {"turns", OPTION_TURNS, "N", 0,
     "Mean number of requests of a conversation (6)", 0},
    {"systems", OPTION_SYSTEMS, "N", 0, "System prompts they share (20)", 0},
    {"system-blocks", OPTION_SYSTEM_BLOCKS, "N", 0,
     "Blocks of each system prompt (4)", 0},
    {"turn-blocks", OPTION_TURN_BLOCKS, "N", 0,
     "Mean blocks of new text in a request (3)", 0},
    {"output-tokens", OPTION_OUTPUT_TOKENS, "N", 0,
     "Mean tokens of an answer (350)", 0},
    {"zipf", OPTION_ZIPF, "S", 0,
     "How uneven the use of conversations and system prompts is; 0: even "
     "(0.9)",
     0},
    {"rate", OPTION_RATE, "N", 0, "Requests a second of trace time (5)", 0},
    {"block-tokens", OPTION_BLOCK_TOKENS, "N", 0, "Tokens of a block (512)", 0},
    {"blocks-max", OPTION_BLOCKS_MAX, "N", 0,
     "Longest prompt, after which a conversation ends (256)", 0},
    {NULL, 0, NULL, 0, NULL, 0},
};

static error_t
parse_end(int key, const struct argp_state *state,
          const struct generator_plan *plan)
{
    switch (key) {
    case ARGP_KEY_ARG:
        argp_error(state, "generate takes options only");
        return 0;
    case ARGP_KEY_END:
        if (plan->system_blocks >= plan->blocks_max)
            argp_error(state, "--system-blocks: must be below --blocks-max");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static error_t
parse(int key, char *text, struct argp_state *state)
{
    struct generator_plan *plan = state->input;
    switch (key) {
    case OPTION_SEED:
        plan->seed = quantity_count_option(state, "seed", text, 0, UINT64_MAX);
        return 0;
    case OPTION_REQUESTS:
        plan->requests =
            quantity_count_option(state, "requests", text, 1, 1ull << 40);
        return 0;
    case OPTION_SESSIONS:
        plan->sessions = (unsigned)quantity_count_option(state, "sessions",
                                                         text, 1, 1u << 20);
        return 0;
    case OPTION_TURNS:
        plan->turns = quantity_decimal_option(state, "turns", text, 1, 1e6);
        return 0;
    case OPTION_SYSTEMS:
        plan->systems = (unsigned)quantity_count_option(state, "systems", text,
                                                        1, 1u << 20);
        return 0;
    case OPTION_SYSTEM_BLOCKS:
        plan->system_blocks = (unsigned)quantity_count_option(
            state, "system-blocks", text, 0, 1u << 16);
        return 0;
    case OPTION_TURN_BLOCKS:
        plan->turn_blocks =
            quantity_decimal_option(state, "turn-blocks", text, 0, 1e5);
        return 0;
    case OPTION_OUTPUT_TOKENS:
        plan->output_tokens =
            quantity_decimal_option(state, "output-tokens", text, 0, 1e6);
        return 0;
    case OPTION_ZIPF:
        plan->zipf = quantity_decimal_option(state, "zipf", text, 0, 10);
        return 0;
    case OPTION_RATE:
        plan->rate = quantity_decimal_option(state, "rate", text, 1e-6, 1e6);
        return 0;
    case OPTION_BLOCK_TOKENS:
        plan->block_tokens = (unsigned)quantity_count_option(
            state, "block-tokens", text, 1, 1u << 16);
        return 0;
    case OPTION_BLOCKS_MAX:
        plan->blocks_max = (unsigned)quantity_count_option(state, "blocks-max",
                                                           text, 1, 1u << 15);
        return 0;
    default:
        return parse_end(key, state, plan);
    }
}

int
command_generate(int argc, char **argv)
{
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .doc = "Write a synthetic trace (Mooncake JSONL) to standard output: "
               "conversations on shared system prompts, a turn longer with "
               "every request."};
    struct generator_plan plan = defaults;
    argp_parse(&argp, argc, argv, 0, NULL, &plan);
    struct generator *generator = NULL;
    if (generator_new(&plan, &generator) != STATUS_OK) {
        fprintf(stderr, "%s: no memory for so many sessions\n", argv[0]);
        return COMMAND_FAILED;
    }
    struct trace_request request;
    while (generator_next(generator, &request) == STATUS_OK && !ferror(stdout))
        trace_write(stdout, &request);
    generator_drop(&generator);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "%s: standard output could not be written\n", argv[0]);
        return COMMAND_FAILED;
    }
    return 0;
}

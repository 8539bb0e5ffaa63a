/* SPDX-License-Identifier: Apache-2.0 */
/* `prefixcache-bench replay TRACE`: the command line, and what follows what. */
#include "tools/bench/command.h"
#include "tools/bench/quantity.h"
#include "tools/bench/replay.h"
#include "tools/bench/replay_block.h"
#include "tools/bench/replay_report.h"
#include "tools/bench/simulate.h"

#include <argp.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_BLOCK  (64u << 10)
#define DEFAULT_TOKENS 512u /* of a block in the Mooncake traces */
#define DEFAULT_MODEL  "meta-llama/Llama-3.1-8B-Instruct"

enum {
    OPTION_URL = 0x100,
    OPTION_BLOCK_BYTES,
    OPTION_BLOCK_TOKENS,
    OPTION_SPEED,
    OPTION_CLIENTS,
    OPTION_REQUESTS,
    OPTION_CAPACITY,
    OPTION_MODEL,
    OPTION_PLOT
};

static const struct argp_option options[] = {
    {"url", OPTION_URL, "URL", 0,
     "The server; given more than once, clients are spread over them", 0},
    {"block-bytes", OPTION_BLOCK_BYTES, "SIZE", 0,
     "Bytes of each block (64KiB)", 0},
    {"block-tokens", OPTION_BLOCK_TOKENS, "N", 0,
     "Tokens in a full block of the trace (512)", 0},
    {"speed", OPTION_SPEED, "N", 0,
     "N times as fast as the trace's timestamps; 0: as fast as it goes (0)", 0},
    {"clients", OPTION_CLIENTS, "N", 0, "Clients, a connection each (1)", 0},
    {"requests", OPTION_REQUESTS, "N", 0, "Only the first N requests", 0},
    {"capacity", OPTION_CAPACITY, "N", 0,
     "Also simulate LRU with room for N blocks; without --url only that", 0},
    {"model", OPTION_MODEL, "NAME", 0, "Model in the keys", 0},
    {"plot", OPTION_PLOT, "FILE.svg", 0, "Draw hit ratio over time", 0},
    {"output", 'o', "table|json", 0, "Form of the result (table)", 0},
    {NULL, 0, NULL, 0, NULL, 0},
};

struct arguments {
    struct replay_plan plan;
    const char *trace_path, *plot_path;
    unsigned block_tokens;
    uint64_t requests, capacity;
    enum report_form form;
};

static void
take_url(const struct argp_state *state, const char *text,
         struct replay_plan *plan)
{
    char why[256];
    if (plan->url_count == REPLAY_URLS_MAX)
        argp_error(state, "--url: more than %u of them", REPLAY_URLS_MAX);
    if (wire_url_parse(text, &plan->urls[plan->url_count], why, sizeof why) !=
        STATUS_OK)
        argp_error(state, "--url: %s", why);
    plan->url_count++;
}

static error_t
parse_ends(int key, char *text, const struct argp_state *state,
           struct arguments *arguments)
{
    switch (key) {
    case ARGP_KEY_ARG:
        if (arguments->trace_path != NULL)
            argp_error(state, "one trace, not also '%s'", text);
        arguments->trace_path = text;
        return 0;
    case ARGP_KEY_END:
        if (arguments->trace_path == NULL)
            argp_error(state, "which trace? Give its file, or - for standard "
                              "input");
        if (arguments->plan.url_count == 0 && arguments->capacity == 0)
            argp_error(state, "which server? Give --url, or --capacity to only "
                              "simulate");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static error_t
parse(int key, char *text, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    struct replay_plan *plan = &arguments->plan;
    switch (key) {
    case OPTION_URL:
        take_url(state, text, plan);
        return 0;
    case OPTION_BLOCK_BYTES:
        plan->block_bytes =
            quantity_size_option(state, "block-bytes", text, 1, 1ull << 30);
        return 0;
    case OPTION_BLOCK_TOKENS:
        arguments->block_tokens = (unsigned)quantity_count_option(
            state, "block-tokens", text, 1, 1u << 20);
        return 0;
    case OPTION_SPEED:
        plan->speed = quantity_decimal_option(state, "speed", text, 0, 1e9);
        return 0;
    case OPTION_CLIENTS:
        plan->clients =
            (unsigned)quantity_count_option(state, "clients", text, 1, 10000);
        return 0;
    case OPTION_REQUESTS:
        arguments->requests =
            quantity_count_option(state, "requests", text, 1, 1ull << 40);
        return 0;
    case OPTION_CAPACITY:
        arguments->capacity =
            quantity_count_option(state, "capacity", text, 1, 1ull << 40);
        return 0;
    case OPTION_MODEL:
        if (strlen(text) > REPLAY_MODEL_MAX || text[0] == '\0')
            argp_error(state, "--model: 1 to %u bytes", REPLAY_MODEL_MAX);
        plan->model = text;
        return 0;
    case OPTION_PLOT:
        arguments->plot_path = text;
        return 0;
    case 'o':
        if (!report_form_read(text, &arguments->form))
            argp_error(state, "--output: '%s' is not table or json", text);
        return 0;
    default:
        return parse_ends(key, text, state, arguments);
    }
}

static int
give_up(const char *why)
{
    fprintf(stderr, "prefixcache-bench replay: %s\n", why);
    return COMMAND_FAILED;
}

static int
run(const struct arguments *arguments, struct replay_report *report,
    struct replay_result *result, uint32_t *simulated)
{
    char why[512];
    if (arguments->capacity != 0) {
        if (simulate_lru(report->trace, arguments->capacity, simulated) !=
            STATUS_OK)
            return give_up("no memory to simulate LRU");
        report->simulated_hits = simulated;
    }
    if (arguments->plan.url_count != 0) {
        if (replay_run(&arguments->plan, report->trace, result, why,
                       sizeof why) != STATUS_OK)
            return give_up(why);
        report->result = result;
    }
    replay_report_print(stdout, arguments->form, report);
    if (arguments->plot_path != NULL &&
        replay_report_plot(arguments->plot_path, report, why, sizeof why) !=
            STATUS_OK)
        return give_up(why);
    return result->wrong_bytes == 0 ? 0 : COMMAND_FAILED;
}

int
command_replay(int argc, char **argv)
{
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "TRACE",
        .doc = "Play the requests of a trace (Mooncake JSONL) through real "
               "connections: each looks its blocks up in order, gets the run "
               "that hits, and puts the rest.  Every byte got is compared; the "
               "exit status is 1 if one was wrong."};
    struct arguments arguments = {.plan = {.clients = 1,
                                           .block_bytes = DEFAULT_BLOCK,
                                           .model = DEFAULT_MODEL},
                                  .block_tokens = DEFAULT_TOKENS};
    argp_parse(&argp, argc, argv, 0, NULL, &arguments);

    struct trace *trace = NULL;
    char why[512];
    if (trace_read(arguments.trace_path, &trace, why, sizeof why) != STATUS_OK)
        return give_up(why);
    if (arguments.requests != 0)
        trace_shorten(trace, arguments.requests);
    struct replay_report report = {.trace_path = arguments.trace_path,
                                   .plan = &arguments.plan,
                                   .trace = trace,
                                   .block_tokens = arguments.block_tokens,
                                   .capacity = arguments.capacity};
    struct replay_result result = {.hits =
                                       calloc(trace->count, sizeof(uint32_t))};
    uint32_t *simulated = calloc(trace->count, sizeof(uint32_t));
    int code = result.hits != NULL && simulated != NULL
                   ? run(&arguments, &report, &result, simulated)
                   : give_up("no memory");
    free(simulated);
    free(result.hits);
    trace_drop(&trace);
    return code;
}

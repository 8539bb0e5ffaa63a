/* SPDX-License-Identifier: Apache-2.0 */
/* `prefixcache-bench load URL`: one measured run against a running server. */
#include "tools/bench/command.h"
#include "tools/bench/load_connection.h"
#include "tools/bench/load_options.h"
#include "tools/bench/quantity.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#define SHARE_LEAST 0.99
#define NUMBERS     0xffffffffu /* what a name has room for */

enum { OPTION_PID = 0x200, OPTION_TIER, OPTION_FIRST_KEY, OPTION_IN_FLIGHT };

static const struct argp_option options[] = {
    {"tier", OPTION_TIER, "nvme|spill", 0,
     "Have the values come from that tier of the server's, and fail if they "
     "did "
     "not",
     0},
    {"first-key", OPTION_FIRST_KEY, "N", 0,
     "Number of the first key, for keys no other run has put (0)", 0},
    {"in-flight", OPTION_IN_FLIGHT, "N", 0,
     "Requests on their way over each connection, of prefixcache:// (1)", 0},
    {"pid", OPTION_PID, "PID", 0,
     "The server's process, to report its processor time per GB", 0},
    {NULL, 0, NULL, 0, NULL, 0},
};

struct arguments {
    struct load_options shared;
    struct load_url url;
    unsigned in_flight;
    pid_t pid;
    uint64_t first_key;
    enum load_tier_kind tier;
};

static void
take_url(const struct argp_state *state, char *text,
         struct arguments *arguments)
{
    char why[256];

    if (arguments->url.text != NULL)
        argp_error(state, "one URL, not also '%s'", text);
    if (load_url_parse(text, &arguments->url, why, sizeof why) != STATUS_OK)
        argp_error(state, "%s", why);
}

static void
check(const struct argp_state *state, const struct arguments *arguments)
{
    unsigned in_flight_max = load_connection_in_flight_max(&arguments->url);

    if (arguments->shared.plan.keys > NUMBERS - arguments->first_key)
        argp_error(state, "--first-key: the last key would be above %u",
                   NUMBERS);
    if (arguments->in_flight > in_flight_max && in_flight_max == 1)
        argp_error(state,
                   "--in-flight: only prefixcache:// has more than one request "
                   "on its way over a connection, not %s",
                   arguments->url.text);
    if (arguments->in_flight > in_flight_max)
        argp_error(state, "--in-flight: expected 1 to %u", in_flight_max);
    if (arguments->tier != LOAD_TIER_NONE && arguments->url.shards != 1)
        argp_error(state, "--tier: expected one server, not %u",
                   arguments->url.shards);
}

static error_t
parse(int key, char *text, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &arguments->shared;
        return 0;
    case OPTION_PID:
        arguments->pid =
            (pid_t)quantity_count_option(state, "pid", text, 1, INT_MAX);
        return 0;
    case OPTION_IN_FLIGHT:
        arguments->in_flight = (unsigned)quantity_count_option(
            state, "in-flight", text, 1, UINT_MAX);
        return 0;
    case OPTION_TIER:
        arguments->tier = load_tier_find(text);
        if (arguments->tier == LOAD_TIER_NONE)
            argp_error(state, "--tier: '%s' is not nvme or spill", text);
        return 0;
    case OPTION_FIRST_KEY:
        arguments->first_key =
            quantity_count_option(state, "first-key", text, 0, NUMBERS);
        return 0;
    case ARGP_KEY_ARG:
        take_url(state, text, arguments);
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "which server? Give its URL");
        return 0;
    case ARGP_KEY_SUCCESS:
        check(state, arguments);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* Of a run that read and was meant to read from a tier. */
static bool
came_from_tier(const struct arguments *arguments,
               const struct load_result *result, const char *program)
{
    struct load_tier_change change =
        load_tier_change(arguments->tier, &result->before, &result->after);
    enum load_mode mode = arguments->shared.plan.mode;
    if (arguments->tier == LOAD_TIER_NONE || change.share >= SHARE_LEAST ||
        (mode != LOAD_GET && mode != LOAD_MIXED))
        return true;
    fprintf(
        stderr,
        "%s: %s: only %.2f %% of the hits came from %s, not %.0f %%: are "
        "the values larger than the faster tiers, and nobody else's, and is "
        "dram.policy lru?\n",
        program, arguments->url.text, 100 * change.share,
        load_tier_name(arguments->tier), 100 * SHARE_LEAST);
    return false;
}

int
command_load(int argc, char **argv)
{
    static const struct argp_child children[] = {
        {&load_options_argp, 0, NULL, 0}, {NULL, 0, NULL, 0}};
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "URL",
        .children = children,
        .doc = "Get or put values over many connections, verify them, and "
               "print throughput, latencies and the server's processor time."
               "\vURL is lm://, redis://, memcached:// or prefixcache://."};
    struct arguments arguments = {.in_flight = 1};
    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    struct load_plan *plan = &arguments.shared.plan;
    plan->url = arguments.url;
    plan->in_flight = arguments.in_flight;
    plan->pid = arguments.pid;
    plan->first_key = arguments.first_key;
    plan->tier = arguments.tier;

    struct load_result result;
    char why[512];
    if (load_run(plan, &result, why, sizeof why) != STATUS_OK) {
        fprintf(stderr, "%s: %s: %s\n", argv[0], arguments.url.text, why);
        return COMMAND_FAILED;
    }
    report_load(stdout, arguments.shared.form, arguments.url.text, plan,
                &result);
    bool is_right =
        result.wrong == 0 && came_from_tier(&arguments, &result, argv[0]);
    return is_right ? 0 : COMMAND_FAILED;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* `prefixcache-bench load URL`: one measured run against a running server. */
#include "tools/bench/command.h"
#include "tools/bench/load_options.h"
#include "tools/bench/quantity.h"

#include <limits.h>
#include <stdio.h>

#define OPTION_PID 0x200

static const struct argp_option options[] = {
    {"pid", OPTION_PID, "PID", 0,
     "The server's process, to report its processor time per GB", 0},
    {NULL, 0, NULL, 0, NULL, 0},
};

struct arguments {
    struct load_options shared;
    struct wire_url url;
    const char *url_text;
    pid_t pid;
};

static error_t
parse(int key, char *text, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    char why[256];
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &arguments->shared;
        return 0;
    case OPTION_PID:
        arguments->pid =
            (pid_t)quantity_count_option(state, "pid", text, 1, INT_MAX);
        return 0;
    case ARGP_KEY_ARG:
        if (arguments->url_text != NULL)
            argp_error(state, "one URL, not also '%s'", text);
        if (wire_url_parse(text, &arguments->url, why, sizeof why) != STATUS_OK)
            argp_error(state, "%s", why);
        arguments->url_text = text;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "which server? Give its URL");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
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
               "\vURL is lm://, redis:// or memcached://."};
    struct arguments arguments = {.pid = 0};
    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    struct load_plan *plan = &arguments.shared.plan;
    plan->url = arguments.url;
    plan->pid = arguments.pid;

    struct load_result result;
    char why[512];
    if (load_run(plan, &result, why, sizeof why) != STATUS_OK) {
        fprintf(stderr, "%s: %s: %s\n", argv[0], arguments.url_text, why);
        return COMMAND_FAILED;
    }
    report_load(stdout, arguments.shared.form, arguments.url_text, plan,
                &result);
    return result.wrong == 0 ? 0 : COMMAND_FAILED;
}

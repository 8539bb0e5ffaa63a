/* SPDX-License-Identifier: Apache-2.0 */
/* `prefixcache-bench ceiling`: what `load` measures, against a server that does
 * nothing, so that figures of real servers can be given as shares of it. */
#include "tools/bench/ceiling_connection.h"
#include "tools/bench/ceiling_server.h"
#include "tools/bench/command.h"
#include "tools/bench/load_options.h"
#include "tools/bench/quantity.h"

#include <stdio.h>

#define DEFAULT_POOL (1ull << 30)

enum { OPTION_THREADS = 0x200, OPTION_POOL };

static const struct argp_option options[] = {
    {"server-threads", OPTION_THREADS, "N", 0, "Threads of the server (1)", 0},
    {"pool", OPTION_POOL, "SIZE", 0, "Memory it sends from (1GiB)", 0},
    {NULL, 0, NULL, 0, NULL, 0},
};

struct arguments {
    struct load_options shared;
    unsigned threads;
    uint64_t pool;
};

static error_t
parse(int key, char *text, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &arguments->shared;
        return 0;
    case OPTION_THREADS:
        arguments->threads = (unsigned)quantity_count_option(
            state, "server-threads", text, 1, CEILING_THREADS_MAX);
        return 0;
    case OPTION_POOL:
        arguments->pool =
            quantity_size_option(state, "pool", text, 1, 1ull << 46);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* The values are in the pool already: the clients neither fill it nor ask for
 * more keys than it has slots. */
static struct ceiling_server_plan
plan_server(const struct arguments *arguments, struct load_plan *load)
{
    struct ceiling_server_plan plan = {.threads = arguments->threads,
                                       .size = load->size,
                                       .slots = arguments->pool / load->size};
    if (plan.slots == 0)
        plan.slots = 1;
    if (load->keys > plan.slots)
        load->keys = plan.slots;
    load->is_filled = false;
    return plan;
}

int
command_ceiling(int argc, char **argv)
{
    static const struct argp_child children[] = {
        {&load_options_argp, 0, NULL, 0}, {NULL, 0, NULL, 0}};
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .children = children,
        .doc = "Start a server that sends from and receives into a static "
               "buffer, and measure it: the most any TCP server could reach "
               "on this machine."};
    struct arguments arguments = {.threads = 1, .pool = DEFAULT_POOL};
    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    struct load_plan *load = &arguments.shared.plan;
    struct ceiling_server_plan plan = plan_server(&arguments, load);

    struct ceiling_server server;
    if (ceiling_server_start(&plan, &server) != STATUS_OK) {
        fprintf(stderr, "%s: the server could not start\n", argv[0]);
        return COMMAND_FAILED;
    }
    load->url = (struct load_url){
        .shards = 1, .wire = {.kind = WIRE_LM, .host = "127.0.0.1"}};
    snprintf(load->url.wire.port, sizeof load->url.wire.port, "%u",
             server.port);
    load->pid = server.pid;
    struct load_result result;
    char why[512], name[48];
    enum status status = load_run(load, &result, why, sizeof why);
    ceiling_server_stop(&server);
    if (status != STATUS_OK) {
        fprintf(stderr, "%s: %s\n", argv[0], why);
        return COMMAND_FAILED;
    }
    snprintf(name, sizeof name, "ceiling with %u thread%s", plan.threads,
             plan.threads == 1 ? "" : "s");
    report_load(stdout, arguments.shared.form, name, load, &result);
    return result.wrong == 0 ? 0 : COMMAND_FAILED;
}

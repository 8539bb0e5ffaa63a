/* SPDX-License-Identifier: Apache-2.0 */
/* `prefixcache-bench simulate TRACE`: the command line, and one run for each
 * capacity and policy. */
#include "tools/bench/command.h"
#include "tools/bench/plot.h"
#include "tools/bench/quantity.h"
#include "tools/bench/simulate_report.h"

#include <argp.h>
#include <stdlib.h>
#include <string.h>

#define CAPACITIES_MAX 64u
#define POLICIES_MAX   PLOT_SERIES_MAX
#define OPTIMUM        "optimum"
#define BLOCKS_MOST    (1ull << 32)
#define DEFAULT_TOKENS 512u

enum {
    OPTION_CAPACITY = 0x100,
    OPTION_POLICY,
    OPTION_DRAM,
    OPTION_NVME,
    OPTION_SPILL,
    OPTION_WRITE,
    OPTION_CURVE,
    OPTION_PARTS,
    OPTION_REQUESTS,
    OPTION_BLOCK_TOKENS,
    OPTION_PLOT
};

static const struct argp_option options[] = {
    {"capacity", OPTION_CAPACITY, "N[,N...]", 0,
     "Blocks in a cache of one tier (1000,5000,10000,30000,50000)", 0},
    {"policy", OPTION_POLICY, "NAME[,NAME...]", 0,
     "lru, s3fifo, adaptive, optimum (all of them; the optimum only of one "
     "tier)",
     0},
    {"dram", OPTION_DRAM, "N", 0, "Blocks in DRAM; instead of --capacity", 0},
    {"nvme", OPTION_NVME, "N", 0, "Blocks in the NVMe tier behind it (0)", 0},
    {"spill", OPTION_SPILL, "N", 0, "Blocks in the spill tier behind that (0)",
     0},
    {"write", OPTION_WRITE, "all|reused|evicted", 0,
     "What is written to NVMe (all)", 0},
    {"curve", OPTION_CURVE, NULL, 0,
     "Show what the server would estimate for each tier at half, twice and "
     "four "
     "times its size, beside simulations of that",
     0},
    {"parts", OPTION_PARTS, "N", 0, "Parts of the index (16)", 0},
    {"requests", OPTION_REQUESTS, "N", 0, "Only the first N requests", 0},
    {"block-tokens", OPTION_BLOCK_TOKENS, "N", 0,
     "Tokens in a full block of the trace (512)", 0},
    {"plot", OPTION_PLOT, "FILE.svg", 0, "Draw hit ratio over capacity", 0},
    {"output", 'o', "table|json", 0, "Form of the result (table)", 0},
    {NULL, 0, NULL, 0, NULL, 0},
};

static const char *const writes[] = {"all", "reused", "evicted"};

struct arguments {
    struct simulate_plan plan; /* sizes[0]: 0 for one tier */
    uint64_t capacities[CAPACITIES_MAX];
    const char *policies[POLICIES_MAX];
    unsigned capacity_count, policy_count;
    const char *trace_path, *plot_path;
    unsigned block_tokens;
    uint64_t requests;
    enum report_form form;
};

static void
take_capacities(const struct argp_state *state, char *text,
                struct arguments *arguments)
{
    char *rest = NULL;

    arguments->capacity_count = 0;
    for (char *one = strtok_r(text, ",", &rest); one != NULL;
         one = strtok_r(NULL, ",", &rest)) {
        uint64_t capacity =
            quantity_count_option(state, "capacity", one, 1, BLOCKS_MOST);
        unsigned count = arguments->capacity_count;

        if (count == CAPACITIES_MAX)
            argp_error(state, "--capacity: more than %u", CAPACITIES_MAX);
        if (count != 0 && arguments->capacities[count - 1] >= capacity)
            argp_error(state, "--capacity: each must be more than the one "
                              "before");
        arguments->capacities[arguments->capacity_count++] = capacity;
    }
    if (arguments->capacity_count == 0)
        argp_error(state, "--capacity: how many?");
}

static void
take_policies(const struct argp_state *state, char *text,
              struct arguments *arguments)
{
    char *rest = NULL;

    arguments->policy_count = 0;
    for (char *one = strtok_r(text, ",", &rest); one != NULL;
         one = strtok_r(NULL, ",", &rest)) {
        if (policy_find(one) == NULL && strcmp(one, OPTIMUM) != 0)
            argp_error(state, "--policy: '%s' is none", one);
        if (arguments->policy_count == POLICIES_MAX)
            argp_error(state, "--policy: more than %u", POLICIES_MAX);
        arguments->policies[arguments->policy_count++] = one;
    }
    if (arguments->policy_count == 0)
        argp_error(state, "--policy: which?");
}

static void
take_write(const struct argp_state *state, const char *text,
           struct arguments *arguments)
{
    for (unsigned i = 0; i < sizeof writes / sizeof writes[0]; i++) {
        if (strcmp(writes[i], text) == 0) {
            arguments->plan.write = (enum simulate_write)i;
            return;
        }
    }
    argp_error(state, "--write: '%s' is not all, reused or evicted", text);
}

static void
check(const struct argp_state *state, struct arguments *arguments)
{
    const uint64_t *sizes = arguments->plan.sizes;

    if (arguments->trace_path == NULL)
        argp_error(state, "which trace? Give its file, or - for standard "
                          "input");
    if (sizes[SIMULATE_DRAM] == 0 &&
        (sizes[SIMULATE_NVME] != 0 || sizes[SIMULATE_SPILL] != 0))
        argp_error(state, "--nvme and --spill: how large is --dram?");
    if (sizes[SIMULATE_NVME] == 0 && sizes[SIMULATE_SPILL] != 0)
        argp_error(state, "--spill: takes what --nvme gives up");
    if (sizes[SIMULATE_DRAM] != 0 && arguments->capacity_count != 0)
        argp_error(state, "either --capacity or --dram");
    for (unsigned i = 0; i < arguments->policy_count; i++)
        if (sizes[SIMULATE_DRAM] != 0 &&
            strcmp(arguments->policies[i], OPTIMUM) == 0)
            argp_error(state, "--policy: the optimum is known of one tier "
                              "only");
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
        check(state, arguments);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static uint64_t
blocks_option(const struct argp_state *state, const char *name,
              const char *text)
{
    return quantity_count_option(state, name, text, 1, BLOCKS_MOST);
}

static error_t
parse(int key, char *text, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    uint64_t *sizes = arguments->plan.sizes;

    switch (key) {
    case OPTION_CAPACITY:
        take_capacities(state, text, arguments);
        return 0;
    case OPTION_POLICY:
        take_policies(state, text, arguments);
        return 0;
    case OPTION_DRAM:
        sizes[SIMULATE_DRAM] = blocks_option(state, "dram", text);
        return 0;
    case OPTION_NVME:
        sizes[SIMULATE_NVME] = blocks_option(state, "nvme", text);
        return 0;
    case OPTION_SPILL:
        sizes[SIMULATE_SPILL] = blocks_option(state, "spill", text);
        return 0;
    case OPTION_WRITE:
        take_write(state, text, arguments);
        return 0;
    case OPTION_CURVE:
        arguments->plan.has_curve = true;
        return 0;
    case OPTION_PARTS:
        arguments->plan.parts =
            (unsigned)quantity_count_option(state, "parts", text, 1, 1024);
        return 0;
    case OPTION_REQUESTS:
        arguments->requests =
            quantity_count_option(state, "requests", text, 1, 1ull << 40);
        return 0;
    case OPTION_BLOCK_TOKENS:
        arguments->block_tokens = (unsigned)quantity_count_option(
            state, "block-tokens", text, 1, 1u << 20);
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

static void
fill_in(struct arguments *arguments)
{
    static const uint64_t capacities[] = {1000, 5000, 10000, 30000, 50000};
    bool is_one_tier = arguments->plan.sizes[SIMULATE_DRAM] == 0;

    if (is_one_tier && arguments->capacity_count == 0) {
        memcpy(arguments->capacities, capacities, sizeof capacities);
        arguments->capacity_count = sizeof capacities / sizeof capacities[0];
    }
    if (!is_one_tier) {
        arguments->capacities[0] = arguments->plan.sizes[SIMULATE_DRAM];
        arguments->capacity_count = 1;
    }
    if (arguments->policy_count != 0)
        return;
    while (policy_at(arguments->policy_count) != NULL) {
        arguments->policies[arguments->policy_count] =
            policy_at(arguments->policy_count)->name;
        arguments->policy_count++;
    }
    if (is_one_tier)
        arguments->policies[arguments->policy_count++] = OPTIMUM;
}

/* What all simulations need. */
struct bench {
    const struct arguments *arguments;
    const struct trace *trace;
    uint32_t *hits; /* of each request */
};

static enum status
simulate_one(const struct bench *bench, struct simulate_row *row)
{
    struct simulate_plan plan = bench->arguments->plan;
    enum status status;

    plan.policy = policy_find(row->policy);
    memcpy(plan.sizes, row->sizes, sizeof plan.sizes);
    row->result.hits = bench->hits;
    status = simulate_run(bench->trace, &plan, &row->result);
    if (status == STATUS_OK)
        row->score =
            replay_score_of(bench->trace, bench->hits, 0, bench->trace->count,
                            bench->arguments->block_tokens);
    row->has_curve = plan.has_curve && plan.policy != NULL;
    return status;
}

/* One tier at another size: what was estimated, and what is. */
static enum status
compare_size(const struct bench *bench, struct simulate_row *row, unsigned tier,
             unsigned size)
{
    struct simulate_curve *curve = &row->curve[tier][size];
    struct simulate_row other = {.policy = row->policy};
    enum status status;

    memcpy(other.sizes, row->sizes, sizeof other.sizes);
    other.sizes[tier] = row->sizes[tier] * policy_curve_percent(size) / 100;
    if (other.sizes[tier] == 0)
        other.sizes[tier] = 1;
    status = simulate_one(bench, &other);
    curve->estimated = policy_curve_ratio(NULL, &row->result.curve, tier, size);
    curve->is = replay_score_blocks(&other.score);
    return status;
}

static enum status
compare_sizes(const struct bench *bench, struct simulate_row *row)
{
    enum status status = STATUS_OK;

    for (unsigned i = 0; i < SIMULATE_TIERS * POLICY_CURVE_SIZES; i++) {
        unsigned tier = i / POLICY_CURVE_SIZES;

        if (row->has_curve && row->sizes[tier] != 0 && status == STATUS_OK)
            status = compare_size(bench, row, tier, i % POLICY_CURVE_SIZES);
    }
    return status;
}

static int
give_up(const char *why)
{
    fprintf(stderr, "prefixcache-bench simulate: %s\n", why);
    return COMMAND_FAILED;
}

static int
run(const struct arguments *arguments, const struct trace *trace,
    struct simulate_row *rows, uint32_t *hits)
{
    const struct bench bench = {arguments, trace, hits};
    struct simulate_report report = {
        .trace_path = arguments->trace_path,
        .trace = trace,
        .rows = rows,
        .policies = arguments->policy_count,
        .capacities = arguments->capacity_count,
        .has_curve = arguments->plan.has_curve,
        .write = arguments->plan.sizes[SIMULATE_DRAM] == 0
                     ? NULL
                     : writes[arguments->plan.write]};
    char why[512];

    for (unsigned i = 0; i < report.policies * report.capacities; i++) {
        rows[i].policy = arguments->policies[i % report.policies];
        memcpy(rows[i].sizes, arguments->plan.sizes, sizeof rows[i].sizes);
        rows[i].sizes[0] = arguments->capacities[i / report.policies];
        if (simulate_one(&bench, &rows[i]) != STATUS_OK ||
            compare_sizes(&bench, &rows[i]) != STATUS_OK)
            return give_up("no memory for such a cache");
    }
    simulate_report_print(stdout, arguments->form, &report);
    if (arguments->plot_path != NULL &&
        simulate_report_plot(arguments->plot_path, &report, why, sizeof why) !=
            STATUS_OK)
        return give_up(why);
    return 0;
}

int
command_simulate(int argc, char **argv)
{
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "TRACE",
        .doc = "Say what a trace would have found in caches of some sizes, by "
               "the server's own policies and by the best there could be."};
    struct arguments arguments = {.block_tokens = DEFAULT_TOKENS,
                                  .plan.parts = SIMULATE_PARTS};
    struct simulate_row *rows;
    struct trace *trace = NULL;
    uint32_t *hits;
    char why[512];
    int result;

    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    fill_in(&arguments);
    if (trace_read(arguments.trace_path, &trace, why, sizeof why) != STATUS_OK)
        return give_up(why);
    if (arguments.requests != 0)
        trace_shorten(trace, (size_t)arguments.requests);
    hits = calloc(trace->count, sizeof *hits);
    rows = calloc((size_t)arguments.capacity_count * arguments.policy_count,
                  sizeof *rows);
    result = hits == NULL || rows == NULL ? give_up("no memory")
                                          : run(&arguments, trace, rows, hits);
    free(rows);
    free(hits);
    trace_drop(&trace);
    return result;
}

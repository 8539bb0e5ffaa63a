/* SPDX-License-Identifier: Apache-2.0 */
/* `prefixcache-bench lookup`: prefix lookups of a server, or the index alone. */
#include "tools/bench/command.h"
#include "tools/bench/lookup_asker.h"
#include "tools/bench/probe.h"
#include "tools/bench/quantity.h"
#include "tools/bench/report.h"

#include <argp.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#define ENTRIES_MOST 0xffffffffu /* what a name has room for */

enum {
    OPTION_ASK = 0x100,
    OPTION_ENTRIES,
    OPTION_KEYS,
    OPTION_SECONDS,
    OPTION_WRITE,
    OPTION_WRITE_SIZE,
    OPTION_NO_FILL,
    OPTION_WITH_TIERS
};

static const struct argp_option options[] = {
    {"ask", OPTION_ASK, "prefix|exists", 0,
     "How much of them is here, or each of them, with a lease (prefix; over "
     "lm://, exists)",
     0},
    {"entries", OPTION_ENTRIES, "N", 0, "Small values to look for (1000000)",
     0},
    {"keys", OPTION_KEYS, "N", 0, "Keys of a lookup (512)", 0},
    {"connections", 'c', "N", 0, "Connections that ask (1)", 0},
    {"seconds", OPTION_SECONDS, "S", 0, "How long to measure (3)", 0},
    {"write", OPTION_WRITE, "RATE|max", 0,
     "Have one connection more put values, so many bytes a second", 0},
    {"write-size", OPTION_WRITE_SIZE, "SIZE", 0,
     "Size of each of those values (1MiB)", 0},
    {"no-fill", OPTION_NO_FILL, NULL, 0, "Take what is there", 0},
    {"with-tiers", OPTION_WITH_TIERS, NULL, 0, "Ask for the long answer", 0},
    {"output", 'o', "table|json", 0, "Form of the result (table)", 0},
    {NULL, 0, NULL, 0, NULL, 0},
};

struct arguments {
    struct lookup_plan plan;
    enum report_form form;
    bool has_verb;
};

static void
take_url(const struct argp_state *state, char *text,
         struct arguments *arguments)
{
    char why[256];

    if (arguments->plan.url.text != NULL)
        argp_error(state, "one URL, not also '%s'", text);
    if (load_url_parse(text, &arguments->plan.url, why, sizeof why) !=
        STATUS_OK)
        argp_error(state, "%s", why);
}

static void
take_verb(const struct argp_state *state, const char *text,
          struct arguments *arguments)
{
    arguments->has_verb = true;
    if (strcmp(text, "prefix") == 0)
        arguments->plan.verb = LOOKUP_PREFIX;
    else if (strcmp(text, "exists") == 0)
        arguments->plan.verb = LOOKUP_EXISTS;
    else
        argp_error(state, "--ask: '%s' is not prefix or exists", text);
}

static void
check(const struct argp_state *state, struct arguments *arguments)
{
    struct lookup_plan *plan = &arguments->plan;
    const char *why;

    if (plan->entries < plan->keys)
        argp_error(state, "fewer --entries than --keys");
    if (plan->url.text == NULL)
        return;
    if (!arguments->has_verb && !plan->url.is_native &&
        plan->url.wire.kind == WIRE_LM)
        plan->verb = LOOKUP_EXISTS;
    if (!lookup_asker_may(plan, &why))
        argp_error(state, "%s: %s", plan->url.text, why);
}

static void
take_rate(const struct argp_state *state, const char *text,
          struct lookup_plan *plan)
{
    plan->write_rate =
        strcmp(text, "max") == 0
            ? UINT64_MAX
            : quantity_size_option(state, "write", text, 1, 1ull << 50);
}

static error_t
parse_rest(int key, char *text, const struct argp_state *state,
           struct arguments *arguments)
{
    switch (key) {
    case 'o':
        if (!report_form_read(text, &arguments->form))
            argp_error(state, "--output: '%s' is not table or json", text);
        return 0;
    case ARGP_KEY_ARG:
        take_url(state, text, arguments);
        return 0;
    case ARGP_KEY_SUCCESS:
        check(state, arguments);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static error_t
parse(int key, char *text, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    struct lookup_plan *plan = &arguments->plan;

    switch (key) {
    case OPTION_ASK:
        take_verb(state, text, arguments);
        return 0;
    case OPTION_ENTRIES:
        plan->entries =
            quantity_count_option(state, "entries", text, 1, ENTRIES_MOST);
        return 0;
    case OPTION_KEYS:
        plan->keys = (unsigned)quantity_count_option(state, "keys", text, 1,
                                                     LOOKUP_KEYS_MAX);
        return 0;
    case 'c':
        plan->connections = (unsigned)quantity_count_option(
            state, "connections", text, 1, 1024);
        return 0;
    case OPTION_SECONDS:
        plan->seconds =
            quantity_decimal_option(state, "seconds", text, 0.01, 86400);
        return 0;
    case OPTION_WRITE:
        take_rate(state, text, plan);
        return 0;
    case OPTION_WRITE_SIZE:
        plan->write_size =
            quantity_size_option(state, "write-size", text, 1, 1u << 30);
        return 0;
    case OPTION_NO_FILL:
        plan->is_filled = false;
        return 0;
    case OPTION_WITH_TIERS:
        plan->with_tiers = true;
        return 0;
    default:
        return parse_rest(key, text, state, arguments);
    }
}

static void
print_json(json_t *json)
{
    json_dumpf(json, stdout, JSON_INDENT(1));
    putchar('\n');
    json_decref(json);
}

static int
run_probe(const struct arguments *arguments, const char *program)
{
    const struct lookup_plan *plan = &arguments->plan;
    struct probe_result result;
    enum status status = probe_run(plan->entries, plan->seconds, &result);

    if (status != STATUS_OK) {
        fprintf(stderr, "%s: %llu entries: %s\n", program,
                (unsigned long long)plan->entries, status_text(status));
        return COMMAND_FAILED;
    }
    if (arguments->form == REPORT_JSON)
        print_json(json_pack(
            "{s:I, s:f, s:f, s:I}", "entries", (json_int_t)plan->entries,
            "here_per_second", result.here_per_second, "missing_per_second",
            result.missing_per_second, "wrong", (json_int_t)result.wrong));
    else
        printf("index of %llu entries, one thread\n"
               "%-8s %12.0f probes/s\n%-8s %12.0f probes/s\n",
               (unsigned long long)plan->entries, "here",
               result.here_per_second, "missing", result.missing_per_second);
    return result.wrong == 0 ? 0 : COMMAND_FAILED;
}

static void
print_lookup(const struct arguments *arguments,
             const struct lookup_result *result)
{
    const struct lookup_plan *plan = &arguments->plan;
    const char *verb = plan->verb == LOOKUP_PREFIX ? "prefix" : "exists";

    if (arguments->form == REPORT_JSON) {
        print_json(json_pack(
            "{s:s, s:s, s:I, s:I, s:I, s:o, s:f, s:I}", "server",
            plan->url.text, "ask", verb, "entries", (json_int_t)plan->entries,
            "keys", (json_int_t)plan->keys, "connections",
            (json_int_t)plan->connections, "lookup",
            report_latency_json(&result->latency, result->elapsed_ns),
            "written_gb_per_s",
            report_gb_per_s(result->written_bytes, result->elapsed_ns),
            "incomplete", (json_int_t)result->incomplete));
        return;
    }
    printf("%s: lookups (%s) of %u of %llu keys, %u connection%s\n",
           plan->url.text, verb, plan->keys, (unsigned long long)plan->entries,
           plan->connections, plan->connections == 1 ? "" : "s");
    report_latency_head(stdout);
    report_latency_row(stdout, "lookup", &result->latency, result->elapsed_ns);
    if (plan->write_rate != 0)
        printf("written beside them: %.2f GB/s\n",
               report_gb_per_s(result->written_bytes, result->elapsed_ns));
    if (result->incomplete != 0)
        printf("%llu lookups did not match all their keys\n",
               (unsigned long long)result->incomplete);
}

int
command_lookup(int argc, char **argv)
{
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "[URL]",
        .doc = "Ask a server how much of many prompts is here, and print how "
               "long that takes; without a URL, probe an index in this process "
               "alone."
               "\vURL is redis://, prefixcache:// or lm://."};
    struct arguments arguments = {.plan = {.entries = 1000000,
                                           .keys = 512,
                                           .connections = 1,
                                           .seconds = 3,
                                           .write_size = 1u << 20,
                                           .is_filled = true}};
    struct lookup_result result;
    char why[512];

    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    if (arguments.plan.url.text == NULL)
        return run_probe(&arguments, argv[0]);
    if (lookup_run(&arguments.plan, &result, why, sizeof why) != STATUS_OK) {
        fprintf(stderr, "%s: %s: %s\n", argv[0], arguments.plan.url.text, why);
        return COMMAND_FAILED;
    }
    print_lookup(&arguments, &result);
    return result.incomplete == 0 ? 0 : COMMAND_FAILED;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* `prefixcache-bench lookup`: prefix lookups of a server, or the index alone. */
#include "tools/bench/command.h"
#include "tools/bench/lookup.h"
#include "tools/bench/probe.h"
#include "tools/bench/quantity.h"
#include "tools/bench/report.h"

#include <argp.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#define ENTRIES_MOST 0xffffffffu /* what a name has room for */

enum {
    OPTION_ENTRIES = 0x100,
    OPTION_KEYS,
    OPTION_SECONDS,
    OPTION_WRITE,
    OPTION_WRITE_SIZE,
    OPTION_NO_FILL,
    OPTION_WITH_TIERS
};

static const struct argp_option options[] = {
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
    const char *url_text; /* NULL: the index alone */
    enum report_form form;
};

static void
take_url(const struct argp_state *state, char *text,
         struct arguments *arguments)
{
    char why[256];

    if (arguments->url_text != NULL)
        argp_error(state, "one URL, not also '%s'", text);
    if (wire_url_parse(text, &arguments->plan.url, why, sizeof why) !=
        STATUS_OK)
        argp_error(state, "%s", why);
    if (arguments->plan.url.kind != WIRE_RESP)
        argp_error(state, "lookups are asked over redis://, not %s", text);
    arguments->url_text = text;
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
        if (arguments->plan.entries < arguments->plan.keys)
            argp_error(state, "fewer --entries than --keys");
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

    if (arguments->form == REPORT_JSON) {
        print_json(json_pack(
            "{s:s, s:I, s:I, s:I, s:o, s:f, s:I}", "server",
            arguments->url_text, "entries", (json_int_t)plan->entries, "keys",
            (json_int_t)plan->keys, "connections",
            (json_int_t)plan->connections, "lookup",
            report_latency_json(&result->latency, result->elapsed_ns),
            "written_gb_per_s",
            report_gb_per_s(result->written_bytes, result->elapsed_ns),
            "incomplete", (json_int_t)result->incomplete));
        return;
    }
    printf("%s: lookups of %u of %llu keys, %u connection%s\n",
           arguments->url_text, plan->keys, (unsigned long long)plan->entries,
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
               "\vURL is redis://."};
    struct arguments arguments = {.plan = {.entries = 1000000,
                                           .keys = 512,
                                           .connections = 1,
                                           .seconds = 3,
                                           .write_size = 1u << 20,
                                           .is_filled = true}};
    struct lookup_result result;
    char why[512];

    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    if (arguments.url_text == NULL)
        return run_probe(&arguments, argv[0]);
    if (lookup_run(&arguments.plan, &result, why, sizeof why) != STATUS_OK) {
        fprintf(stderr, "%s: %s: %s\n", argv[0], arguments.url_text, why);
        return COMMAND_FAILED;
    }
    print_lookup(&arguments, &result);
    return result.incomplete == 0 ? 0 : COMMAND_FAILED;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Names, limits and defaults of the options of a measured run. */
#include "tools/bench/load_options.h"

#include "tools/bench/quantity.h"

#include <string.h>

#define DEFAULT_SIZE (1u << 20)
#define DEFAULT_SET  (512u << 20) /* beyond any cache of the processor */
#define SIZE_MOST    (1u << 30)
#define KEYS_MOST    0xffffffffu /* what a name has room for */

enum {
    OPTION_MODE = 0x100,
    OPTION_GET_SHARE,
    OPTION_SIZE,
    OPTION_KEYS,
    OPTION_SECONDS,
    OPTION_RATE,
    OPTION_FILL,
    OPTION_NO_FILL,
    OPTION_NO_VERIFY
};

static const struct argp_option options[] = {
    {"mode", OPTION_MODE, "get|put|mixed|exists", 0, "What to do (get)", 0},
    {"get-share", OPTION_GET_SHARE, "PERCENT", 0, "Share of GETs in mixed (70)",
     0},
    {"connections", 'c', "N", 0, "Connections, a thread each (1)", 0},
    {"size", OPTION_SIZE, "SIZE", 0, "Size of each value (1MiB)", 0},
    {"keys", OPTION_KEYS, "N", 0,
     "Keys, walked round and round (as many as hold 512 MiB)", 0},
    {"seconds", OPTION_SECONDS, "S", 0, "How long to measure (3)", 0},
    {"rate", OPTION_RATE, "SIZE", 0,
     "Bytes a second at most, all connections together", 0},
    {"fill", OPTION_FILL, NULL, 0,
     "Put every key before measuring (default where values are read)", 0},
    {"no-fill", OPTION_NO_FILL, NULL, 0, "Take what is there", 0},
    {"no-verify", OPTION_NO_VERIFY, NULL, 0,
     "Do not check the values that are got", 0},
    {"output", 'o', "table|json", 0, "Form of the result (table)", 0},
    {NULL, 0, NULL, 0, NULL, 0},
};

static void
take_mode(const struct argp_state *state, const char *text,
          struct load_plan *plan)
{
    static const char *const names[] = {"get", "put", "mixed", "exists"};
    static const enum load_mode modes[] = {LOAD_GET, LOAD_PUT, LOAD_MIXED,
                                           LOAD_EXISTS};
    for (unsigned i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        if (strcmp(text, names[i]) == 0) {
            plan->mode = modes[i];
            return;
        }
    }
    argp_error(state, "--mode: '%s' is not get, put, mixed or exists", text);
}

static void
set_defaults(struct load_options *options_out)
{
    *options_out = (struct load_options){
        .plan = {.mode = LOAD_GET,
                 .get_share = 70,
                 .connections = 1,
                 .in_flight = 1,
                 .size = DEFAULT_SIZE,
                 .seconds = 3,
                 .is_verified = true},
        .form = REPORT_TABLE,
        .fill = -1,
    };
}

static void
complete(struct load_options *given)
{
    struct load_plan *plan = &given->plan;
    if (plan->keys == 0)
        plan->keys = plan->size > DEFAULT_SET ? 1 : DEFAULT_SET / plan->size;
    plan->is_filled =
        given->fill >= 0 ? given->fill == 1 : plan->mode != LOAD_PUT;
}

static error_t
parse(int key, char *text, struct argp_state *state)
{
    struct load_options *given = state->input;
    struct load_plan *plan = &given->plan;
    switch (key) {
    case ARGP_KEY_INIT:
        set_defaults(given);
        return 0;
    case OPTION_MODE:
        take_mode(state, text, plan);
        return 0;
    case OPTION_GET_SHARE:
        plan->get_share =
            (unsigned)quantity_count_option(state, "get-share", text, 0, 100);
        return 0;
    case 'c':
        plan->connections = (unsigned)quantity_count_option(
            state, "connections", text, 1, 10000);
        return 0;
    case OPTION_SIZE:
        plan->size = quantity_size_option(state, "size", text, 1, SIZE_MOST);
        return 0;
    case OPTION_KEYS:
        plan->keys = quantity_count_option(state, "keys", text, 1, KEYS_MOST);
        return 0;
    case OPTION_SECONDS:
        plan->seconds =
            quantity_decimal_option(state, "seconds", text, 0.01, 86400);
        return 0;
    case OPTION_RATE:
        plan->rate = quantity_size_option(state, "rate", text, 1, 1ull << 50);
        return 0;
    case OPTION_FILL:
    case OPTION_NO_FILL:
        given->fill = key == OPTION_FILL;
        return 0;
    case OPTION_NO_VERIFY:
        plan->is_verified = false;
        return 0;
    case 'o':
        if (!report_form_read(text, &given->form))
            argp_error(state, "--output: '%s' is not table or json", text);
        return 0;
    case ARGP_KEY_SUCCESS:
        complete(given);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

const struct argp load_options_argp = {.options = options, .parser = parse};

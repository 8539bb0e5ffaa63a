/* SPDX-License-Identifier: Apache-2.0 */
/* The options that `load` and `ceiling` share, as an argp child. */
#ifndef TOOLS_BENCH_LOAD_OPTIONS_H
#define TOOLS_BENCH_LOAD_OPTIONS_H

#include "tools/bench/load.h"
#include "tools/bench/report.h"

#include <argp.h>

struct load_options {
    struct load_plan plan; /* what `load` alone has is left to it */
    enum report_form form;
    int fill; /* 1 and 0 when asked for, else -1: where the mode reads */
};

/* Give its input as state->child_inputs[0]: a struct load_options *, which it
 * sets to the defaults first and completes when all arguments are read. */
extern const struct argp load_options_argp;

#endif

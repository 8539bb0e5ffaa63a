/* SPDX-License-Identifier: Apache-2.0 */
/* What simulations found: as a table, as JSON, and as a picture. */
#ifndef TOOLS_BENCH_SIMULATE_REPORT_H
#define TOOLS_BENCH_SIMULATE_REPORT_H

#include "tools/bench/replay_score.h"
#include "tools/bench/report.h"
#include "tools/bench/simulate.h"

/* What was estimated and what is, of other sizes of a tier. */
struct simulate_curve {
    double estimated, is;
};

/* One simulation; result.hits is no longer there. */
struct simulate_row {
    const char *policy;
    uint64_t sizes[SIMULATE_TIERS];
    struct replay_score score;
    struct simulate_result result;
    bool has_curve;
    struct simulate_curve curve[SIMULATE_TIERS][POLICY_CURVE_SIZES];
};

struct simulate_report {
    const char *trace_path;
    const struct trace *trace;
    const char *write;               /* NULL where there is one tier only */
    const struct simulate_row *rows; /* by capacity, then by policy */
    unsigned policies, capacities;
    bool has_curve;
};

void simulate_report_print(FILE *, enum report_form,
                           const struct simulate_report *);
/* Hit ratio over capacity, a line for each policy, as SVG.  IO and a sentence
 * in why[room] if the file can not be written. */
enum status simulate_report_plot(const char *path,
                                 const struct simulate_report *, char *why,
                                 size_t room) MUST_USE;

#endif

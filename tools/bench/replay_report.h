/* SPDX-License-Identifier: Apache-2.0 */
/* What a replay found: as a table, as JSON, and as a picture. */
#ifndef TOOLS_BENCH_REPLAY_REPORT_H
#define TOOLS_BENCH_REPLAY_REPORT_H

#include "tools/bench/replay.h"
#include "tools/bench/report.h"

struct replay_report {
    const char *trace_path;
    const struct replay_plan *plan;
    const struct trace *trace;
    const struct replay_result *result; /* NULL: only simulated */
    unsigned block_tokens;
    uint64_t capacity;              /* blocks; 0: nothing was simulated */
    const uint32_t *simulated_hits; /* of each request, or NULL */
};

void replay_report_print(FILE *, enum report_form,
                         const struct replay_report *);

/* Hit ratio over the trace's time, beside simulated LRU's, as SVG.  IO and a
 * sentence in why[room] if the file can not be written. */
enum status replay_report_plot(const char *path, const struct replay_report *,
                               char *why, size_t room) MUST_USE;

#endif

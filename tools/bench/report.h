/* SPDX-License-Identifier: Apache-2.0 */
/* What a measured run found, as a table for people or as JSON for programs. */
#ifndef TOOLS_BENCH_REPORT_H
#define TOOLS_BENCH_REPORT_H

#include "tools/bench/histogram.h"
#include "tools/bench/load.h"

#include <stdio.h>

struct json_t; /* jansson's */

enum report_form { REPORT_TABLE, REPORT_JSON };

/* "table" or "json"; false if neither. */
bool report_form_read(const char *text, enum report_form *out);

/* `server` names what was measured, a URL or "ceiling, 2 threads". */
void report_load(FILE *, enum report_form, const char *server,
                 const struct load_plan *, const struct load_result *);

/* The lines of a table of latencies, and one of them as a new object. */
void report_latency_head(FILE *);
void report_latency_row(FILE *, const char *name, const struct histogram *,
                        uint64_t elapsed_ns);
struct json_t *report_latency_json(const struct histogram *,
                                   uint64_t elapsed_ns);

/* A time with its unit, "412 ns" to "3.20 s", for tables. */
void report_time(uint64_t ns, char *into, size_t room);

/* count / ns in GB (10^9 bytes) a second; 0 where no time passed. */
double report_gb_per_s(uint64_t bytes, uint64_t ns);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The words and units of `disk`. */
#include "tools/bench/disk_report.h"

#include "tools/bench/quantity.h"

#include <jansson.h>

static const char *const mode_names[] = {
    [DISK_READ] = "read",
    [DISK_WRITE] = "write",
};

static const char *
order_of(const struct disk_plan *plan)
{
    return plan->is_sequential ? "sequential" : "random";
}

/* Nanoseconds a byte are seconds a gigabyte. */
static double
cpu_per_gb(const struct disk_result *result)
{
    return result->bytes == 0 ? 0
                              : (double)result->cpu_ns / (double)result->bytes;
}

static void
print_table(FILE *file, const struct disk_report *report)
{
    const struct disk_plan *plan = report->plan;
    const struct disk_result *result = report->result;
    char size[32], moving[32], all[32];

    quantity_write_size(plan->size, size, sizeof size);
    quantity_write_size(plan->size * plan->depth, moving, sizeof moving);
    quantity_write_size(report->file->size, all, sizeof all);
    fprintf(file, "%s %s of %s, %u in flight (%s), %s, %s of %s\n",
            order_of(plan), mode_names[plan->mode], size, plan->depth, moving,
            report->file->is_direct ? "O_DIRECT"
                                    : "buffered: no O_DIRECT there",
            all, report->path);
    report_latency_head(file);
    report_latency_row(file, mode_names[plan->mode], &result->latency,
                       result->elapsed_ns);
    fprintf(file, "\n%.3f GB/s, own CPU %.2f s (%.3f s/GB)\n",
            report_gb_per_s(result->bytes, result->elapsed_ns),
            (double)result->cpu_ns / 1e9, cpu_per_gb(result));
}

static void
print_json(FILE *file, const struct disk_report *report)
{
    const struct disk_plan *plan = report->plan;
    const struct disk_result *result = report->result;
    const char *mode = mode_names[plan->mode];
    json_t *latency = report_latency_json(&result->latency, result->elapsed_ns);
    json_t *root = json_pack(
        "{s:s, s:s, s:s, s:I, s:i, s:I, s:I, s:b, s:f, s:I, s:f, s:f, s:f, "
        "s:{s:o}}",
        "path", report->path, "mode", mode, "order", order_of(plan), "size",
        (json_int_t)plan->size, "depth", (int)plan->depth, "inflight",
        (json_int_t)(plan->size * plan->depth), "file_size",
        (json_int_t)report->file->size, "direct", (int)report->file->is_direct,
        "seconds", (double)result->elapsed_ns / 1e9, "bytes",
        (json_int_t)result->bytes, "gb_per_s",
        report_gb_per_s(result->bytes, result->elapsed_ns), "cpu_s",
        (double)result->cpu_ns / 1e9, "cpu_s_per_gb", cpu_per_gb(result),
        "latency", mode, latency);

    json_dumpf(root, file, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
    fputc('\n', file);
    json_decref(root);
}

void
disk_report_print(FILE *file, enum report_form form,
                  const struct disk_report *report)
{
    switch (form) {
    case REPORT_TABLE:
        print_table(file, report);
        return;
    case REPORT_JSON:
        print_json(file, report);
        return;
    }
}

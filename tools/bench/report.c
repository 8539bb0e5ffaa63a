/* SPDX-License-Identifier: Apache-2.0 */
/* The words and units of `load` and `ceiling`; replay_report.c has replay's. */
#include "tools/bench/report.h"

#include "base/clock.h"
#include "tools/bench/quantity.h"

#include <inttypes.h>
#include <jansson.h>
#include <string.h>

static const char *const mode_names[] = {
    [LOAD_GET] = "get",
    [LOAD_PUT] = "put",
    [LOAD_MIXED] = "mixed",
    [LOAD_EXISTS] = "exists",
};
static const char *const kind_names[KIND_COUNT] = {
    [KIND_GET] = "get",
    [KIND_PUT] = "put",
    [KIND_EXISTS] = "exists",
};

bool
report_form_read(const char *text, enum report_form *out)
{
    if (strcmp(text, "table") == 0)
        *out = REPORT_TABLE;
    else if (strcmp(text, "json") == 0)
        *out = REPORT_JSON;
    else
        return false;
    return true;
}

void
report_time(uint64_t ns, char *into, size_t room)
{
    if (ns < 1000)
        snprintf(into, room, "%" PRIu64 " ns", ns);
    else if (ns < NS_PER_MS)
        snprintf(into, room, "%.1f us", (double)ns / 1e3);
    else if (ns < NS_PER_SECOND)
        snprintf(into, room, "%.2f ms", (double)ns / 1e6);
    else
        snprintf(into, room, "%.2f s", (double)ns / 1e9);
}

double
report_gb_per_s(uint64_t bytes, uint64_t ns)
{
    return ns == 0 ? 0 : (double)bytes / (double)ns;
}

/* Nanoseconds a byte are seconds a gigabyte. */
static double
cpu_per_gb(const struct load_result *result)
{
    return result->bytes == 0
               ? 0
               : (double)result->server_cpu_ns / (double)result->bytes;
}

static double
per_second(uint64_t count, uint64_t ns)
{
    return ns == 0 ? 0 : (double)count * (double)NS_PER_SECOND / (double)ns;
}

static uint64_t
count_operations(const struct load_result *result)
{
    uint64_t count = 0;
    for (unsigned kind = 0; kind < KIND_COUNT; kind++)
        count += result->latency[kind].total;
    return count;
}

void
report_latency_head(FILE *file)
{
    fprintf(file, "%-8s %12s %10s %10s %10s %10s\n", "", "ops/s", "p50", "p99",
            "p99.9", "max");
}

void
report_latency_row(FILE *file, const char *name,
                   const struct histogram *latency, uint64_t elapsed_ns)
{
    char p50[32], p99[32], p999[32], most[32];
    report_time(histogram_quantile(latency, 0.5), p50, sizeof p50);
    report_time(histogram_quantile(latency, 0.99), p99, sizeof p99);
    report_time(histogram_quantile(latency, 0.999), p999, sizeof p999);
    report_time(latency->most, most, sizeof most);
    fprintf(file, "%-8s %12.0f %10s %10s %10s %10s\n", name,
            per_second(latency->total, elapsed_ns), p50, p99, p999, most);
}

static void
print_latencies(FILE *file, const struct load_result *result)
{
    report_latency_head(file);
    for (unsigned kind = 0; kind < KIND_COUNT; kind++) {
        if (result->latency[kind].total != 0)
            report_latency_row(file, kind_names[kind], &result->latency[kind],
                               result->elapsed_ns);
    }
}

static void
print_tier(FILE *file, enum load_tier_kind tier,
           const struct load_result *result)
{
    struct load_tier_change change =
        load_tier_change(tier, &result->before, &result->after);
    char written[32], skipped[32];
    quantity_write_size(change.written_bytes, written, sizeof written);
    quantity_write_size(change.skipped_bytes, skipped, sizeof skipped);
    fprintf(file, "%s: ", tier == LOAD_TIER_NVME ? "NVMe" : "spill");
    if (result->hits != 0)
        fprintf(file, "%.2f %% of the hits, ", 100 * change.share);
    fprintf(file, "written %s, skipped %s\n", written, skipped);
}

static json_t *
tier_json(enum load_tier_kind tier, const struct load_result *result)
{
    struct load_tier_change change =
        load_tier_change(tier, &result->before, &result->after);
    return json_pack("{s:I, s:I, s:f, s:I, s:I}", "hits",
                     (json_int_t)change.hits, "hits_above",
                     (json_int_t)change.hits_above, "share", change.share,
                     "written_bytes", (json_int_t)change.written_bytes,
                     "skipped_bytes", (json_int_t)change.skipped_bytes);
}

static void
print_table(FILE *file, const char *server, const struct load_plan *plan,
            const struct load_result *result)
{
    char size[32];
    quantity_write_size(plan->size, size, sizeof size);
    fprintf(file, "%s of %s values, %u connection%s, ", mode_names[plan->mode],
            size, plan->connections, plan->connections == 1 ? "" : "s");
    if (plan->in_flight > 1)
        fprintf(file, "%u in flight over each, ", plan->in_flight);
    fprintf(file, "%" PRIu64 " keys, %s\n", plan->keys, server);
    print_latencies(file, result);
    fprintf(file, "\n%.3f GB/s",
            report_gb_per_s(result->bytes, result->elapsed_ns));
    if (result->server_cpu_ns != 0)
        fprintf(file, ", server CPU %.2f s",
                (double)result->server_cpu_ns / 1e9);
    if (result->server_cpu_ns != 0 && result->bytes != 0)
        fprintf(file, " (%.3f s/GB)", cpu_per_gb(result));
    fprintf(file,
            "; hits %" PRIu64 ", misses %" PRIu64 ", wrong %" PRIu64
            ", refused %" PRIu64 "%s\n",
            result->hits, result->misses, result->wrong, result->refused,
            plan->is_verified ? "" : " (not verified)");
    if (plan->tier != LOAD_TIER_NONE)
        print_tier(file, plan->tier, result);
}

json_t *
report_latency_json(const struct histogram *latency, uint64_t elapsed_ns)
{
    return json_pack("{s:I, s:f, s:f, s:f, s:f, s:f, s:f}", "count",
                     (json_int_t)latency->total, "ops_per_s",
                     per_second(latency->total, elapsed_ns), "mean_us",
                     histogram_mean(latency) / 1e3, "p50_us",
                     (double)histogram_quantile(latency, 0.5) / 1e3, "p99_us",
                     (double)histogram_quantile(latency, 0.99) / 1e3, "p999_us",
                     (double)histogram_quantile(latency, 0.999) / 1e3, "max_us",
                     (double)latency->most / 1e3);
}

static void
print_json(FILE *file, const char *server, const struct load_plan *plan,
           const struct load_result *result)
{
    json_t *root = json_pack(
        "{s:s, s:s, s:I, s:i, s:i, s:I, s:b, s:f, s:I, s:f, s:f, s:I, s:I, "
        "s:I, s:I}",
        "server", server, "mode", mode_names[plan->mode], "size",
        (json_int_t)plan->size, "connections", (int)plan->connections,
        "in_flight", (int)plan->in_flight, "keys", (json_int_t)plan->keys,
        "verified", (int)plan->is_verified, "seconds",
        (double)result->elapsed_ns / 1e9, "bytes", (json_int_t)result->bytes,
        "gb_per_s", report_gb_per_s(result->bytes, result->elapsed_ns),
        "ops_per_s", per_second(count_operations(result), result->elapsed_ns),
        "hits", (json_int_t)result->hits, "misses", (json_int_t)result->misses,
        "wrong", (json_int_t)result->wrong, "refused",
        (json_int_t)result->refused);
    if (result->server_cpu_ns != 0)
        json_object_set_new(root, "server_cpu_s",
                            json_real((double)result->server_cpu_ns / 1e9));
    if (result->server_cpu_ns != 0 && result->bytes != 0)
        json_object_set_new(root, "server_cpu_s_per_gb",
                            json_real(cpu_per_gb(result)));
    if (plan->tier != LOAD_TIER_NONE)
        json_object_set_new(root, load_tier_word(plan->tier),
                            tier_json(plan->tier, result));
    json_t *latencies = json_object();
    for (unsigned kind = 0; kind < KIND_COUNT; kind++) {
        if (result->latency[kind].total != 0)
            json_object_set_new(latencies, kind_names[kind],
                                report_latency_json(&result->latency[kind],
                                                    result->elapsed_ns));
    }
    json_object_set_new(root, "latency", latencies);
    json_dumpf(root, file, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
    fputc('\n', file);
    json_decref(root);
}

void
report_load(FILE *file, enum report_form form, const char *server,
            const struct load_plan *plan, const struct load_result *result)
{
    switch (form) {
    case REPORT_TABLE:
        print_table(file, server, plan, result);
        return;
    case REPORT_JSON:
        print_json(file, server, plan, result);
        return;
    }
}

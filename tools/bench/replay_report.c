/* SPDX-License-Identifier: Apache-2.0 */
/* The words, units and series of a replay.  The picture is drawn by plot.c. */
#include "tools/bench/replay_report.h"

#include "tools/bench/plot.h"
#include "tools/bench/quantity.h"
#include "tools/bench/replay_score.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdbool.h>

#define WINDOWS 100u /* points of a plotted line */

static struct replay_score
whole_score(const struct replay_report *report, const uint32_t *hits)
{
    return replay_score_of(report->trace, hits, 0, report->trace->count,
                           report->block_tokens);
}

static void
print_played(FILE *file, const struct replay_report *report)
{
    const struct replay_result *result = report->result;
    struct replay_score score = whole_score(report, result->hits);
    double seconds = (double)result->elapsed_ns / 1e9;
    char block[32], p50[32], p99[32], most[32];
    quantity_write_size(report->plan->block_bytes, block, sizeof block);
    report_time(histogram_quantile(&result->lookup, 0.5), p50, sizeof p50);
    report_time(histogram_quantile(&result->lookup, 0.99), p99, sizeof p99);
    report_time(result->lookup.most, most, sizeof most);
    fprintf(file,
            "played         by %u client%s, in %.1f s (%.0f/s), as blocks "
            "of %s\n",
            report->plan->clients, report->plan->clients == 1 ? "" : "s",
            seconds, seconds > 0 ? (double)report->trace->count / seconds : 0,
            block);
    fprintf(file,
            "hit ratio      %.4f of blocks (%" PRIu64 " of %" PRIu64
            "), %.4f of tokens\n",
            replay_score_blocks(&score), score.hit_blocks, score.blocks,
            replay_score_tokens(&score));
    fprintf(file, "bytes          got %.3f GB, put %.3f GB, %.3f GB/s\n",
            (double)result->got_bytes / 1e9, (double)result->put_bytes / 1e9,
            report_gb_per_s(result->got_bytes + result->put_bytes,
                            result->elapsed_ns));
    fprintf(file, "lookup         p50 %s, p99 %s, max %s (a request's GETs)\n",
            p50, p99, most);
    fprintf(file, "wrong bytes    %" PRIu64 "\n", result->wrong_bytes);
    if (result->refused != 0)
        fprintf(file, "refused        %" PRIu64 "\n", result->refused);
}

static void
print_table(FILE *file, const struct replay_report *report)
{
    fprintf(file, "trace          %s, %zu requests, %zu blocks\n",
            report->trace_path, report->trace->count, report->trace->id_count);
    if (report->result != NULL)
        print_played(file, report);
    if (report->simulated_hits == NULL)
        return;
    struct replay_score score = whole_score(report, report->simulated_hits);
    fprintf(file,
            "simulated LRU  %.4f of blocks, %.4f of tokens, with room for "
            "%" PRIu64 " blocks\n",
            replay_score_blocks(&score), replay_score_tokens(&score),
            report->capacity);
}

static json_t *
score_json(const struct replay_score *score)
{
    return json_pack(
        "{s:f, s:f, s:I, s:I, s:I, s:I}", "block_ratio",
        replay_score_blocks(score), "token_ratio", replay_score_tokens(score),
        "hit_blocks", (json_int_t)score->hit_blocks, "blocks",
        (json_int_t)score->blocks, "hit_tokens", (json_int_t)score->hit_tokens,
        "tokens", (json_int_t)score->tokens);
}

static void
add_played(json_t *root, const struct replay_report *report)
{
    const struct replay_result *result = report->result;
    struct replay_score score = whole_score(report, result->hits);
    json_t *played = json_pack(
        "{s:i, s:I, s:f, s:f, s:o, s:I, s:I, s:I, s:I, s:f, "
        "s:{s:f, s:f, s:f, s:f}}",
        "clients", (int)report->plan->clients, "block_bytes",
        (json_int_t)report->plan->block_bytes, "speed", report->plan->speed,
        "seconds", (double)result->elapsed_ns / 1e9, "hits", score_json(&score),
        "got_bytes", (json_int_t)result->got_bytes, "put_bytes",
        (json_int_t)result->put_bytes, "wrong_bytes",
        (json_int_t)result->wrong_bytes, "refused", (json_int_t)result->refused,
        "gb_per_s",
        report_gb_per_s(result->got_bytes + result->put_bytes,
                        result->elapsed_ns),
        "lookup", "p50_us",
        (double)histogram_quantile(&result->lookup, 0.5) / 1e3, "p99_us",
        (double)histogram_quantile(&result->lookup, 0.99) / 1e3, "p999_us",
        (double)histogram_quantile(&result->lookup, 0.999) / 1e3, "max_us",
        (double)result->lookup.most / 1e3);
    json_object_update(root, played);
    json_decref(played);
}

static void
print_json(FILE *file, const struct replay_report *report)
{
    json_t *root = json_pack("{s:s, s:I}", "trace", report->trace_path,
                             "requests", (json_int_t)report->trace->count);
    if (report->result != NULL)
        add_played(root, report);
    if (report->simulated_hits != NULL) {
        struct replay_score score = whole_score(report, report->simulated_hits);
        json_t *object = score_json(&score);
        json_object_set_new(object, "capacity_blocks",
                            json_integer((json_int_t)report->capacity));
        json_object_set_new(root, "simulated_lru", object);
    }
    json_dumpf(root, file, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
    fputc('\n', file);
    json_decref(root);
}

void
replay_report_print(FILE *file, enum report_form form,
                    const struct replay_report *report)
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

static bool
has_time(const struct trace *trace)
{
    return trace->requests[trace->count - 1].timestamp_ms >
           trace->requests[0].timestamp_ms;
}

/* Windows of equally many requests, so that every point weighs the same; each
 * stands at the time of its last request. */
static void
add_series(struct plot *plot, const char *name,
           const struct replay_report *report, const uint32_t *hits,
           struct plot_point points[WINDOWS])
{
    const struct trace *trace = report->trace;
    uint64_t begin = trace->requests[0].timestamp_ms;
    unsigned count = trace->count < WINDOWS ? (unsigned)trace->count : WINDOWS;
    for (unsigned i = 0; i < count; i++) {
        size_t first = trace->count * i / count;
        size_t next = trace->count * (i + 1) / count;
        struct replay_score score = replay_score_of(
            trace, hits, first, next - first, report->block_tokens);
        uint64_t at = trace->requests[next - 1].timestamp_ms;
        points[i].y = replay_score_blocks(&score);
        points[i].x = (double)next;
        if (has_time(trace))
            points[i].x = at < begin ? 0 : (double)(at - begin) / 60000;
    }
    plot->series[plot->series_count++] =
        (struct plot_series){name, points, count};
}

enum status
replay_report_plot(const char *path, const struct replay_report *report,
                   char *why, size_t room)
{
    struct plot_point server[WINDOWS], simulated[WINDOWS];
    struct plot plot = {.title = "Hit ratio over time",
                        .x_label = has_time(report->trace)
                                       ? "minutes of the trace"
                                       : "requests",
                        .y_label = "blocks got / blocks asked for"};
    char legend[64];
    snprintf(legend, sizeof legend, "LRU of %" PRIu64 " blocks, simulated",
             report->capacity);
    if (report->result != NULL)
        add_series(&plot, "server", report, report->result->hits, server);
    if (report->simulated_hits != NULL)
        add_series(&plot, legend, report, report->simulated_hits, simulated);
    return plot_write(path, &plot, why, room);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of hit ratios. */
#include "tools/bench/simulate_report.h"

#include "tools/bench/plot.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>

static const char *const tier_names[SIMULATE_TIERS] = {"dram", "nvme", "spill"};

static const struct simulate_row *
row_at(const struct simulate_report *report, unsigned capacity, unsigned policy)
{
    return &report->rows[capacity * report->policies + policy];
}

static double
share_of(const struct simulate_row *row, unsigned tier)
{
    uint64_t blocks = row->score.blocks;

    return blocks == 0 ? 0
                       : (double)row->result.tier_hits[tier] / (double)blocks;
}

static void
print_one_tier(FILE *file, const struct simulate_report *report)
{
    fprintf(file, "%-14s", "capacity");
    for (unsigned p = 0; p < report->policies; p++)
        fprintf(file, " %9s", row_at(report, 0, p)->policy);
    fputc('\n', file);
    for (unsigned c = 0; c < report->capacities; c++) {
        fprintf(file, "%-14" PRIu64, row_at(report, c, 0)->sizes[0]);
        for (unsigned p = 0; p < report->policies; p++)
            fprintf(file, " %9.4f",
                    replay_score_blocks(&row_at(report, c, p)->score));
        fputc('\n', file);
    }
}

static void
print_tiers(FILE *file, const struct simulate_report *report)
{
    const struct simulate_row *first = row_at(report, 0, 0);

    fprintf(file,
            "tiers          dram %" PRIu64 ", nvme %" PRIu64 ", spill %" PRIu64
            " blocks, write %s\n",
            first->sizes[SIMULATE_DRAM], first->sizes[SIMULATE_NVME],
            first->sizes[SIMULATE_SPILL], report->write);
    fprintf(file, "%-14s %9s %9s %9s %9s %12s %12s\n", "policy", "hit ratio",
            "dram", "nvme", "spill", "nvme writes", "spill writes");
    for (unsigned p = 0; p < report->policies; p++) {
        const struct simulate_row *row = row_at(report, 0, p);

        fprintf(file,
                "%-14s %9.4f %9.4f %9.4f %9.4f %12" PRIu64 " %12" PRIu64 "\n",
                row->policy, replay_score_blocks(&row->score),
                share_of(row, SIMULATE_DRAM), share_of(row, SIMULATE_NVME),
                share_of(row, SIMULATE_SPILL),
                row->result.tier_writes[SIMULATE_NVME],
                row->result.tier_writes[SIMULATE_SPILL]);
    }
}

static void
print_curve(FILE *file, const struct simulate_row *row, unsigned tier)
{
    fprintf(file, "%-14s %-6s %9" PRIu64, row->policy, tier_names[tier],
            row->sizes[tier]);
    for (unsigned s = 0; s < POLICY_CURVE_SIZES; s++)
        fprintf(file, "  %.4f %.4f", row->curve[tier][s].estimated,
                row->curve[tier][s].is);
    fputc('\n', file);
}

static void
print_curves(FILE *file, const struct simulate_report *report)
{
    unsigned count = report->policies * report->capacities;

    if (!report->has_curve)
        return;
    fprintf(file,
            "\nhit ratio with one tier of another size, estimated and "
            "as it is\n%-14s %-6s %9s",
            "policy", "tier", "blocks");
    for (unsigned s = 0; s < POLICY_CURVE_SIZES; s++)
        fprintf(file, "  %12u%%", policy_curve_percent(s));
    fputc('\n', file);
    for (unsigned i = 0; i < count; i++)
        for (unsigned t = 0; report->rows[i].has_curve && t < SIMULATE_TIERS;
             t++)
            if (report->rows[i].sizes[t] != 0)
                print_curve(file, &report->rows[i], t);
}

static json_t *
curve_json(const struct simulate_row *row)
{
    json_t *array = json_array();

    for (unsigned i = 0; i < SIMULATE_TIERS * POLICY_CURVE_SIZES; i++) {
        unsigned tier = i / POLICY_CURVE_SIZES, s = i % POLICY_CURVE_SIZES;
        const struct simulate_curve *curve = &row->curve[tier][s];

        if (row->sizes[tier] != 0)
            json_array_append_new(
                array,
                json_pack("{s:s, s:i, s:f, s:f}", "tier", tier_names[tier],
                          "percent", (int)policy_curve_percent(s), "estimated",
                          curve->estimated, "hit_ratio", curve->is));
    }
    return array;
}

static json_t *
row_json(const struct simulate_report *report, const struct simulate_row *row)
{
    json_t *object =
        json_pack("{s:s, s:I, s:f, s:f, s:I, s:I}", "policy", row->policy,
                  "capacity", (json_int_t)row->sizes[SIMULATE_DRAM],
                  "hit_ratio", replay_score_blocks(&row->score), "token_ratio",
                  replay_score_tokens(&row->score), "hit_blocks",
                  (json_int_t)row->score.hit_blocks, "blocks",
                  (json_int_t)row->score.blocks);

    for (unsigned t = 0; report->write != NULL && t < SIMULATE_TIERS; t++)
        json_object_set_new(object, tier_names[t],
                            json_pack("{s:I, s:I, s:f, s:I}", "capacity",
                                      (json_int_t)row->sizes[t], "hit_blocks",
                                      (json_int_t)row->result.tier_hits[t],
                                      "hit_ratio", share_of(row, t), "writes",
                                      (json_int_t)row->result.tier_writes[t]));
    if (row->has_curve)
        json_object_set_new(object, "curve", curve_json(row));
    return object;
}

static void
print_json(FILE *file, const struct simulate_report *report)
{
    unsigned count = report->policies * report->capacities;
    json_t *rows = json_array();
    json_t *root = json_pack("{s:s, s:I, s:I}", "trace", report->trace_path,
                             "requests", (json_int_t)report->trace->count,
                             "blocks", (json_int_t)report->trace->id_count);

    if (report->write != NULL)
        json_object_set_new(root, "write", json_string(report->write));
    if (count == 1)
        json_object_set_new(
            root, "hit_ratio",
            json_real(replay_score_blocks(&report->rows[0].score)));
    for (unsigned i = 0; i < count; i++)
        json_array_append_new(rows, row_json(report, &report->rows[i]));
    json_object_set_new(root, "results", rows);
    json_dumpf(root, file, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
    fputc('\n', file);
    json_decref(root);
}

void
simulate_report_print(FILE *file, enum report_form form,
                      const struct simulate_report *report)
{
    switch (form) {
    case REPORT_TABLE:
        fprintf(file, "trace          %s, %zu requests, %zu blocks\n",
                report->trace_path, report->trace->count,
                report->trace->id_count);
        if (report->write == NULL)
            print_one_tier(file, report);
        else
            print_tiers(file, report);
        print_curves(file, report);
        return;
    case REPORT_JSON:
        print_json(file, report);
        return;
    }
}

enum status
simulate_report_plot(const char *path, const struct simulate_report *report,
                     char *why, size_t room)
{
    struct plot plot = {.title = "Hit ratio over capacity",
                        .x_label = "blocks in the cache",
                        .y_label = "blocks got / blocks asked for",
                        .series_count = report->policies};
    struct plot_point *points =
        calloc((size_t)report->policies * report->capacities, sizeof *points);
    enum status status;

    if (points == NULL) {
        snprintf(why, room, "no memory for a picture");
        return STATUS_NO_SPACE;
    }
    for (unsigned p = 0; p < report->policies; p++) {
        struct plot_point *mine = &points[p * report->capacities];

        for (unsigned c = 0; c < report->capacities; c++) {
            const struct simulate_row *row = row_at(report, c, p);

            mine[c].x = (double)row->sizes[SIMULATE_DRAM];
            mine[c].y = replay_score_blocks(&row->score);
        }
        plot.series[p] = (struct plot_series){row_at(report, 0, p)->policy,
                                              mine, report->capacities};
    }
    status = plot_write(path, &plot, why, room);
    free(points);
    return status;
}

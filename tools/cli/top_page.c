/* SPDX-License-Identifier: Apache-2.0 */
/* Each table is its columns; the least wide terminal is 60. */
#include "tools/cli/top_page.h"

#include "tools/cli/top_table.h"

#include <stdlib.h>

#define TEXT TOP_TEXT_SIZE

struct tier_row {
    const struct top_figures *figures;
    enum top_tier tier;
};

static void
write_rate(const struct top_figures *figures, enum top_count count, char *text)
{
    top_text_number(text, top_figures_rate(figures, figures->counts[count]));
}

static void
write_requests(const void *row, char text[TEXT])
{
    write_rate(row, TOP_REQUESTS, text);
}

static void
write_evictions(const void *row, char text[TEXT])
{
    write_rate(row, TOP_EVICTIONS, text);
}

static void
write_dropped(const void *row, char text[TEXT])
{
    write_rate(row, TOP_PUTS_DROPPED, text);
}

static void
write_in(const void *row, char text[TEXT])
{
    const struct top_figures *figures = row;

    top_text_bytes(text,
                   top_figures_rate(figures, figures->counts[TOP_PUT_BYTES]));
}

static void
write_out(const void *row, char text[TEXT])
{
    const struct top_figures *figures = row;

    top_text_bytes(text,
                   top_figures_rate(figures, figures->counts[TOP_GET_BYTES]));
}

static void
write_hits(const void *row, char text[TEXT])
{
    top_text_percent(text, top_figures_hit_ratio(row));
}

static void
write_connections(const void *row, char text[TEXT])
{
    const struct top_figures *figures = row;

    top_text_number(text, (double)figures->connections);
}

static void
write_answer(const void *row, char text[TEXT])
{
    const struct top_figures *figures = row;

    top_text_ms(text, figures->answer_ms);
}

static double
use_of(const struct top_tier_figures *tier)
{
    return tier->size == 0 ? -1 : (double)tier->used / (double)tier->size;
}

static void
write_dram(const void *row, char text[TEXT])
{
    const struct top_figures *figures = row;

    top_text_percent(text, use_of(&figures->tiers[TOP_DRAM]));
}

static void
write_nvme(const void *row, char text[TEXT])
{
    const struct top_figures *figures = row;

    top_text_percent(text, use_of(&figures->tiers[TOP_NVME]));
}

static void
write_spill(const void *row, char text[TEXT])
{
    const struct top_figures *figures = row;

    top_text_percent(text, use_of(&figures->tiers[TOP_SPILL]));
}

static void
write_dram_hits(const void *row, char text[TEXT])
{
    top_text_percent(text, top_figures_tier_ratio(row, TOP_DRAM));
}

static void
write_nvme_hits(const void *row, char text[TEXT])
{
    top_text_percent(text, top_figures_tier_ratio(row, TOP_NVME));
}

static void
write_spill_hits(const void *row, char text[TEXT])
{
    top_text_percent(text, top_figures_tier_ratio(row, TOP_SPILL));
}

static const struct top_table_column shard_columns[] = {
    {"SHARD", 18, 0, NULL},
    {"REQ/S", 6, 0, write_requests},
    {"IN/S", 7, 0, write_in},
    {"OUT/S", 7, 0, write_out},
    {"HIT%", 5, 0, write_hits},
    {"EVICT/S", 7, 0, write_evictions},
    {"CONNS", 5, 72, write_connections},
    {"MS", 5, 78, write_answer},
    {"DRAM%", 5, 90, write_dram},
    {"NVME%", 5, 96, write_nvme},
    {"SPILL%", 6, 104, write_spill},
};

static const struct top_table_column line_columns[] = {
    {"TIME", 8, 0, NULL},
    {"REQ/S", 6, 0, write_requests},
    {"IN/S", 7, 0, write_in},
    {"OUT/S", 7, 0, write_out},
    {"HIT%", 5, 0, write_hits},
    {"DRAM%", 5, 0, write_dram_hits},
    {"NVME%", 5, 0, write_nvme_hits},
    {"SPILL%", 6, 0, write_spill_hits},
    {"EVICT/S", 7, 0, write_evictions},
    {"DROP/S", 6, 0, write_dropped},
    {"CONNS", 5, 0, write_connections},
};

static const struct top_tier_figures *
tier_of(const void *row)
{
    const struct tier_row *at = row;

    return &at->figures->tiers[at->tier];
}

static void
write_tier_size(const void *row, char text[TEXT])
{
    top_text_bytes(text, (double)tier_of(row)->size);
}

static void
write_tier_used(const void *row, char text[TEXT])
{
    top_text_bytes(text, (double)tier_of(row)->used);
}

static void
write_tier_use(const void *row, char text[TEXT])
{
    top_text_percent(text, use_of(tier_of(row)));
}

static void
write_tier_values(const void *row, char text[TEXT])
{
    top_text_number(text, (double)tier_of(row)->values);
}

static void
write_tier_rate(const void *row, char text[TEXT])
{
    const struct tier_row *at = row;

    top_text_number(text, top_figures_rate(at->figures, tier_of(row)->hits));
}

static void
write_tier_share(const void *row, char text[TEXT])
{
    const struct tier_row *at = row;

    top_text_percent(text, top_figures_tier_ratio(at->figures, at->tier));
}

static void
write_tier_ms(const void *row, char text[TEXT])
{
    top_text_ms(text, tier_of(row)->get_ms);
}

static void
write_tier_state(const void *row, char text[TEXT])
{
    unsigned out_count = tier_of(row)->out_count;

    if (out_count == 0)
        snprintf(text, TEXT, "ok");
    else
        snprintf(text, TEXT, "%u out", out_count);
}

static const struct top_table_column tier_columns[] = {
    {"TIER", 6, 0, NULL},
    {"SIZE", 7, 0, write_tier_size},
    {"USED", 7, 68, write_tier_used},
    {"USE%", 5, 0, write_tier_use},
    {"VALUES", 6, 0, write_tier_values},
    {"GETS/S", 6, 0, write_tier_rate},
    {"GETS%", 5, 0, write_tier_share},
    {"GET MS", 6, 0, write_tier_ms},
    {"STATE", 6, 0, write_tier_state},
};

/* Of a model with the time that its counts were gained in. */
struct model_row {
    const struct top_model *model;
    const struct top_figures *sum;
};

static void
write_asked(const void *row, char text[TEXT])
{
    const struct model_row *at = row;

    top_text_number(text, top_figures_rate(at->sum, at->model->queries));
}

static void
write_model_hits(const void *row, char text[TEXT])
{
    const struct model_row *at = row;

    top_text_percent(text,
                     top_models_ratio(at->model->hits, at->model->queries));
}

static void
write_hits_ever(const void *row, char text[TEXT])
{
    const struct model_row *at = row;

    top_text_percent(
        text, top_models_ratio(at->model->hits_ever, at->model->queries_ever));
}

static void
write_puts(const void *row, char text[TEXT])
{
    const struct model_row *at = row;

    top_text_number(text, top_figures_rate(at->sum, at->model->puts));
}

static void
write_space(const void *row, char text[TEXT])
{
    const struct model_row *at = row;

    snprintf(text, TEXT, "%u", at->model->space);
}

static const struct top_table_column model_columns[] = {
    {"MODEL", 20, 0, NULL},
    {"NS", 3, 70, write_space},
    {"ASKED/S", 7, 0, write_asked},
    {"HIT%", 5, 0, write_model_hits},
    {"ALL HIT%", 8, 0, write_hits_ever},
    {"PUTS/S", 6, 0, write_puts},
};

#define TABLE(of, columns_across)                                              \
    {                                                                          \
        (of), sizeof(of) / sizeof *(of), (columns_across)                      \
    }

static void
write_head(const struct top_state *state, const struct top_page_look *look,
           FILE *to)
{
    const struct top_figures *sum = &state->sum;
    char requests[TEXT], in[TEXT], out[TEXT], hits[TEXT], asked[TEXT],
        misses[TEXT], evicted[TEXT], dropped[TEXT], puts[TEXT];
    struct tm tm;

    write_requests(sum, requests);
    write_in(sum, in);
    write_out(sum, out);
    write_hits(sum, hits);
    write_rate(sum, TOP_QUERIES, asked);
    write_rate(sum, TOP_GET_MISSES, misses);
    write_rate(sum, TOP_PUTS, puts);
    write_evictions(sum, evicted);
    write_dropped(sum, dropped);
    localtime_r(&state->at, &tm);
    fprintf(to, "prefixcache  %02d:%02d:%02d  %u of %u shards up  ", tm.tm_hour,
            tm.tm_min, tm.tm_sec, state->up_count, state->count);
    if (look->is_paused)
        fprintf(to, "PAUSED\n");
    else if (state->is_since_start)
        fprintf(to, "since they started\n");
    else
        fprintf(to, "each %.3g s\n", look->interval_ms / 1e3);
    fprintf(to, "in %s/s  out %s/s  requests %s/s  clients %llu\n", in, out,
            requests, (unsigned long long)sum->connections);
    fprintf(to, "hits %s%% of %s/s asked for  get misses %s/s\n", hits, asked,
            misses);
    fprintf(to, "puts %s/s  puts dropped %s/s  evicted %s/s\n", puts, dropped,
            evicted);
    fputc('\n', to);
}

static int
compare(const void *left, const void *right)
{
    const struct top_state_shard *const *a = left, *const *b = right;
    uint64_t mine = (*a)->figures.counts[TOP_REQUESTS],
             others = (*b)->figures.counts[TOP_REQUESTS];

    if (mine != others)
        return mine < others ? 1 : -1;
    return (*a > *b) - (*a < *b);
}

static void
write_shards(const struct top_state *state, const struct top_page_look *look,
             FILE *to)
{
    const struct top_table table = TABLE(shard_columns, look->width);
    const struct top_state_shard *order[PREFIXCACHE_SHARDS_MAX];
    unsigned count = state->count;

    for (unsigned i = 0; i < count; i++)
        order[i] = &state->shards[i];
    if (look->is_by_load)
        qsort(order, count, sizeof *order, compare);
    top_table_head(&table, to);
    for (unsigned i = 0; i < count; i++) {
        if (!order[i]->figures.is_up)
            fprintf(to, "%-18s does not answer\n", order[i]->name);
        else
            top_table_row(&table, order[i]->name, &order[i]->figures, to);
    }
    fputc('\n', to);
}

void
top_page_write(const struct top_state *state, const struct top_page_look *look,
               FILE *to)
{
    const struct top_table tiers = TABLE(tier_columns, look->width),
                           models = TABLE(model_columns, look->width);

    write_head(state, look, to);
    write_shards(state, look, to);
    top_table_head(&tiers, to);
    for (unsigned i = 0; i < TOP_TIERS; i++) {
        struct tier_row row = {&state->sum, (enum top_tier)i};

        if (state->sum.tiers[i].is_there)
            top_table_row(&tiers, top_tier_name(row.tier), &row, to);
    }
    fputc('\n', to);
    top_table_head(&models, to);
    for (unsigned i = 0; i < state->models.count; i++) {
        struct model_row row = {&state->models.all[i], &state->sum};

        top_table_row(&models, row.model->name, &row, to);
    }
}

void
top_page_write_titles(FILE *to)
{
    const struct top_table table = TABLE(line_columns, 0);

    fputs("UP    ", to);
    top_table_head(&table, to);
}

void
top_page_write_line(const struct top_state *state, FILE *to)
{
    const struct top_table table = TABLE(line_columns, 0);
    char time[TEXT], up[TEXT];
    struct tm tm;

    localtime_r(&state->at, &tm);
    strftime(time, sizeof time, "%H:%M:%S", &tm);
    snprintf(up, sizeof up, "%u/%u", state->up_count, state->count);
    fprintf(to, "%-5s ", up);
    top_table_row(&table, time, &state->sum, to);
}

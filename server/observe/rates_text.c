/* SPDX-License-Identifier: Apache-2.0 */
#include "server/observe/rates_text.h"

#include "base/clock.h"
#include "server/index/rates.h"
#include "server/server.h"

#include <stdlib.h>

typedef unsigned long long number;

/* What one label had counted, for all families alike. */
struct sample {
    uint16_t space;
    const char *model;
    struct rates_count count;
};

/* Of those labels that were used. */
struct samples {
    struct sample *all; /* on the heap; NULL: no memory */
    unsigned count;
    uint64_t chunk_tokens;
};

static struct samples
read_samples(struct server *server)
{
    struct rates *rates = server->rates;
    uint64_t now_ns = clock_now_ns();
    unsigned labels = rates_labels(rates);
    struct samples samples = {calloc(labels, sizeof(*samples.all)), 0,
                              server->options.index_chunk_tokens};
    struct rates_window window;

    for (unsigned label = 0; samples.all != NULL && label < labels; label++) {
        struct sample *at = &samples.all[samples.count];

        if (!rates_name(rates, label, &at->space, &at->model))
            continue;
        rates_read(rates, label, RATES_START, now_ns, &window);
        at->count = window.count;
        samples.count++;
    }
    return samples;
}

enum unit { CHUNKS, TOKENS, BYTES, UNITS };

/* NULL where it is counted in tiers, of which each has a sample. */
typedef uint64_t sum_fn(const struct rates_count *, enum unit);

static uint64_t
queries(const struct rates_count *count, enum unit unit)
{
    return unit == BYTES ? count->query_bytes : count->queries;
}

static uint64_t
hits(const struct rates_count *count, enum unit unit)
{
    return unit == BYTES ? rates_count_hit_bytes(count)
                         : rates_count_hits(count);
}

static uint64_t
puts_of(const struct rates_count *count, enum unit unit)
{
    return unit == BYTES ? count->put_bytes : count->puts;
}

static const struct family {
    const char *names[UNITS]; /* behind prefixcache_prefix_, before _total */
    const char *help;
    sum_fn *sum;
} families[] = {
    {{"queries", "query_tokens", "query_bytes"},
     "What was asked for: by EXISTS, or by GETs that no EXISTS came before.",
     queries},
    {{"hits", "hit_tokens", "hit_bytes"}, "What of it was here.", hits},
    {{"puts", "put_tokens", "put_bytes"},
     "What was put and was not here, so that engines had to compute it.",
     puts_of},
    {{"tier_hits", "tier_hit_tokens", "tier_hit_bytes"},
     "What of it was here, by the fastest tier that had it.",
     NULL},
};

static const char *const unit_names[UNITS] = {"In chunks.", "In tokens.",
                                              "In bytes."};

/* As a label's value is quoted. */
static void
write_model(FILE *file, const char *model)
{
    for (; *model != '\0'; model++) {
        if (*model == '\\' || *model == '"')
            fputc('\\', file);
        fputc(*model, file);
    }
}

static void
write_sample(FILE *file, const char *name, const struct sample *sample,
             const char *tier, uint64_t value)
{
    fprintf(file, "prefixcache_prefix_%s_total{namespace=\"%u\",model=\"", name,
            sample->space);
    write_model(file, sample->model);
    if (tier != NULL)
        fprintf(file, "\",tier=\"%s", tier);
    fprintf(file, "\"} %llu\n", (number)value);
}

static void
write_tiers(FILE *file, const char *name, const struct sample *sample,
            enum unit unit, uint64_t scale)
{
    const uint64_t *counts =
        unit == BYTES ? sample->count.hit_bytes : sample->count.hits;

    for (unsigned tier = 0; tier < TIER_COUNT; tier++)
        if (tier == TIER_DRAM || counts[tier] != 0)
            write_sample(file, name, sample, tier_kinds[tier]->name,
                         counts[tier] * scale);
}

static void
write_family(FILE *file, const struct family *family, enum unit unit,
             const struct samples *samples)
{
    const char *name = family->names[unit];
    uint64_t scale = unit == TOKENS ? samples->chunk_tokens : 1;

    fprintf(file,
            "# HELP prefixcache_prefix_%s_total %s %s\n"
            "# TYPE prefixcache_prefix_%s_total counter\n",
            name, family->help, unit_names[unit], name);
    for (unsigned i = 0; i < samples->count; i++) {
        const struct sample *sample = &samples->all[i];

        if (family->sum == NULL)
            write_tiers(file, name, sample, unit, scale);
        else
            write_sample(file, name, sample, NULL,
                         family->sum(&sample->count, unit) * scale);
    }
}

void
rates_text_metrics(struct server *server, FILE *file)
{
    struct samples samples = read_samples(server);

    for (unsigned i = 0; i < sizeof(families) / sizeof(families[0]); i++)
        for (unsigned unit = 0; unit < UNITS; unit++)
            write_family(file, &families[i], (enum unit)unit, &samples);
    free(samples.all);
}

/* Of each span, the hit ratio, or "none" where nothing was asked for. */
static void
write_ratios(struct server *server, unsigned label, const char *before,
             const char *behind, FILE *file)
{
    uint64_t now_ns = clock_now_ns();

    for (unsigned i = 0; i < RATES_SPANS; i++) {
        struct rates_window window;
        double ratio;

        rates_read(server->rates, label, rates_spans[i].ns, now_ns, &window);
        ratio = rates_count_ratio(&window.count);
        if (ratio < 0)
            fprintf(file, "%shit_ratio_%s%snone", before, rates_spans[i].name,
                    behind);
        else
            fprintf(file, "%shit_ratio_%s%s%.4f", before, rates_spans[i].name,
                    behind, ratio);
    }
}

static void
write_counts(FILE *file, const char *before, const char *behind,
             const struct rates_count *count)
{
    fprintf(file, "%squeries%s%llu", before, behind, (number)count->queries);
    fprintf(file, "%shits%s%llu", before, behind,
            (number)rates_count_hits(count));
    fprintf(file, "%sputs%s%llu", before, behind, (number)count->puts);
}

/* The sum, a line each; then a line for each model, whose name comes last
 * because it may hold anything but a line's end. */
void
rates_text_info(struct server *server, FILE *file)
{
    unsigned sum = rates_labels(server->rates) - 1, models = 0;
    struct rates_window window;
    const char *model;
    uint16_t space;

    rates_read(server->rates, sum, RATES_START, clock_now_ns(), &window);
    fprintf(file, "prefix_chunk_tokens:%llu",
            (number)server->options.index_chunk_tokens);
    write_counts(file, "\r\nprefix_", ":", &window.count);
    write_ratios(server, sum, "\r\nprefix_", ":", file);
    for (unsigned label = 0; label < sum; label++) {
        if (!rates_name(server->rates, label, &space, &model))
            continue;
        rates_read(server->rates, label, RATES_START, clock_now_ns(), &window);
        fprintf(file, "\r\nprefix_model_%u:namespace=%u", models++, space);
        write_counts(file, ",", "=", &window.count);
        write_ratios(server, label, ",", "=", file);
        fprintf(file, ",model=%s", model);
    }
    fprintf(file, "\r\n");
}

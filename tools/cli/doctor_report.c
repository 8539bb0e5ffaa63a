/* SPDX-License-Identifier: Apache-2.0 */
/* Before the findings stands what everybody wants to know: how much is found,
 * and what other sizes of the tiers would do. */
#include "tools/cli/doctor_report.h"

#include "tools/cli/top_text.h"

typedef unsigned long long number;

static const unsigned percents[] = {50, 100, 200, 400};
#define PERCENTS (sizeof percents / sizeof *percents)

static unsigned
answering(const struct doctor_case *all)
{
    unsigned count = 0;

    for (unsigned i = 0; i < all->count; i++)
        count += all->shards[i].why == NULL;
    return count;
}

/* Mean over the servers that say it; negative where none does. */
static double
ratio_of(const struct doctor_case *all, enum top_tier tier, unsigned percent)
{
    double sum = 0, ratio;
    unsigned known = 0;
    char name[64];

    snprintf(name, sizeof name, "hit_ratio_%s_%u", top_tier_name(tier),
             percent);
    for (unsigned i = 0; i < all->count; i++)
        if (facts_fraction(&all->shards[i].sample.facts, name, &ratio)) {
            sum += ratio;
            known++;
        }
    return known == 0 ? -1 : sum / known;
}

static void
print_curve(const struct doctor_case *all, FILE *to)
{
    for (unsigned tier = 0; tier < TOP_TIERS; tier++) {
        if (ratio_of(all, (enum top_tier)tier, percents[0]) < 0)
            continue;
        fprintf(to, "With another %s.size, estimated over the last hour:\n   ",
                top_tier_name((enum top_tier)tier));
        for (size_t i = 0; i < PERCENTS; i++)
            fprintf(to, "%s %.1f %% at %g x", i == 0 ? "" : ",",
                    100 * ratio_of(all, (enum top_tier)tier, percents[i]),
                    percents[i] / 100.0);
        fputs(".\n", to);
    }
}

static void
print_summary(const struct doctor_case *all, FILE *to)
{
    uint64_t queries = doctor_case_sum(all, "prefix_queries");
    uint64_t hits = doctor_case_sum(all, "prefix_hits");
    char bytes[TOP_TEXT_SIZE], ratio[TOP_TEXT_SIZE];

    top_text_bytes(bytes, (double)all->census.bytes);
    top_text_percent(ratio, top_models_ratio(hits, queries));
    fprintf(to, "%u of %u servers answer.\n", answering(all), all->count);
    fprintf(to, "Of %llu chunks asked for, %llu were found", (number)queries,
            (number)hits);
    if (queries != 0)
        fprintf(to, " (%s %%)", ratio);
    fprintf(to, "; %llu values were put.\n", (number)doctor_case_puts(all));
    fprintf(to, "%llu keys with %s were looked at%s.\n",
            (number)all->census.keys, bytes,
            all->census.is_cut ? ", which are not all" : "");
    print_curve(all, to);
    fputc('\n', to);
}

void
doctor_report_print(const struct doctor_case *all,
                    const struct doctor_findings *findings, FILE *to)
{
    print_summary(all, to);
    doctor_findings_print(findings, to);
    if (findings->count == 0)
        fputs("Nothing is wrong that could be told from here.\n", to);
}

static json_t *
servers_of(const struct doctor_case *all)
{
    json_t *servers = json_array();

    for (unsigned i = 0; i < all->count; i++) {
        const struct doctor_case_shard *shard = &all->shards[i];
        const char *version =
            facts_text(&shard->sample.facts, "prefixcache_version");

        json_array_append_new(
            servers,
            json_pack("{s:s, s:b, s:s?, s:I}", "name", shard->name, "answers",
                      shard->why == NULL, "version", version, "uptime_seconds",
                      (json_int_t)facts_number(&shard->sample.facts,
                                               "uptime_in_seconds")));
    }
    return servers;
}

static json_t *
models_of(const struct doctor_case *all)
{
    json_t *models = json_array();

    for (unsigned i = 0; i < all->models.count; i++) {
        const struct top_model *model = &all->models.all[i];

        json_array_append_new(
            models, json_pack("{s:s, s:i, s:I, s:I, s:I}", "model", model->name,
                              "namespace", (int)model->space, "queries",
                              (json_int_t)model->queries_ever, "hits",
                              (json_int_t)model->hits_ever, "puts",
                              (json_int_t)model->puts_ever));
    }
    return models;
}

static json_t *
curve_of(const struct doctor_case *all)
{
    json_t *curve = json_array();

    for (unsigned tier = 0; tier < TOP_TIERS; tier++)
        for (size_t i = 0; i < PERCENTS; i++) {
            double ratio = ratio_of(all, (enum top_tier)tier, percents[i]);

            if (ratio >= 0)
                json_array_append_new(
                    curve,
                    json_pack("{s:s, s:i, s:f}", "tier",
                              top_tier_name((enum top_tier)tier), "percent",
                              (int)percents[i], "hit_ratio", ratio));
        }
    return curve;
}

json_t *
doctor_report_json(const struct doctor_case *all,
                   const struct doctor_findings *findings)
{
    return json_pack(
        "{s:o, s:I, s:I, s:I, s:I, s:I, s:b, s:I, s:o, s:o, s:o}", "servers",
        servers_of(all), "queries",
        (json_int_t)doctor_case_sum(all, "prefix_queries"), "hits",
        (json_int_t)doctor_case_sum(all, "prefix_hits"), "puts",
        (json_int_t)doctor_case_puts(all), "keys", (json_int_t)all->census.keys,
        "bytes", (json_int_t)all->census.bytes, "all_keys", !all->census.is_cut,
        "compared", (json_int_t)all->values.read, "models", models_of(all),
        "curve", curve_of(all), "findings", doctor_findings_json(findings));
}

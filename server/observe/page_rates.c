/* SPDX-License-Identifier: Apache-2.0 */
/* Hit rates as JSON, for /v1/stats. */
#include "base/clock.h"
#include "server/index/rates.h"
#include "server/observe/page.h"
#include "server/server.h"
#include "storage/store_look.h"

#include <jansson.h>

static json_t *
amounts(uint64_t chunks, uint64_t bytes, uint64_t chunk_tokens)
{
    return json_pack("{s:I, s:I, s:I}", "chunks", (json_int_t)chunks, "tokens",
                     (json_int_t)(chunks * chunk_tokens), "bytes",
                     (json_int_t)bytes);
}

static json_t *
tiers_of(const struct server *server, const struct rates_count *count)
{
    uint64_t tokens = server->options.index_chunk_tokens;
    unsigned there = store_tiers(server->store);
    json_t *tiers = json_object();

    for (unsigned tier = 0; tier < TIER_COUNT; tier++)
        if ((there & 1u << tier) != 0 || count->hits[tier] != 0)
            json_object_set_new(
                tiers, tier_kinds[tier]->name,
                amounts(count->hits[tier], count->hit_bytes[tier], tokens));
    return tiers;
}

static json_t *
window_of(const struct server *server, const struct rates_window *window)
{
    const struct rates_count *count = &window->count;
    uint64_t tokens = server->options.index_chunk_tokens;
    double ratio = rates_count_ratio(count);

    return json_pack(
        "{s:f, s:o, s:o, s:o, s:o, s:o}", "seconds", (double)window->ns / 1e9,
        "hit_ratio", ratio < 0 ? json_null() : json_real(ratio), "queries",
        amounts(count->queries, count->query_bytes, tokens), "hits",
        amounts(rates_count_hits(count), rates_count_hit_bytes(count), tokens),
        "puts", amounts(count->puts, count->put_bytes, tokens), "tiers",
        tiers_of(server, count));
}

static json_t *
windows_of(struct server *server, unsigned label, uint64_t now_ns)
{
    json_t *windows = json_object();

    for (unsigned i = 0; i < RATES_SPANS; i++) {
        struct rates_window window;

        rates_read(server->rates, label, rates_spans[i].ns, now_ns, &window);
        json_object_set_new(windows, rates_spans[i].name,
                            window_of(server, &window));
    }
    return windows;
}

json_t *
page_rates(struct server *server)
{
    unsigned sum = rates_labels(server->rates) - 1;
    uint64_t now_ns = clock_now_ns();
    json_t *models = json_array();
    const char *model;
    uint16_t space;

    for (unsigned label = 0; label < sum; label++)
        if (rates_name(server->rates, label, &space, &model))
            json_array_append_new(models,
                                  json_pack("{s:i, s:s, s:o}", "namespace",
                                            space, "model", model, "windows",
                                            windows_of(server, label, now_ns)));
    return json_pack("{s:I, s:o, s:o}", "chunk_tokens",
                     (json_int_t)server->options.index_chunk_tokens, "all",
                     windows_of(server, sum, now_ns), "models", models);
}

static json_t *
step_of(const struct rates_moment *before, const struct rates_moment *after,
        uint64_t now_ns)
{
    return json_pack("{s:f, s:f, s:I, s:I}", "seconds_ago",
                     (double)(now_ns - after->at_ns) / 1e9, "seconds",
                     (double)(after->at_ns - before->at_ns) / 1e9, "queries",
                     (json_int_t)(after->queries - before->queries), "hits",
                     (json_int_t)(after->hits - before->hits));
}

json_t *
page_rates_history(struct server *server)
{
    struct rates_moment moments[RATES_MOMENTS + 1];
    unsigned count = rates_moments(server->rates, moments);
    uint64_t now_ns = clock_now_ns();
    json_t *steps = json_array();
    struct rates_window all;

    rates_read(server->rates, rates_labels(server->rates) - 1, RATES_START,
               now_ns, &all);
    moments[count] = (struct rates_moment){now_ns, all.count.queries,
                                           rates_count_hits(&all.count)};
    for (unsigned i = 0; i < count; i++)
        json_array_append_new(steps,
                              step_of(&moments[i], &moments[i + 1], now_ns));
    return steps;
}

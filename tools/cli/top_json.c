/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/cli/top_json.h"

static json_t *
ratio(double value)
{
    return value < 0 ? json_null() : json_real(value);
}

static json_t *
rate(const struct top_figures *figures, enum top_count count)
{
    return json_real(top_figures_rate(figures, figures->counts[count]));
}

static json_t *
tier_of(const struct top_figures *figures, enum top_tier number)
{
    const struct top_tier_figures *tier = &figures->tiers[number];

    return json_pack(
        "{s:s, s:I, s:I, s:I, s:f, s:o, s:o, s:i}", "tier",
        top_tier_name(number), "size_bytes", (json_int_t)tier->size,
        "used_bytes", (json_int_t)tier->used, "values",
        (json_int_t)tier->values, "hits_per_second",
        top_figures_rate(figures, tier->hits), "hit_ratio",
        ratio(top_figures_tier_ratio(figures, number)), "get_ms",
        ratio(tier->get_ms), "out_of_service", (int)tier->out_count);
}

static json_t *
figures_of(const struct top_figures *figures)
{
    json_t *tiers = json_array();

    for (unsigned i = 0; i < TOP_TIERS; i++)
        if (figures->tiers[i].is_there)
            json_array_append_new(tiers, tier_of(figures, (enum top_tier)i));
    return json_pack(
        "{s:b, s:b, s:f, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:I, "
        "s:o}",
        "up", figures->is_up, "restarted", figures->is_anew, "answer_ms",
        figures->answer_ms, "requests_per_second", rate(figures, TOP_REQUESTS),
        "put_bytes_per_second", rate(figures, TOP_PUT_BYTES),
        "get_bytes_per_second", rate(figures, TOP_GET_BYTES),
        "queries_per_second", rate(figures, TOP_QUERIES), "hit_ratio",
        ratio(top_figures_hit_ratio(figures)), "get_misses_per_second",
        rate(figures, TOP_GET_MISSES), "puts_per_second",
        rate(figures, TOP_PUTS), "puts_dropped_per_second",
        rate(figures, TOP_PUTS_DROPPED), "evictions_per_second",
        rate(figures, TOP_EVICTIONS), "connections",
        (json_int_t)figures->connections, "tiers", tiers);
}

static json_t *
shards_of(const struct top_state *state)
{
    json_t *shards = json_array();

    for (unsigned i = 0; i < state->count; i++) {
        json_t *shard = json_pack("{s:s}", "name", state->shards[i].name);

        json_object_update_new(shard, figures_of(&state->shards[i].figures));
        json_array_append_new(shards, shard);
    }
    return shards;
}

static json_t *
models_of(const struct top_state *state)
{
    json_t *models = json_array();

    for (unsigned i = 0; i < state->models.count; i++) {
        const struct top_model *model = &state->models.all[i];

        json_array_append_new(
            models,
            json_pack(
                "{s:s, s:i, s:f, s:o, s:f, s:I, s:I, s:I}", "model",
                model->name, "namespace", (int)model->space,
                "queries_per_second",
                top_figures_rate(&state->sum, model->queries), "hit_ratio",
                ratio(top_models_ratio(model->hits, model->queries)),
                "puts_per_second", top_figures_rate(&state->sum, model->puts),
                "queries", (json_int_t)model->queries_ever, "hits",
                (json_int_t)model->hits_ever, "puts",
                (json_int_t)model->puts_ever));
    }
    return models;
}

json_t *
top_json(const struct top_state *state)
{
    return json_pack("{s:I, s:f, s:i, s:o, s:o, s:o}", "time",
                     (json_int_t)state->at, "seconds", state->sum.seconds,
                     "shards_up", (int)state->up_count, "total",
                     figures_of(&state->sum), "shards", shards_of(state),
                     "models", models_of(state));
}

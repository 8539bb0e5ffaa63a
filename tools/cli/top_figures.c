/* SPDX-License-Identifier: Apache-2.0 */
/* From names and numbers of INFO to what is shown.  A server that was started
 * anew counts from 0: then what it has now is what happened. */
#include "tools/cli/top_figures.h"

#include <math.h>
#include <string.h>

#define NAMES_MAX 20u

/* What each count is the sum of. */
static const char *const names[TOP_COUNTS][NAMES_MAX] = {
    [TOP_REQUESTS] = {"lm_put", "lm_get", "lm_exists", "lm_other", "resp_put",
                      "resp_get", "resp_exists", "resp_index", "resp_other",
                      "native_put", "native_get", "native_exists",
                      "native_other"},
    [TOP_QUERIES] = {"prefix_queries"},
    [TOP_HITS] = {"prefix_hits"},
    [TOP_GET_HITS] = {"get_hits"},
    [TOP_GET_MISSES] = {"get_misses"},
    [TOP_GET_BYTES] = {"get_bytes"},
    [TOP_PUTS] = {"puts_stored", "puts_same"},
    [TOP_PUTS_DROPPED] = {"puts_busy", "puts_too_big", "puts_no_space",
                          "puts_slow", "puts_cut"},
    [TOP_PUT_BYTES] = {"put_bytes"},
    [TOP_EVICTIONS] = {"evictions", "evictions_index"},
};

/* `used` is what takes the space; DRAM and the spill know it, NVMe's log is
 * always allocated whole, so that values stand for it. */
static const struct tier_names {
    const char *name, *size, *used, *bytes, *values, *hits, *readable,
        *writable, *get_us, *rate;
} tier_names[TOP_TIERS] = {
    {"dram", "dram_size", "dram_used", "dram_value_bytes", "dram_chunks",
     "hits_dram", NULL, NULL, "dram_get_us", "dram_get_bytes_per_second"},
    {"nvme", "nvme_size", "nvme_value_bytes", "nvme_value_bytes", "nvme_chunks",
     "hits_nvme", "nvme_readable", "nvme_writable", "nvme_get_us",
     "nvme_get_bytes_per_second"},
    {"spill", "spill_size", "spill_used", "spill_value_bytes", "spill_chunks",
     "hits_spill", "spill_readable", "spill_writable", "spill_get_us",
     "spill_get_bytes_per_second"},
};

const char *
top_tier_name(enum top_tier tier)
{
    return tier_names[tier].name;
}

void
top_sample_drop(struct top_sample *sample)
{
    facts_drop(&sample->facts);
    *sample = (struct top_sample){.is_up = false};
}

/* NULL is a server that had counted nothing. */
static uint64_t
gained(const struct facts *before, const struct facts *after, const char *name)
{
    uint64_t now = facts_number(after, name);
    uint64_t then = before == NULL ? 0 : facts_number(before, name);

    return now < then ? now : now - then;
}

/* The server draws a line through its GETs, time over size. */
static double
get_ms(const struct facts *facts, const struct tier_names *row)
{
    double values = (double)facts_number(facts, row->values), us, rate;

    if (!facts_fraction(facts, row->get_us, &us))
        return -1;
    if (values > 0 && facts_fraction(facts, row->rate, &rate) && rate > 0)
        us += (double)facts_number(facts, row->bytes) / values / rate * 1e6;
    return us / 1e3;
}

static void
read_tier(const struct facts *before, const struct facts *after,
          const struct tier_names *row, struct top_tier_figures *out)
{
    out->is_there = facts_text(after, row->size) != NULL;
    out->size = facts_number(after, row->size);
    out->used = facts_number(after, row->used);
    out->values = facts_number(after, row->values);
    out->hits = gained(before, after, row->hits);
    out->get_ms = get_ms(after, row);
    out->out_count = out->is_there && row->readable != NULL &&
                     (facts_number(after, row->readable) == 0 ||
                      facts_number(after, row->writable) == 0);
}

static bool
is_another_process(const struct facts *before, const struct facts *after)
{
    return facts_number(before, "process_id") !=
               facts_number(after, "process_id") ||
           facts_number(after, "uptime_in_seconds") <
               facts_number(before, "uptime_in_seconds");
}

static uint64_t
sum_gained(const struct facts *before, const struct facts *after,
           enum top_count count)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < NAMES_MAX && names[count][i] != NULL; i++)
        sum += gained(before, after, names[count][i]);
    return sum;
}

void
top_figures_read(const struct top_sample *before,
                 const struct top_sample *after, struct top_figures *out)
{
    const struct facts *then = before == NULL ? NULL : &before->facts;
    double up_seconds;

    memset(out, 0, sizeof *out);
    out->is_up = after->is_up;
    out->answer_ms = after->answer_ms;
    if (!after->is_up)
        return;
    up_seconds = (double)facts_number(&after->facts, "uptime_in_seconds");
    out->seconds = before == NULL
                       ? fmax(up_seconds, 1)
                       : (double)(after->at_ns - before->at_ns) / 1e9;
    out->connections = facts_number(&after->facts, "connected_clients");
    out->is_anew = before != NULL && before->is_up &&
                   is_another_process(then, &after->facts);
    if (out->is_anew)
        then = NULL;
    for (unsigned tier = 0; tier < TOP_TIERS; tier++)
        read_tier(then, &after->facts, &tier_names[tier], &out->tiers[tier]);
    if (before != NULL && !before->is_up) {
        out->seconds = 0;
        for (unsigned tier = 0; tier < TOP_TIERS; tier++)
            out->tiers[tier].hits = 0;
        return;
    }
    for (unsigned i = 0; i < TOP_COUNTS; i++)
        out->counts[i] = sum_gained(then, &after->facts, (enum top_count)i);
}

static void
add_tier(struct top_tier_figures *sum, const struct top_tier_figures *tier)
{
    if (!tier->is_there)
        return;
    sum->get_ms =
        sum->is_there ? fmax(sum->get_ms, tier->get_ms) : tier->get_ms;
    sum->is_there = true;
    sum->out_count += tier->out_count;
    sum->size += tier->size;
    sum->used += tier->used;
    sum->values += tier->values;
    sum->hits += tier->hits;
}

void
top_figures_add(struct top_figures *sum, const struct top_figures *figures)
{
    sum->is_up = sum->is_up || figures->is_up;
    sum->is_anew = sum->is_anew || figures->is_anew;
    sum->seconds = fmax(sum->seconds, figures->seconds);
    sum->answer_ms = fmax(sum->answer_ms, figures->answer_ms);
    sum->connections += figures->connections;
    for (unsigned i = 0; i < TOP_COUNTS; i++)
        sum->counts[i] += figures->counts[i];
    for (unsigned tier = 0; tier < TOP_TIERS; tier++)
        add_tier(&sum->tiers[tier], &figures->tiers[tier]);
}

double
top_figures_rate(const struct top_figures *figures, uint64_t count)
{
    return figures->seconds > 0 ? (double)count / figures->seconds : 0;
}

static double
ratio(uint64_t part, uint64_t whole)
{
    return whole == 0 ? -1 : (double)part / (double)whole;
}

double
top_figures_hit_ratio(const struct top_figures *figures)
{
    return ratio(figures->counts[TOP_HITS], figures->counts[TOP_QUERIES]);
}

double
top_figures_tier_ratio(const struct top_figures *figures, enum top_tier tier)
{
    return ratio(figures->tiers[tier].hits,
                 figures->counts[TOP_GET_HITS] +
                     figures->counts[TOP_GET_MISSES]);
}

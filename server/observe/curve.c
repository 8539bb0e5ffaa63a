/* SPDX-License-Identifier: Apache-2.0 */
#include "server/observe/curve.h"

#include "base/clock.h"
#include "server/observe/history.h"
#include "server/server.h"

#define TRIES     100u
#define WINDOW_NS (3600 * NS_PER_SECOND)

static const char *const tiers[TIER_COUNT] = {"dram", "nvme", "spill"};

/* Now, and at the beginning of the last hour.  False: nobody could be asked. */
static bool
look(struct server *server, struct history_point *now,
     struct history_point *before)
{
    history_before(server, WINDOW_NS, before);
    for (unsigned i = 0; i < TRIES; i++) {
        history_now(server, now);
        if (now->has_curve)
            return true;
    }
    return false;
}

static bool
has_tier(const struct store_usage *usage, unsigned tier)
{
    switch ((enum tier_kind)tier) {
    case TIER_NVME:
        return usage->has_nvme;
    case TIER_SPILL:
        return usage->has_spill;
    case TIER_DRAM:
    case TIER_COUNT:
        break;
    }
    return tier == TIER_DRAM;
}

static double
hit_ratio(const struct history_point *before, const struct history_point *now)
{
    uint64_t hits = now->hits - before->hits;
    uint64_t accesses = hits + now->puts - before->puts;

    return accesses == 0 ? 0 : (double)hits / (double)accesses;
}

bool
curve_read(struct server *server, struct curve *out)
{
    struct history_point now, before;
    struct store_usage usage;

    if (!look(server, &now, &before))
        return false;
    store_usage(server->store, &usage);
    out->hit_ratio = hit_ratio(&before, &now);
    for (unsigned tier = 0; tier < POLICY_CURVE_TIERS; tier++) {
        out->tiers[tier].is_there = has_tier(&usage, tier);
        for (unsigned i = 0; i < POLICY_CURVE_SIZES; i++)
            out->tiers[tier].hit_ratios[i] = policy_curve_ratio(
                before.has_curve ? &before.curve : NULL, &now.curve, tier, i);
    }
    return true;
}

/* A line for each size of each tier that is there. */
static void
write_sizes(FILE *file, const struct curve *curve, bool is_metric)
{
    for (unsigned tier = 0; tier < POLICY_CURVE_TIERS; tier++)
        for (unsigned i = 0;
             i < POLICY_CURVE_SIZES && curve->tiers[tier].is_there; i++)
            fprintf(file,
                    is_metric ? "prefixcache_estimated_hit_ratio{tier=\"%s\","
                                "percent=\"%u\"} %.4f\n"
                              : "hit_ratio_%s_%u:%.4f\r\n",
                    tiers[tier], policy_curve_percent(i),
                    curve->tiers[tier].hit_ratios[i]);
}

void
curve_write_info(struct server *server, FILE *file)
{
    struct curve curve;

    if (!curve_read(server, &curve))
        return;
    fprintf(file, "policy:%s\r\nhit_ratio:%.4f\r\n",
            store_policy_name(server->store), curve.hit_ratio);
    write_sizes(file, &curve, false);
}

void
curve_write_metrics(struct server *server, FILE *file)
{
    struct curve curve;

    if (!curve_read(server, &curve))
        return;
    fprintf(file,
            "# HELP prefixcache_estimated_hit_ratio Hits of the last hour, as "
            "a share of hits and PUTs, had this tier so many percent of its "
            "present size.\n"
            "# TYPE prefixcache_estimated_hit_ratio gauge\n");
    write_sizes(file, &curve, true);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* GET /v1/stats: everything a dashboard shows, as one JSON object. */
#include "base/clock.h"
#include "server/observe/curve.h"
#include "server/observe/history.h"
#include "server/observe/page.h"
#include "server/server.h"
#include "storage/store_look.h"
#include "storage/tier_counters.h"

#include <jansson.h>

#define CODE_OK 200
/* The times of /v1/stats' history: as many seconds apart in the last five
 * minutes, and before that. */
#define FINE_S   10u
#define COARSE_S 60u
#define FINE_END 300u
#define END_S    3600u

static json_t *
integer(uint64_t value)
{
    return json_integer((json_int_t)value);
}

static json_t *
counter(const struct server *server, enum counter_id id)
{
    return integer(server_count(server, id));
}

static json_t *
server_of(const struct server *server)
{
    return json_pack(
        "{s:s, s:s, s:f, s:o, s:i, s:s, s:s, s:s}", "version", SERVER_VERSION,
        "state", atomic_load(&server->is_draining) ? "draining" : "serving",
        "uptime_seconds", (double)(clock_now_ns() - server->started_ns) / 1e9,
        "started_unix_ms", integer(server->started_unix_ms), "workers",
        (int)server->worker_count, "data_address", server->data_address,
        "http_address", server->http_address, "policy",
        store_policy_name(server->store));
}

static json_t *
connections_of(struct server *server)
{
    return json_pack("{s:i, s:o, s:o, s:o}", "open",
                     (int)server_connections(server), "limit",
                     integer(atomic_load(&server->limits.connections)),
                     "accepted", counter(server, COUNTER_connections_accepted),
                     "pinned_bytes", integer(server_pinned_bytes(server)));
}

static json_t *
index_of(const struct store_usage *usage)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "entries",
                     integer(usage->entries), "size_bytes",
                     integer(usage->index_size), "used_bytes",
                     integer(usage->index_used), "leased_bytes",
                     integer(usage->leased_bytes), "inflight_size_bytes",
                     integer(usage->inflight_size), "inflight_used_bytes",
                     integer(usage->inflight_used));
}

static json_t *
requests_of(const struct server *server)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "get_hits",
                     counter(server, COUNTER_get_hits), "get_misses",
                     counter(server, COUNTER_get_misses), "get_bytes",
                     counter(server, COUNTER_get_bytes), "puts_stored",
                     counter(server, COUNTER_puts_stored), "puts_same",
                     counter(server, COUNTER_puts_same), "put_bytes",
                     counter(server, COUNTER_put_bytes));
}

/* What the tiers have of their own. */
struct tier_state {
    uint64_t size, used;
    bool may_read, may_write;
};

static struct tier_state
state_of(const struct store_usage *usage, enum tier_kind tier)
{
    switch (tier) {
    case TIER_NVME:
        return (struct tier_state){usage->nvme.size,
                                   usage->tiers[tier].bytes_used,
                                   usage->nvme.may_read, usage->nvme.may_write};
    case TIER_SPILL:
        return (struct tier_state){usage->spill.size, usage->spill.used,
                                   usage->spill.may_read,
                                   usage->spill.may_write};
    case TIER_DRAM:
    case TIER_COUNT:
        break;
    }
    return (struct tier_state){usage->dram_size, usage->dram_used, true, true};
}

static json_t *
tier_of(const struct server *server, const struct store_usage *usage,
        enum tier_kind tier)
{
    struct tier_state state = state_of(usage, tier);
    struct speed_line line =
        speed_line(server->speeds, server->worker_count, tier);
    json_t *get_us =
        line.is_known ? json_real(line.get_ns / 1000) : json_null();
    json_t *rate = line.is_known && line.byte_ns > 0
                       ? json_real(1e9 / line.byte_ns)
                       : json_null();

    return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:b, s:b, s:o, s:o}",
                     "tier", tier_kinds[tier]->name, "size_bytes",
                     integer(state.size), "used_bytes", integer(state.used),
                     "value_bytes", integer(usage->tiers[tier].bytes_used),
                     "values", integer(usage->tiers[tier].chunks), "hits",
                     counter(server, tier_counters[tier].hits), "readable",
                     state.may_read, "writable", state.may_write, "get_us",
                     get_us, "bytes_per_second", rate);
}

static json_t *
tiers_of(const struct server *server, const struct store_usage *usage)
{
    unsigned there = store_tiers(server->store);
    json_t *tiers = json_array();

    for (unsigned tier = 0; tier < TIER_COUNT; tier++)
        if ((there & 1u << tier) != 0)
            json_array_append_new(tiers,
                                  tier_of(server, usage, (enum tier_kind)tier));
    return tiers;
}

static json_t *
curve_tier_of(const struct curve *curve, unsigned tier)
{
    json_t *sizes = json_array();

    for (unsigned i = 0; i < POLICY_CURVE_SIZES; i++)
        json_array_append_new(
            sizes,
            json_pack("{s:i, s:f}", "percent", (int)policy_curve_percent(i),
                      "hit_ratio", curve->tiers[tier].hit_ratios[i]));
    return json_pack("{s:s, s:o}", "tier", tier_kinds[tier]->name, "sizes",
                     sizes);
}

static json_t *
curve_of(struct server *server)
{
    json_t *tiers = json_array();
    struct curve curve;

    if (!curve_read(server, &curve)) {
        json_decref(tiers);
        return json_null();
    }
    for (unsigned tier = 0; tier < POLICY_CURVE_TIERS; tier++)
        if (curve.tiers[tier].is_there)
            json_array_append_new(tiers, curve_tier_of(&curve, tier));
    return json_pack("{s:f, s:o}", "hit_ratio", curve.hit_ratio, "tiers",
                     tiers);
}

static json_t *
step_of(const struct history_point *before, const struct history_point *after,
        uint64_t now_ns)
{
    return json_pack("{s:f, s:f, s:o, s:o}", "seconds_ago",
                     (double)(now_ns - after->at_ns) / 1e9, "seconds",
                     (double)(after->at_ns - before->at_ns) / 1e9, "get_bytes",
                     integer(after->get_bytes - before->get_bytes), "put_bytes",
                     integer(after->put_bytes - before->put_bytes));
}

/* The oldest first. */
static json_t *
traffic_of(struct server *server)
{
    json_t *steps = json_array();
    struct history_point before, after;
    uint64_t now_ns;

    history_now(server, &after);
    now_ns = after.at_ns;
    for (unsigned ago = FINE_S; ago <= END_S;
         ago += ago < FINE_END ? FINE_S : COARSE_S) {
        history_before(server, ago * NS_PER_SECOND, &before);
        /* Two times may have the same point: they are kept a little more than
         * ten seconds apart, and at first there are few. */
        if (before.at_ns == 0 || before.at_ns >= after.at_ns)
            continue;
        json_array_insert_new(steps, 0, step_of(&before, &after, now_ns));
        after = before;
    }
    return steps;
}

void
page_stats(const struct page_ask *ask, struct page *out)
{
    struct server *server = ask->server;
    struct store_usage usage;

    store_usage(server->store, &usage);
    page_json(out, CODE_OK,
              json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:{s:o, s:o}}",
                        "server", server_of(server), "connections",
                        connections_of(server), "index", index_of(&usage),
                        "requests", requests_of(server), "tiers",
                        tiers_of(server, &usage), "rates", page_rates(server),
                        "curve", curve_of(server), "history", "rates",
                        page_rates_history(server), "traffic",
                        traffic_of(server)));
}

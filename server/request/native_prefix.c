/* SPDX-License-Identifier: Apache-2.0 */
/* PREFIX of the native wire: how much of a prompt is here. */
#include "base/clock.h"
#include "server/request/native_request.h"
#include "server/server.h"

#include <stdio.h>

_Static_assert(TIER_COUNT <= NATIVE_TIERS_MAX,
               "a reply has room for all tiers");

/* The first time: NULL, or what is wrong with it. */
static const char *
start(struct connection *connection)
{
    struct request *request = &connection->request;
    const struct native_request *native = &request->native.request;
    struct prefix_terms terms = {
        .space = (uint16_t)native->space,
        .ranks = native->ranks == 0 ? 1 : native->ranks,
        .key_most = atomic_load_explicit(&connection->server->limits.key,
                                         memory_order_relaxed),
        .wants_all = native->wants_states,
        .is_leased = native->lease_ms != 0,
        .is_promoted = native->promote,
        .lease_ns = native->lease_ms * NS_PER_MS};

    if (terms.ranks > PREFIX_RANKS_MAX)
        return "there are too many ranks";
    if (native->count % terms.ranks != 0)
        return "the number of keys is not a multiple of ranks";
    prefix_start(&request->prefix, &terms, connection->server->store,
                 connection->port);
    count(connection->counters, COUNTER_lookups_native, 1);
    return NULL;
}

/* Bits of the tiers that there are, without gaps: as the reply lists them. */
static uint8_t
pack_tiers(unsigned there, unsigned tiers)
{
    unsigned packed = 0, place = 0;

    for (unsigned tier = 0; tier < TIER_COUNT; tier++) {
        if ((there & 1u << tier) == 0)
            continue;
        if ((tiers & 1u << tier) != 0)
            packed |= 1u << place;
        place++;
    }
    return (uint8_t)packed;
}

/* 0: none was asked for, or there are none. */
static uint32_t
lease_ms_of(const struct connection *connection)
{
    const struct prefix_terms *terms = &connection->request.prefix.terms;

    if (!terms->is_leased)
        return 0;
    return (uint32_t)(store_lease_length(connection->server->store,
                                         terms->lease_ns) /
                      NS_PER_MS);
}

static void
mark(struct connection *connection, const struct prefix_key *keys,
     unsigned count)
{
    struct request *request = &connection->request;
    bool is_leased = lease_ms_of(connection) != 0;
    unsigned there = store_tiers(connection->server->store);
    uint8_t *marks = native_marks(connection);

    for (unsigned i = 0; i < count; i++) {
        uint8_t state = pack_tiers(there, keys[i].tiers);

        if (keys[i].state != PREFIX_HERE)
            request->native.is_matched = false;
        if (is_leased && request->native.is_matched)
            state |= NATIVE_STATE_LEASED;
        marks[request->step++] = state;
    }
}

static void
tell_tier(const struct server *server, const struct prefix_sum *sum,
          enum tier_kind tier, struct native_tier *out)
{
    struct speed_line line =
        speed_line(server->speeds, server->worker_count, tier);

    snprintf(out->name, sizeof(out->name), "%s", tier_kinds[tier]->name);
    out->matched = sum->tiers[tier].matched;
    out->unbroken = sum->tiers[tier].unbroken;
    out->bytes = sum->tiers[tier].bytes;
    out->has_get_us = line.is_known;
    out->get_us = line.is_known ? (uint64_t)(line.get_ns / 1000) : 0;
    out->has_bytes_per_second = line.is_known && line.byte_ns > 0;
    out->bytes_per_second =
        out->has_bytes_per_second ? (uint64_t)(1e9 / line.byte_ns) : 0;
}

static enum run
finish(struct connection *connection)
{
    const struct request *request = &connection->request;
    const struct prefix *prefix = &request->prefix;
    const struct server *server = connection->server;
    unsigned tiers = store_tiers(server->store);
    struct native_reply reply = {.id = request->native.request.id};
    struct prefix_sum sum;

    prefix_end(prefix, server->speeds, server->worker_count, &sum);
    count(connection->counters, COUNTER_lookup_keys, prefix->keys);
    count(connection->counters, COUNTER_lookup_matched,
          (uint64_t)sum.matched * prefix->terms.ranks);
    count(connection->counters, COUNTER_promotions, prefix->promoted);
    reply.matched = sum.matched;
    reply.bytes = sum.bytes;
    reply.has_load_us = sum.load_ns >= 0;
    reply.load_us = reply.has_load_us ? (uint64_t)(sum.load_ns / 1000) : 0;
    reply.lease_ms = lease_ms_of(connection);
    for (unsigned tier = 0; tier < TIER_COUNT; tier++)
        if ((tiers & 1u << tier) != 0)
            tell_tier(server, &sum, tier, &reply.tiers[reply.tier_count++]);
    if (prefix->terms.wants_all)
        reply.list = (struct bytes){native_marks(connection), request->step};
    return native_answer(connection, &reply);
}

enum run
native_match(struct connection *connection)
{
    struct request *request = &connection->request;
    struct native_request *native = &request->native.request;
    struct prefix_key states[PREFIX_AT_ONCE];
    struct bytes keys[PREFIX_AT_ONCE];
    unsigned count = 0;
    const char *fault = native->list.size == request->native.list_size
                            ? start(connection)
                            : NULL;

    if (fault != NULL)
        return native_answer_code(connection, NATIVE_BAD_REQUEST, fault);
    while (count < PREFIX_AT_ONCE &&
           native_next_key(&native->list, &keys[count]))
        count++;
    if (count == 0)
        return finish(connection);
    if (!prefix_add(&request->prefix, keys, count, states))
        return finish(connection);
    if (request->prefix.terms.wants_all)
        mark(connection, states, count);
    return native->list.size == 0 ? finish(connection) : RUN_AGAIN;
}

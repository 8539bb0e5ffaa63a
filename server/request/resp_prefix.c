/* SPDX-License-Identifier: Apache-2.0 */
/* PREFIX.MATCH: how much of a prompt is here. */
#include "base/clock.h"
#include "server/request/answer.h"
#include "server/request/resp_request.h"
#include "server/server.h"

#define LEASE_MOST_MS (366ll * 24 * 60 * 60 * 1000)
/* Room for what is said of one key, and of all. */
#define WORD_ROOM 48u
#define SUM_ROOM  (512u + 256u * TIER_COUNT)

/* Every number of an option: NULL, or what is wrong with it. */
static const char *
read_number(struct argument_walk *walk, int64_t least, int64_t most,
            int64_t *out)
{
    struct bytes word;

    if (!argument_next(walk, &word))
        return "ERR syntax error";
    if (!argument_integer(&word, out))
        return "ERR value is not an integer or out of range";
    return *out < least || *out > most ? "ERR value is out of range" : NULL;
}

static const char *
read_lease(struct argument_walk *walk, struct prefix_terms *terms)
{
    int64_t lease_ms = 0;
    const char *error = read_number(walk, 1, LEASE_MOST_MS, &lease_ms);

    terms->is_leased = true;
    terms->lease_ns = (uint64_t)lease_ms * NS_PER_MS;
    return error;
}

static const char *
read_ranks(struct argument_walk *walk, struct prefix_terms *terms)
{
    int64_t ranks = 1;
    const char *error = read_number(walk, 1, PREFIX_RANKS_MAX, &ranks);

    terms->ranks = (uint32_t)ranks;
    return error;
}

/* The options before the first key, which is what is left of the walk; the first
 * word that is none of them is a key. */
static const char *
read_terms(struct argument_walk *walk, struct prefix_terms *terms)
{
    const char *error = NULL;

    while (error == NULL) {
        struct argument_walk behind = *walk;
        struct bytes word;

        if (!argument_next(&behind, &word))
            return NULL;
        if (argument_is(&word, "LEASE"))
            error = read_lease(&behind, terms);
        else if (argument_is(&word, "RANKS"))
            error = read_ranks(&behind, terms);
        else if (argument_is(&word, "PROMOTE"))
            terms->is_promoted = true;
        else if (argument_is(&word, "WITHTIERS"))
            terms->wants_all = true;
        else if (!argument_is(&word, "--"))
            return NULL;
        *walk = behind;
        if (argument_is(&word, "--"))
            return NULL;
    }
    return error;
}

/* The first time: reads the options and says how many keys there are. */
static enum run
start(struct connection *connection, struct resp_call *call)
{
    struct request *request = &connection->request;
    struct prefix_terms terms = {
        .space = connection->space,
        .ranks = 1,
        .key_most = atomic_load_explicit(&connection->server->limits.key,
                                         memory_order_relaxed)};
    const char *error;
    struct cursor out;

    request->walk = call->arguments;
    error = read_terms(&request->walk, &terms);
    if (error != NULL)
        return answer_error(connection, "%s", error);
    if (request->walk.left == 0)
        return answer_arity(connection, call->command->name);
    if (request->walk.left % terms.ranks != 0)
        return answer_error(connection,
                            "ERR the number of keys is not a multiple of "
                            "RANKS");
    prefix_start(&request->prefix, &terms, connection->server->store,
                 connection->port);
    request->step = 1;
    count(connection->counters, COUNTER_lookups_resp, 1);
    if (!terms.wants_all)
        return RUN_AGAIN;
    if (request_text(connection, WORD_ROOM, &out) != STATUS_OK)
        return RUN_CLOSE;
    (void)resp_map(&out, connection->dialect, 6);
    (void)resp_bulk_text(&out, "keys");
    (void)resp_array(&out, request->walk.left);
    request_text_done(connection, &out);
    return RUN_AGAIN;
}

static void
write_tier(struct cursor *out, uint8_t dialect, const struct prefix_sum *sum,
           const struct server *server, enum tier_kind tier)
{
    struct speed_line line =
        speed_line(server->speeds, server->worker_count, tier);

    (void)resp_bulk_text(out, tier_kinds[tier]->name);
    (void)resp_map(out, dialect, 5);
    (void)resp_bulk_text(out, "matched");
    (void)resp_integer(out, sum->tiers[tier].matched);
    (void)resp_bulk_text(out, "unbroken");
    (void)resp_integer(out, sum->tiers[tier].unbroken);
    (void)resp_bulk_text(out, "bytes");
    (void)resp_integer(out, (int64_t)sum->tiers[tier].bytes);
    (void)resp_bulk_text(out, "get_us");
    if (line.is_known)
        (void)resp_integer(out, (int64_t)(line.get_ns / 1000));
    else
        (void)resp_null(out, dialect);
    (void)resp_bulk_text(out, "bytes_per_second");
    if (line.is_known && line.byte_ns > 0)
        (void)resp_integer(out, (int64_t)(1e9 / line.byte_ns));
    else
        (void)resp_null(out, dialect);
}

/* What stands behind the states of the keys. */
static enum run
answer_sum(struct connection *connection, const struct prefix_sum *sum)
{
    const struct prefix_terms *terms = &connection->request.prefix.terms;
    const struct server *server = connection->server;
    unsigned tiers = store_tiers(server->store);
    uint8_t dialect = connection->dialect;
    struct cursor out;

    if (request_text(connection, SUM_ROOM, &out) != STATUS_OK)
        return RUN_CLOSE;
    (void)resp_bulk_text(&out, "matched");
    (void)resp_integer(&out, sum->matched);
    (void)resp_bulk_text(&out, "bytes");
    (void)resp_integer(&out, (int64_t)sum->bytes);
    (void)resp_bulk_text(&out, "load_us");
    if (sum->load_ns >= 0)
        (void)resp_integer(&out, (int64_t)(sum->load_ns / 1000));
    else
        (void)resp_null(&out, dialect);
    (void)resp_bulk_text(&out, "lease_ms");
    (void)resp_integer(
        &out, (int64_t)(store_lease_length(server->store, terms->lease_ns) /
                        NS_PER_MS));
    (void)resp_bulk_text(&out, "tiers");
    (void)resp_map(&out, dialect, (uint32_t)__builtin_popcount(tiers));
    for (unsigned tier = 0; tier < TIER_COUNT; tier++)
        if ((tiers & 1u << tier) != 0)
            write_tier(&out, dialect, sum, server, tier);
    request_text_done(connection, &out);
    return RUN_DONE;
}

static enum run
finish(struct connection *connection)
{
    struct request *request = &connection->request;
    const struct server *server = connection->server;
    struct prefix_sum sum;

    prefix_end(&request->prefix, server->speeds, server->worker_count, &sum);
    count(connection->counters, COUNTER_lookup_keys, request->prefix.keys);
    count(connection->counters, COUNTER_lookup_matched,
          (uint64_t)sum.matched * request->prefix.terms.ranks);
    count(connection->counters, COUNTER_promotions, request->prefix.promoted);
    if (request->prefix.terms.wants_all)
        return answer_sum(connection, &sum);
    return answer_integer(connection, sum.matched);
}

static enum run
answer_keys(struct connection *connection, const struct prefix_key *keys,
            unsigned count)
{
    char word[PREFIX_WORD_MAX];
    struct cursor out;

    if (request_text(connection, (size_t)count * WORD_ROOM, &out) != STATUS_OK)
        return RUN_CLOSE;
    for (unsigned i = 0; i < count; i++)
        (void)resp_bulk_text(&out, prefix_word(&keys[i], word));
    request_text_done(connection, &out);
    return RUN_AGAIN;
}

enum run
resp_prefix_match(struct connection *connection, struct resp_call *call)
{
    struct request *request = &connection->request;
    struct prefix_key states[PREFIX_AT_ONCE];
    struct bytes keys[PREFIX_AT_ONCE];
    unsigned count = 0;
    bool has_more;

    if (request->step == 0)
        return start(connection, call);
    while (count < PREFIX_AT_ONCE &&
           argument_next(&request->walk, &keys[count]))
        count++;
    if (count == 0)
        return finish(connection);
    has_more = prefix_add(&request->prefix, keys, count, states);
    if (request->prefix.terms.wants_all)
        return answer_keys(connection, states, count);
    return has_more ? RUN_AGAIN : finish(connection);
}

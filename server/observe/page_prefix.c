/* SPDX-License-Identifier: Apache-2.0 */
/* POST /v1/prefix: what PREFIX.MATCH answers, as JSON. */
#include "server/index/prefix.h"
#include "server/observe/page.h"
#include "server/observe/question.h"
#include "server/server.h"

#include <jansson.h>

#define CODE_OK        200
#define CODE_BAD       400
#define CODE_FORBIDDEN 403

static json_t *
tier_of(const struct server *server, const struct prefix_sum *sum,
        enum tier_kind tier)
{
    struct speed_line line =
        speed_line(server->speeds, server->worker_count, tier);
    json_t *get_us =
        line.is_known ? json_real(line.get_ns / 1000) : json_null();
    json_t *rate = line.is_known && line.byte_ns > 0
                       ? json_real(1e9 / line.byte_ns)
                       : json_null();

    return json_pack("{s:s, s:I, s:I, s:I, s:o, s:o}", "tier",
                     tier_kinds[tier]->name, "matched",
                     (json_int_t)sum->tiers[tier].matched, "unbroken",
                     (json_int_t)sum->tiers[tier].unbroken, "bytes",
                     (json_int_t)sum->tiers[tier].bytes, "get_us", get_us,
                     "bytes_per_second", rate);
}

static json_t *
tiers_of(const struct server *server, const struct prefix_sum *sum)
{
    unsigned there = store_tiers(server->store);
    json_t *tiers = json_array();

    for (unsigned tier = 0; tier < TIER_COUNT; tier++)
        if ((there & 1u << tier) != 0)
            json_array_append_new(tiers, tier_of(server, sum, tier));
    return tiers;
}

/* Goes through all keys; `states` is NULL, or gets what is said of each. */
static void
walk(struct prefix *prefix, const struct question_prefix *question,
     json_t *states)
{
    struct prefix_key keys[PREFIX_AT_ONCE];
    char word[PREFIX_WORD_MAX];
    bool has_more = true;

    for (uint32_t at = 0; at < question->count && has_more;) {
        uint32_t count = question->count - at;

        if (count > PREFIX_AT_ONCE)
            count = PREFIX_AT_ONCE;
        has_more = prefix_add(prefix, question->keys + at, count, keys);
        for (uint32_t i = 0; i < count && states != NULL; i++)
            json_array_append_new(states,
                                  json_string(prefix_word(&keys[i], word)));
        at += count;
    }
}

static void
answer(const struct page_ask *ask, const struct question_prefix *question,
       struct page *out)
{
    const struct server *server = ask->server;
    const struct prefix_terms terms = {
        .space = question->space,
        .ranks = question->ranks,
        .key_most =
            atomic_load_explicit(&server->limits.key, memory_order_relaxed),
        .wants_all = question->with_tiers};
    json_t *states = question->with_tiers ? json_array() : NULL, *load_us;
    struct prefix_sum sum;
    struct prefix prefix;

    prefix_start(&prefix, &terms, server->store, NULL);
    walk(&prefix, question, states);
    prefix_end(&prefix, server->speeds, server->worker_count, &sum);
    count(ask->counters, COUNTER_lookups_http, 1);
    count(ask->counters, COUNTER_lookup_keys, prefix.keys);
    count(ask->counters, COUNTER_lookup_matched,
          (uint64_t)sum.matched * terms.ranks);
    if (!question->with_tiers) {
        page_json(out, CODE_OK,
                  json_pack("{s:I}", "matched", (json_int_t)sum.matched));
        return;
    }
    load_us = sum.load_ns < 0 ? json_null() : json_real(sum.load_ns / 1000);
    page_json(out, CODE_OK,
              json_pack("{s:I, s:I, s:o, s:o, s:o}", "matched",
                        (json_int_t)sum.matched, "bytes", (json_int_t)sum.bytes,
                        "load_us", load_us, "tiers", tiers_of(server, &sum),
                        "keys", states));
}

void
page_prefix(const struct page_ask *ask, struct page *out)
{
    struct question_prefix question;
    struct question_problem problem;

    switch (question_read_prefix(&ask->body, &question, &problem)) {
    case STATUS_OK:
        break;
    case STATUS_BAD_REQUEST:
        page_error(out, CODE_BAD, "bad_request", "%s", problem.text);
        return;
    default:
        return;
    }
    if (question.has_lease || question.has_promotion)
        page_error(out, CODE_FORBIDDEN, "read_only",
                   "nothing is changed by this port: leases and promotions "
                   "are for PREFIX.MATCH, on the data port");
    else
        answer(ask, &question, out);
    question_free_prefix(&question);
}

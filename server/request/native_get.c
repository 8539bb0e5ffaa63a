/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET of the native wire: a reply for each key.  What is in memory is answered
 * at once; what has to be read from a device becomes an order, and is answered
 * when it is there, whatever else was answered meanwhile.
 */
#include "base/clock.h"
#include "server/request/native_request.h"
#include "server/request/query.h"
#include "server/server.h"
#include "storage/store_look.h"

#include <stdio.h>

/* What orders have read, or will, takes so many bytes at most, and at most this
 * share of the pool; one of any size may always be. */
#define ORDER_BYTES (8u << 20)
#define ORDER_SHARE 64u
/* Replies are gathered up to here before others have their turn. */
#define TEXT_ENOUGH 8192u

/* How much more may be read beside what is. */
static uint64_t
bytes_left(const struct connection *connection)
{
    const struct server *server = connection->server;
    const struct order_list *orders = &connection->orders;
    uint64_t most = server->options.dram_size / ORDER_SHARE;

    if (most > ORDER_BYTES)
        most = ORDER_BYTES;
    /* Replies that nobody reads pin much of the pool already. */
    if (orders->count >= ORDERS_MAX || orders->bytes >= most ||
        server_pinned_bytes(server) > server->options.dram_size / 8)
        return 0;
    return most - orders->bytes;
}

/* Does it take no order, or is one to be had? */
static bool
may_start(const struct connection *connection, const struct store_name *name)
{
    struct store_sight sight;

    if (connection->orders.count == 0)
        return true;
    if (connection->orders.count >= ORDERS_LAST)
        return false;
    store_look(connection->server->store, name, 1, &sight);
    return !sight.is_here || (sight.tiers & 1u << TIER_DRAM) != 0 ||
           sight.body_size <= bytes_left(connection);
}

static void
count_miss(struct connection *connection, const struct order_terms *terms,
           const struct store_get *get)
{
    count(connection->counters, COUNTER_get_misses, 1);
    query_miss_under(connection, terms->label, get);
}

static uint64_t
lifetime_left_ms(const struct store_get *get)
{
    uint64_t now_ns = clock_now_ns();

    if (get->expires_ns == 0)
        return 0;
    /* 0 would be for ever. */
    return get->expires_ns > now_ns + NS_PER_MS
               ? (get->expires_ns - now_ns) / NS_PER_MS
               : 1;
}

static enum run
answer_hit(struct connection *connection, const struct order_terms *terms,
           const struct store_get *get, struct native_reply *reply)
{
    struct chunk *chunk = get->chunk;
    enum run run;

    reply->code = NATIVE_OK;
    reply->body_size = chunk->size;
    reply->has_checksum = terms->wants_checksum;
    reply->checksum = terms->wants_checksum ? chunk->checksum : 0;
    reply->kind = terms->kind;
    if (terms->kind == NATIVE_OBJECT) {
        reply->meta = get->meta;
        reply->form = get->form;
    }
    snprintf(reply->tier, sizeof(reply->tier), "%s",
             tier_kinds[get->tier]->name);
    reply->lifetime_ms = lifetime_left_ms(get);
    run = native_answer(connection, reply);
    if (run != RUN_DONE) {
        chunk_drop(&chunk);
        return run;
    }
    count(connection->counters, COUNTER_get_hits, 1);
    count(connection->counters, COUNTER_get_bytes, chunk->size);
    query_hit_under(connection, terms->label, get, chunk->size);
    outbox_time(&connection->outbox, terms->asked_ns, get->tier, chunk->size);
    outbox_body(&connection->outbox, chunk, 0, chunk->size, false);
    return RUN_DONE;
}

/* Takes the reference. */
static enum run
answer(struct connection *connection, const struct order_terms *terms,
       struct store_get *get)
{
    struct native_reply reply = {
        .id = terms->id, .index = terms->index, .code = NATIVE_MISS};

    if (get->status == STATUS_OK)
        return answer_hit(connection, terms, get, &reply);
    if (get->status == STATUS_LATE)
        reply.code = NATIVE_LATE;
    return native_answer(connection, &reply);
}

static bool
is_late(const struct order_terms *terms)
{
    return terms->deadline_ns != 0 && clock_now_ns() > terms->deadline_ns;
}

bool
native_get_deliver(struct connection *connection)
{
    struct order_terms terms;
    struct store_get get;

    if (!order_take(&connection->orders, &terms, &get))
        return false;
    if (is_late(&terms)) {
        chunk_drop(&get.chunk);
        get.status = STATUS_LATE;
        count(connection->counters, COUNTER_gets_late, 1);
    } else if (get.status != STATUS_OK) {
        count_miss(connection, &terms, &get);
    }
    if (answer(connection, &terms, &get) != RUN_DONE) {
        order_forget(&connection->orders);
        connection->phase = PHASE_CLOSING;
    }
    return true;
}

/* No order is to be had: somebody is waited for, or was waited for already. */
static enum run
wait_for_one(struct connection *connection, const struct order_terms *terms)
{
    struct store_get late = {.status = STATUS_LATE};

    if (is_late(terms)) {
        count(connection->counters, COUNTER_gets_late, 1);
        return answer(connection, terms, &late);
    }
    if (connection->orders.done_count != 0)
        return RUN_AGAIN;
    connection->request.is_waiting = true;
    return RUN_WAIT;
}

/* DONE: it is answered, or will be. */
static enum run
get_key(struct connection *connection, const struct bytes *key)
{
    const struct native_request *request = &connection->request.native.request;
    struct order_terms terms = {.id = request->id,
                                .index = connection->request.step,
                                .wants_checksum = request->wants_checksum,
                                .asked_ns = clock_now_ns(),
                                .deadline_ns =
                                    connection->request.native.deadline_ns,
                                .label = query_label(connection, key)};
    struct store_get get = {.status = STATUS_MISS};
    bool was_promised = false;
    struct native_names names;

    native_names_of(connection, key, &names);
    for (unsigned i = 0; i < names.count; i++) {
        if (!may_start(connection, &names.name[i]))
            return wait_for_one(connection, &terms);
        terms.kind = native_kind_of(&names.name[i].key);
        if (order_start(&connection->orders, &terms, &names.name[i], &get) ==
            PENDING)
            return RUN_DONE;
        if (get.status == STATUS_OK)
            return answer(connection, &terms, &get);
        was_promised = was_promised || get.is_promised;
    }
    get.is_promised = was_promised;
    store_missed(connection->port, &connection->run);
    count_miss(connection, &terms, &get);
    return answer(connection, &terms, &get);
}

static bool
has_enough(const struct connection *connection)
{
    const struct outbox *outbox = &connection->outbox;

    return outbox->body != NULL || outbox->end - outbox->begin >= TEXT_ENOUGH;
}

enum run
native_get(struct connection *connection)
{
    struct request *request = &connection->request;
    struct bytes *list = &request->native.request.list;

    for (unsigned i = 0; i < NATIVE_KEYS_AT_ONCE; i++) {
        struct bytes rest = *list, key;
        enum run run;

        if (!native_next_key(&rest, &key))
            return RUN_DONE;
        run = get_key(connection, &key);
        if (run != RUN_DONE)
            return run;
        *list = rest;
        request->step++;
        if (has_enough(connection))
            break;
    }
    return list->size == 0 ? RUN_DONE : RUN_AGAIN;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* From a connection to its wire, and what the wires share. */
#include "server/request/request.h"

#include "base/clock.h"
#include "server/net/group.h"
#include "server/request/query.h"

#include <assert.h>

const struct request_wire *
request_wire_of(const uint8_t *first, size_t n)
{
    static const struct request_wire *const wires[] = {&native_wire, &resp_wire,
                                                       &lm_wire};

    for (unsigned i = 0; i < sizeof(wires) / sizeof(*wires); i++)
        if (wires[i]->claims(first, n))
            return wires[i];
    return NULL;
}

enum parse
request_read(struct connection *connection, struct cursor *in)
{
    return connection->wire->read(connection, in);
}

enum parse
request_read_more(struct connection *connection, struct cursor *in)
{
    return connection->wire->read_more(connection, in);
}

void
request_begin(struct connection *connection)
{
    struct request *request = &connection->request;

    assert(!request->has_put && !request->has_flush && !request->is_waiting);
    request->refusal = STATUS_OK;
    request->step = 0;
    request->ahead_step = 0;
    request->walk = request->ahead = (struct argument_walk){NULL, NULL, 0};
    request->tally = 0;
    request->cursor = 0;
    request->asked_ns = 0;
    connection->wire->begin(connection);
}

enum status
request_body_key(struct connection *connection, struct key *key_out)
{
    return connection->wire->body_key(connection, key_out);
}

void
request_lose(struct connection *connection, const struct key *key,
             enum status why)
{
    connection->wire->lose(connection, key, why);
}

enum run
request_run(struct connection *connection)
{
    enum run run = connection->wire->run(connection);

    if (run == RUN_DONE || run == RUN_CLOSE)
        fetch_forget(&connection->request.fetches, FETCH_ALL);
    return run;
}

void
request_settle(struct connection *connection)
{
    connection->wire->settle(connection);
}

bool
request_deliver(struct connection *connection)
{
    return connection->orders.done_count != 0 &&
           connection->wire->deliver(connection);
}

enum status
request_text(struct connection *connection, size_t n, struct cursor *out)
{
    struct outbox *outbox = &connection->outbox;
    struct group *group = connection->group;
    bool is_first = outbox->text == NULL && n <= BUFFER_SIZE;
    enum status status;

    do
        status = outbox_reserve(outbox, &group->buffers, n, out);
    while (status == STATUS_NO_SPACE && is_first &&
           connection_shed(group, connection));
    if (status != STATUS_OK) {
        connection->phase = PHASE_CLOSING;
        connection->end_reason = COUNTER_closed_limit;
    }
    return status;
}

void
request_text_done(struct connection *connection, const struct cursor *cursor)
{
    assert(cursor->short_by == 0);
    outbox_commit(&connection->outbox, cursor);
}

void
request_refuse(struct connection *connection, const char *why)
{
    if (connection->outbox.body == NULL)
        connection->wire->refuse(connection, why);
    connection->phase = PHASE_CLOSING;
    connection->end_reason = COUNTER_closed_broken;
}

enum progress
request_get(struct connection *connection, uint32_t number,
            const struct store_name *name, struct store_get *get)
{
    struct request *request = &connection->request;
    enum progress progress;

    if (request->asked_ns == 0)
        request->asked_ns = clock_now_ns();
    progress = fetch_get(&request->fetches, number, name, get);
    if (progress == PENDING)
        request->is_waiting = true;
    return progress;
}

void
request_time(struct connection *connection, const struct store_get *get)
{
    struct request *request = &connection->request;

    if (get->chunk != NULL)
        outbox_time(&connection->outbox, request->asked_ns, get->tier,
                    get->chunk->size);
    request->asked_ns = 0;
}

void
request_count_hit(struct connection *connection, const struct bytes *key,
                  const struct store_get *get)
{
    count(connection->counters, COUNTER_get_hits, 1);
    query_hit(connection, key, get, get->chunk->size);
}

void
request_count_miss(struct connection *connection, const struct bytes *key,
                   const struct store_get *get)
{
    connection->request.asked_ns = 0;
    store_missed(connection->port, &connection->run);
    count(connection->counters, COUNTER_get_misses, 1);
    query_miss(connection, key, get);
}

void
request_count_exists(struct connection *connection, const struct bytes *key,
                     enum status status, const struct store_promise *promise)
{
    if (status == STATUS_MISS)
        store_missed(connection->port, &connection->run);
    if (status == STATUS_OK)
        query_promised(connection, key, promise);
    else
        query_refused(connection, key);
    count(connection->counters,
          status == STATUS_OK     ? COUNTER_exists_hits
          : status == STATUS_BUSY ? COUNTER_exists_unleased
                                  : COUNTER_exists_misses,
          1);
}

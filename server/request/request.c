/* SPDX-License-Identifier: Apache-2.0 */
/* From a connection to its wire, and what the wires share. */
#include "server/request/request.h"

#include "base/clock.h"
#include "proto/resp.h"
#include "server/net/group.h"
#include "server/request/query.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static enum counter_id
lm_counter(enum verb verb)
{
    switch (verb) {
    case VERB_PUT:
        return COUNTER_lm_put;
    case VERB_GET:
        return COUNTER_lm_get;
    case VERB_EXISTS:
        return COUNTER_lm_exists;
    case VERB_DROP:
    case VERB_LIST:
    case VERB_PING:
    case VERB_COMMAND:
        break;
    }
    return COUNTER_lm_other;
}

static enum counter_id
resp_counter(const struct resp_command *command)
{
    switch (command->id) {
    case RESP_COMMAND_SET:
    case RESP_COMMAND_SETEX:
    case RESP_COMMAND_PSETEX:
    case RESP_COMMAND_SETNX:
    case RESP_COMMAND_MSET:
        return COUNTER_resp_put;
    case RESP_COMMAND_GET:
    case RESP_COMMAND_MGET:
    case RESP_COMMAND_GETRANGE:
        return COUNTER_resp_get;
    case RESP_COMMAND_EXISTS:
        return COUNTER_resp_exists;
    case RESP_COMMAND_HKEYS:
    case RESP_COMMAND_HSET:
    case RESP_COMMAND_HGET:
    case RESP_COMMAND_HMGET:
    case RESP_COMMAND_HDEL:
    case RESP_COMMAND_HLEN:
    case RESP_COMMAND_HEXISTS:
    case RESP_COMMAND_HGETALL:
    case RESP_COMMAND_ZADD:
    case RESP_COMMAND_ZRANGE:
    case RESP_COMMAND_ZREVRANGE:
    case RESP_COMMAND_ZCARD:
    case RESP_COMMAND_EVAL:
    case RESP_COMMAND_EVALSHA:
        return COUNTER_resp_index;
    default:
        return COUNTER_resp_other;
    }
}

static bool
is_lm(const struct connection *connection)
{
    return connection->protocol == &protocol_lm;
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
    if (is_lm(connection))
        count(connection->counters, lm_counter(request->head.verb), 1);
    else if (request->head.argument_count != 0)
        count(connection->counters, resp_counter(request->head.command), 1);
}

enum status
request_body_key(struct connection *connection, struct key *key_out)
{
    return is_lm(connection) ? lm_body_key(connection, key_out)
                             : resp_body_key(connection, key_out);
}

void
request_lose(struct connection *connection, const struct key *key,
             enum status why)
{
    if (is_lm(connection))
        lm_lose(connection, key);
    else
        resp_lose(connection, key, why);
}

enum run
request_run(struct connection *connection)
{
    enum run run =
        is_lm(connection) ? lm_run(connection) : resp_run(connection);

    if (run == RUN_DONE || run == RUN_CLOSE)
        fetch_forget(&connection->request.fetches, FETCH_ALL);
    return run;
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
    struct cursor out;

    if (!is_lm(connection) && connection->outbox.body == NULL &&
        request_text(connection, strlen(why) + 16, &out) == STATUS_OK) {
        char text[512];

        snprintf(text, sizeof(text), "%s%s",
                 strncmp(why, "ERR ", 4) == 0 ? "" : "ERR ", why);
        (void)resp_error(&out, text);
        request_text_done(connection, &out);
        count(connection->counters, COUNTER_resp_errors, 1);
    }
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

/* SPDX-License-Identifier: Apache-2.0 */
/* From a command to the function that performs it. */
#include "proto/resp.h"

#include "server/net/group.h"
#include "server/request/answer.h"
#include "server/request/resp_request.h"

#include <stdio.h>
#include <string.h>

#define ARGUMENTS_SHOWN 128
#define HEAD_ALONE      512u

static bool
claims(const uint8_t *first, size_t n)
{
    return protocol_resp.claims(first, n);
}

static enum parse
read_head(struct connection *connection, struct cursor *in)
{
    return protocol_resp.read_request(in, &connection->dialect,
                                      &connection->request.head);
}

static enum parse
read_more(struct connection *connection, struct cursor *in)
{
    return protocol_resp.read_more(in, &connection->request.head);
}

static enum counter_id
counter_of(const struct resp_command *command)
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

/* An empty line is no command. */
static void
begin(struct connection *connection)
{
    const struct request_head *head = &connection->request.head;

    if (head->argument_count != 0)
        count(connection->counters, counter_of(head->command), 1);
}

static resp_handler *const handlers[] = {
    [RESP_COMMAND_HELLO] = resp_hello,
    [RESP_COMMAND_AUTH] = resp_auth,
    [RESP_COMMAND_SELECT] = resp_select,
    [RESP_COMMAND_PING] = resp_ping,
    [RESP_COMMAND_ECHO] = resp_echo,
    [RESP_COMMAND_QUIT] = resp_quit,
    [RESP_COMMAND_RESET] = resp_reset,
    [RESP_COMMAND_CLIENT] = resp_client,
    [RESP_COMMAND_COMMAND] = resp_command_info,
    [RESP_COMMAND_INFO] = resp_info,
    [RESP_COMMAND_CONFIG] = resp_config,
    [RESP_COMMAND_GET] = resp_get,
    [RESP_COMMAND_MGET] = resp_mget,
    [RESP_COMMAND_GETRANGE] = resp_getrange,
    [RESP_COMMAND_STRLEN] = resp_strlen,
    [RESP_COMMAND_EXISTS] = resp_exists_many,
    [RESP_COMMAND_DEL] = resp_del,
    [RESP_COMMAND_UNLINK] = resp_del,
    [RESP_COMMAND_TTL] = resp_ttl,
    [RESP_COMMAND_PTTL] = resp_ttl,
    [RESP_COMMAND_EXPIRE] = resp_expire,
    [RESP_COMMAND_PEXPIRE] = resp_expire,
    [RESP_COMMAND_PERSIST] = resp_persist,
    [RESP_COMMAND_TYPE] = resp_type,
    [RESP_COMMAND_SCAN] = resp_scan,
    [RESP_COMMAND_DBSIZE] = resp_dbsize,
    [RESP_COMMAND_FLUSHALL] = resp_flush,
    [RESP_COMMAND_FLUSHDB] = resp_flush,
    [RESP_COMMAND_READONLY] = resp_readonly,
    [RESP_COMMAND_READWRITE] = resp_readonly,
    [RESP_COMMAND_ASKING] = resp_readonly,
    [RESP_COMMAND_HKEYS] = resp_hkeys,
    [RESP_COMMAND_HSET] = resp_hset,
    [RESP_COMMAND_HGET] = resp_hget,
    [RESP_COMMAND_HMGET] = resp_hmget,
    [RESP_COMMAND_HDEL] = resp_hdel,
    [RESP_COMMAND_HLEN] = resp_hlen,
    [RESP_COMMAND_HEXISTS] = resp_hget,
    [RESP_COMMAND_HGETALL] = resp_hgetall,
    [RESP_COMMAND_ZADD] = resp_zadd,
    [RESP_COMMAND_ZRANGE] = resp_zrange,
    [RESP_COMMAND_ZREVRANGE] = resp_zrange,
    [RESP_COMMAND_ZCARD] = resp_zcard,
    [RESP_COMMAND_EVAL] = resp_eval,
    [RESP_COMMAND_EVALSHA] = resp_eval,
    [RESP_COMMAND_SCRIPT] = resp_script,
    [RESP_COMMAND_MEMORY] = resp_memory,
    [RESP_COMMAND_PREFIX_MATCH] = resp_prefix_match,
    [RESP_COMMAND_CLUSTER] = resp_cluster,
};

/* In the words of Redis, because clients look for them. */
static enum run
answer_unknown(struct connection *connection, struct resp_call *call,
               const struct bytes *name)
{
    char text[ARGUMENTS_SHOWN + 8] = "";
    struct bytes argument;
    int size = 0, left = ARGUMENTS_SHOWN;

    while (left > 0 && argument_next(&call->arguments, &argument)) {
        int shown = answer_shown(&argument);

        size +=
            snprintf(text + size, sizeof(text) - (size_t)size, "'%.*s' ",
                     shown < left ? shown : left, (const char *)argument.at);
        left = ARGUMENTS_SHOWN - size;
    }
    return answer_error(connection,
                        "ERR unknown command '%.*s', with args beginning "
                        "with: %s",
                        answer_shown(name), (const char *)name->at, text);
}

static enum run
answer_too_long(struct connection *connection)
{
    return answer_error(connection,
                        "ERR an argument of %llu bytes is too long for '%s', "
                        "which takes at most %u",
                        (unsigned long long)connection->request.refused_size,
                        connection->request.head.command->name,
                        RESP_ARGUMENT_MAX);
}

/* The command's body, if it takes one, has been received or refused. */
static bool
is_put(const struct request_head *head)
{
    return head->command->body != 0 &&
           resp_command_takes(head->command, head->argument_count);
}

static enum run
run(struct connection *connection)
{
    const struct request_head *head = &connection->request.head;
    struct resp_call call = {.command = head->command,
                             .arguments = head->arguments,
                             .count = head->argument_count - 1};
    struct bytes name;

    if (head->argument_count == 0)
        return RUN_DONE;
    if (head->is_refused)
        return answer_too_long(connection);
    if (is_put(head))
        return resp_put(connection);
    if (!argument_next(&call.arguments, &name))
        return answer_syntax(connection);
    if (head->command->id == RESP_COMMAND_UNKNOWN)
        return answer_unknown(connection, &call, &name);
    if (!resp_command_takes(head->command, head->argument_count) ||
        handlers[head->command->id] == NULL)
        return answer_arity(connection, head->command->name);
    return handlers[head->command->id](connection, &call);
}

static void
refuse(struct connection *connection, const char *why)
{
    bool has_word = strncmp(why, "ERR ", 4) == 0;

    (void)answer_error(connection, "%s%s", has_word ? "" : "ERR ", why);
}

static void
move_walk(struct argument_walk *walk, const uint8_t *from, const uint8_t *to)
{
    if (walk->at == NULL)
        return;
    walk->at = to + (walk->at - from);
    walk->end = to + (walk->end - from);
}

static void
settle(struct connection *connection)
{
    struct request *request = &connection->request;
    const uint8_t *from = request->head.arguments.at;
    const uint8_t *to = input_settle_head(&connection->input,
                                          &connection->group->buffers, from);

    move_walk(&request->head.arguments, from, to);
    move_walk(&request->walk, from, to);
    move_walk(&request->ahead, from, to);
}

static uint32_t
head_size(const struct connection *connection)
{
    (void)connection;
    return HEAD_ALONE;
}

const struct request_wire resp_wire = {.name = "resp",
                                       .dialect = 2,
                                       .may_read_more = true,
                                       .claims = claims,
                                       .read = read_head,
                                       .read_more = read_more,
                                       .begin = begin,
                                       .body_key = resp_body_key,
                                       .lose = resp_lose,
                                       .run = run,
                                       .refuse = refuse,
                                       .settle = settle,
                                       .head_size = head_size};

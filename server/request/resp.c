/* SPDX-License-Identifier: Apache-2.0 */
/* From a command to the function that performs it. */
#include "proto/resp.h"

#include "server/request/answer.h"
#include "server/request/resp_request.h"

#include <stdio.h>

#define ARGUMENTS_SHOWN 128

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

enum run
resp_run(struct connection *connection)
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

/* SPDX-License-Identifier: Apache-2.0 */
/* EXISTS, DEL, TTL, EXPIRE, PERSIST, TYPE, MEMORY USAGE: what is asked of keys
 * without moving their values. */
#include "base/clock.h"
#include "server/request/answer.h"
#include "server/request/resp_name.h"
#include "server/request/resp_request.h"

enum run
resp_exists_many(struct connection *connection, struct resp_call *call)
{
    struct bytes argument;
    int64_t found = 0;

    while (argument_next(&call->arguments, &argument))
        found += resp_exists(connection, &argument) == STATUS_OK;
    return answer_integer(connection, found);
}

enum run
resp_del(struct connection *connection, struct resp_call *call)
{
    struct bytes argument;
    int64_t dropped = 0;

    while (argument_next(&call->arguments, &argument))
        dropped += resp_drop(connection, &argument) == STATUS_OK;
    return answer_integer(connection, dropped);
}

enum run
resp_ttl(struct connection *connection, struct resp_call *call)
{
    struct bytes argument;
    struct store_name name;
    struct store_view view;
    uint64_t now_ns = clock_now_ns(), left_ns;

    if (!argument_next(&call->arguments, &argument))
        return answer_syntax(connection);
    if (resp_view(connection, &argument, &view, &name) != STATUS_OK)
        return answer_integer(connection, -2);
    if (view.expires_ns == 0)
        return answer_integer(connection, -1);
    left_ns = view.expires_ns > now_ns ? view.expires_ns - now_ns : 0;
    if (call->command->id == RESP_COMMAND_PTTL)
        return answer_integer(connection, (int64_t)(left_ns / NS_PER_MS));
    return answer_integer(
        connection, (int64_t)((left_ns + NS_PER_SECOND / 2) / NS_PER_SECOND));
}

/* NX: only without an expiry; XX: only with one; GT, LT: only a later or an
 * earlier one, where none counts as the latest. */
static bool
may_expire(const struct bytes *word, const struct store_view *view,
           uint64_t expires_ns, bool *is_known)
{
    uint64_t before = view->expires_ns == 0 ? UINT64_MAX : view->expires_ns;

    *is_known = true;
    if (argument_is(word, "NX"))
        return view->expires_ns == 0;
    if (argument_is(word, "XX"))
        return view->expires_ns != 0;
    if (argument_is(word, "GT"))
        return expires_ns > before;
    if (argument_is(word, "LT"))
        return expires_ns < before;
    *is_known = false;
    return false;
}

enum run
resp_expire(struct connection *connection, struct resp_call *call)
{
    struct bytes argument, number, word;
    struct store_name name;
    struct store_view view;
    uint64_t now_ns = clock_now_ns(), expires_ns;
    int64_t lifetime;
    bool may = true, is_known = true;
    int64_t scale = call->command->id == RESP_COMMAND_EXPIRE ? 1000 : 1;

    if (!argument_next(&call->arguments, &argument) ||
        !argument_next(&call->arguments, &number))
        return answer_syntax(connection);
    if (!argument_integer(&number, &lifetime))
        return answer_not_integer(connection);
    if (lifetime > INT64_MAX / 4000000 / scale)
        return answer_error(connection,
                            "ERR invalid expire time in '%s' command",
                            call->command->name);
    expires_ns = lifetime <= 0
                     ? now_ns
                     : now_ns + (uint64_t)(lifetime * scale) * NS_PER_MS;
    if (resp_view(connection, &argument, &view, &name) != STATUS_OK)
        return answer_integer(connection, 0);
    while (is_known && argument_next(&call->arguments, &word))
        may = may_expire(&word, &view, expires_ns, &is_known) && may;
    if (!is_known)
        return answer_error(connection, "ERR Unsupported option %.*s",
                            (int)(word.size < 64 ? word.size : 64),
                            (const char *)word.at);
    if (!may)
        return answer_integer(connection, 0);
    if (lifetime <= 0)
        return answer_integer(connection,
                              resp_drop(connection, &argument) == STATUS_OK);
    return answer_integer(connection, store_expire(connection->port, &name,
                                                   expires_ns) == STATUS_OK);
}

enum run
resp_persist(struct connection *connection, struct resp_call *call)
{
    struct bytes argument;
    struct store_name name;
    struct store_view view;

    if (!argument_next(&call->arguments, &argument))
        return answer_syntax(connection);
    if (resp_view(connection, &argument, &view, &name) != STATUS_OK ||
        view.expires_ns == 0)
        return answer_integer(connection, 0);
    return answer_integer(
        connection, store_expire(connection->port, &name, 0) == STATUS_OK);
}

enum run
resp_type(struct connection *connection, struct resp_call *call)
{
    struct bytes argument;
    struct store_name name;
    struct store_view view;

    if (!argument_next(&call->arguments, &argument))
        return answer_syntax(connection);
    if (resp_view(connection, &argument, &view, &name) != STATUS_OK)
        return answer_simple(connection, "none");
    return answer_simple(connection, "string");
}

enum run
resp_memory(struct connection *connection, struct resp_call *call)
{
    struct bytes word, argument;
    struct store_name name;
    struct store_view view;

    if (!argument_next(&call->arguments, &word) ||
        !argument_is(&word, "USAGE") ||
        !argument_next(&call->arguments, &argument))
        return answer_error(connection,
                            "ERR MEMORY takes USAGE and a key here");
    if (resp_view(connection, &argument, &view, &name) != STATUS_OK)
        return answer_null(connection);
    return answer_integer(connection, (int64_t)view.memory);
}

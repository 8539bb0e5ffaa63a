/* SPDX-License-Identifier: Apache-2.0 */
/* HELLO, AUTH, SELECT, PING, ECHO, QUIT, RESET: the connection itself. */
#include "server/request/answer.h"
#include "server/request/resp_request.h"
#include "server/server.h"

#include <string.h>

/* What clients that look for a Redis are told; they choose features by it. */
#define REDIS_VERSION "7.0.15"

static const char no_password[] =
    "ERR AUTH <password> called without any password configured for the "
    "default user. Are you sure your configuration is correct?";

static const char wrong_pass[] =
    "WRONGPASS invalid username-password pair or user is disabled.";

static void
set_dialect(struct connection *connection, uint8_t dialect)
{
    connection->dialect = dialect;
    atomic_store_explicit(&connection->row.dialect, dialect,
                          memory_order_relaxed);
}

static void
set_space(struct connection *connection, uint8_t space)
{
    connection->space = space;
    atomic_store_explicit(&connection->row.space, space, memory_order_relaxed);
}

static enum run
answer_hello(struct connection *connection)
{
    struct cursor out;

    if (request_text(connection, 512, &out) != STATUS_OK)
        return RUN_CLOSE;
    (void)resp_map(&out, connection->dialect, 7);
    (void)resp_bulk_text(&out, "server");
    (void)resp_bulk_text(&out, "redis");
    (void)resp_bulk_text(&out, "version");
    (void)resp_bulk_text(&out, REDIS_VERSION);
    (void)resp_bulk_text(&out, "proto");
    (void)resp_integer(&out, connection->dialect);
    (void)resp_bulk_text(&out, "id");
    (void)resp_integer(&out, (int64_t)connection->row.id);
    (void)resp_bulk_text(&out, "mode");
    (void)resp_bulk_text(&out, "standalone");
    (void)resp_bulk_text(&out, "role");
    (void)resp_bulk_text(&out, "master");
    (void)resp_bulk_text(&out, "modules");
    (void)resp_array(&out, 0);
    request_text_done(connection, &out);
    return RUN_DONE;
}

/* HELLO [2|3 [AUTH user password] [SETNAME name]] */
enum run
resp_hello(struct connection *connection, struct resp_call *call)
{
    struct bytes word, user, name = {NULL, 0};
    int64_t version = connection->dialect;

    if (argument_next(&call->arguments, &word)) {
        if (!argument_integer(&word, &version))
            return answer_error(connection, "ERR Protocol version is not an "
                                            "integer or out of range");
        if (version != 2 && version != 3)
            return answer_error(connection,
                                "NOPROTO unsupported protocol version");
    }
    while (argument_next(&call->arguments, &word)) {
        if (argument_is(&word, "SETNAME") &&
            argument_next(&call->arguments, &name))
            continue;
        if (!argument_is(&word, "AUTH") ||
            !argument_next(&call->arguments, &user) ||
            !argument_next(&call->arguments, &word))
            return answer_error(connection,
                                "ERR Syntax error in HELLO option '%.*s'",
                                answer_shown(&word), (const char *)word.at);
        if (!argument_is(&user, "default"))
            return answer_error(connection, "%s", wrong_pass);
    }
    if (!resp_is_client_name(&name))
        return resp_refuse_client_name(connection);
    if (name.at != NULL)
        roster_rename(&connection->server->roster, &connection->row, name.at,
                      name.size);
    set_dialect(connection, (uint8_t)version);
    return answer_hello(connection);
}

/* There are no passwords yet: as a Redis without one answers. */
enum run
resp_auth(struct connection *connection, struct resp_call *call)
{
    struct bytes user;

    if (call->count > 2)
        return answer_syntax(connection);
    if (!argument_next(&call->arguments, &user) || call->count == 1)
        return answer_error(connection, "%s", no_password);
    if (!argument_is(&user, "default"))
        return answer_error(connection, "%s", wrong_pass);
    return answer_ok(connection);
}

enum run
resp_select(struct connection *connection, struct resp_call *call)
{
    struct bytes number;
    int64_t space;

    if (!argument_next(&call->arguments, &number) ||
        !argument_integer(&number, &space))
        return answer_not_integer(connection);
    if (space < 0 || space >= (int64_t)STORE_SPACES)
        return answer_error(connection, "ERR DB index is out of range");
    set_space(connection, (uint8_t)space);
    return answer_ok(connection);
}

enum run
resp_ping(struct connection *connection, struct resp_call *call)
{
    struct bytes word;

    if (call->count > 1)
        return answer_arity(connection, "ping");
    if (!argument_next(&call->arguments, &word))
        return answer_simple(connection, "PONG");
    return answer_bulk(connection, word.at, word.size);
}

enum run
resp_echo(struct connection *connection, struct resp_call *call)
{
    struct bytes word;

    if (!argument_next(&call->arguments, &word))
        return answer_syntax(connection);
    return answer_bulk(connection, word.at, word.size);
}

enum run
resp_quit(struct connection *connection, struct resp_call *call)
{
    (void)call;
    (void)answer_ok(connection);
    return RUN_CLOSE;
}

enum run
resp_reset(struct connection *connection, struct resp_call *call)
{
    (void)call;
    set_dialect(connection, 2);
    set_space(connection, 0);
    roster_rename(&connection->server->roster, &connection->row, "", 0);
    return answer_simple(connection, "RESET");
}

/* A node that answers for any key has nothing to redirect. */
enum run
resp_readonly(struct connection *connection, struct resp_call *call)
{
    (void)call;
    return answer_ok(connection);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* CLIENT: the connection's name, and the list of connections. */
#include "base/clock.h"
#include "server/request/answer.h"
#include "server/request/resp_request.h"
#include "server/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* In Redis's words.  What is not measured here is 0 and stands there all the
 * same, because clients ask for it by name. */
static void
describe(void *arg, const struct roster_row *row)
{
    FILE *file = arg;

    fprintf(
        file,
        "id=%llu addr=%s fd=%d name=%s age=%llu idle=0 flags=N db=%u sub=0 "
        "psub=0 ssub=0 multi=-1 qbuf=0 qbuf-free=0 argv-mem=0 multi-mem=0 "
        "obl=0 oll=0 omem=0 tot-mem=0 user=default redir=-1 resp=%u "
        "worker=%u\n",
        (unsigned long long)row->id, row->peer, row->fd, row->name,
        (unsigned long long)((clock_now_ns() - row->opened_ns) / NS_PER_SECOND),
        atomic_load_explicit(&row->space, memory_order_relaxed),
        atomic_load_explicit(&row->dialect, memory_order_relaxed), row->worker);
}

static enum run
answer_list(struct connection *connection, bool is_all)
{
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);
    struct cursor out;
    enum run run = RUN_CLOSE;

    if (file == NULL)
        return RUN_CLOSE;
    if (is_all)
        roster_walk(&connection->server->roster, describe, file);
    else
        describe(file, &connection->row);
    if (!answer_text_end(file, &text))
        return RUN_CLOSE;
    if (request_text(connection, size + 64, &out) == STATUS_OK) {
        (void)resp_verbatim(&out, connection->dialect, text, size);
        request_text_done(connection, &out);
        run = RUN_DONE;
    }
    free(text);
    return run;
}

bool
resp_is_client_name(const struct bytes *name)
{
    if (name->size >= ROSTER_NAME_MAX)
        return false;
    for (size_t i = 0; i < name->size; i++)
        if (name->at[i] <= ' ' || name->at[i] > '~')
            return false;
    return true;
}

enum run
resp_refuse_client_name(struct connection *connection)
{
    return answer_error(connection,
                        "ERR Client names cannot contain spaces, newlines "
                        "or special characters, nor be longer than %u",
                        ROSTER_NAME_MAX - 1);
}

static enum run
set_name(struct connection *connection, struct resp_call *call)
{
    struct bytes name;

    if (call->count != 2 || !argument_next(&call->arguments, &name))
        return answer_arity(connection, "client|setname");
    if (!resp_is_client_name(&name))
        return resp_refuse_client_name(connection);
    roster_rename(&connection->server->roster, &connection->row, name.at,
                  name.size);
    return answer_ok(connection);
}

static enum run
get_name(struct connection *connection)
{
    const char *name = connection->row.name;

    /* Only this thread writes it. */
    if (name[0] == '\0')
        return answer_null(connection);
    return answer_bulk(connection, name, strlen(name));
}

static enum run
take_no_evict(struct connection *connection, struct resp_call *call)
{
    struct bytes word;

    if (call->count != 2 || !argument_next(&call->arguments, &word))
        return answer_arity(connection, "client|no-evict");
    if (!argument_is(&word, "ON") && !argument_is(&word, "OFF"))
        return answer_syntax(connection);
    return answer_ok(connection);
}

enum run
resp_client(struct connection *connection, struct resp_call *call)
{
    struct bytes word;

    if (!argument_next(&call->arguments, &word))
        return answer_syntax(connection);
    if (argument_is(&word, "ID"))
        return answer_integer(connection, (int64_t)connection->row.id);
    if (argument_is(&word, "SETNAME"))
        return set_name(connection, call);
    if (argument_is(&word, "GETNAME"))
        return get_name(connection);
    if (argument_is(&word, "INFO"))
        return answer_list(connection, false);
    if (argument_is(&word, "LIST"))
        return answer_list(connection, true);
    /* Taken and of no effect: a library's name, a wish not to be evicted. */
    if (argument_is(&word, "SETINFO"))
        return call->count == 3 ? answer_ok(connection)
                                : answer_arity(connection, "client|setinfo");
    if (argument_is(&word, "NO-EVICT"))
        return take_no_evict(connection, call);
    return answer_error(connection,
                        "ERR unknown subcommand '%.*s'. Try "
                        "CLIENT HELP.",
                        answer_shown(&word), (const char *)word.at);
}

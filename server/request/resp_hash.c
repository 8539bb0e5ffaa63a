/* SPDX-License-Identifier: Apache-2.0 */
/* HSET, HGET, HMGET, HDEL, HLEN, HEXISTS, HGETALL: the hashes of the router's
 * index. */
#include "server/request/answer.h"
#include "server/request/resp_catalog.h"
#include "server/request/resp_request.h"
#include "server/server.h"

#define VALUES_AT_ONCE 8u

static enum run
answer_fields(struct connection *connection, const struct bytes *name,
              resp_catalog_write *write, void *arg)
{
    struct resp_catalog_list list = {CATALOG_HASH, write, arg};
    struct catalog_key key;
    bool may_be = resp_catalog_key(connection, name, &key);

    return resp_catalog_answer(connection, may_be ? &key : NULL, &list);
}

static void
write_all(void *arg, struct cursor *out, const struct catalog_look *look)
{
    struct connection *connection = arg;
    struct catalog_item item;

    resp_catalog_count_lookup(connection, look);
    (void)resp_map(out, connection->dialect, look == NULL ? 0 : look->count);
    for (uint32_t i = 0; look != NULL && i < look->count; i++) {
        catalog_look_item(look, i, &item);
        (void)resp_bulk(out, item.name.at, item.name.size);
        (void)resp_bulk(out, item.value.at, item.value.size);
    }
}

enum run
resp_hgetall(struct connection *connection, struct resp_call *call)
{
    struct bytes name;

    if (!argument_next(&call->arguments, &name))
        return answer_syntax(connection);
    return answer_fields(connection, &name, write_all, connection);
}

/* One field of a hash that may be there. */
struct question {
    struct connection *connection;
    struct bytes field;
};

static void
write_value(void *arg, struct cursor *out, const struct catalog_look *look)
{
    const struct question *question = arg;
    struct catalog_item item;

    resp_catalog_count_lookup(question->connection, look);
    if (look != NULL && catalog_look_find(look, &question->field, &item))
        (void)resp_bulk(out, item.value.at, item.value.size);
    else
        (void)resp_null(out, question->connection->dialect);
}

static void
write_presence(void *arg, struct cursor *out, const struct catalog_look *look)
{
    const struct question *question = arg;
    struct catalog_item item;

    (void)resp_integer(
        out, look != NULL && catalog_look_find(look, &question->field, &item));
}

enum run
resp_hget(struct connection *connection, struct resp_call *call)
{
    struct question question = {.connection = connection};
    struct bytes name;

    if (!argument_next(&call->arguments, &name) ||
        !argument_next(&call->arguments, &question.field))
        return answer_syntax(connection);
    return answer_fields(
        connection, &name,
        call->command->id == RESP_COMMAND_HGET ? write_value : write_presence,
        &question);
}

static void
write_count(void *arg, struct cursor *out, const struct catalog_look *look)
{
    (void)arg;
    (void)resp_integer(out, look == NULL ? 0 : look->count);
}

enum run
resp_hlen(struct connection *connection, struct resp_call *call)
{
    struct bytes name;

    if (!argument_next(&call->arguments, &name))
        return answer_syntax(connection);
    return answer_fields(connection, &name, write_count, NULL);
}

static enum run
answer_array(struct connection *connection, uint32_t elements)
{
    struct cursor out;

    if (request_text(connection, 32, &out) != STATUS_OK)
        return RUN_CLOSE;
    (void)resp_array(&out, elements);
    request_text_done(connection, &out);
    return RUN_DONE;
}

static bool
is_set(struct connection *connection, const struct bytes *name)
{
    struct catalog_view view;

    return resp_catalog_view(connection, name, &view) &&
           view.type == CATALOG_SORTED;
}

/* Values may be long and fields named again and again: each is looked up when
 * the one before it is on its way. */
enum run
resp_hmget(struct connection *connection, struct resp_call *call)
{
    struct request *request = &connection->request;
    struct question question = {.connection = connection};
    struct bytes name;

    if (!argument_next(&call->arguments, &name))
        return answer_syntax(connection);
    if (request->step++ == 0) {
        if (is_set(connection, &name))
            return resp_catalog_wrong_type(connection);
        if (answer_array(connection, call->count - 1) != RUN_DONE)
            return RUN_CLOSE;
        request->walk = call->arguments;
    }
    for (unsigned i = 0; i < VALUES_AT_ONCE; i++) {
        if (!argument_next(&request->walk, &question.field))
            return RUN_DONE;
        if (answer_fields(connection, &name, write_value, &question) !=
            RUN_DONE)
            return RUN_CLOSE;
    }
    return RUN_AGAIN;
}

/* What is done to a hash with each of a command's arguments; in shares, so that
 * long commands keep nobody waiting. */
typedef enum status change_fn(struct connection *, struct catalog_edit *,
                              const struct bytes *field);

static enum run
change_fields(struct connection *connection, struct resp_call *call,
              change_fn *change)
{
    struct request *request = &connection->request;
    enum status status = STATUS_OK;
    struct catalog_edit edit;
    struct catalog_key key;
    struct bytes name, field;

    if (!argument_next(&call->arguments, &name))
        return answer_syntax(connection);
    if (request->step++ == 0)
        request->walk = call->arguments;
    if (!resp_catalog_key(connection, &name, &key))
        return call->command->id == RESP_COMMAND_HDEL
                   ? answer_integer(connection, 0)
                   : resp_catalog_refuse(connection, STATUS_TOO_BIG);
    status =
        catalog_edit(connection->server->catalog, &key, CATALOG_HASH, &edit);
    if (status != STATUS_OK)
        return resp_catalog_refuse(connection, status);
    for (unsigned i = 0; i < KEYS_AT_ONCE && status == STATUS_OK &&
                         argument_next(&request->walk, &field);
         i++)
        status = change(connection, &edit, &field);
    catalog_edit_end(&edit);
    resp_catalog_count_edit(connection, &edit);
    if (status != STATUS_OK)
        return resp_catalog_refuse(connection, status);
    if (request->walk.left != 0)
        return RUN_AGAIN;
    return answer_integer(connection, request->tally);
}

static enum status
put_field(struct connection *connection, struct catalog_edit *edit,
          const struct bytes *field)
{
    struct request *request = &connection->request;
    bool is_new = false;
    struct bytes value;
    enum status status;

    if (!argument_next(&request->walk, &value))
        return STATUS_BAD_REQUEST;
    status = catalog_edit_field(edit, field, &value, &is_new);
    request->tally += is_new;
    return status;
}

enum run
resp_hset(struct connection *connection, struct resp_call *call)
{
    if (call->count % 2 == 0)
        return answer_arity(connection, "hset");
    return change_fields(connection, call, put_field);
}

static enum status
take_field(struct connection *connection, struct catalog_edit *edit,
           const struct bytes *field)
{
    connection->request.tally += catalog_edit_take(edit, field);
    return STATUS_OK;
}

enum run
resp_hdel(struct connection *connection, struct resp_call *call)
{
    return change_fields(connection, call, take_field);
}

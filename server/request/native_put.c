/* SPDX-License-Identifier: Apache-2.0 */
/* PUT of the native wire: what is stored under which name, and what it
 * replaces there and elsewhere. */
#include "base/clock.h"
#include "proto/object_name.h"
#include "server/request/native_request.h"
#include "server/request/query.h"
#include "server/server.h"

#include <stdio.h>

enum status
native_body_key(struct connection *connection, struct key *key_out)
{
    const struct native_request *request = &connection->request.native.request;
    struct bytes list = request->list, name;

    if (request->verb != NATIVE_PUT || !native_next_key(&list, &name))
        return STATUS_BAD_REQUEST;
    *key_out = key_make(request->kind == NATIVE_OBJECT ? KEY_OBJECT : KEY_PLAIN,
                        (uint16_t)request->space, name.at, (uint16_t)name.size);
    return STATUS_OK;
}

/* What a name that was written as one kind has found of the other so far, by
 * any wire. */
static void
retire_others(struct connection *connection, const struct key *key)
{
    struct store_name name = {.forms = STORE_ANY_FORM, .part = PART_BODY};
    struct object_name object;

    if (key->kind == KEY_OBJECT) {
        name.key = key_make(KEY_PLAIN, key->space, key->bytes, key->size);
        store_drop(connection->port, &name);
        return;
    }
    name.key = key_make(KEY_OBJECT, key->space, key->bytes, key->size);
    store_drop(connection->port, &name);
    /* Over RESP the half of an object comes before the value of this name. */
    if (!object_name_split(key->bytes, key->size, &object))
        return;
    name.key = key_make(KEY_OBJECT, key->space, object.stem.at,
                        (uint16_t)object.stem.size);
    name.forms = (uint8_t)(1u << FORM_LM | 1u << object.form);
    if (object.half == HALF_BYTES) {
        store_drop(connection->port, &name);
        return;
    }
    name.part = PART_META;
    store_withdraw_meta(connection->port, &name);
}

/* Whoever is told that nothing was stored still has what was there before; but
 * bytes that changed on their way were to replace it, and may be tried again. */
void
native_lose(struct connection *connection, const struct key *key,
            enum status why)
{
    struct store_name name = {*key, STORE_ANY_FORM, PART_BODY};
    enum native_condition condition =
        connection->request.native.request.condition;

    if (why != STATUS_CORRUPT || condition == NATIVE_IF_ABSENT)
        return;
    retire_others(connection, key);
    store_drop(connection->port, &name);
}

/* Is there a value under the name, of the kind that is put or of the other? */
static bool
is_there(struct connection *connection, const struct key *key)
{
    struct store_name name = {*key, STORE_ANY_FORM, PART_BODY};
    struct store_view view;

    if (store_view(connection->port, &name, &view) == STATUS_OK)
        return true;
    name.key = key_make(key->kind == KEY_PLAIN ? KEY_OBJECT : KEY_PLAIN,
                        key->space, key->bytes, key->size);
    return store_view(connection->port, &name, &view) == STATUS_OK;
}

/* OK: it is met, unless another PUT of the very entry comes between. */
static enum status
meet_condition(struct connection *connection, const struct key *key,
               enum store_condition *out)
{
    switch (connection->request.native.request.condition) {
    case NATIVE_IF_ABSENT:
        *out = STORE_IF_ABSENT;
        return is_there(connection, key) ? STATUS_UNMET : STATUS_OK;
    case NATIVE_IF_PRESENT:
        return is_there(connection, key) ? STATUS_OK : STATUS_UNMET;
    case NATIVE_ALWAYS:
        break;
    }
    return STATUS_OK;
}

static bool
is_intact(struct connection *connection)
{
    const struct native_request *request = &connection->request.native.request;

    return !request->has_checksum ||
           store_put_checksum(&connection->request.put) == request->checksum;
}

/* The other names go first: who is told of keys without their kinds must hear
 * last that this one is here (server/events/). */
static enum status
store(struct connection *connection, const struct key *key,
      const struct store_terms *terms)
{
    enum status status;

    retire_others(connection, key);
    status = query_put(connection, terms);
    if (status == STATUS_NO_SPACE)
        count(connection->counters, COUNTER_puts_no_space, 1);
    return status;
}

/* Ends the PUT, stored or not. */
static enum status
finish(struct connection *connection)
{
    struct request *request = &connection->request;
    const struct native_request *native = &request->native.request;
    struct key key = store_put_key(&request->put);
    struct store_terms terms = {
        .meta = native->meta.size == 0 ? NULL : &native->meta,
        .run = &connection->run,
        .form = native->kind == NATIVE_OBJECT ? (uint8_t)native->form : FORM_LM,
        .present_forms = STORE_ANY_FORM};
    enum status status = STATUS_OK;

    request->has_put = false;
    if (!is_intact(connection)) {
        native_lose(connection, &key, STATUS_CORRUPT);
        count(connection->counters, COUNTER_puts_corrupt, 1);
        status = STATUS_CORRUPT;
    } else if (meet_condition(connection, &key, &terms.condition) !=
               STATUS_OK) {
        count(connection->counters, COUNTER_puts_unmet, 1);
        status = STATUS_UNMET;
    }
    if (status != STATUS_OK) {
        store_put_cancel(connection->port, &request->put);
        return status;
    }
    if (native->lifetime_ms != 0)
        terms.expires_ns = clock_now_ns() + native->lifetime_ms * NS_PER_MS;
    return store(connection, &key, &terms);
}

static enum run
answer_too_big(struct connection *connection)
{
    char why[NATIVE_TEXT_MAX + 1];

    snprintf(why, sizeof(why),
             "a value of %llu bytes is larger than limits.value allows, %llu",
             (unsigned long long)connection->request.refused_size,
             (unsigned long long)store_value_max(connection->server->store));
    return native_answer_code(connection, NATIVE_TOO_BIG, why);
}

enum run
native_put(struct connection *connection)
{
    struct request *request = &connection->request;
    enum status status = request->refusal;

    if (status == STATUS_TOO_BIG)
        return answer_too_big(connection);
    if (status == STATUS_OK)
        status = finish(connection);
    if (status == STATUS_OK && request->native.request.is_quiet)
        return RUN_DONE;
    return native_answer_code(connection, native_code_of(status), NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SET, SETEX, PSETEX, SETNX, MSET: from a name to what is stored under it.
 * A name in kv_bytes is the body half of an object from the start; whether one
 * in `metadata` is the other half shows only once its value is there.
 */
#include "server/request/resp_request.h"

#include "base/clock.h"
#include "proto/object_name.h"
#include "server/request/answer.h"
#include "server/request/query.h"
#include "server/request/resp_name.h"
#include "server/server.h"

#include <string.h>

enum put_half { NO_HALF, BYTES_HALF, MAYBE_METADATA };

static const char not_integer[] = "ERR value is not an integer or out of range";

static const char *
bad_lifetime(enum resp_command_id id)
{
    switch (id) {
    case RESP_COMMAND_SETEX:
        return "ERR invalid expire time in 'setex' command";
    case RESP_COMMAND_PSETEX:
        return "ERR invalid expire time in 'psetex' command";
    default:
        return "ERR invalid expire time in 'set' command";
    }
}

static enum status
complain(struct connection *connection, const char *complaint)
{
    connection->request.complaint = complaint;
    return STATUS_BAD_REQUEST;
}

/* The arguments before this body: the command's name (in front of the first),
 * the key, and SETEX's lifetime. */
static enum status
read_arguments(struct connection *connection, struct bytes *name_out)
{
    struct request *request = &connection->request;
    struct argument_walk *walk = &request->head.arguments;
    enum resp_command_id id = request->head.command->id;
    struct bytes lifetime;

    if (id == RESP_COMMAND_MSET && request->head.argument_count % 2 == 0)
        return complain(connection,
                        "ERR wrong number of arguments for 'mset' command");
    if (request->step++ == 0 && !argument_next(walk, name_out))
        return STATUS_BAD_REQUEST;
    if (!argument_next(walk, name_out))
        return STATUS_BAD_REQUEST;
    if (id != RESP_COMMAND_SETEX && id != RESP_COMMAND_PSETEX)
        return STATUS_OK;
    if (!argument_next(walk, &lifetime) ||
        !argument_integer(&lifetime, &request->lifetime))
        return complain(connection, not_integer);
    if (request->lifetime <= 0)
        return complain(connection, bad_lifetime(id));
    return STATUS_OK;
}

static struct key
key_of(struct connection *connection, const struct bytes *name)
{
    struct request *request = &connection->request;
    struct object_name object;
    enum key_kind kind = KEY_PLAIN;
    struct bytes bytes = *name;

    request->half = NO_HALF;
    request->form = FORM_LM;
    if (object_name_split(name->at, name->size, &object)) {
        request->form = (uint8_t)object.form;
        request->half = MAYBE_METADATA;
        if (object.half == HALF_BYTES) {
            request->half = BYTES_HALF;
            bytes = object.stem;
            kind = KEY_OBJECT;
        }
    }
    return key_make(kind, connection->space, bytes.at, (uint16_t)bytes.size);
}

/* An object's name that was overwritten by a plain value: what is left of the
 * object must not be found by it. */
static void
retire_object(struct connection *connection, const struct key *plain)
{
    struct object_name object;
    struct store_name name = {.part = PART_BODY, .forms = 1u << FORM_LM};

    if (plain->space == 0) {
        name.key = key_make(KEY_OBJECT, 0, plain->bytes, plain->size);
        store_drop(connection->port, &name);
    }
    if (connection->request.half == MAYBE_METADATA &&
        object_name_split(plain->bytes, plain->size, &object)) {
        name.key = key_make(KEY_OBJECT, plain->space, object.stem.at,
                            (uint16_t)object.stem.size);
        name.forms = (uint8_t)(1u << FORM_LM | 1u << object.form);
        name.part = PART_META;
        store_withdraw_meta(connection->port, &name);
    }
}

/* SETNX replaces nothing, and an error tells of what is too big. */
void
resp_lose(struct connection *connection, const struct key *key, enum status why)
{
    struct request *request = &connection->request;
    struct store_name name = {*key, STORE_ANY_FORM, PART_BODY};

    if (why == STATUS_TOO_BIG ||
        request->head.command->id == RESP_COMMAND_SETNX)
        return;
    if (key->kind == KEY_PLAIN)
        retire_object(connection, key);
    else
        name.forms = (uint8_t)(1u << FORM_LM | 1u << request->form);
    store_drop(connection->port, &name);
}

/* SET of a name in `metadata` whose value is LMCache's. */
static enum status
finish_metadata(struct connection *connection, struct store_terms terms)
{
    struct store_put *put = &connection->request.put;
    struct key full = store_put_key(put), stem;
    struct store_name plain = {full, STORE_ANY_FORM, PART_BODY};
    struct object_name object;
    struct chunk_meta meta;
    enum status status;

    meta.size = (uint8_t)put->chunk->size;
    chunk_copy_out(put->chunk, 0, meta.bytes, meta.size);
    terms.meta = &meta;
    if (!object_name_split(full.bytes, full.size, &object))
        return STATUS_BAD_REQUEST;
    stem = key_make(KEY_OBJECT, full.space, object.stem.at,
                    (uint16_t)object.stem.size);
    status = store_set_meta(connection->port, &stem, &terms);
    if (status == STATUS_OK)
        store_drop(connection->port, &plain);
    return status;
}

static bool
is_metadata(const struct request *request)
{
    const struct chunk *chunk = request->put.chunk;
    uint8_t bytes[CHUNK_META_MAX];

    if (request->half != MAYBE_METADATA || chunk->size > sizeof(bytes))
        return false;
    chunk_copy_out(chunk, 0, bytes, chunk->size);
    return object_metadata_is_plausible(bytes, chunk->size);
}

/* NX and XX look at whatever the name finds, by any wire. */
static enum status
meet_condition(struct connection *connection, struct store_terms *terms)
{
    struct key key = store_put_key(&connection->request.put);
    struct bytes argument = {key.bytes, key.size};
    struct store_name name;
    struct store_view view;
    bool is_there;

    if (terms->condition == STORE_ALWAYS || key.kind != KEY_PLAIN)
        return STATUS_OK;
    is_there = resp_view(connection, &argument, &view, &name) == STATUS_OK;
    if (is_there != (terms->condition == STORE_IF_PRESENT)) {
        count(connection->counters, COUNTER_puts_unmet, 1);
        return STATUS_UNMET;
    }
    /* It is met, unless another PUT of the very entry comes between. */
    if (terms->condition == STORE_IF_PRESENT)
        terms->condition = STORE_ALWAYS;
    return STATUS_OK;
}

/* Ends the PUT, stored or not. */
static enum status
finish(struct connection *connection, struct store_terms *terms)
{
    struct request *request = &connection->request;
    enum status status = meet_condition(connection, terms);

    terms->run = &connection->run;
    terms->form = request->form;
    terms->present_forms = STORE_ANY_FORM;
    request->has_put = false;
    if (status == STATUS_OK && is_metadata(request)) {
        status = finish_metadata(connection, *terms);
    } else if (status == STATUS_OK) {
        struct key key = store_put_key(&request->put);

        if (key.kind == KEY_PLAIN) {
            terms->form = FORM_LM;
            retire_object(connection, &key);
        } else {
            terms->is_half = true;
            terms->present_forms = 1u << FORM_LM | 1u << request->form;
        }
        return query_put(connection, terms);
    }
    store_put_cancel(connection->port, &request->put);
    return status;
}

static void
cancel(struct connection *connection)
{
    if (connection->request.has_put)
        store_put_cancel(connection->port, &connection->request.put);
    connection->request.has_put = false;
}

enum status
resp_body_key(struct connection *connection, struct key *key_out)
{
    struct request *request = &connection->request;
    struct store_terms terms = {0};
    struct bytes name = {NULL, 0};
    enum status status;

    if (request->step == 0)
        request->complaint = NULL;
    /* A command that is answered with an error stores nothing from here on. */
    if (request->head.is_refused ||
        !resp_command_takes(request->head.command,
                            request->head.argument_count)) {
        cancel(connection);
        return STATUS_BAD_REQUEST;
    }
    /* MSET: the pair before this one is complete. */
    if (request->has_put && finish(connection, &terms) != STATUS_OK)
        count(connection->counters, COUNTER_puts_no_space, 1);
    status = read_arguments(connection, &name);
    if (status != STATUS_OK)
        return status;
    if (name.size > atomic_load(&connection->server->limits.key))
        return complain(connection, "ERR key longer than limits.key");
    *key_out = key_of(connection, &name);
    return STATUS_OK;
}

struct set_options {
    struct store_terms terms;
    bool wants_previous, has_lifetime;
    const char *error, *lifetime_error;
};

/* A lifetime as an argument says it, as a monotonic time. */
static bool
read_lifetime(const struct bytes *unit, const struct bytes *number,
              uint64_t *expires_ns_out)
{
    int64_t value, now_ms = (int64_t)clock_unix_ms(), scale;

    if (!argument_integer(number, &value))
        return false;
    scale = argument_is(unit, "EX") || argument_is(unit, "EXAT") ? 1000 : 1;
    if (value <= 0 || value > INT64_MAX / 1000000 / scale)
        return false;
    value *= scale;
    if (argument_is(unit, "EXAT") || argument_is(unit, "PXAT"))
        value = value > now_ms ? value - now_ms : 0; /* at once */
    *expires_ns_out = clock_now_ns() + (uint64_t)value * NS_PER_MS;
    return true;
}

static bool
is_lifetime(const struct bytes *word)
{
    return argument_is(word, "EX") || argument_is(word, "PX") ||
           argument_is(word, "EXAT") || argument_is(word, "PXAT");
}

static void
read_option(struct set_options *options, struct argument_walk *walk,
            const struct bytes *word)
{
    struct store_terms *terms = &options->terms;
    struct bytes number;

    if (argument_is(word, "NX") && terms->condition != STORE_IF_PRESENT) {
        terms->condition = STORE_IF_ABSENT;
    } else if (argument_is(word, "XX") && terms->condition != STORE_IF_ABSENT) {
        terms->condition = STORE_IF_PRESENT;
    } else if (argument_is(word, "KEEPTTL") && !options->has_lifetime) {
        terms->keep_expiry = true;
    } else if (argument_is(word, "GET")) {
        options->wants_previous = true;
    } else if (is_lifetime(word) && !options->has_lifetime &&
               !terms->keep_expiry && argument_next(walk, &number)) {
        int64_t any;

        options->has_lifetime = true;
        if (!argument_integer(&number, &any))
            options->lifetime_error = not_integer;
        else if (!read_lifetime(word, &number, &terms->expires_ns))
            options->lifetime_error = bad_lifetime(RESP_COMMAND_SET);
    } else {
        options->error = "ERR syntax error";
    }
}

static void
read_options(struct connection *connection, struct set_options *out)
{
    struct request *request = &connection->request;
    struct argument_walk walk = request->head.arguments;
    uint64_t unit = NS_PER_MS;
    struct bytes word;

    memset(out, 0, sizeof(*out));
    switch (request->head.command->id) {
    case RESP_COMMAND_SETEX:
        unit = NS_PER_SECOND;
        /* fall through */
    case RESP_COMMAND_PSETEX:
        out->terms.expires_ns =
            clock_now_ns() + (uint64_t)request->lifetime * unit;
        if ((uint64_t)request->lifetime > INT64_MAX / unit / 2)
            out->error = bad_lifetime(request->head.command->id);
        break;
    case RESP_COMMAND_SETNX:
        out->terms.condition = STORE_IF_ABSENT;
        break;
    default:
        break;
    }
    while (out->error == NULL && argument_next(&walk, &word))
        read_option(out, &walk, &word);
    if (out->error == NULL)
        out->error = out->lifetime_error;
}

/* Why nothing was kept, or OK where a client must not be told (WIRES 2.2: an
 * error text would put a native client out of step for good). */
static enum run
answer_refusal(struct connection *connection)
{
    struct request *request = &connection->request;

    switch (request->refusal) {
    case STATUS_BAD_REQUEST:
        return answer_error(connection, "%s",
                            request->complaint != NULL
                                ? request->complaint
                                : "ERR argument too long");
    case STATUS_TOO_BIG:
        return answer_error(
            connection,
            "ERR value of %llu bytes is larger than limits.value allows, "
            "%llu",
            (unsigned long long)request->refused_size,
            (unsigned long long)store_value_max(connection->server->store));
    default:
        return request->head.command->id == RESP_COMMAND_SETNX
                   ? answer_integer(connection, 1)
                   : answer_ok(connection);
    }
}

static enum progress
find_previous(struct connection *connection, struct store_get *get,
              enum store_part *part_out)
{
    struct request *request = &connection->request;
    struct key key = store_put_key(&request->put);
    struct bytes argument = {key.bytes, key.size};
    struct store_name name = {
        key, (uint8_t)(1u << FORM_LM | 1u << request->form), PART_BODY};

    if (key.kind == KEY_PLAIN)
        return resp_find(connection, 0, &argument, get, part_out);
    return request_get(connection, 0, &name, get);
}

/* SET ... GET answers with what was there before. */
static enum run
answer_previous(struct connection *connection, struct store_get *get,
                enum store_part part)
{
    if (get->status != STATUS_OK)
        return answer_null(connection);
    if (part == PART_META) {
        chunk_drop(&get->chunk);
        return answer_bulk(connection, get->meta.bytes, get->meta.size);
    }
    return answer_body(connection, get->chunk, 0, get->chunk->size);
}

static enum run
answer_put(struct connection *connection, enum status status)
{
    if (connection->request.head.command->id == RESP_COMMAND_SETNX)
        return answer_integer(connection, status != STATUS_UNMET);
    if (status == STATUS_UNMET)
        return answer_null(connection);
    return answer_ok(connection);
}

enum run
resp_put(struct connection *connection)
{
    struct request *request = &connection->request;
    struct set_options options;
    struct store_get previous = {.status = STATUS_MISS};
    enum store_part part = PART_BODY;
    enum status status;

    if (!request->has_put)
        return answer_refusal(connection);
    read_options(connection, &options);
    if (options.error != NULL || request->complaint != NULL) {
        cancel(connection);
        return answer_error(connection, "%s",
                            options.error != NULL ? options.error
                                                  : request->complaint);
    }
    if (options.wants_previous &&
        find_previous(connection, &previous, &part) == PENDING)
        return RUN_WAIT;
    status = finish(connection, &options.terms);
    if (status == STATUS_NO_SPACE)
        count(connection->counters, COUNTER_puts_no_space, 1);
    if (options.wants_previous)
        return answer_previous(connection, &previous, part);
    /* MSET: one before the last. */
    if (request->refusal == STATUS_TOO_BIG)
        return answer_refusal(connection);
    return answer_put(connection, status);
}

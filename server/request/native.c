/* SPDX-License-Identifier: Apache-2.0 */
/* From a frame of the native wire to the function that performs it. */
#include "proto/native.h"

#include "base/clock.h"
#include "server/net/group.h"
#include "server/request/native_request.h"
#include "server/server.h"

#include <stdio.h>
#include <string.h>

#define LIST_SIZE_AT 4u /* in a prefix */
/* Room for a head and a short list: what may be received with a body's end. */
#define HEAD_ALONE 512u

static bool
claims(const uint8_t *first, size_t n)
{
    return n > 0 && *first == NATIVE_MAGIC;
}

/* What is wrong with a request that is well made, for its verb; or NULL. */
static const char *
find_fault(struct connection *connection, const struct native_request *request)
{
    struct bytes list = request->list, key;

    if (request->verb != NATIVE_PUT)
        return request->body_size != 0 ? "only a PUT has a body"
               : request->verb == NATIVE_GET && request->count == 0
                   ? "a GET has no key"
                   : NULL;
    if (request->count != 1 || !native_next_key(&list, &key))
        return "a PUT has one key";
    if (key.size > atomic_load_explicit(&connection->server->limits.key,
                                        memory_order_relaxed))
        return "the key is longer than limits.key";
    if (request->meta.size != 0 && request->kind != NATIVE_OBJECT)
        return "only an OBJECT has metadata";
    if (request->lifetime_ms > INT64_MAX / NS_PER_MS / 2)
        return "the lifetime is too long";
    return NULL;
}

/* limits.head has no room for the list: it is skipped, as a body is. */
static enum parse
read_without_list(struct cursor *in, const struct native_prefix *prefix,
                  struct native_request *out, const char **why_out)
{
    uint32_t size = NATIVE_PREFIX_SIZE + prefix->head_size;
    uint8_t frame[NATIVE_FRAME_MAX];
    struct cursor walk = {frame, frame + size, 0};
    enum parse parse;

    if (!cursor_has(in, size))
        return PARSE_MORE;
    memcpy(frame, in->at, size);
    memset(frame + LIST_SIZE_AT, 0, sizeof(prefix->list_size));
    parse = native_read_request(&walk, out, why_out);
    /* Another version or an unknown verb is that first of all. */
    if (out->verb != NATIVE_NONE || *why_out != NULL)
        *why_out = "the list is longer than limits.head allows";
    out->verb = NATIVE_NONE;
    out->list = (struct bytes){NULL, 0};
    out->body_size += prefix->list_size;
    in->at += size;
    return parse;
}

static enum parse
read_frame(struct connection *connection, struct cursor *in,
           const char **why_out)
{
    struct native_request *request = &connection->request.native.request;
    uint64_t most = atomic_load_explicit(&connection->server->limits.head,
                                         memory_order_relaxed);
    struct native_prefix prefix;
    struct cursor walk = *in;

    if (native_read_prefix(&walk, &prefix, why_out) == PARSE_DONE &&
        NATIVE_PREFIX_SIZE + prefix.head_size + (uint64_t)prefix.list_size >
            most)
        return read_without_list(in, &prefix, request, why_out);
    return native_read_request(in, request, why_out);
}

static enum parse
read_head(struct connection *connection, struct cursor *in)
{
    struct request *request = &connection->request;
    struct native_request *native = &request->native.request;
    struct request_head *head = &request->head;
    const char *why;
    enum parse parse = read_frame(connection, in, &why);

    head->why = why;
    if (parse != PARSE_DONE)
        return parse;
    if (native->verb != NATIVE_NONE)
        why = find_fault(connection, native);
    if (why != NULL)
        native->verb = NATIVE_NONE;
    request->complaint = why;
    request->native.list_size = (uint32_t)native->list.size;
    head->has_body = native->verb == NATIVE_PUT || native->body_size != 0;
    head->body_size = native->body_size;
    return PARSE_DONE;
}

/* Nothing stands behind a body. */
static enum parse
read_more(struct connection *connection, struct cursor *in)
{
    (void)in;
    connection->request.head.has_body = false;
    connection->request.head.body_size = 0;
    return PARSE_DONE;
}

static enum counter_id
counter_of(enum native_verb verb)
{
    switch (verb) {
    case NATIVE_PUT:
        return COUNTER_native_put;
    case NATIVE_GET:
        return COUNTER_native_get;
    case NATIVE_EXISTS:
        return COUNTER_native_exists;
    case NATIVE_NONE:
    case NATIVE_HELLO:
    case NATIVE_DROP:
    case NATIVE_PREFIX:
    case NATIVE_STATS:
    case NATIVE_WALK:
        break;
    }
    return COUNTER_native_other;
}

static void
begin(struct connection *connection)
{
    struct connection_native *native = &connection->request.native;
    uint32_t deadline_ms = native->request.deadline_ms;

    count(connection->counters, counter_of(native->request.verb), 1);
    if (native->request.verb != NATIVE_NONE)
        connection->space = (uint8_t)native->request.space;
    native->found = 0;
    native->is_matched = true;
    native->deadline_ns =
        deadline_ms == 0 ? 0 : clock_now_ns() + deadline_ms * NS_PER_MS;
}

void
native_names_of(struct connection *connection, const struct bytes *key,
                struct native_names *out)
{
    const struct native_request *request = &connection->request.native.request;
    uint64_t most = atomic_load_explicit(&connection->server->limits.key,
                                         memory_order_relaxed);
    enum native_kind kind = request->kind;

    out->count = 0;
    if (key->size > most)
        return;
    for (unsigned i = 0; i < NATIVE_NAMES_MAX; i++) {
        struct store_name *name = &out->name[out->count];

        if (kind == (i == 0 ? NATIVE_OBJECT : NATIVE_PLAIN))
            continue;
        name->key =
            key_make(i == 0 ? KEY_PLAIN : KEY_OBJECT, (uint16_t)request->space,
                     key->at, (uint16_t)key->size);
        name->forms = STORE_ANY_FORM;
        name->part = PART_BODY;
        out->count++;
    }
}

enum native_kind
native_kind_of(const struct key *key)
{
    return key->kind == KEY_OBJECT ? NATIVE_OBJECT : NATIVE_PLAIN;
}

uint8_t *
native_marks(struct connection *connection)
{
    /* The list is the last that was consumed, and is not moved meanwhile. */
    return input_cursor(&connection->input).at -
           connection->request.native.list_size;
}

enum run
native_answer(struct connection *connection, const struct native_reply *reply)
{
    size_t size = NATIVE_FRAME_MAX + reply->list.size;
    struct cursor out;

    if (request_text(connection, size, &out) != STATUS_OK)
        return RUN_CLOSE;
    (void)native_write_reply(&out, reply);
    request_text_done(connection, &out);
    return RUN_DONE;
}

enum run
native_answer_code(struct connection *connection, enum native_code code,
                   const char *why)
{
    struct native_reply reply = {.id = connection->request.native.request.id,
                                 .code = code};

    if (code == NATIVE_BAD_REQUEST || code == NATIVE_UNSUPPORTED)
        count(connection->counters, COUNTER_native_errors, 1);
    if (why != NULL)
        snprintf(reply.why, sizeof(reply.why), "%s", why);
    return native_answer(connection, &reply);
}

static enum run
answer_fault(struct connection *connection)
{
    const char *why = connection->request.complaint;

    return native_answer_code(
        connection, why == NULL ? NATIVE_UNSUPPORTED : NATIVE_BAD_REQUEST,
        why == NULL ? "this server does not know the verb, or the version"
                    : why);
}

static enum run
run(struct connection *connection)
{
    switch (connection->request.native.request.verb) {
    case NATIVE_HELLO:
        return native_hello(connection);
    case NATIVE_GET:
        return native_get(connection);
    case NATIVE_PUT:
        return native_put(connection);
    case NATIVE_EXISTS:
        return native_exists(connection);
    case NATIVE_DROP:
        return native_drop(connection);
    case NATIVE_PREFIX:
        return native_match(connection);
    case NATIVE_STATS:
        return native_stats(connection);
    case NATIVE_WALK:
        return native_walk(connection);
    case NATIVE_NONE:
        break;
    }
    return answer_fault(connection);
}

/* What was asked for before is not answered any more: nobody can tell what else
 * this peer takes for a reply. */
static void
refuse(struct connection *connection, const char *why)
{
    order_forget(&connection->orders);
    connection->request.native.request.id = 0;
    (void)native_answer_code(connection, NATIVE_BAD_REQUEST, why);
}

static void
settle(struct connection *connection)
{
    struct bytes *list = &connection->request.native.request.list;

    list->at = input_settle_head(&connection->input,
                                 &connection->group->buffers, list->at);
}

static uint32_t
head_size(const struct connection *connection)
{
    (void)connection;
    return HEAD_ALONE;
}

const struct request_wire native_wire = {.name = "native",
                                         .may_read_more = true,
                                         .claims = claims,
                                         .read = read_head,
                                         .read_more = read_more,
                                         .begin = begin,
                                         .body_key = native_body_key,
                                         .lose = native_lose,
                                         .run = run,
                                         .deliver = native_get_deliver,
                                         .refuse = refuse,
                                         .settle = settle,
                                         .head_size = head_size};

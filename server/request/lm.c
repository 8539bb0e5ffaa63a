/* SPDX-License-Identifier: Apache-2.0 */
/* The requests of lm://.  Its objects are OBJECT entries of namespace 0, with
 * the 28 bytes of metadata that redis:// keeps under a name of its own. */
#include "proto/lm.h"

#include "proto/object_name.h"
#include "proto/protocol.h"
#include "server/net/group.h"
#include "server/request/query.h"
#include "server/request/request.h"
#include "server/server.h"

/* What LIST answers with at most; longer lists end with a whole name. */
#define LIST_MAX  (1u << 20)
#define LIST_STEP 256u

static bool
claims(const uint8_t *first, size_t n)
{
    return protocol_lm.claims(first, n);
}

static enum parse
read_head(struct connection *connection, struct cursor *in)
{
    return protocol_lm.read_request(in, &connection->dialect,
                                    &connection->request.head);
}

static enum parse
read_more(struct connection *connection, struct cursor *in)
{
    return protocol_lm.read_more(in, &connection->request.head);
}

static enum counter_id
counter_of(enum verb verb)
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

static void
begin(struct connection *connection)
{
    count(connection->counters, counter_of(connection->request.head.verb), 1);
}

static struct store_name
name_of(const struct key *key)
{
    struct store_name name = {*key, STORE_ANY_FORM, PART_BODY};

    return name;
}

static enum status
body_key(struct connection *connection, struct key *key_out)
{
    struct request *request = &connection->request;
    const struct bytes *name = &request->head.name;

    request->meta = request->head.meta;
    if (name->size > atomic_load(&connection->server->limits.key))
        return STATUS_BAD_REQUEST;
    *key_out = key_make(KEY_OBJECT, 0, name->at, (uint16_t)name->size);
    return STATUS_OK;
}

/* Both that an EXISTS or a GET may find. */
static void
lose(struct connection *connection, const struct key *key, enum status why)
{
    struct key plain = key_make(KEY_PLAIN, key->space, key->bytes, key->size);
    struct store_name object_name = name_of(key), plain_name = name_of(&plain);

    (void)why;
    store_drop(connection->port, &object_name);
    store_drop(connection->port, &plain_name);
}

static enum run
reply(struct connection *connection, struct reply_head *head)
{
    struct cursor out;

    head->verb = connection->request.head.verb;
    head->dialect = connection->dialect;
    if (request_text(connection, REPLY_HEAD_MAX, &out) != STATUS_OK)
        return RUN_CLOSE;
    (void)protocol_lm.write_reply(&out, head);
    request_text_done(connection, &out);
    return RUN_DONE;
}

/* No reply, whatever becomes of it. */
static enum run
run_put(struct connection *connection)
{
    struct request *request = &connection->request;
    struct store_terms terms = {
        .meta = &request->meta, .run = &connection->run, .form = FORM_LM};
    struct key key;
    struct store_name plain;

    if (request->refusal != STATUS_OK)
        return RUN_DONE;
    /* A plain value of that name is overwritten by this one. */
    key = store_put_key(&request->put);
    key = key_make(KEY_PLAIN, key.space, key.bytes, key.size);
    plain = name_of(&key);
    store_drop(connection->port, &plain);
    request->has_put = false;
    if (query_put(connection, &terms) != STATUS_OK)
        count(connection->counters, COUNTER_puts_unmet, 1);
    return RUN_DONE;
}

static enum run
run_get(struct connection *connection, const struct key *key)
{
    struct request *request = &connection->request;
    struct store_name name = name_of(key);
    struct store_get get;
    struct reply_head head = {.status = STATUS_MISS};
    struct chunk *chunk;
    enum run run;

    if (request_get(connection, 0, &name, &get) == PENDING)
        return RUN_WAIT;
    if (get.status != STATUS_OK) {
        request_count_miss(connection, &request->head.name, &get);
        return reply(connection, &head);
    }
    chunk = get.chunk;
    /* A client would allocate by metadata that does not fit its bytes. */
    if (!lm_meta_fits(&get.meta, chunk->size)) {
        chunk_drop(&chunk);
        count(connection->counters, COUNTER_get_misses, 1);
        query_miss(connection, &request->head.name, &get);
        return reply(connection, &head);
    }
    head.status = STATUS_OK;
    head.meta = get.meta;
    head.body_size = chunk->size;
    run = reply(connection, &head);
    if (run != RUN_DONE) {
        chunk_drop(&chunk);
        return run;
    }
    request_count_hit(connection, &request->head.name, &get);
    count(connection->counters, COUNTER_get_bytes, chunk->size);
    request_time(connection, &get);
    outbox_body(&connection->outbox, chunk, 0, chunk->size, false);
    return RUN_DONE;
}

/* There only where a GET would give it. */
static enum run
run_exists(struct connection *connection, const struct key *key)
{
    struct store_name name = name_of(key);
    struct reply_head head = {.status = STATUS_MISS};
    struct store_promise promise;
    struct store_view view;

    if (store_view(connection->port, &name, &view) == STATUS_OK &&
        lm_meta_fits(&view.meta, view.body_size))
        head.status = store_promise(connection->port, &name, &promise);
    request_count_exists(connection, &connection->request.head.name,
                         head.status, &promise);
    return reply(connection, &head);
}

struct list {
    struct cursor *out;
    size_t size;
    bool is_full;
};

static void
on_listed(void *arg, const struct store_seen *seen)
{
    struct list *list = arg;
    size_t size = seen->key.size + (list->size == 0 ? 0u : 1u);

    if (seen->key.kind != KEY_OBJECT || seen->key.space != 0 ||
        !seen->has_body || !seen->has_meta)
        return;
    list->is_full = list->is_full || list->size + size > LIST_MAX;
    if (list->is_full)
        return;
    if (list->size != 0)
        (void)cursor_put(list->out, "\n", 1);
    (void)cursor_put(list->out, seen->key.bytes, seen->key.size);
    list->size += size;
}

/* v0 alone is answered: {200, size} and the names, a line each. */
static enum run
run_list(struct connection *connection)
{
    struct reply_head head = {.verb = VERB_LIST,
                              .dialect = connection->dialect};
    struct cursor out, names;
    struct list list = {&names, 0, false};
    uint64_t at = 0;

    if (connection->dialect != LM_V0)
        return RUN_DONE;
    if (request_text(connection, REPLY_HEAD_MAX + LIST_MAX, &out) != STATUS_OK)
        return RUN_CLOSE;
    /* The names go where they will stand, behind a head of known size. */
    names = out;
    names.at += lm_reply_size(LM_V0);
    do
        store_walk(connection->port, &at, LIST_STEP, on_listed, &list);
    while (at != 0 && !list.is_full);
    head.body_size = list.size;
    (void)protocol_lm.write_reply(&out, &head);
    out.at += list.size;
    request_text_done(connection, &out);
    return RUN_DONE;
}

static enum run
run(struct connection *connection)
{
    const struct request_head *head = &connection->request.head;
    struct reply_head alive = {.status = STATUS_OK};
    struct key key;

    if (head->verb == VERB_PUT)
        return run_put(connection);
    key = key_make(KEY_OBJECT, 0, head->name.at, (uint16_t)head->name.size);
    switch (head->verb) {
    case VERB_GET:
        return run_get(connection, &key);
    case VERB_EXISTS:
        return run_exists(connection, &key);
    case VERB_LIST:
        return run_list(connection);
    case VERB_PING:
    case VERB_PUT:
    case VERB_DROP:
    case VERB_COMMAND:
        break;
    }
    return reply(connection, &alive);
}

/* The wire has no word for it. */
static void
refuse(struct connection *connection, const char *why)
{
    (void)connection;
    (void)why;
}

static void
settle(struct connection *connection)
{
    struct bytes *name = &connection->request.head.name;

    name->at = input_settle_head(&connection->input,
                                 &connection->group->buffers, name->at);
}

static uint32_t
head_size(const struct connection *connection)
{
    return lm_request_size(connection->dialect);
}

/* Nobody pipelines it. */
const struct request_wire lm_wire = {.name = "lm",
                                     .dialect = DIALECT_UNKNOWN,
                                     .may_read_more = false,
                                     .claims = claims,
                                     .read = read_head,
                                     .read_more = read_more,
                                     .begin = begin,
                                     .body_key = body_key,
                                     .lose = lose,
                                     .run = run,
                                     .refuse = refuse,
                                     .settle = settle,
                                     .head_size = head_size};

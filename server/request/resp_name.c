/* SPDX-License-Identifier: Apache-2.0 */
/* Names of RESP and the entries they may mean. */
#include "server/request/resp_name.h"

#include "proto/object_name.h"
#include "server/request/resp_catalog.h"
#include "server/server.h"

static void
add(struct resp_names *names, const struct key *key, unsigned forms,
    enum store_part part)
{
    struct store_name *name = &names->name[names->count++];

    name->key = *key;
    name->forms = (uint8_t)forms;
    name->part = part;
}

bool
resp_names_of(struct connection *connection, const struct bytes *argument,
              struct resp_names *out)
{
    uint64_t most = atomic_load_explicit(&connection->server->limits.key,
                                         memory_order_relaxed);
    uint8_t space = connection->space;
    struct object_name object;
    struct key key;

    out->count = 0;
    if (argument->size > most)
        return false;
    if (object_name_split(argument->at, argument->size, &object)) {
        key = key_make(KEY_OBJECT, space, object.stem.at,
                       (uint16_t)object.stem.size);
        add(out, &key, 1u << object.form | 1u << FORM_LM,
            object.half == HALF_BYTES ? PART_BODY : PART_META);
    }
    key = key_make(KEY_PLAIN, space, argument->at, (uint16_t)argument->size);
    add(out, &key, STORE_ANY_FORM, PART_BODY);
    if (space == 0) {
        key =
            key_make(KEY_OBJECT, space, argument->at, (uint16_t)argument->size);
        add(out, &key, 1u << FORM_LM, PART_BODY);
    }
    return true;
}

enum progress
resp_find(struct connection *connection, uint32_t key,
          const struct bytes *argument, struct store_get *get,
          enum store_part *part_out)
{
    uint32_t number = key * RESP_NAMES_MAX;
    bool was_promised = false;
    struct resp_names names;

    get->status = STATUS_MISS;
    get->is_promised = false;
    if (!resp_names_of(connection, argument, &names))
        return FINISHED;
    for (unsigned i = 0; i < names.count; i++) {
        if (request_get(connection, number + i, &names.name[i], get) == PENDING)
            return PENDING;
        *part_out = names.name[i].part;
        if (get->status != STATUS_MISS)
            return FINISHED;
        was_promised = was_promised || get->is_promised;
    }
    get->is_promised = was_promised;
    return FINISHED;
}

/* The number of the first name that is there; `count` where none is. */
static unsigned
view(struct connection *connection, const struct resp_names *names,
     struct store_view *out)
{
    unsigned i = 0;

    while (i < names->count &&
           store_view(connection->port, &names->name[i], out) != STATUS_OK)
        i++;
    return i;
}

bool
resp_find_ahead(struct connection *connection, uint32_t key,
                const struct bytes *argument, uint64_t most)
{
    struct store_view seen;
    struct resp_names names;
    unsigned i;

    (void)resp_names_of(connection, argument, &names);
    i = view(connection, &names, &seen);
    if (i == names.count || names.name[i].part != PART_BODY)
        return true;
    if (seen.body_size > most)
        return false;
    fetch_ahead(&connection->request.fetches, key * RESP_NAMES_MAX + i,
                &names.name[i], seen.body_size);
    return true;
}

enum status
resp_view(struct connection *connection, const struct bytes *argument,
          struct store_view *out, struct store_name *name_out)
{
    struct resp_names names;
    unsigned i;

    if (!resp_names_of(connection, argument, &names))
        return STATUS_MISS;
    i = view(connection, &names, out);
    if (i == names.count)
        return STATUS_MISS;
    *name_out = names.name[i];
    return STATUS_OK;
}

enum status
resp_exists(struct connection *connection, const struct bytes *argument)
{
    enum status status = STATUS_MISS;
    struct store_promise promise;
    struct catalog_view view;
    struct resp_names names;

    if (resp_names_of(connection, argument, &names))
        for (unsigned i = 0; i < names.count && status == STATUS_MISS; i++)
            status = store_promise(connection->port, &names.name[i], &promise);
    if (status == STATUS_MISS && resp_catalog_view(connection, argument, &view))
        return STATUS_OK;
    request_count_exists(connection, argument, status, &promise);
    return status;
}

enum status
resp_drop(struct connection *connection, const struct bytes *argument)
{
    enum status status = STATUS_MISS;
    struct resp_names names;

    if (resp_catalog_drop(connection, argument))
        status = STATUS_OK;
    if (!resp_names_of(connection, argument, &names))
        return status;
    /* All of them: what the first has hidden must not come to light. */
    for (unsigned i = 0; i < names.count; i++) {
        if (store_drop(connection->port, &names.name[i]) == STATUS_OK) {
            count(connection->counters, COUNTER_drops, 1);
            status = STATUS_OK;
        }
    }
    return status;
}

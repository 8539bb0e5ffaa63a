/* SPDX-License-Identifier: Apache-2.0 */
/* Names of RESP and the entries they may mean. */
#include "server/request/resp_name.h"

#include "proto/object_name.h"
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

enum status
resp_find(struct connection *connection, const struct bytes *argument,
          struct store_get *get, enum store_part *part_out)
{
    struct resp_names names;

    if (!resp_names_of(connection, argument, &names))
        return STATUS_MISS;
    for (unsigned i = 0; i < names.count; i++) {
        enum status status = request_get(connection, &names.name[i], get);

        *part_out = names.name[i].part;
        if (status != STATUS_MISS)
            return status;
    }
    return STATUS_MISS;
}

enum status
resp_view(struct connection *connection, const struct bytes *argument,
          struct store_view *view, struct store_name *name_out)
{
    struct resp_names names;

    if (!resp_names_of(connection, argument, &names))
        return STATUS_MISS;
    for (unsigned i = 0; i < names.count; i++) {
        *name_out = names.name[i];
        if (store_view(connection->port, name_out, view) == STATUS_OK)
            return STATUS_OK;
    }
    return STATUS_MISS;
}

enum status
resp_exists(struct connection *connection, const struct bytes *argument)
{
    enum status status = STATUS_MISS;
    struct resp_names names;

    if (resp_names_of(connection, argument, &names))
        for (unsigned i = 0; i < names.count && status == STATUS_MISS; i++)
            status = store_exists(connection->port, &names.name[i]);
    request_count_exists(connection, status);
    return status;
}

enum status
resp_drop(struct connection *connection, const struct bytes *argument)
{
    enum status status = STATUS_MISS;
    struct resp_names names;

    if (!resp_names_of(connection, argument, &names))
        return STATUS_MISS;
    /* All of them: what the first has hidden must not come to light. */
    for (unsigned i = 0; i < names.count; i++) {
        if (store_drop(connection->port, &names.name[i]) == STATUS_OK) {
            count(connection->counters, COUNTER_drops, 1);
            status = STATUS_OK;
        }
    }
    return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* From a request's keys to the label they are counted under. */
#include "server/request/query.h"

#include "proto/object_name.h"
#include "server/index/rates.h"
#include "server/net/group.h"

/* A connection asks for keys of one model, most often. */
unsigned
query_label(struct connection *connection, const struct bytes *key)
{
    connection->label = rates_label(connection->group->rates, connection->space,
                                    key, connection->label);
    return connection->label;
}

/* A client that asks for both halves at once misses both, for one query. */
static bool
is_other_half(struct connection *connection, const struct bytes *key)
{
    uint64_t before = connection->missed_object;
    struct object_name object;
    struct key stem;

    connection->missed_object = 0;
    if (!object_name_split(key->at, key->size, &object))
        return false;
    stem = key_make(KEY_OBJECT, connection->space, object.stem.at,
                    (uint16_t)object.stem.size);
    if (object.half == HALF_BYTES)
        return stem.hash == before;
    connection->missed_object = stem.hash;
    return false;
}

void
query_hit(struct connection *connection, const struct bytes *key,
          const struct store_get *get, uint64_t bytes)
{
    if (!get->is_promised)
        rates_hit(connection->group->rates, query_label(connection, key),
                  get->tier, bytes);
}

void
query_hit_under(struct connection *connection, unsigned label,
                const struct store_get *get, uint64_t bytes)
{
    if (!get->is_promised)
        rates_hit(connection->group->rates, label, get->tier, bytes);
}

void
query_miss_under(struct connection *connection, unsigned label,
                 const struct store_get *get)
{
    if (!get->is_promised)
        rates_miss(connection->group->rates, label);
}

void
query_miss(struct connection *connection, const struct bytes *key,
           const struct store_get *get)
{
    if (!is_other_half(connection, key) && !get->is_promised)
        rates_miss(connection->group->rates, query_label(connection, key));
}

void
query_promised(struct connection *connection, const struct bytes *key,
               const struct store_promise *promise)
{
    rates_hit(connection->group->rates, query_label(connection, key),
              promise->tier, promise->body_size);
}

void
query_refused(struct connection *connection, const struct bytes *key)
{
    rates_miss(connection->group->rates, query_label(connection, key));
}

enum status
query_put(struct connection *connection, const struct store_terms *terms)
{
    struct store_put *put = &connection->request.put;
    struct key key = store_put_key(put);
    struct bytes name = {key.bytes, key.size};
    unsigned of = query_label(connection, &name);
    uint64_t size = put->chunk->size;
    enum status status = store_put_finish(connection->port, put, terms);

    /* The key and the chunk are the store's now. */
    if (status == STATUS_OK && put->is_new)
        rates_put(connection->group->rates, of, size);
    return status;
}

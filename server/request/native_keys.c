/* SPDX-License-Identifier: Apache-2.0 */
/* EXISTS and DROP of the native wire: a code for each key. */
#include "base/clock.h"
#include "server/request/native_request.h"
#include "server/request/query.h"
#include "server/server.h"
#include "storage/store_look.h"

typedef enum status key_fn(struct connection *, const struct bytes *);

/* So many keys that others would wait are gone through with pauses. */
static enum run
answer_keys(struct connection *connection, key_fn *each, uint32_t lease_ms)
{
    struct request *request = &connection->request;
    struct connection_native *native = &request->native;
    uint8_t *marks = native_marks(connection);
    struct native_reply reply;
    struct bytes key;

    for (unsigned i = 0; i < NATIVE_KEYS_AT_ONCE; i++) {
        enum status status;

        if (!native_next_key(&native->request.list, &key))
            break;
        status = each(connection, &key);
        native->found += status == STATUS_OK;
        marks[request->step++] = (uint8_t)native_code_of(status);
    }
    if (native->request.list.size != 0)
        return RUN_AGAIN;
    reply = (struct native_reply){.id = native->request.id,
                                  .matched = native->found,
                                  .lease_ms = lease_ms,
                                  .list = {marks, request->step}};
    return native_answer(connection, &reply);
}

static enum status
promise(struct connection *connection, const struct store_name *name,
        struct store_promise *out)
{
    uint64_t lease_ms = connection->request.native.request.lease_ms;

    if (lease_ms == 0)
        return store_promise(connection->port, name, out);
    return store_promise_for(connection->port, name, lease_ms * NS_PER_MS, out);
}

static enum status
exists(struct connection *connection, const struct bytes *key)
{
    enum status status = STATUS_MISS;
    struct store_promise promised;
    struct native_names names;

    native_names_of(connection, key, &names);
    for (unsigned i = 0; i < names.count && status == STATUS_MISS; i++)
        status = promise(connection, &names.name[i], &promised);
    request_count_exists(connection, key, status, &promised);
    return status;
}

enum run
native_exists(struct connection *connection)
{
    const struct server *server = connection->server;
    uint64_t lease_ns = connection->request.native.request.lease_ms * NS_PER_MS;

    if (lease_ns == 0)
        lease_ns = atomic_load_explicit(&server->limits.lease_ns,
                                        memory_order_relaxed);
    lease_ns = store_lease_length(server->store, lease_ns);
    return answer_keys(connection, exists, (uint32_t)(lease_ns / NS_PER_MS));
}

/* All that the key may mean: what the first has hidden must not come to light. */
static enum status
drop(struct connection *connection, const struct bytes *key)
{
    enum status status = STATUS_MISS;
    struct native_names names;

    native_names_of(connection, key, &names);
    for (unsigned i = 0; i < names.count; i++) {
        if (store_drop(connection->port, &names.name[i]) == STATUS_OK) {
            count(connection->counters, COUNTER_drops, 1);
            status = STATUS_OK;
        }
    }
    return status;
}

enum run
native_drop(struct connection *connection)
{
    return answer_keys(connection, drop, 0);
}

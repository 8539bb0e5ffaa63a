/* SPDX-License-Identifier: Apache-2.0 */
/* EXISTS, DEL, TTL, EXPIRE, PERSIST, TYPE, MEMORY USAGE: what is asked of keys
 * without moving their values. */
#include "base/clock.h"
#include "server/request/answer.h"
#include "server/request/resp_catalog.h"
#include "server/request/resp_name.h"
#include "server/request/resp_request.h"

typedef enum status key_fn(struct connection *, const struct bytes *);

/* How many keys there were; so many keys that others would wait are gone
 * through with pauses. */
static enum run
count_keys(struct connection *connection, struct resp_call *call, key_fn *each)
{
    struct request *request = &connection->request;
    struct bytes argument;

    if (request->step++ == 0)
        request->walk = call->arguments;
    for (unsigned i = 0; i < KEYS_AT_ONCE; i++) {
        if (!argument_next(&request->walk, &argument))
            return answer_integer(connection, request->tally);
        request->tally += each(connection, &argument) == STATUS_OK;
    }
    return RUN_AGAIN;
}

enum run
resp_exists_many(struct connection *connection, struct resp_call *call)
{
    return count_keys(connection, call, resp_exists);
}

enum run
resp_del(struct connection *connection, struct resp_call *call)
{
    return count_keys(connection, call, resp_drop);
}

/* Keys of the router's index do not expire. */
static bool
is_in_catalog(struct connection *connection, const struct bytes *argument)
{
    struct catalog_view view;

    return resp_catalog_view(connection, argument, &view);
}

enum run
resp_ttl(struct connection *connection, struct resp_call *call)
{
    struct bytes argument;
    struct store_name name;
    struct store_view view;
    uint64_t now_ns = clock_now_ns(), left_ns;

    if (!argument_next(&call->arguments, &argument))
        return answer_syntax(connection);
    if (resp_view(connection, &argument, &view, &name) != STATUS_OK)
        return answer_integer(connection,
                              is_in_catalog(connection, &argument) ? -1 : -2);
    if (view.expires_ns == 0)
        return answer_integer(connection, -1);
    left_ns = view.expires_ns > now_ns ? view.expires_ns - now_ns : 0;
    if (call->command->id == RESP_COMMAND_PTTL)
        return answer_integer(connection, (int64_t)(left_ns / NS_PER_MS));
    return answer_integer(
        connection, (int64_t)((left_ns + NS_PER_SECOND / 2) / NS_PER_SECOND));
}

/* EXPIRE's conditions: NX, XX, GT, LT. */
enum { IF_NONE = 1, IF_ANY = 2, IF_LATER = 4, IF_EARLIER = 8 };

static unsigned
condition_of(const struct bytes *word)
{
    if (argument_is(word, "NX"))
        return IF_NONE;
    if (argument_is(word, "XX"))
        return IF_ANY;
    if (argument_is(word, "GT"))
        return IF_LATER;
    return argument_is(word, "LT") ? IF_EARLIER : 0;
}

/* No expiry counts as the latest. */
static bool
may_expire(unsigned conditions, uint64_t present_ns, uint64_t expires_ns)
{
    uint64_t before_ns = present_ns == 0 ? UINT64_MAX : present_ns;

    return !((conditions & IF_NONE && present_ns != 0) ||
             (conditions & IF_ANY && present_ns == 0) ||
             (conditions & IF_LATER && expires_ns <= before_ns) ||
             (conditions & IF_EARLIER && expires_ns >= before_ns));
}

static const char *
incompatible(unsigned conditions)
{
    if (conditions & IF_NONE && conditions != IF_NONE)
        return "ERR NX and XX, GT or LT options at the same time are not "
               "compatible";
    if (conditions & IF_LATER && conditions & IF_EARLIER)
        return "ERR GT and LT options at the same time are not compatible";
    return NULL;
}

/* When, in milliseconds from now, is something that can be counted. */
static bool
is_countable(int64_t lifetime, int64_t scale)
{
    return lifetime <= INT64_MAX / 4000000 / scale &&
           lifetime >= INT64_MIN / scale;
}

static enum run
expire(struct connection *connection, const struct bytes *argument,
       int64_t lifetime_ms, unsigned conditions)
{
    uint64_t now_ns = clock_now_ns(), expires_ns = now_ns;
    struct store_name name;
    struct store_view view;

    if (lifetime_ms > 0)
        expires_ns += (uint64_t)lifetime_ms * NS_PER_MS;
    if (resp_view(connection, argument, &view, &name) != STATUS_OK ||
        !may_expire(conditions, view.expires_ns, expires_ns))
        return answer_integer(connection, 0);
    if (lifetime_ms <= 0)
        return answer_integer(connection,
                              resp_drop(connection, argument) == STATUS_OK);
    return answer_integer(connection, store_expire(connection->port, &name,
                                                   expires_ns) == STATUS_OK);
}

enum run
resp_expire(struct connection *connection, struct resp_call *call)
{
    int64_t scale = call->command->id == RESP_COMMAND_EXPIRE ? 1000 : 1;
    struct bytes argument, number, word;
    unsigned conditions = 0;
    int64_t lifetime;

    if (!argument_next(&call->arguments, &argument) ||
        !argument_next(&call->arguments, &number))
        return answer_syntax(connection);
    while (argument_next(&call->arguments, &word)) {
        if (condition_of(&word) == 0)
            return answer_error(connection, "ERR Unsupported option %.*s",
                                answer_shown(&word), (const char *)word.at);
        conditions |= condition_of(&word);
    }
    if (incompatible(conditions) != NULL)
        return answer_error(connection, "%s", incompatible(conditions));
    if (!argument_integer(&number, &lifetime))
        return answer_not_integer(connection);
    if (!is_countable(lifetime, scale))
        return answer_error(connection,
                            "ERR invalid expire time in '%s' command",
                            call->command->name);
    return expire(connection, &argument, lifetime * scale, conditions);
}

enum run
resp_persist(struct connection *connection, struct resp_call *call)
{
    struct bytes argument;
    struct store_name name;
    struct store_view view;

    if (!argument_next(&call->arguments, &argument))
        return answer_syntax(connection);
    if (resp_view(connection, &argument, &view, &name) != STATUS_OK ||
        view.expires_ns == 0)
        return answer_integer(connection, 0);
    return answer_integer(
        connection, store_expire(connection->port, &name, 0) == STATUS_OK);
}

enum run
resp_type(struct connection *connection, struct resp_call *call)
{
    struct bytes argument;
    struct store_name name;
    struct catalog_view other;
    struct store_view view;

    if (!argument_next(&call->arguments, &argument))
        return answer_syntax(connection);
    if (resp_view(connection, &argument, &view, &name) == STATUS_OK)
        return answer_simple(connection, "string");
    if (!resp_catalog_view(connection, &argument, &other))
        return answer_simple(connection, "none");
    return answer_simple(connection,
                         other.type == CATALOG_HASH ? "hash" : "zset");
}

enum run
resp_memory(struct connection *connection, struct resp_call *call)
{
    struct bytes word, argument;
    struct store_name name;
    struct catalog_view other;
    struct store_view view;

    if (!argument_next(&call->arguments, &word) ||
        !argument_is(&word, "USAGE") ||
        !argument_next(&call->arguments, &argument))
        return answer_error(connection,
                            "ERR MEMORY takes USAGE and a key here");
    if (resp_view(connection, &argument, &view, &name) == STATUS_OK)
        return answer_integer(connection, (int64_t)view.memory);
    if (!resp_catalog_view(connection, &argument, &other))
        return answer_null(connection);
    return answer_integer(connection, (int64_t)other.memory);
}

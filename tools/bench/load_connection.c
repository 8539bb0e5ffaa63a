/* SPDX-License-Identifier: Apache-2.0 */
/* Which wire a connection has. */
#include "tools/bench/load_connection.h"

#define NATIVE_MAX 1024u

enum status
load_connection_open(const struct load_url *url, unsigned in_flight,
                     struct load_connection **out, char *why, size_t room)
{
    const struct load_connection_type *type =
        url->is_native ? &load_connection_native : &load_connection_wire;

    return type->open(url, in_flight, out, why, room);
}

void
load_connection_close(struct load_connection **owner)
{
    struct load_connection *connection = *owner;

    *owner = NULL;
    if (connection != NULL)
        connection->type->close(connection);
}

enum status
load_connection_start(struct load_connection *connection,
                      const struct load_request *request)
{
    return connection->type->start(connection, request);
}

enum status
load_connection_finish(struct load_connection *connection, uint64_t until_ns,
                       struct load_answer *out)
{
    return connection->type->finish(connection, until_ns, out);
}

enum status
load_connection_settle(struct load_connection *connection, struct bytes name)
{
    return connection->type->settle(connection, name);
}

const char *
load_connection_why(const struct load_connection *connection)
{
    return connection->type->why(connection);
}

unsigned
load_connection_in_flight_max(const struct load_url *url)
{
    return url->is_native ? NATIVE_MAX : 1;
}

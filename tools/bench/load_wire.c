/* SPDX-License-Identifier: Apache-2.0 */
/* Connections of client/wire.h: a request is over when it has been started. */
#include "tools/bench/load_connection.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define OPEN_TIMEOUT_MS 30000u

struct load_wire {
    struct load_connection base;
    enum wire_kind kind;
    struct wire *wire;
    bool has_answer;
    struct load_answer answer;
};

/* After these the connection still keeps its framing. */
static bool
may_continue(enum status status)
{
    return status_scope(status) <= SCOPE_REQUEST && status != STATUS_LATE;
}

static void
close_wire(struct load_connection *base)
{
    struct load_wire *connection = (struct load_wire *)base;

    wire_close(&connection->wire);
    free(connection);
}

static enum status
open_wire(const struct load_url *url, unsigned in_flight,
          struct load_connection **out, char *why, size_t room)
{
    struct load_wire *connection = calloc(1, sizeof *connection);
    enum status status;

    assert(in_flight == 1);
    if (connection == NULL) {
        snprintf(why, room, "no memory for a connection");
        return STATUS_NO_SPACE;
    }
    connection->base.type = &load_connection_wire;
    connection->kind = url->wire.kind;
    status =
        wire_open(&url->wire, OPEN_TIMEOUT_MS, &connection->wire, why, room);
    if (status == STATUS_OK)
        *out = &connection->base;
    else
        free(connection);
    return status;
}

static enum status
start(struct load_connection *base, const struct load_request *request)
{
    struct load_wire *connection = (struct load_wire *)base;
    enum status status = STATUS_BAD_REQUEST;
    size_t size = 0;

    assert(!connection->has_answer);
    switch (request->kind) {
    case KIND_GET:
        status = wire_get(connection->wire, request->name, request->into, &size,
                          NULL);
        break;
    case KIND_PUT:
        status = wire_put(connection->wire, request->name, request->body, NULL);
        break;
    case KIND_EXISTS:
        status = wire_exists(connection->wire, request->name);
        break;
    case KIND_COUNT:
        break;
    }
    if (!may_continue(status))
        return status;
    connection->has_answer = true;
    connection->answer = (struct load_answer){
        .slot = request->slot, .status = status, .size = size};
    return STATUS_OK;
}

static enum status
finish(struct load_connection *base, uint64_t until_ns, struct load_answer *out)
{
    struct load_wire *connection = (struct load_wire *)base;

    (void)until_ns;
    if (!connection->has_answer)
        return STATUS_BUSY;
    connection->has_answer = false;
    *out = connection->answer;
    return STATUS_OK;
}

static enum status
settle(struct load_connection *base, struct bytes name)
{
    struct load_wire *connection = (struct load_wire *)base;
    enum status status;

    if (connection->kind != WIRE_LM)
        return STATUS_OK;
    status = wire_exists(connection->wire, name);
    return may_continue(status) ? STATUS_OK : status;
}

static const char *
why(const struct load_connection *base)
{
    return wire_why(((const struct load_wire *)base)->wire);
}

const struct load_connection_type load_connection_wire = {
    .open = open_wire,
    .close = close_wire,
    .start = start,
    .finish = finish,
    .settle = settle,
    .why = why,
};

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections of libprefixcache: a cache of its own for each, and a call of one
 * item for each request, submitted and drained.
 */
#include "base/clock.h"
#include "tools/bench/load_connection.h"
#include "tools/bench/native_cache.h"

#include <assert.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define DRAINED_MAX 64u

/* Tickets are never 0. */
struct native_slot {
    uint64_t ticket;
    enum load_kind kind;
    struct prefixcache_item item;
};

/* What the library took for misses, or lost, that no server has said. */
struct native_losses {
    uint64_t gone, late, corrupt;
};

struct load_native {
    struct load_connection base;
    struct prefixcache *cache;
    struct native_losses losses; /* that are known */
    struct prefixcache_completion drained[DRAINED_MAX];
    size_t drained_at, drained_count;
    const char *why;
    unsigned slot_count;
    struct native_slot slots[];
};

static void
close_native(struct load_connection *base)
{
    struct load_native *connection = (struct load_native *)base;

    prefixcache_close(&connection->cache);
    free(connection);
}

static enum status
open_native(const struct load_url *url, unsigned in_flight,
            struct load_connection **out, char *why, size_t room)
{
    struct load_native *connection =
        calloc(1, sizeof *connection + in_flight * sizeof connection->slots[0]);
    enum status status;

    if (connection == NULL) {
        snprintf(why, room, "no memory for a connection");
        return STATUS_NO_SPACE;
    }
    connection->base.type = &load_connection_native;
    connection->slot_count = in_flight;
    connection->why = "";
    status = native_cache_open(url->text, &connection->cache, why, room);
    if (status == STATUS_OK && prefixcache_event_fd(connection->cache) < 0) {
        snprintf(why, room, "no descriptor for completions");
        status = STATUS_NO_SPACE;
    }
    if (status == STATUS_OK)
        *out = &connection->base;
    else
        close_native(&connection->base);
    return status;
}

static enum status
lose(struct load_native *connection, enum status status, const char *why)
{
    connection->why = why;
    return status;
}

static enum status
start(struct load_connection *base, const struct load_request *request)
{
    static const int verbs[KIND_COUNT] = {[KIND_GET] = PREFIXCACHE_GET,
                                          [KIND_PUT] = PREFIXCACHE_PUT,
                                          [KIND_EXISTS] = PREFIXCACHE_EXISTS};
    struct load_native *connection = (struct load_native *)base;
    struct native_slot *slot = &connection->slots[request->slot];
    struct prefixcache_item *item = &slot->item;

    assert(slot->ticket == 0);
    slot->kind = request->kind;
    *item = (struct prefixcache_item){.key = request->name.at,
                                      .key_size = request->name.size};
    if (request->kind == KIND_GET) {
        item->body = request->into.iov_base;
        item->body_size = request->into.iov_len;
    } else if (request->kind == KIND_PUT) {
        /* A put only reads it. */
        item->body = (void *)(uintptr_t)request->body.at;
        item->body_size = request->body.size;
    }
    slot->ticket =
        prefixcache_submit(connection->cache, verbs[request->kind], item, 1);
    if (slot->ticket == 0)
        return lose(connection, STATUS_NO_SPACE, "no memory for a request");
    return STATUS_OK;
}

static struct native_losses
count_losses(const struct load_native *connection)
{
    struct prefixcache_shard shards[PREFIXCACHE_SHARDS_MAX];
    size_t count = prefixcache_shards(connection->cache, shards,
                                      PREFIXCACHE_SHARDS_MAX, sizeof shards[0]);
    struct native_losses losses = {.gone = 0};

    for (size_t i = 0; i < count; i++) {
        losses.gone += shards[i].misses_gone;
        losses.late += shards[i].misses_late;
        losses.corrupt += shards[i].misses_corrupt;
    }
    return losses;
}

/* A miss is the server's word, or the library's for what has failed. */
static enum status
explain_miss(struct load_native *connection)
{
    struct native_losses before = connection->losses;
    struct native_losses now = count_losses(connection);

    connection->losses = now;
    if (now.gone > before.gone)
        return STATUS_GONE;
    if (now.late > before.late)
        return STATUS_LATE;
    return now.corrupt > before.corrupt ? STATUS_CORRUPT : STATUS_MISS;
}

static enum status
take(struct load_native *connection, uint64_t ticket, struct load_answer *out)
{
    unsigned at = 0;
    struct native_slot *slot;
    enum status status;

    while (at < connection->slot_count &&
           connection->slots[at].ticket != ticket)
        at++;
    assert(at < connection->slot_count);
    slot = &connection->slots[at];
    slot->ticket = 0;
    status = native_cache_status(slot->item.status);
    if (status == STATUS_MISS && slot->kind == KIND_GET)
        status = explain_miss(connection);
    if (status == STATUS_GONE)
        return lose(connection, status, "the server is gone");
    if (status == STATUS_LATE)
        return lose(connection, status, "no answer in time");
    *out = (struct load_answer){
        .slot = at, .status = status, .size = slot->item.got};
    return STATUS_OK;
}

/* False: it is later than that. */
static bool
await(const struct load_native *connection, uint64_t until_ns)
{
    struct pollfd event = {.fd = prefixcache_event_fd(connection->cache),
                           .events = POLLIN};
    uint64_t now = until_ns == UINT64_MAX ? 0 : clock_now_ns(), left;
    struct timespec timeout;

    if (now >= until_ns)
        return false;
    left = until_ns - now;
    timeout.tv_sec = (time_t)(left / NS_PER_SECOND);
    timeout.tv_nsec = (long)(left % NS_PER_SECOND);
    ppoll(&event, 1, until_ns == UINT64_MAX ? NULL : &timeout, NULL);
    return true;
}

static enum status
finish(struct load_connection *base, uint64_t until_ns, struct load_answer *out)
{
    struct load_native *connection = (struct load_native *)base;

    while (connection->drained_at == connection->drained_count) {
        connection->drained_at = 0;
        connection->drained_count = prefixcache_drain(
            connection->cache, connection->drained, DRAINED_MAX);
        if (connection->drained_count == 0 && !await(connection, until_ns))
            return STATUS_BUSY;
    }
    return take(connection,
                connection->drained[connection->drained_at++].ticket, out);
}

/* Every PUT has been answered. */
static enum status
settle(struct load_connection *base, struct bytes name)
{
    (void)base;
    (void)name;
    return STATUS_OK;
}

static const char *
why(const struct load_connection *base)
{
    return ((const struct load_native *)base)->why;
}

const struct load_connection_type load_connection_native = {
    .open = open_native,
    .close = close_native,
    .start = start,
    .finish = finish,
    .settle = settle,
    .why = why,
};

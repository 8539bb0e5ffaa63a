/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a client asks for, when, and what it counts.  How that gets to a server
 * is load_connection.h's, what values look like load_value.c's.
 */
#include "tools/bench/load_client.h"

#include "base/clock.h"
#include "tools/bench/random.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void
fail(struct load_client *client, enum status status, const char *what)
{
    if (client->status != STATUS_OK)
        return;
    client->status = status;
    snprintf(client->why, sizeof client->why, "%s: %s", what,
             status == STATUS_NO_SPACE
                 ? status_text(status)
                 : load_connection_why(client->connection));
}

static bool
has_requests(const struct load_client *client)
{
    return client->idle_count < client->shared->plan->in_flight;
}

static const char *
verb(enum load_kind kind)
{
    static const char *const verbs[KIND_COUNT] = {
        [KIND_GET] = "get", [KIND_PUT] = "put", [KIND_EXISTS] = "exists"};
    return verbs[kind];
}

/* A slot is free. */
static void
begin(struct load_client *client, enum load_kind kind, uint64_t number,
      uint64_t now)
{
    const struct load_value *value = client->shared->value;
    unsigned at = client->idle[--client->idle_count];
    struct load_slot *slot = &client->slots[at];
    char name[LOAD_NAME_SIZE];

    slot->kind = kind;
    slot->number = number;
    slot->start_ns = now;
    struct load_request request = {.slot = at,
                                   .kind = kind,
                                   .name = load_name(number, value->size, name),
                                   .body = load_value_body(value, number),
                                   .into = {slot->buffer, value->size}};
    enum status status = load_connection_start(client->connection, &request);
    if (status != STATUS_OK)
        fail(client, status, verb(kind));
}

static void
count_get(struct load_client *client, const struct load_slot *slot,
          const struct load_answer *answer)
{
    client->result.hits++;
    client->result.bytes += answer->size;
    if (answer->status != STATUS_OK ||
        (client->shared->plan->is_verified &&
         !load_value_is(client->shared->value, slot->number, slot->buffer,
                        answer->size)))
        client->result.wrong++;
}

static void
count(struct load_client *client, const struct load_answer *answer)
{
    const struct load_slot *slot = &client->slots[answer->slot];

    if (answer->status == STATUS_MISS && slot->kind != KIND_PUT)
        client->result.misses++;
    else if (slot->kind == KIND_GET &&
             (answer->status == STATUS_OK || answer->status == STATUS_CORRUPT ||
              answer->status == STATUS_TOO_BIG))
        count_get(client, slot, answer);
    else if (answer->status != STATUS_OK)
        client->result.refused++;
    else if (slot->kind == KIND_PUT)
        client->result.bytes += client->shared->value->size;
    else
        client->result.hits++;
}

/* One that has finished until then, if any has. */
static void
await(struct load_client *client, uint64_t until_ns)
{
    struct load_answer answer;
    enum status status =
        load_connection_finish(client->connection, until_ns, &answer);
    if (status == STATUS_BUSY)
        return;
    if (status != STATUS_OK) {
        fail(client, status, "reply");
        return;
    }
    const struct load_slot *slot = &client->slots[answer.slot];
    count(client, &answer);
    histogram_add(&client->result.latency[slot->kind],
                  clock_now_ns() - slot->start_ns);
    client->idle[client->idle_count++] = answer.slot;
}

static void
await_all(struct load_client *client)
{
    while (client->status == STATUS_OK && has_requests(client))
        await(client, UINT64_MAX);
}

/* Whenever there is room for it. */
static void
send(struct load_client *client, enum load_kind kind, uint64_t number)
{
    while (client->status == STATUS_OK && client->idle_count == 0)
        await(client, UINT64_MAX);
    if (client->status == STATUS_OK)
        begin(client, kind, number, clock_now_ns());
}

/* Until the server has taken everything. */
static void
settle(struct load_client *client)
{
    char name[LOAD_NAME_SIZE];

    await_all(client);
    if (client->status != STATUS_OK)
        return;
    enum status status = load_connection_settle(
        client->connection, load_name(0, client->shared->value->size, name));
    if (status != STATUS_OK)
        fail(client, status, "wait for the last put");
}

/* The server leaves out what it can not write in time: never more than a little
 * ahead of it.  Keys beyond those that will be asked for push these out of faster
 * tiers, whatever the server's policy is. */
static void
fill_tier(struct load_client *client)
{
    const struct load_plan *plan = client->shared->plan;
    struct load_tier *tier = client->shared->tier;
    uint64_t beyond = load_tier_beyond(tier) / plan->size + 1;
    uint64_t ahead = load_tier_ahead(tier);
    for (uint64_t i = 0; i < plan->keys + beyond; i++) {
        client->status =
            load_tier_await(tier, ahead, client->why, sizeof client->why);
        if (client->status != STATUS_OK)
            return;
        send(client, KIND_PUT, plan->first_key + i);
        settle(client);
        if (client->status != STATUS_OK)
            return;
    }
}

/* What comes before the first key of each share when keys are walked round and
 * round, so that DRAM holds what it would hold then. */
static void
walk_up(struct load_client *client)
{
    const struct load_plan *plan = client->shared->plan;
    uint64_t values = client->shared->tier->start.dram_size / plan->size + 1;
    uint64_t each = values / plan->connections + 1;
    for (unsigned share = 1; share <= plan->connections; share++) {
        uint64_t end = plan->keys * share / plan->connections;
        for (uint64_t i = end > each ? end - each : 0; i < end; i++)
            send(client, KIND_GET, plan->first_key + i);
    }
    await_all(client);
}

static void
fill(struct load_client *client)
{
    const struct load_plan *plan = client->shared->plan;
    for (uint64_t i = client->index; i < plan->keys; i += plan->connections) {
        if (client->status == STATUS_OK)
            send(client, KIND_PUT, plan->first_key + i);
    }
    settle(client);
}

static enum status
make_buffers(struct load_client *client)
{
    const struct load_plan *plan = client->shared->plan;
    for (unsigned i = 0; i < plan->in_flight; i++) {
        void *memory = NULL;
        if (posix_memalign(&memory, 4096, plan->size) != 0)
            return STATUS_NO_SPACE;
        client->slots[i].buffer = memset(memory, 0, plan->size);
    }
    return STATUS_OK;
}

void
load_client_prepare(struct load_client *client)
{
    const struct load_plan *plan = client->shared->plan;
    bool has_tier = client->shared->tier != NULL;

    if (make_buffers(client) != STATUS_OK) {
        fail(client, STATUS_NO_SPACE, "buffers");
        return;
    }
    if (!has_tier && plan->is_filled)
        fill(client);
    if (has_tier && client->index == 0 && plan->is_filled)
        fill_tier(client);
    if (has_tier && client->index == 0 && plan->mode == LOAD_GET &&
        client->status == STATUS_OK)
        walk_up(client);
    memset(&client->result, 0, sizeof client->result);
}

/* When the rate lets the next request go. */
static uint64_t
due_ns(const struct load_client *client)
{
    const struct load_plan *plan = client->shared->plan;
    if (plan->rate == 0)
        return 0;
    uint64_t bytes = client->result.bytes;
    if (plan->mode != LOAD_EXISTS)
        bytes += (plan->in_flight - client->idle_count) * plan->size;
    double share = (double)plan->rate / plan->connections;
    uint64_t due = client->shared->start_ns +
                   (uint64_t)((double)bytes / share * (double)NS_PER_SECOND);
    return due < client->shared->stop_ns ? due : client->shared->stop_ns;
}

static void
sleep_until(uint64_t due)
{
    struct timespec until = {.tv_sec = (time_t)(due / NS_PER_SECOND),
                             .tv_nsec = (long)(due % NS_PER_SECOND)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) ==
           EINTR)
        ;
}

static enum load_kind
choose(struct load_client *client)
{
    const struct load_plan *plan = client->shared->plan;
    switch (plan->mode) {
    case LOAD_GET:
        return KIND_GET;
    case LOAD_PUT:
        return KIND_PUT;
    case LOAD_EXISTS:
        return KIND_EXISTS;
    case LOAD_MIXED:
        break;
    }
    return random_below(&client->random, 100) < plan->get_share ? KIND_GET
                                                                : KIND_PUT;
}

/* The keys of one client, from the first one to the one behind the last: all of
 * them, but with a tier a share of its own, so that one that is quicker does not
 * come to what another has just read. */
static uint64_t
first_key(const struct load_client *client)
{
    const struct load_plan *plan = client->shared->plan;
    return client->shared->tier == NULL
               ? 0
               : plan->keys * client->index / plan->connections;
}

static uint64_t
end_key(const struct load_client *client)
{
    const struct load_plan *plan = client->shared->plan;
    uint64_t end = client->shared->tier == NULL
                       ? plan->keys
                       : plan->keys * (client->index + 1) / plan->connections;
    return end > first_key(client) ? end : first_key(client) + 1;
}

/* In order, as an engine asks for the chunks of its prompts, round and round.
 * Each begins at another one. */
static uint64_t
next_key(struct load_client *client)
{
    uint64_t number = client->number++;
    if (client->number >= end_key(client))
        client->number = first_key(client);
    return client->shared->plan->first_key + number;
}

void
load_client_measure(struct load_client *client)
{
    const struct load_plan *plan = client->shared->plan;
    uint64_t now = clock_now_ns();

    client->number = plan->keys * client->index / plan->connections;
    while (client->status == STATUS_OK && now < client->shared->stop_ns) {
        uint64_t due = client->idle_count == 0 ? UINT64_MAX : due_ns(client);
        if (due <= now)
            begin(client, choose(client), next_key(client), now);
        else if (has_requests(client))
            await(client, due);
        else
            sleep_until(due);
        now = clock_now_ns();
    }
    await_all(client);
    if (plan->mode == LOAD_PUT || plan->mode == LOAD_MIXED)
        settle(client);
    client->end_ns = clock_now_ns();
}

enum status
load_client_open(struct load_client *client, const struct load_shared *shared,
                 unsigned index, char *why, size_t room)
{
    unsigned in_flight = shared->plan->in_flight;

    client->shared = shared;
    client->index = index;
    client->random = index + 1;
    client->slots = calloc(in_flight, sizeof *client->slots);
    client->idle = calloc(in_flight, sizeof *client->idle);
    if (client->slots == NULL || client->idle == NULL) {
        snprintf(why, room, "no memory for a connection");
        return STATUS_NO_SPACE;
    }
    /* The last one to be free is taken first: its buffer is in cache. */
    while (client->idle_count < in_flight) {
        client->idle[client->idle_count] = in_flight - 1 - client->idle_count;
        client->idle_count++;
    }
    return load_connection_open(&shared->plan->url, in_flight,
                                &client->connection, why, room);
}

void
load_client_close(struct load_client *client)
{
    load_connection_close(&client->connection);
    for (unsigned i = 0;
         client->slots != NULL && i < client->shared->plan->in_flight; i++)
        free(client->slots[i].buffer);
    free(client->slots);
    free(client->idle);
}

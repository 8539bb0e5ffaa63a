/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The threads of a run.  Clients share nothing that changes: each has its
 * connection, its buffer and its own figures, summed when all are done.  What
 * values look like is load_value.c's, what is printed report.c's.
 */
#include "tools/bench/load.h"

#include "base/clock.h"
#include "tools/bench/load_value.h"
#include "tools/bench/process_cpu.h"
#include "tools/bench/quantity.h"
#include "tools/bench/random.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define OPEN_TIMEOUT_MS 30000u

/* What all clients read; main writes it between the two barriers. */
struct run {
    const struct load_plan *plan;
    const struct load_value *value;
    struct load_tier *tier; /* NULL: none is asked for */
    pthread_barrier_t ready, go;
    uint64_t start_ns, stop_ns;
};

struct load_client {
    struct run *run;
    pthread_t thread;
    unsigned index;
    struct wire *wire;
    uint8_t *buffer;
    uint64_t number; /* of the next key */
    uint64_t random;
    uint64_t end_ns;
    struct load_result result;
    enum status status; /* the first failure, and what it was */
    char why[256];
};

static void
fail(struct load_client *client, enum status status, const char *what)
{
    if (client->status != STATUS_OK)
        return;
    client->status = status;
    snprintf(client->why, sizeof client->why, "%s: %s", what,
             client->wire != NULL ? wire_why(client->wire)
                                  : status_text(status));
}

/* After these the connection still keeps its framing. */
static bool
may_continue(enum status status)
{
    return status_scope(status) <= SCOPE_REQUEST && status != STATUS_LATE;
}

static bool
put_one(struct load_client *client, uint64_t number)
{
    const struct load_value *value = client->run->value;
    char name[LOAD_NAME_SIZE];
    enum status status =
        wire_put(client->wire, load_name(number, value->size, name),
                 load_value_body(value, number), NULL);
    if (status != STATUS_OK && !may_continue(status)) {
        fail(client, status, "put");
        return false;
    }
    if (status == STATUS_OK)
        client->result.bytes += value->size;
    else
        client->result.refused++;
    return true;
}

static bool
get_one(struct load_client *client, uint64_t number)
{
    const struct load_value *value = client->run->value;
    char name[LOAD_NAME_SIZE];
    size_t size = 0;
    enum status status =
        wire_get(client->wire, load_name(number, value->size, name),
                 (struct iovec){client->buffer, value->size}, &size, NULL);
    if (status == STATUS_MISS) {
        client->result.misses++;
        return true;
    }
    if (status != STATUS_OK && !may_continue(status)) {
        fail(client, status, "get");
        return false;
    }
    if (status == STATUS_BAD_REQUEST) {
        client->result.refused++;
        return true;
    }
    client->result.hits++;
    client->result.bytes += size;
    if (status != STATUS_OK ||
        (client->run->plan->is_verified &&
         !load_value_is(value, number, client->buffer, size)))
        client->result.wrong++;
    return true;
}

static bool
ask_one(struct load_client *client, uint64_t number)
{
    char name[LOAD_NAME_SIZE];
    enum status status = wire_exists(
        client->wire, load_name(number, client->run->value->size, name));
    if (status == STATUS_OK) {
        client->result.hits++;
    } else if (status == STATUS_MISS) {
        client->result.misses++;
    } else if (may_continue(status)) {
        client->result.refused++;
    } else {
        fail(client, status, "exists");
        return false;
    }
    return true;
}

/* An lm:// PUT has no reply: wait until the server has taken the last one. */
static void
settle(struct load_client *client)
{
    char name[LOAD_NAME_SIZE];
    if (client->status != STATUS_OK || client->run->plan->url.kind != WIRE_LM)
        return;
    enum status status =
        wire_exists(client->wire, load_name(0, client->run->value->size, name));
    if (!may_continue(status))
        fail(client, status, "wait for the last put");
}

/* The server leaves out what it can not write in time: never more than a little
 * ahead of it.  Keys beyond those that will be asked for push these out of faster
 * tiers, whatever the server's policy is. */
static void
fill_tier(struct load_client *client)
{
    const struct load_plan *plan = client->run->plan;
    struct load_tier *tier = client->run->tier;
    uint64_t beyond = load_tier_beyond(tier) / plan->size + 1;
    uint64_t ahead = load_tier_ahead(tier);
    for (uint64_t i = 0; i < plan->keys + beyond; i++) {
        client->status =
            load_tier_await(tier, ahead, client->why, sizeof client->why);
        if (client->status != STATUS_OK ||
            !put_one(client, plan->first_key + i))
            return;
        settle(client);
    }
}

/* What comes before the first key of each share when keys are walked round and
 * round, so that DRAM holds what it would hold then. */
static void
walk_up(struct load_client *client)
{
    const struct load_plan *plan = client->run->plan;
    uint64_t count = client->run->tier->start.dram_size / plan->size + 1;
    uint64_t each = count / plan->connections + 1;
    for (unsigned share = 1; share <= plan->connections; share++) {
        uint64_t end = plan->keys * share / plan->connections;
        for (uint64_t i = end > each ? end - each : 0; i < end; i++) {
            if (client->status != STATUS_OK ||
                !get_one(client, plan->first_key + i))
                return;
        }
    }
}

static void
fill(struct load_client *client)
{
    const struct load_plan *plan = client->run->plan;
    for (uint64_t i = client->index; i < plan->keys; i += plan->connections) {
        if (!put_one(client, plan->first_key + i))
            return;
    }
    settle(client);
}

static void
prepare(struct load_client *client)
{
    const struct load_plan *plan = client->run->plan;
    if (client->run->tier == NULL && plan->is_filled)
        fill(client);
    if (client->run->tier != NULL && client->index == 0) {
        if (plan->is_filled)
            fill_tier(client);
        if (plan->mode == LOAD_GET)
            walk_up(client);
    }
    memset(&client->result, 0, sizeof client->result);
}

/* Holds the client back to its share of the rate. */
static uint64_t
pace(const struct load_client *client, uint64_t now)
{
    const struct load_plan *plan = client->run->plan;
    if (plan->rate == 0)
        return now;
    double share = (double)plan->rate / plan->connections;
    uint64_t due =
        client->run->start_ns + (uint64_t)((double)client->result.bytes /
                                           share * (double)NS_PER_SECOND);
    if (due <= now)
        return now;
    if (due > client->run->stop_ns)
        due = client->run->stop_ns;
    struct timespec until = {.tv_sec = (time_t)(due / NS_PER_SECOND),
                             .tv_nsec = (long)(due % NS_PER_SECOND)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) ==
           EINTR)
        ;
    return clock_now_ns();
}

static enum load_kind
choose(struct load_client *client)
{
    const struct load_plan *plan = client->run->plan;
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
    const struct load_plan *plan = client->run->plan;
    return client->run->tier == NULL
               ? 0
               : plan->keys * client->index / plan->connections;
}

static uint64_t
end_key(const struct load_client *client)
{
    const struct load_plan *plan = client->run->plan;
    uint64_t end = client->run->tier == NULL
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
    return client->run->plan->first_key + number;
}

static void
measure(struct load_client *client)
{
    static bool (*const act[KIND_COUNT])(struct load_client *, uint64_t) = {
        [KIND_GET] = get_one, [KIND_PUT] = put_one, [KIND_EXISTS] = ask_one};
    const struct load_plan *plan = client->run->plan;
    client->number = plan->keys * client->index / plan->connections;
    uint64_t now = clock_now_ns();
    while (client->status == STATUS_OK) {
        now = pace(client, now);
        if (now >= client->run->stop_ns)
            break;
        enum load_kind kind = choose(client);
        if (!act[kind](client, next_key(client)))
            break;
        uint64_t done = clock_now_ns();
        histogram_add(&client->result.latency[kind], done - now);
        now = done;
    }
    if (plan->mode == LOAD_PUT || plan->mode == LOAD_MIXED)
        settle(client);
    client->end_ns = clock_now_ns();
}

static void *
serve_client(void *argument)
{
    struct load_client *client = argument;
    const struct load_plan *plan = client->run->plan;
    void *memory = NULL;
    if (posix_memalign(&memory, 4096, plan->size) == 0) {
        client->buffer = memory;
        memset(client->buffer, 0, plan->size);
    } else {
        fail(client, STATUS_NO_SPACE, "buffer");
    }
    if (client->status == STATUS_OK)
        prepare(client);
    pthread_barrier_wait(&client->run->ready);
    pthread_barrier_wait(&client->run->go);
    measure(client);
    free(client->buffer);
    return NULL;
}

static void
sum_results(const struct load_client *clients, unsigned count,
            struct load_result *sum)
{
    for (unsigned i = 0; i < count; i++) {
        const struct load_result *one = &clients[i].result;
        for (unsigned kind = 0; kind < KIND_COUNT; kind++)
            histogram_merge(&sum->latency[kind], &one->latency[kind]);
        sum->bytes += one->bytes;
        sum->hits += one->hits;
        sum->misses += one->misses;
        sum->wrong += one->wrong;
        sum->refused += one->refused;
        uint64_t elapsed = clients[i].end_ns - clients[i].run->start_ns;
        if (elapsed > sum->elapsed_ns)
            sum->elapsed_ns = elapsed;
    }
}

/* Connections open one after the other, in order, so that a server that deals
 * them out in turn gives every run the same shares. */
static enum status
open_all(struct run *run, struct load_client *clients, char *why, size_t room)
{
    for (unsigned i = 0; i < run->plan->connections; i++) {
        clients[i].run = run;
        clients[i].index = i;
        clients[i].random = i + 1;
        enum status status = wire_open(&run->plan->url, OPEN_TIMEOUT_MS,
                                       &clients[i].wire, why, room);
        if (status != STATUS_OK)
            return status;
    }
    return STATUS_OK;
}

static void
start_all(struct load_client *clients, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        int error =
            pthread_create(&clients[i].thread, NULL, serve_client, &clients[i]);
        if (error != 0) {
            /* The barriers wait for all of them; there is no going on. */
            fprintf(stderr, "prefixcache-bench: thread %u of %u: %s\n", i + 1,
                    count, strerror(error));
            exit(1);
        }
    }
}

/* When everything is written. */
static enum status
read_tier(const struct run *run, struct load_tier_figures *out, char *why,
          size_t room)
{
    if (run->tier == NULL)
        return STATUS_OK;
    enum status status = load_tier_await(run->tier, 0, why, room);
    return status == STATUS_OK ? load_tier_read(run->tier, out, why, room)
                               : status;
}

static enum status
begin_tier(const struct run *run, struct load_tier_figures *out, char *why,
           size_t room)
{
    enum status status = read_tier(run, out, why, room);
    if (status != STATUS_OK || run->tier == NULL || !run->plan->is_filled)
        return status;
    struct load_tier_change change =
        load_tier_change(run->tier->kind, &run->tier->start, out);
    if (change.skipped_bytes == 0)
        return STATUS_OK;
    char size[32];
    quantity_write_size(change.skipped_bytes, size, sizeof size);
    snprintf(why, room,
             "the server left %s of values unwritten while it was filled: is "
             "nvme.queue too small, or %s?",
             size,
             run->tier->kind == LOAD_TIER_SPILL
                 ? "spill.inflight, or spill.write_max"
                 : "nvme.write_max");
    return STATUS_BUSY;
}

static enum status
run_clients(struct run *run, struct load_client *clients,
            struct load_result *result, char *why, size_t room)
{
    const struct load_plan *plan = run->plan;
    unsigned count = plan->connections;
    pthread_barrier_init(&run->ready, NULL, count + 1);
    pthread_barrier_init(&run->go, NULL, count + 1);
    start_all(clients, count);

    uint64_t cpu_before = 0, cpu_after = 0;
    pthread_barrier_wait(&run->ready);
    enum status status = begin_tier(run, &result->before, why, room);
    bool is_known = plan->pid != 0 && process_cpu_ns(plan->pid, &cpu_before);
    run->start_ns = clock_now_ns();
    run->stop_ns = run->start_ns;
    if (status == STATUS_OK)
        run->stop_ns += (uint64_t)(plan->seconds * (double)NS_PER_SECOND);
    pthread_barrier_wait(&run->go);
    for (unsigned i = 0; i < count; i++)
        pthread_join(clients[i].thread, NULL);
    if (is_known && process_cpu_ns(plan->pid, &cpu_after))
        result->server_cpu_ns = cpu_after - cpu_before;
    pthread_barrier_destroy(&run->ready);
    pthread_barrier_destroy(&run->go);

    sum_results(clients, count, result);
    for (unsigned i = 0; i < count; i++) {
        if (clients[i].status == STATUS_OK)
            continue;
        snprintf(why, room, "connection %u: %s", i + 1, clients[i].why);
        return clients[i].status;
    }
    if (status == STATUS_OK)
        status = read_tier(run, &result->after, why, room);
    return status;
}

enum status
load_run(const struct load_plan *plan, struct load_result *result, char *why,
         size_t room)
{
    struct load_value *value = NULL;
    struct load_client *clients = calloc(plan->connections, sizeof *clients);
    memset(result, 0, sizeof *result);
    if (clients == NULL || load_value_new(plan->size, &value) != STATUS_OK) {
        snprintf(why, room, "no memory for the values");
        free(clients);
        return STATUS_NO_SPACE;
    }
    struct load_tier tier = {.wire = NULL};
    struct run run = {.plan = plan,
                      .value = value,
                      .tier = plan->tier != LOAD_TIER_NONE ? &tier : NULL};
    enum status status = open_all(&run, clients, why, room);
    if (status == STATUS_OK && run.tier != NULL)
        status = load_tier_open(&plan->url, plan->tier, &tier, why, room);
    if (status == STATUS_OK)
        status = run_clients(&run, clients, result, why, room);
    for (unsigned i = 0; i < plan->connections; i++) {
        if (clients[i].wire != NULL)
            wire_close(&clients[i].wire);
    }
    load_tier_close(&tier);
    load_value_drop(&value);
    free(clients);
    return status;
}

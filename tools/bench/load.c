/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The threads of a run: one for each client, whose figures are summed when all
 * are done.  What a client does is load_client.c's, what is printed report.c's.
 */
#include "tools/bench/load.h"

#include "base/clock.h"
#include "tools/bench/load_client.h"
#include "tools/bench/process_cpu.h"
#include "tools/bench/quantity.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The main thread writes the times between the two barriers. */
struct run {
    struct load_shared shared;
    pthread_barrier_t ready, go;
};

struct member {
    struct run *run;
    struct load_client client;
};

static void *
serve_client(void *argument)
{
    struct member *member = argument;
    load_client_prepare(&member->client);
    pthread_barrier_wait(&member->run->ready);
    pthread_barrier_wait(&member->run->go);
    load_client_measure(&member->client);
    return NULL;
}

static void
sum_results(const struct run *run, const struct member *members,
            struct load_result *sum)
{
    for (unsigned i = 0; i < run->shared.plan->connections; i++) {
        const struct load_result *one = &members[i].client.result;
        for (unsigned kind = 0; kind < KIND_COUNT; kind++)
            histogram_merge(&sum->latency[kind], &one->latency[kind]);
        sum->bytes += one->bytes;
        sum->hits += one->hits;
        sum->misses += one->misses;
        sum->wrong += one->wrong;
        sum->refused += one->refused;
        uint64_t elapsed = members[i].client.end_ns - run->shared.start_ns;
        if (elapsed > sum->elapsed_ns)
            sum->elapsed_ns = elapsed;
    }
}

/* Connections open one after the other, in order, so that a server that deals
 * them out in turn gives every run the same shares. */
static enum status
open_all(struct run *run, struct member *members, char *why, size_t room)
{
    for (unsigned i = 0; i < run->shared.plan->connections; i++) {
        members[i].run = run;
        enum status status =
            load_client_open(&members[i].client, &run->shared, i, why, room);
        if (status != STATUS_OK)
            return status;
    }
    return STATUS_OK;
}

static void
start_all(struct member *members, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        int error = pthread_create(&members[i].client.thread, NULL,
                                   serve_client, &members[i]);
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
    struct load_tier *tier = run->shared.tier;
    if (tier == NULL)
        return STATUS_OK;
    enum status status = load_tier_await(tier, 0, why, room);
    return status == STATUS_OK ? load_tier_read(tier, out, why, room) : status;
}

static enum status
begin_tier(const struct run *run, struct load_tier_figures *out, char *why,
           size_t room)
{
    const struct load_tier *tier = run->shared.tier;
    enum status status = read_tier(run, out, why, room);
    if (status != STATUS_OK || tier == NULL || !run->shared.plan->is_filled)
        return status;
    struct load_tier_change change =
        load_tier_change(tier->kind, &tier->start, out);
    if (change.skipped_bytes == 0)
        return STATUS_OK;
    char size[32];
    quantity_write_size(change.skipped_bytes, size, sizeof size);
    snprintf(why, room,
             "the server left %s of values unwritten while it was filled: is "
             "nvme.queue too small, or %s?",
             size,
             tier->kind == LOAD_TIER_SPILL
                 ? "spill.inflight, or spill.write_max"
                 : "nvme.write_max");
    return STATUS_BUSY;
}

static enum status
run_clients(struct run *run, struct member *members, struct load_result *result,
            char *why, size_t room)
{
    const struct load_plan *plan = run->shared.plan;
    unsigned count = plan->connections;
    pthread_barrier_init(&run->ready, NULL, count + 1);
    pthread_barrier_init(&run->go, NULL, count + 1);
    start_all(members, count);

    uint64_t cpu_before = 0, cpu_after = 0;
    pthread_barrier_wait(&run->ready);
    enum status status = begin_tier(run, &result->before, why, room);
    bool is_known = plan->pid != 0 && process_cpu_ns(plan->pid, &cpu_before);
    run->shared.start_ns = clock_now_ns();
    run->shared.stop_ns = run->shared.start_ns;
    if (status == STATUS_OK)
        run->shared.stop_ns +=
            (uint64_t)(plan->seconds * (double)NS_PER_SECOND);
    pthread_barrier_wait(&run->go);
    for (unsigned i = 0; i < count; i++)
        pthread_join(members[i].client.thread, NULL);
    if (is_known && process_cpu_ns(plan->pid, &cpu_after))
        result->server_cpu_ns = cpu_after - cpu_before;
    pthread_barrier_destroy(&run->ready);
    pthread_barrier_destroy(&run->go);

    sum_results(run, members, result);
    for (unsigned i = 0; i < count; i++) {
        const struct load_client *client = &members[i].client;
        if (client->status == STATUS_OK)
            continue;
        snprintf(why, room, "connection %u: %s", i + 1, client->why);
        return client->status;
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
    struct member *members = calloc(plan->connections, sizeof *members);
    memset(result, 0, sizeof *result);
    if (members == NULL || load_value_new(plan->size, &value) != STATUS_OK) {
        snprintf(why, room, "no memory for the values");
        free(members);
        return STATUS_NO_SPACE;
    }
    struct load_tier tier = {.wire = NULL};
    bool has_tier = plan->tier != LOAD_TIER_NONE;
    struct run run = {.shared = {.plan = plan,
                                 .value = value,
                                 .tier = has_tier ? &tier : NULL}};
    enum status status = open_all(&run, members, why, room);
    if (status == STATUS_OK && has_tier)
        status = load_tier_open(&plan->url.wire, plan->tier, &tier, why, room);
    if (status == STATUS_OK)
        status = run_clients(&run, members, result, why, room);
    for (unsigned i = 0; i < plan->connections; i++)
        load_client_close(&members[i].client);
    load_tier_close(&tier);
    load_value_drop(&value);
    free(members);
    return status;
}

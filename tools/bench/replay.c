/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deals a trace's requests to clients and waits for them, with a progress bar.
 * What a client does with a request is replay_client.c's.
 */
#include "tools/bench/replay.h"

#include "base/clock.h"
#include "tools/bench/progress.h"
#include "tools/bench/replay_client.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LOOK_NS (NS_PER_SECOND / 20)

/* The one queue: whoever is free takes the next request. */
struct queue {
    const struct replay_plan *plan;
    const struct trace *trace;
    uint32_t *hits;
    uint64_t start_ns;
    _Atomic size_t next;
    _Atomic unsigned running;
};

struct player {
    struct replay_client client;
    struct queue *queue;
    pthread_t thread;
    uint64_t end_ns;
};

static void
wait_until_due(const struct queue *queue, const struct trace_request *request)
{
    if (queue->plan->speed <= 0)
        return;
    uint64_t first = queue->trace->requests[0].timestamp_ms;
    uint64_t after =
        request->timestamp_ms > first ? request->timestamp_ms - first : 0;
    uint64_t due =
        queue->start_ns +
        (uint64_t)((double)after * (double)NS_PER_MS / queue->plan->speed);
    struct timespec until = {.tv_sec = (time_t)(due / NS_PER_SECOND),
                             .tv_nsec = (long)(due % NS_PER_SECOND)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) ==
           EINTR)
        ;
}

static void *
play(void *argument)
{
    struct player *player = argument;
    struct queue *queue = player->queue;
    while (player->client.status == STATUS_OK) {
        size_t index = atomic_fetch_add(&queue->next, 1);
        if (index >= queue->trace->count)
            break;
        const struct trace_request *request = &queue->trace->requests[index];
        wait_until_due(queue, request);
        queue->hits[index] = replay_client_play(&player->client, request);
    }
    replay_client_settle(&player->client);
    player->end_ns = clock_now_ns();
    atomic_fetch_sub(&queue->running, 1);
    return NULL;
}

static void
watch(struct queue *queue, const struct player *players)
{
    struct progress progress;
    progress_start(&progress, queue->trace->count);
    while (atomic_load(&queue->running) > 0) {
        uint64_t done = 0, bytes = 0;
        struct timespec pause = {.tv_nsec = LOOK_NS};
        nanosleep(&pause, NULL);
        for (unsigned i = 0; i < queue->plan->clients; i++) {
            const struct replay_client *client = &players[i].client;
            done += atomic_load_explicit(&client->requests_done,
                                         memory_order_relaxed);
            bytes += atomic_load_explicit(&client->bytes_moved,
                                          memory_order_relaxed);
        }
        progress_show(&progress, done, bytes);
    }
    progress_end(&progress);
}

/* Starts as many as it can; fewer clients than asked for would be another
 * measurement, so one that can not start fails the run. */
static enum status
start_threads(struct queue *queue, struct player *players, unsigned *count_out)
{
    for (unsigned i = 0; i < queue->plan->clients; i++) {
        players[i].queue = queue;
        atomic_fetch_add(&queue->running, 1);
        if (pthread_create(&players[i].thread, NULL, play, &players[i]) != 0) {
            atomic_fetch_sub(&queue->running, 1);
            atomic_store(&queue->next, queue->trace->count);
            *count_out = i;
            return STATUS_NO_SPACE;
        }
    }
    *count_out = queue->plan->clients;
    return STATUS_OK;
}

static void
sum_results(const struct player *players, const struct queue *queue,
            struct replay_result *sum)
{
    for (unsigned i = 0; i < queue->plan->clients; i++) {
        const struct replay_result *one = &players[i].client.result;
        histogram_merge(&sum->lookup, &one->lookup);
        sum->got_bytes += one->got_bytes;
        sum->put_bytes += one->put_bytes;
        sum->wrong_bytes += one->wrong_bytes;
        sum->refused += one->refused;
        if (players[i].end_ns > queue->start_ns + sum->elapsed_ns)
            sum->elapsed_ns = players[i].end_ns - queue->start_ns;
    }
}

static enum status
run_players(struct queue *queue, struct player *players,
            struct replay_result *result, char *why, size_t room)
{
    unsigned started = 0;
    queue->start_ns = clock_now_ns();
    enum status status = start_threads(queue, players, &started);
    watch(queue, players);
    for (unsigned i = 0; i < started; i++)
        pthread_join(players[i].thread, NULL);
    if (status != STATUS_OK) {
        snprintf(why, room, "client %u of %u could not start", started + 1,
                 queue->plan->clients);
        return status;
    }
    sum_results(players, queue, result);
    for (unsigned i = 0; i < queue->plan->clients; i++) {
        const struct replay_client *client = &players[i].client;
        if (client->status == STATUS_OK)
            continue;
        snprintf(why, room, "client %u: %s", i + 1, client->why);
        return client->status;
    }
    return STATUS_OK;
}

enum status
replay_run(const struct replay_plan *plan, const struct trace *trace,
           struct replay_result *result, char *why, size_t room)
{
    struct replay_block *block = NULL;
    struct player *players = calloc(plan->clients, sizeof *players);
    if (players == NULL ||
        replay_block_new(plan->block_bytes, plan->model, &block) != STATUS_OK) {
        snprintf(why, room, "no memory for the clients");
        free(players);
        return STATUS_NO_SPACE;
    }
    enum status status = STATUS_OK;
    for (unsigned i = 0; i < plan->clients && status == STATUS_OK; i++) {
        struct replay_client *client = &players[i].client;
        status = replay_client_open(client, &plan->urls[i % plan->url_count],
                                    block, plan->block_bytes);
        if (status != STATUS_OK)
            snprintf(why, room, "%s", client->why);
    }
    struct queue queue = {.plan = plan, .trace = trace, .hits = result->hits};
    if (status == STATUS_OK)
        status = run_players(&queue, players, result, why, room);
    for (unsigned i = 0; i < plan->clients; i++)
        replay_client_close(&players[i].client);
    replay_block_drop(&block);
    free(players);
    return status;
}

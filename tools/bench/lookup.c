/* SPDX-License-Identifier: Apache-2.0 */
/* Each connection is a client on a thread of its own, and shares nothing that
 * changes.  How a wire is asked is lookup_asker.h's. */
#include "tools/bench/lookup.h"

#include "base/clock.h"
#include "tools/bench/load_value.h"
#include "tools/bench/lookup_asker.h"
#include "tools/bench/random.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define OPEN_TIMEOUT_MS 30000u
#define SMALL_SIZE      256u
#define PUT_TOGETHER    256u /* small values of one request */
#define WRITE_KEYS      64u  /* overwritten round and round */

struct client {
    const struct lookup_plan *plan;
    pthread_t thread;
    struct lookup_asker *asker; /* NULL: it has a wire, and writes */
    struct wire *wire;
    uint64_t random, stop_ns, end_ns;
    struct lookup_result result;
    enum status status;
    char why[256];
};

static bool
take_status(struct client *client, enum status status, const char *what)
{
    if (status == STATUS_OK)
        return true;
    client->status = status;
    snprintf(client->why, sizeof client->why, "%s: %s", what,
             client->asker != NULL ? lookup_asker_why(client->asker)
                                   : wire_why(client->wire));
    return false;
}

static enum status
fill(struct client *client)
{
    static const uint8_t value[SMALL_SIZE];
    const struct bytes body = {value, sizeof value};
    uint64_t entries = client->plan->entries;

    for (uint64_t at = 0; at < entries; at += PUT_TOGETHER) {
        char texts[PUT_TOGETHER][LOAD_NAME_SIZE];
        struct bytes names[PUT_TOGETHER];
        unsigned count = 0;

        while (count < PUT_TOGETHER && at + count < entries) {
            names[count] = load_name(at + count, SMALL_SIZE, texts[count]);
            count++;
        }
        if (!take_status(client,
                         lookup_asker_put(client->asker, names, count, body),
                         "put"))
            return client->status;
    }
    return STATUS_OK;
}

static void *
ask(void *argument)
{
    struct client *client = argument;
    const struct lookup_plan *plan = client->plan;
    struct bytes *names = calloc(plan->keys, sizeof *names);
    char(*texts)[LOAD_NAME_SIZE] = calloc(plan->keys, sizeof *texts);

    while (names != NULL && texts != NULL && clock_now_ns() < client->stop_ns) {
        uint64_t first =
            random_below(&client->random, plan->entries - plan->keys + 1);
        unsigned matched = 0;

        for (unsigned i = 0; i < plan->keys; i++)
            names[i] = load_name(first + i, SMALL_SIZE, texts[i]);
        uint64_t start_ns = clock_now_ns();
        if (!take_status(
                client,
                lookup_asker_ask(client->asker, names, plan->keys, &matched),
                "ask"))
            break;
        histogram_add(&client->result.latency, clock_now_ns() - start_ns);
        client->result.incomplete += matched != plan->keys;
    }
    if (names == NULL || texts == NULL)
        client->status = STATUS_NO_SPACE;
    free(names);
    free(texts);
    client->end_ns = clock_now_ns();
    return NULL;
}

/* Until so many bytes are due. */
static void
pace(const struct client *client, uint64_t start_ns)
{
    double due_ns = (double)client->result.written_bytes /
                    (double)client->plan->write_rate * (double)NS_PER_SECOND;
    uint64_t until_ns = start_ns + (uint64_t)due_ns;
    struct timespec until;

    if (until_ns > client->stop_ns)
        until_ns = client->stop_ns;
    until.tv_sec = (time_t)(until_ns / NS_PER_SECOND);
    until.tv_nsec = (long)(until_ns % NS_PER_SECOND);
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) ==
           EINTR)
        ;
}

static void *
write_values(void *argument)
{
    struct client *client = argument;
    const struct lookup_plan *plan = client->plan;
    uint64_t start_ns = clock_now_ns();
    struct load_value *value = NULL;
    char name[LOAD_NAME_SIZE];

    client->status = load_value_new(plan->write_size, &value);
    for (uint64_t i = 0;
         client->status == STATUS_OK && clock_now_ns() < client->stop_ns; i++) {
        struct bytes body = load_value_body(value, i);
        struct bytes key = load_name(i % WRITE_KEYS, plan->write_size, name);

        if (!take_status(client, wire_put(client->wire, key, body, NULL),
                         "put"))
            break;
        client->result.written_bytes += plan->write_size;
        if (plan->write_rate != UINT64_MAX)
            pace(client, start_ns);
    }
    load_value_drop(&value);
    return NULL;
}

static enum status
open_all(const struct lookup_plan *plan, struct client *clients, unsigned count,
         char *why, size_t room)
{
    for (unsigned i = 0; i < count; i++) {
        struct client *client = &clients[i];
        enum status status;

        client->plan = plan;
        client->random = i + 1;
        status = i < plan->connections
                     ? lookup_asker_open(plan, &client->asker, why, room)
                     : wire_open(&plan->url.wire, OPEN_TIMEOUT_MS,
                                 &client->wire, why, room);
        if (status != STATUS_OK)
            return status;
    }
    if (plan->is_filled && fill(&clients[0]) != STATUS_OK) {
        snprintf(why, room, "%s", clients[0].why);
        return clients[0].status;
    }
    return STATUS_OK;
}

static void
start(struct client *client, void *(*run)(void *), uint64_t stop_ns)
{
    int error;

    client->stop_ns = stop_ns;
    error = pthread_create(&client->thread, NULL, run, client);
    if (error == 0)
        return;
    fprintf(stderr, "prefixcache-bench: a thread: %s\n", strerror(error));
    exit(1);
}

/* The last client is the writer, if there is one. */
static enum status
run_all(const struct lookup_plan *plan, struct client *clients, unsigned count,
        struct lookup_result *result)
{
    uint64_t start_ns = clock_now_ns();
    uint64_t stop_ns =
        start_ns + (uint64_t)(plan->seconds * (double)NS_PER_SECOND);
    enum status status = STATUS_OK;

    for (unsigned i = 0; i < count; i++)
        start(&clients[i], i < plan->connections ? ask : write_values, stop_ns);
    for (unsigned i = 0; i < count; i++) {
        struct client *client = &clients[i];

        pthread_join(client->thread, NULL);
        if (status == STATUS_OK)
            status = client->status;
        histogram_merge(&result->latency, &client->result.latency);
        result->incomplete += client->result.incomplete;
        result->written_bytes += client->result.written_bytes;
        if (client->end_ns > start_ns + result->elapsed_ns)
            result->elapsed_ns = client->end_ns - start_ns;
    }
    return status;
}

enum status
lookup_run(const struct lookup_plan *plan, struct lookup_result *result,
           char *why, size_t room)
{
    unsigned count = plan->connections + (plan->write_rate != 0);
    struct client *clients = calloc(count, sizeof *clients);
    enum status status;

    snprintf(why, room, "out of memory");
    memset(result, 0, sizeof *result);
    if (clients == NULL)
        return STATUS_NO_SPACE;
    status = open_all(plan, clients, count, why, room);
    if (status == STATUS_OK)
        status = run_all(plan, clients, count, result);
    for (unsigned i = 0; i < count; i++) {
        if (clients[i].status != STATUS_OK && clients[i].why[0] != '\0')
            snprintf(why, room, "%s", clients[i].why);
        lookup_asker_close(&clients[i].asker);
        wire_close(&clients[i].wire);
    }
    free(clients);
    return status;
}

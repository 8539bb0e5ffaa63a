/* SPDX-License-Identifier: Apache-2.0 */
/* Each connection is a blocking client on a thread of its own, and shares
 * nothing that changes. */
#include "tools/bench/lookup.h"

#include "base/clock.h"
#include "tools/bench/load_value.h"
#include "tools/bench/random.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define OPEN_TIMEOUT_MS 30000u
#define SMALL_SIZE      256u
#define PUT_TOGETHER    256u /* small values of one MSET */
#define WRITE_KEYS      64u  /* overwritten round and round */
#define OPTIONS_MAX     3u   /* words before the keys */

struct client {
    const struct lookup_plan *plan;
    pthread_t thread;
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
             wire_why(client->wire));
    return false;
}

/* Reads one reply to its end; the last integer of it that a name (NULL: none)
 * stands before is *found. */
static bool
read_reply(struct client *client, const char *name, int64_t *found)
{
    size_t size = name == NULL ? 0 : strlen(name);
    struct resp_token token;
    struct bytes text;
    bool is_next = name == NULL;

    for (int64_t left = 1; left > 0; left--) {
        if (!take_status(client, wire_token(client->wire, &token, &text),
                         "reply"))
            return false;
        if (token.type == RESP_ARRAY || token.type == RESP_MAP)
            left += token.number;
        if (token.type == RESP_INTEGER && is_next) {
            *found = token.number;
            name = NULL; /* the first one counts */
            is_next = false;
        } else if (token.type == RESP_BULK && name != NULL) {
            is_next = text.size == size && memcmp(text.at, name, size) == 0;
        }
    }
    return true;
}

static bool
fill_some(struct client *client, uint64_t first, unsigned count)
{
    static const uint8_t value[SMALL_SIZE];
    struct bytes words[2 * PUT_TOGETHER + 1];
    char names[PUT_TOGETHER][LOAD_NAME_SIZE];
    int64_t none;

    words[0] = wire_text("MSET");
    for (unsigned i = 0; i < count; i++) {
        words[2 * i + 1] = load_name(first + i, SMALL_SIZE, names[i]);
        words[2 * i + 2] = (struct bytes){value, sizeof value};
    }
    return take_status(client, wire_command(client->wire, 2 * count + 1, words),
                       "put") &&
           read_reply(client, NULL, &none);
}

static enum status
fill(struct client *client)
{
    uint64_t entries = client->plan->entries;

    for (uint64_t at = 0; at < entries; at += PUT_TOGETHER) {
        uint64_t count = entries - at;

        if (count > PUT_TOGETHER)
            count = PUT_TOGETHER;
        if (!fill_some(client, at, (unsigned)count))
            return client->status;
    }
    return STATUS_OK;
}

/* The words of one lookup; the names lie in `names`. */
static unsigned
spell(struct client *client, struct bytes *words, char (*names)[LOAD_NAME_SIZE])
{
    const struct lookup_plan *plan = client->plan;
    uint64_t first =
        random_below(&client->random, plan->entries - plan->keys + 1);
    unsigned count = 0;

    words[count++] = wire_text("PREFIX.MATCH");
    if (plan->with_tiers)
        words[count++] = wire_text("WITHTIERS");
    words[count++] = wire_text("--");
    for (unsigned i = 0; i < plan->keys; i++)
        words[count++] = load_name(first + i, SMALL_SIZE, names[i]);
    return count;
}

static void *
ask(void *argument)
{
    struct client *client = argument;
    const struct lookup_plan *plan = client->plan;
    struct bytes *words = calloc(plan->keys + OPTIONS_MAX, sizeof *words);
    char(*names)[LOAD_NAME_SIZE] = calloc(plan->keys, sizeof *names);

    while (words != NULL && names != NULL && clock_now_ns() < client->stop_ns) {
        unsigned count = spell(client, words, names);
        uint64_t start_ns = clock_now_ns();
        int64_t matched = 0;

        if (!take_status(client, wire_command(client->wire, count, words),
                         "ask") ||
            !read_reply(client, plan->with_tiers ? "matched" : NULL, &matched))
            break;
        histogram_add(&client->result.latency, clock_now_ns() - start_ns);
        client->result.incomplete += matched != (int64_t)plan->keys;
    }
    if (words == NULL || names == NULL)
        client->status = STATUS_NO_SPACE;
    free(words);
    free(names);
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
        enum status status;

        clients[i].plan = plan;
        clients[i].random = i + 1;
        status =
            wire_open(&plan->url, OPEN_TIMEOUT_MS, &clients[i].wire, why, room);
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
        wire_close(&clients[i].wire);
    }
    free(clients);
    return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hit rates: workers meet models and count, another thread keeps samples, a third
 * reads.  No model has two labels, nothing is lost, no sum goes back, and no hit
 * is seen without its query.  For ThreadSanitizer.
 */
#include "base/clock.h"
#include "server/index/rates.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define WORKERS 3u
#define MODELS  6u
#define NAMES   9u
#define EACH    200000u

struct user {
    struct rates_table *table;
    pthread_t thread;
    unsigned number, seed;
};

static struct rates *rates;
static struct user users[WORKERS];
static _Atomic unsigned finished;

static void *
count_all(void *arg)
{
    struct user *user = arg;
    unsigned label = 0;

    for (unsigned i = 0; i < EACH; i++) {
        char key[32];
        struct bytes bytes = {(const uint8_t *)key, 0};

        user->seed = user->seed * 1103515245u + 12345u;
        bytes.size = (size_t)snprintf(key, sizeof(key), "model-%u@1@%u",
                                      (user->seed >> 16) % NAMES, i);
        label = rates_label(user->table, 0, &bytes, label);
        if (i % 2 == 0)
            rates_hit(user->table, label, TIER_DRAM, 100 + i % 3);
        else
            rates_miss(user->table, label);
    }
    atomic_fetch_add(&finished, 1);
    return NULL;
}

static void *
sample_all(void *arg)
{
    uint64_t now_ns = 0;

    (void)arg;
    while (atomic_load(&finished) < WORKERS)
        rates_sample(rates, now_ns += NS_PER_SECOND);
    return NULL;
}

/* Each model once, and the numbers of all of them those of the sum. */
static bool
read_all(bool is_over)
{
    char seen[MODELS + 1][32];
    unsigned count = 0, sum = rates_labels(rates) - 1;
    struct rates_window window;
    uint64_t queries = 0, hits;
    const char *model;
    uint16_t space;

    for (unsigned label = 0; label < sum; label++) {
        if (!rates_name(rates, label, &space, &model))
            continue;
        for (unsigned i = 0; i < count; i++)
            if (strcmp(seen[i], model) == 0)
                return false;
        if (count > MODELS)
            return false;
        snprintf(seen[count++], sizeof(seen[0]), "%s", model);
        rates_read(rates, label, RATES_START, UINT64_MAX / 2, &window);
        queries += window.count.queries;
    }
    rates_read(rates, sum, RATES_START, UINT64_MAX / 2, &window);
    hits = rates_count_hits(&window.count);
    if (!is_over)
        return hits <= window.count.queries && queries <= window.count.queries;
    return hits == WORKERS * EACH / 2 && queries == WORKERS * EACH &&
           window.count.queries == queries && count == MODELS + 1;
}

static bool
start(pthread_t *sampler)
{
    if (rates_open(WORKERS, MODELS, 0, &rates) != STATUS_OK ||
        pthread_create(sampler, NULL, sample_all, NULL))
        return false;
    for (unsigned i = 0; i < WORKERS; i++) {
        users[i].number = users[i].seed = i;
        users[i].table = rates_worker(rates, i);
        if (pthread_create(&users[i].thread, NULL, count_all, &users[i]))
            return false;
    }
    return true;
}

int
main(void)
{
    uint64_t end_ns = clock_now_ns() + 60 * NS_PER_SECOND, last = 0;
    struct rates_moment moments[RATES_MOMENTS];
    struct rates_window window;
    bool is_right = true;
    pthread_t sampler;

    if (!start(&sampler))
        return 2;
    while (atomic_load(&finished) < WORKERS && clock_now_ns() < end_ns) {
        is_right = is_right && read_all(false);
        rates_read(rates, rates_labels(rates) - 1, RATES_START, UINT64_MAX / 2,
                   &window);
        is_right = is_right && window.count.queries >= last;
        last = window.count.queries;
        for (unsigned i = 1, n = rates_moments(rates, moments); i < n; i++)
            is_right = is_right && moments[i].hits >= moments[i - 1].hits &&
                       moments[i].hits <= moments[i].queries;
    }
    for (unsigned i = 0; i < WORKERS; i++)
        pthread_join(users[i].thread, NULL);
    pthread_join(sampler, NULL);
    is_right = is_right && read_all(true);
    printf("%llu seen on the way, %s\n", (unsigned long long)last,
           is_right ? "all of them once" : "WRONG");
    rates_close(&rates);
    return is_right ? 0 : 1;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counters: each thread writes a set of its own while another sums them all.
 * What is read never goes back, and nothing is lost.  For ThreadSanitizer.
 */
#include "base/clock.h"
#include "base/counters.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>

#define WRITERS 3u
#define EACH    300000u

struct writer {
    struct counters counters;
    pthread_t thread;
    unsigned number;
};

static struct writer writers[WRITERS];
static _Atomic unsigned finished;

static void *
write_all(void *arg)
{
    struct writer *writer = arg;

    for (unsigned i = 0; i < EACH; i++) {
        count(&writer->counters, COUNTER_get_hits, 1);
        count(&writer->counters, COUNTER_get_bytes, writer->number + 1);
    }
    atomic_fetch_add(&finished, 1);
    return NULL;
}

static uint64_t
sum(enum counter_id id)
{
    uint64_t all = 0;

    for (unsigned i = 0; i < WRITERS; i++)
        all += counter_read(&writers[i].counters, id);
    return all;
}

int
main(void)
{
    uint64_t hits = 0, bytes = 0, end_ns = clock_now_ns() + 30 * NS_PER_SECOND;
    bool is_right = true;

    for (unsigned i = 0; i < WRITERS; i++) {
        writers[i].number = i;
        if (pthread_create(&writers[i].thread, NULL, write_all, &writers[i]))
            return 2;
    }
    while (atomic_load(&finished) < WRITERS && clock_now_ns() < end_ns) {
        uint64_t hits_now = sum(COUNTER_get_hits);
        uint64_t bytes_now = sum(COUNTER_get_bytes);

        is_right = is_right && hits_now >= hits && bytes_now >= bytes;
        hits = hits_now;
        bytes = bytes_now;
    }
    for (unsigned i = 0; i < WRITERS; i++)
        pthread_join(writers[i].thread, NULL);
    is_right = is_right && sum(COUNTER_get_hits) == WRITERS * EACH &&
               sum(COUNTER_get_bytes) == EACH * WRITERS * (WRITERS + 1) / 2 &&
               sum(COUNTER_get_misses) == 0;
    printf("%llu counted, %s\n", (unsigned long long)sum(COUNTER_get_hits),
           is_right ? "all of them once" : "WRONG");
    return is_right ? 0 : 1;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The curve: threads tell it of accesses while one tells how large the cache is
 * and others read.  What is read never goes back, and makes sense.  For
 * ThreadSanitizer.
 */
#include "base/clock.h"
#include "storage/policy_curve.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define THREADS 3u
#define EACH    100000u
#define KEYS    8192u

static struct policy_curve *curve;
static _Atomic uint64_t ticks;
static _Atomic unsigned running;
static _Atomic bool is_wrong;
static uint64_t end_ns;

static void
read_one(struct policy_curve_count *last)
{
    uint64_t accesses = atomic_load(&ticks);
    struct policy_curve_count count;

    if (!policy_curve_read(curve, accesses, accesses / 2, &count))
        return;
    for (unsigned tier = 0; tier < POLICY_CURVE_TIERS; tier++) {
        for (unsigned i = 0; i < POLICY_CURVE_SIZES; i++) {
            double ratio = policy_curve_ratio(last, &count, tier, i);

            if (!(ratio >= 0 && ratio <= 1))
                atomic_store(&is_wrong, true);
        }
    }
    if (count.accesses < last->accesses)
        atomic_store(&is_wrong, true);
    *last = count;
}

static void *
use_all(void *arg)
{
    uint64_t random = (uint64_t)(uintptr_t)arg;
    struct policy_curve_count last = {0};

    for (unsigned i = 0; i < EACH && clock_now_ns() < end_ns; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        policy_curve_access(curve, (random >> 40) % KEYS * 0x9e3779b97f4a7c15u,
                            atomic_fetch_add(&ticks, 1) + 1);
        if (i % 512 == 0)
            read_one(&last);
    }
    atomic_fetch_sub(&running, 1);
    return NULL;
}

int
main(void)
{
    struct policy_curve_census census = {.is_full = true};
    struct policy_curve_count last = {0};
    pthread_t threads[THREADS];

    end_ns = clock_now_ns() + 60 * NS_PER_SECOND;
    curve = aligned_alloc(64, policy_curve_size());
    if (curve == NULL)
        return 2;
    memset(curve, 0, policy_curve_size());
    policy_curve_open(curve, false);
    atomic_store(&running, THREADS);
    for (unsigned i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, use_all,
                           (void *)(uintptr_t)(i + 1)))
            exit(2);
    for (uint64_t seen = 0; atomic_load(&running) != 0;) {
        uint64_t now = atomic_load(&ticks);

        if (now / 256 == seen / 256) {
            sched_yield();
            continue;
        }
        seen = now;
        census.entries = 1000 + now / 256 % 100 * 20;
        census.held[0] = census.alone[0] = census.entries / 2;
        census.held[1] = census.alone[1] = census.entries / 2;
        policy_curve_resize(curve, &census);
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    read_one(&last);
    free(curve);
    if (atomic_load(&is_wrong) || last.accesses != atomic_load(&ticks)) {
        puts("what was read made no sense");
        return 1;
    }
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Policies: threads use keys in parts with a lock each, and evict as the index
 * does, by what parts tell outside their locks.  At the end the cache has as
 * many keys as it may, and its queues hold just those.  For ThreadSanitizer.
 */
#include "base/clock.h"
#include "storage/policy.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define THREADS  3u
#define PARTS    8u
#define KEYS     4096u
#define CAPACITY 1000u
#define EACH     60000u

struct key {
    struct policy_node node; /* first */
    bool is_in;
};

struct part {
    pthread_mutex_t lock;
    struct policy_order order;
    _Atomic uint64_t told[POLICY_QUEUES]; /* 0: nothing is in */
};

static const struct policy *policy;
static struct policy_shared *shared;
static struct part parts[PARTS];
static struct key keys[KEYS];
static _Atomic uint64_t ticks, in;
static uint64_t end_ns;

static uint64_t
hash_of(unsigned key)
{
    return (key + 1) * 0x9e3779b97f4a7c15u;
}

static void
tell(struct part *part)
{
    for (unsigned i = 0; i < policy->queues; i++) {
        const struct policy_node *node =
            policy_list_oldest(&part->order.queues[i]);

        atomic_store_explicit(&part->told[i], node == NULL ? 0 : node->tick,
                              memory_order_relaxed);
    }
}

static struct part *
lock_least(unsigned *queue_out)
{
    uint64_t least = UINT64_MAX;
    struct part *part = NULL;

    for (unsigned i = 0; i < PARTS * policy->queues; i++) {
        unsigned queue = i % policy->queues;
        uint64_t tick = atomic_load_explicit(
            &parts[i / policy->queues].told[queue], memory_order_relaxed);
        uint64_t number =
            tick == 0 ? UINT64_MAX : policy->number(shared, queue, tick);

        if (number < least) {
            least = number;
            part = &parts[i / policy->queues];
            *queue_out = queue;
        }
    }
    if (part != NULL)
        pthread_mutex_lock(&part->lock);
    return part;
}

static void
evict(void)
{
    unsigned queue = 0;
    struct part *part = lock_least(&queue);
    struct key *key;

    if (part == NULL)
        return;
    key = (struct key *)policy->candidate(shared, &part->order, queue);
    if (key != NULL) {
        policy->evict(shared, &part->order, &key->node,
                      hash_of((unsigned)(key - keys)));
        key->is_in = false;
        atomic_fetch_sub(&in, 1);
    }
    tell(part);
    pthread_mutex_unlock(&part->lock);
}

static void
use(unsigned number, uint64_t run_tick, uint32_t position)
{
    struct part *part = &parts[number % PARTS];
    struct key *key = &keys[number];
    struct policy_access access = {
        .hash = hash_of(number), .run_tick = run_tick, .position = position};

    pthread_mutex_lock(&part->lock);
    access.tick = atomic_fetch_add(&ticks, 1) + 1;
    if (run_tick == 0)
        access.run_tick = access.tick;
    if (key->is_in) {
        policy->touch(shared, &part->order, &key->node, &access);
        if (access.tick % 16 == 0)
            policy->demote(shared, &part->order, &key->node, access.hash);
    } else {
        policy->insert(shared, &part->order, &key->node, &access);
        key->is_in = true;
        atomic_fetch_add(&in, 1);
    }
    tell(part);
    pthread_mutex_unlock(&part->lock);
}

static void *
use_all(void *arg)
{
    uint64_t random = (uint64_t)(uintptr_t)arg;

    for (unsigned i = 0; i < EACH && clock_now_ns() < end_ns; i++) {
        uint64_t run_tick = atomic_load(&ticks) + 1;
        unsigned first;

        random = random * 6364136223846793005u + 1442695040888963407u;
        first = (unsigned)(random >> 40) % (KEYS / 8) * 8;
        for (uint32_t k = 0; k < (random >> 33) % 8; k++)
            use(first + k, run_tick, k);
        while (atomic_load(&in) > CAPACITY)
            evict();
    }
    return NULL;
}

static bool
is_whole(void)
{
    unsigned count = 0;

    for (unsigned i = 0; i < KEYS; i++)
        count += keys[i].is_in;
    if (count != atomic_load(&in) || count > CAPACITY || count == 0)
        return false;
    while (atomic_load(&in) != 0 && clock_now_ns() < end_ns)
        evict();
    for (unsigned i = 0; i < PARTS; i++)
        for (unsigned k = 0; k < POLICY_QUEUES; k++)
            if (policy_list_oldest(&parts[i].order.queues[k]) != NULL)
                return false;
    return atomic_load(&in) == 0;
}

static bool
run(const struct policy *which)
{
    size_t size = which->shared_size(CAPACITY);
    pthread_t threads[THREADS];

    policy = which;
    memset(keys, 0, sizeof keys);
    shared = size == 0 ? NULL : aligned_alloc(64, (size + 63) / 64 * 64);
    if (size != 0 && shared == NULL)
        return false;
    if (size != 0)
        memset(shared, 0, size);
    policy->open(shared, CAPACITY);
    for (unsigned i = 0; i < PARTS; i++) {
        policy_order_start(&parts[i].order);
        tell(&parts[i]);
    }
    for (unsigned i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, use_all,
                           (void *)(uintptr_t)(i + 1)))
            exit(2);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    return true;
}

int
main(void)
{
    end_ns = clock_now_ns() + 60 * NS_PER_SECOND;
    for (unsigned i = 0; i < PARTS; i++)
        pthread_mutex_init(&parts[i].lock, NULL);
    for (unsigned i = 0; policy_at(i) != NULL; i++) {
        if (!run(policy_at(i)) || !is_whole()) {
            printf("%s: keys were lost\n", policy_at(i)->name);
            return 1;
        }
        free(shared);
    }
    return 0;
}

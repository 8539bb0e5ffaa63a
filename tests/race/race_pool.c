/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several threads take and give runs and objects of one small pool.  Each marks
 * what it has and finds its marks again, and in the end all of it is free.  For
 * ThreadSanitizer.
 */
#include "storage/pool.h"
#include "tests/lib/store_values.h"

#include <pthread.h>
#include <stdlib.h>

#define THREADS 4u
#define HELD    40u
#define SECONDS 1u

struct held {
    uint8_t *data;
    size_t size;
    uint32_t blocks; /* 0: an object */
};

struct user {
    pthread_t thread;
    uint64_t random, mark;
    struct held held[HELD];
    uint64_t taken, refused;
    bool is_wrong;
};

static struct pool *pool;
static uint64_t end_ns;

/* All of a small piece, both ends and something between of a large one. */
static void
mark(const struct held *held, uint64_t seed)
{
    size_t step = held->size / 64 + 1;

    for (size_t i = 0; i < held->size; i += step)
        held->data[i] = value_byte(seed, (uint32_t)i);
}

static bool
is_marked(const struct held *held, uint64_t seed)
{
    size_t step = held->size / 64 + 1;

    for (size_t i = 0; i < held->size; i += step)
        if (held->data[i] != value_byte(seed, (uint32_t)i))
            return false;
    return true;
}

static uint64_t
seed_of(const struct user *user, unsigned which)
{
    return user->mark * HELD + which;
}

static void
take(struct user *user, unsigned which)
{
    struct held *held = &user->held[which];
    struct pool_run run;

    if (random_below(&user->random, 2) == 0) {
        held->size = 1 + random_below(&user->random, POOL_OBJECT_MAX);
        held->blocks = 0;
        held->data = pool_object_new(pool, held->size);
    } else if (pool_run_take(pool, 1 + random_below(&user->random, 64), &run)) {
        held->data = run.data;
        held->blocks = run.blocks;
        held->size = (size_t)run.blocks * POOL_BLOCK;
    }
    if (held->data == NULL) {
        user->refused++;
        return;
    }
    user->taken++;
    mark(held, seed_of(user, which));
}

static void
give(struct user *user, unsigned which)
{
    struct held *held = &user->held[which];
    struct pool_run run = {held->data, held->blocks};

    if (held->data == NULL)
        return;
    if (!is_marked(held, seed_of(user, which)))
        user->is_wrong = true;
    if (held->blocks == 0) {
        pool_object_free(pool, held->data, held->size);
    } else {
        if (held->blocks > 4)
            pool_run_trim(pool, &run, held->blocks / 2);
        pool_run_give(pool, run);
    }
    held->data = NULL;
}

static void *
use(void *arg)
{
    struct user *user = arg;

    while (clock_now_ns() < end_ns) {
        unsigned which = random_below(&user->random, HELD);

        give(user, which);
        take(user, which);
        if (pool_free_bytes(pool) > pool_size(pool))
            user->is_wrong = true;
    }
    for (unsigned i = 0; i < HELD; i++)
        give(user, i);
    return NULL;
}

int
main(void)
{
    static struct user users[THREADS];
    uint64_t taken = 0, refused = 0;
    bool is_right;

    if (pool_open(2u << 20, false, &pool) != STATUS_OK)
        return 2;
    end_ns = clock_now_ns() + SECONDS * NS_PER_SECOND;
    for (unsigned i = 0; i < THREADS; i++) {
        users[i].random = users[i].mark = i + 1;
        if (pthread_create(&users[i].thread, NULL, use, &users[i]) != 0)
            return 2;
    }
    is_right = true;
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(users[i].thread, NULL);
        is_right = is_right && !users[i].is_wrong;
        taken += users[i].taken;
        refused += users[i].refused;
    }
    is_right = is_right && pool_free_bytes(pool) == pool_size(pool);
    printf("%llu taken, %llu refused, %s\n", (unsigned long long)taken,
           (unsigned long long)refused, is_right ? "all came back" : "WRONG");
    pool_close(&pool);
    return is_right ? 0 : 1;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Estimates of other caches, against exact stack distances. */
#include "storage/ghost.h"

#include "tests/lib/store_values.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define KEYS     20000u
#define ACCESSES 200000u

static struct ghost *ghost;

static void
start(unsigned samples, const struct ghost_plan *plans, unsigned count)
{
    ghost = malloc(ghost_size(samples));
    cr_assert_not_null(ghost);
    ghost_start(ghost, samples, plans, count);
}

static void
use(uint64_t key, uint64_t tick)
{
    uint64_t hash = random_mix(key);

    if (ghost_is_sampled(ghost, hash))
        ghost_access(ghost, hash, tick);
}

/* How many times each number of different keys lay between two accesses to one
 * (Fenwick tree over the times of last accesses). */
struct exact {
    uint32_t sums[ACCESSES + 1], last[KEYS];
    uint32_t hits[KEYS + 1]; /* by stack distance */
};

static void
add(struct exact *exact, uint32_t at, uint32_t what)
{
    for (; at <= ACCESSES; at += at & -at)
        exact->sums[at] += what;
}

static uint32_t
sum(const struct exact *exact, uint32_t at)
{
    uint32_t total = 0;

    for (; at != 0; at -= at & -at)
        total += exact->sums[at];
    return total;
}

static void
use_exact(struct exact *exact, uint32_t key, uint32_t tick)
{
    uint32_t last = exact->last[key];

    if (last != 0) {
        exact->hits[sum(exact, tick - 1) - sum(exact, last)]++;
        add(exact, last, (uint32_t)-1);
    }
    add(exact, tick, 1);
    exact->last[key] = tick;
}

static double
exact_ratio(const struct exact *exact, uint32_t size)
{
    uint64_t hits = 0;

    for (uint32_t i = 0; i < size && i <= KEYS; i++)
        hits += exact->hits[i];
    return (double)hits / ACCESSES;
}

/* Some keys far more often than others, and a little of what is recent. */
static uint32_t
draw(uint64_t *random, uint32_t tick)
{
    uint32_t bound = KEYS;

    if (random_below(random, 3) == 0)
        return (tick / 8 + random_below(random, 600)) % KEYS;
    for (unsigned i = random_below(random, 8); i != 0; i--)
        bound = bound / 3 + 1;
    return random_below(random, bound);
}

static const struct ghost_plan lru_plans[] = {
    {50, 0}, {100, 0}, {200, 0}, {400, 0}};

static void
agrees(unsigned samples, uint64_t entries, double margin)
{
    struct exact *exact = calloc(1, sizeof *exact);
    uint64_t random = 5;

    cr_assert_not_null(exact);
    start(samples, lru_plans, 4);
    ghost_resize(ghost, entries);
    for (uint32_t tick = 1; tick <= ACCESSES; tick++) {
        uint32_t key = draw(&random, tick);

        use_exact(exact, key, tick);
        use(key, tick);
    }
    for (unsigned i = 0; i < 4; i++) {
        uint32_t size = (uint32_t)entries * lru_plans[i].percent / 100;
        double truth = exact_ratio(exact, size);
        double said = ghost_hit_ratio(ghost, i, ACCESSES);

        cr_assert(said > truth - margin && said < truth + margin,
                  "%u%%: said %.4f, is %.4f", lru_plans[i].percent, said,
                  truth);
    }
    free(exact);
    free(ghost);
}

Test(ghost, is_exact_where_every_key_is_sampled)
{
    agrees(1u << 15, 1000, 1e-9);
}

Test(ghost, is_within_two_points_with_a_small_sample)
{
    agrees(1u << 14, 2000, 0.02);
    agrees(1u << 14, 5000, 0.02);
}

Test(ghost, knows_no_more_keys_than_it_was_given_room_for)
{
    start(256, lru_plans, 4);
    for (uint64_t i = 1; i <= 100000; i++) {
        use(i, i);
        cr_assert(ghost->keys_known <= 256);
    }
    ghost_resize(ghost, 5000);
    for (uint64_t i = 100001; i <= 200000; i++) {
        use(i, i);
        cr_assert(ghost->keys_known <= 256);
    }
    cr_assert(ghost_hit_ratio(ghost, 3, 200000) < 0.1, "nothing was there");
    free(ghost);
}

Test(ghost, evicts_nothing_before_it_knows_a_size)
{
    start(4096, lru_plans, 4);
    for (uint64_t i = 0; i < 2000; i++)
        use(i % 1000, i + 1);
    for (unsigned i = 0; i < 4; i++)
        cr_assert_eq(ghost_hit_ratio(ghost, i, 2000), 0.5);
    free(ghost);
}

Test(ghost, follows_the_cache_when_that_shrinks_and_grows)
{
    uint64_t tick = 0;

    start(4096, lru_plans, 4);
    for (unsigned round = 0; round < 3; round++) {
        ghost_resize(ghost, round == 1 ? 10 : 200);
        for (unsigned i = 0; i < 3000; i++)
            use(i % 100, ++tick);
        for (unsigned i = 0; i < 4; i++)
            cr_assert(ghost->caches[i].count <= ghost->caches[i].most);
    }
    /* 100 keys in turn: all there, none there, all there again. */
    cr_assert_float_eq(ghost_hit_ratio(ghost, 1, tick), 2.0 / 3, 0.03);
    free(ghost);
}

Test(ghost, a_bonus_keeps_what_was_used_twice_through_a_scan)
{
    static const struct ghost_plan plans[] = {{100, 0}, {100, 30000}};
    uint64_t tick = 0, hot_misses[2];

    start(8192, plans, 2);
    ghost_resize(ghost, 100);
    for (unsigned i = 0; i < 100; i++)
        use(i % 50, ++tick);
    hot_misses[0] = ghost->caches[0].misses;
    hot_misses[1] = ghost->caches[1].misses;
    for (unsigned i = 0; i < 400; i++)
        use(1000 + i, ++tick);
    for (unsigned i = 0; i < 50; i++)
        use(i, ++tick);
    cr_assert_eq(ghost->caches[0].misses - hot_misses[0], 450);
    cr_assert_eq(ghost->caches[1].misses - hot_misses[1], 400);
    free(ghost);
}

/* Each round a run of new keys, all but the last of which are used again. */
static void
use_rounds(bool is_last_used)
{
    uint64_t tick = 0;

    start(4096, lru_plans, 4);
    ghost_resize(ghost, 400);
    for (uint64_t round = 0; round < 200; round++) {
        for (uint64_t k = 0; k < 5; k++)
            use(round * 10 + k, ++tick);
        ghost_end(ghost, random_mix(round * 10 + 4));
        for (uint64_t k = 0; k < (is_last_used ? 5 : 4); k++)
            use(round * 10 + k, ++tick);
    }
}

Test(ghost, sees_that_the_ends_of_runs_are_not_used_again)
{
    use_rounds(false);
    cr_assert(ghost_may_end(ghost));
    free(ghost);
}

Test(ghost, sees_that_the_ends_of_runs_are_used_like_the_rest)
{
    use_rounds(true);
    cr_assert_not(ghost_may_end(ghost));
    free(ghost);
}

Test(ghost, caches_may_be_given_sizes_of_their_own)
{
    const struct ghost_plan plans[] = {{100, 0}, {100, 0}};
    const uint64_t sizes[] = {10, 100};

    start(1024, plans, 2);
    for (uint64_t tick = 1; tick <= 200; tick++)
        use(tick % 100, tick);
    ghost_fit(ghost, sizes);
    for (uint64_t tick = 201; tick <= 300; tick++)
        use(tick % 100, tick);
    cr_assert_eq(ghost->caches[0].count, 10);
    cr_assert_eq(ghost->caches[0].misses, 200);
    cr_assert_eq(ghost->caches[1].misses, 100);
    free(ghost);
}

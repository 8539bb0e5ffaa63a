/* SPDX-License-Identifier: Apache-2.0 */
/* What a cache with another size of one tier would hit, against caches of that
 * size. */
#include "storage/policy_curve.h"

#include "tests/lib/store_values.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define KEYS     20000u
#define ACCESSES 400000u

static struct policy_curve *curve;

/* LRU over keys by numbers: a list, newest first at `newest`. */
struct lru {
    uint32_t older[KEYS + 1], newer[KEYS + 1]; /* KEYS: the ends */
    bool is_in[KEYS];
    unsigned count, capacity;
    uint64_t hits;
};

static void
lru_start(struct lru *lru, unsigned capacity)
{
    memset(lru, 0, sizeof *lru);
    lru->older[KEYS] = lru->newer[KEYS] = KEYS;
    lru->capacity = capacity;
}

static void
lru_take(struct lru *lru, uint32_t key)
{
    lru->newer[lru->older[key]] = lru->newer[key];
    lru->older[lru->newer[key]] = lru->older[key];
    lru->is_in[key] = false;
    lru->count--;
}

static void
lru_use(struct lru *lru, uint32_t key)
{
    if (lru->is_in[key]) {
        lru->hits++;
        lru_take(lru, key);
    } else if (lru->count == lru->capacity) {
        lru_take(lru, lru->newer[KEYS]);
    }
    lru->older[key] = lru->older[KEYS];
    lru->newer[key] = KEYS;
    lru->newer[lru->older[KEYS]] = key;
    lru->older[KEYS] = key;
    lru->is_in[key] = true;
    lru->count++;
}

/* Some keys are used often, most now and then. */
static uint32_t
draw(uint64_t *random)
{
    uint64_t one = random_below(random, KEYS), two = random_below(random, KEYS);

    return (uint32_t)(one * two / KEYS * random_below(random, KEYS) / KEYS);
}

static void
open_curve(bool by_uses)
{
    curve = aligned_alloc(64, policy_curve_size());
    cr_assert_not_null(curve);
    memset(curve, 0, policy_curve_size());
    policy_curve_open(curve, by_uses);
}

/* Three tiers, of which the last is not there; the first is in the second, too.
 */
static const struct policy_curve_census two_tiers = {
    .entries = 2000, .held = {500, 2000}, .alone = {0, 1500}, .is_full = true};
static const struct policy_curve_census one_tier = {
    .entries = 2000, .held = {2000}, .alone = {2000}, .is_full = true};

static uint64_t
feed(const struct policy_curve_census *census, uint64_t from, uint64_t to,
     struct lru *lrus, unsigned count)
{
    static uint64_t random;

    if (from == 0)
        random = 7;
    policy_curve_resize(curve, census);
    for (uint64_t tick = from + 1; tick <= to; tick++) {
        uint32_t key = draw(&random);

        policy_curve_access(curve, random_mix(key), tick);
        for (unsigned i = 0; i < count; i++)
            lru_use(&lrus[i], key);
    }
    return to;
}

static struct policy_curve_count
read_curve(uint64_t accesses, uint64_t hits)
{
    struct policy_curve_count count;

    cr_assert(policy_curve_read(curve, accesses, hits, &count));
    return count;
}

Test(policy_curve, says_what_lru_of_other_sizes_hits)
{
    struct lru *lrus = calloc(POLICY_CURVE_SIZES, sizeof *lrus);
    struct policy_curve_count count;

    open_curve(false);
    for (unsigned i = 0; i < POLICY_CURVE_SIZES; i++)
        lru_start(&lrus[i], 20 * policy_curve_percent(i));
    feed(&one_tier, 0, ACCESSES, lrus, POLICY_CURVE_SIZES);
    count = read_curve(ACCESSES, lrus[1].hits);
    for (unsigned i = 0; i < POLICY_CURVE_SIZES; i++) {
        double said = policy_curve_ratio(NULL, &count, 0, i);
        double is = (double)lrus[i].hits / ACCESSES;

        cr_assert_float_eq(said, is, 0.02, "%u%%: said %f, is %f",
                           policy_curve_percent(i), said, is);
    }
    cr_assert(lrus[3].hits > lrus[0].hits + ACCESSES / 10,
              "the sizes made no difference");
    free(lrus);
    free(curve);
}

Test(policy_curve, a_tier_that_is_a_copy_of_another_is_worth_little)
{
    struct policy_curve_count count;
    double dram, nvme;

    open_curve(false);
    feed(&two_tiers, 0, ACCESSES, NULL, 0);
    count = read_curve(ACCESSES, ACCESSES / 2);
    dram = policy_curve_ratio(NULL, &count, 0, 3) - 0.5;
    nvme = policy_curve_ratio(NULL, &count, 1, 3) - 0.5;
    cr_assert(nvme > 0.05 && dram < nvme / 8, "%f, %f", dram, nvme);
    free(curve);
}

Test(policy_curve, it_is_worth_more_where_it_is_written_when_it_leaves)
{
    struct policy_curve_census census = two_tiers;
    struct policy_curve_count all, evicted;

    open_curve(false);
    feed(&census, 0, ACCESSES, NULL, 0);
    all = read_curve(ACCESSES, ACCESSES / 2);
    free(curve);
    census.leaves_written = true;
    open_curve(false);
    feed(&census, 0, ACCESSES, NULL, 0);
    evicted = read_curve(ACCESSES, ACCESSES / 2);
    cr_assert(policy_curve_ratio(NULL, &evicted, 0, 3) >
              policy_curve_ratio(NULL, &all, 0, 3) + 0.005);
    free(curve);
}

Test(policy_curve, a_tier_that_is_not_there_is_worth_nothing)
{
    struct policy_curve_count count;

    open_curve(false);
    feed(&two_tiers, 0, ACCESSES, NULL, 0);
    count = read_curve(ACCESSES, ACCESSES / 2);
    for (unsigned i = 0; i < POLICY_CURVE_SIZES; i++)
        cr_assert_float_eq(policy_curve_ratio(NULL, &count, 2, i), 0.5, 1e-9);
    free(curve);
}

Test(policy_curve, at_the_present_size_it_says_what_was_hit)
{
    struct policy_curve_count count;

    for (int by_uses = 0; by_uses < 2; by_uses++) {
        open_curve(by_uses);
        feed(&one_tier, 0, ACCESSES, NULL, 0);
        count = read_curve(ACCESSES, 123456);
        cr_assert_float_eq(policy_curve_ratio(NULL, &count, 0, 1),
                           123456.0 / ACCESSES, 1e-9);
        free(curve);
    }
}

Test(policy_curve, before_anything_had_to_go_all_sizes_are_alike)
{
    struct policy_curve_census census = one_tier;
    struct policy_curve_count count;

    census.is_full = false;
    open_curve(false);
    feed(&census, 0, ACCESSES, NULL, 0);
    count = read_curve(ACCESSES, 1000);
    for (unsigned i = 0; i < POLICY_CURVE_SIZES; i++)
        cr_assert_float_eq(policy_curve_ratio(NULL, &count, 0, i),
                           1000.0 / ACCESSES, 1e-9);
}

Test(policy_curve, two_counts_tell_of_the_time_between_them)
{
    struct lru *lru = calloc(1, sizeof *lru);
    struct policy_curve_count before, after;
    uint64_t hits, tick;

    open_curve(false);
    lru_start(lru, 4000);
    tick = feed(&one_tier, 0, ACCESSES / 2, lru, 1);
    before = read_curve(tick, 0);
    hits = lru->hits;
    tick = feed(&one_tier, tick, ACCESSES, lru, 1);
    /* What of the present size hit is made up: it is no cache of this test. */
    after = read_curve(tick, 80000);
    cr_assert_float_eq(policy_curve_ratio(&before, &after, 0, 1), 0.4, 1e-9);
    cr_assert(policy_curve_ratio(&before, &after, 0, 2) > 0.45);
    cr_assert(hits < lru->hits);
    cr_assert_eq(policy_curve_ratio(&after, &after, 0, 2), 0);
    free(lru);
}

Test(policy_curve, a_cache_that_has_grown_is_followed)
{
    struct policy_curve_census census = {
        .entries = 100, .held = {100}, .alone = {100}, .is_full = true};
    struct policy_curve_count before, after;
    uint64_t tick;

    open_curve(false);
    tick = feed(&census, 0, ACCESSES / 2, NULL, 0);
    census.entries = census.held[0] = census.alone[0] = KEYS;
    tick = feed(&census, tick, ACCESSES / 2 + KEYS * 4, NULL, 0);
    before = read_curve(tick, 0);
    tick = feed(&census, tick, ACCESSES, NULL, 0);
    after = read_curve(tick, (ACCESSES / 2 - KEYS * 4) / 2);
    /* It has had room for all keys since. */
    cr_assert_float_eq(policy_curve_ratio(&before, &after, 0, 3), 0.5, 0.02);
    free(curve);
}

Test(policy_curve, what_was_gained_before_does_not_count)
{
    const struct policy_curve_count before = {
        .accesses = 100, .hits = 50, .gained = {{10}}};
    const struct policy_curve_count after = {
        .accesses = 200, .hits = 60, .gained = {{30}}};

    cr_assert_float_eq(policy_curve_ratio(&before, &after, 0, 0), 0.3, 1e-9);
}

Test(policy_curve, a_ratio_is_within_nothing_and_all)
{
    struct policy_curve_count count = {
        .accesses = 100, .hits = 50, .gained = {{-60, 0, 60, 10}}};

    cr_assert_eq(policy_curve_ratio(NULL, &count, 0, 0), 0);
    cr_assert_eq(policy_curve_ratio(NULL, &count, 0, 2), 1);
    cr_assert_float_eq(policy_curve_ratio(NULL, &count, 0, 3), 0.6, 1e-9);
}

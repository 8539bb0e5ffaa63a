/* SPDX-License-Identifier: Apache-2.0 */
/* Hit rates, on a clock of the test's own. */
#include "base/clock.h"
#include "server/index/labels.h"
#include "server/index/rates.h"

#include <criterion/criterion.h>
#include <string.h>

#define WORKERS 3u
#define MODELS  2u
#define MIB     (1u << 20)

static struct rates *rates;
static uint64_t now_ns = 1000 * NS_PER_SECOND;

static void
start(void)
{
    cr_assert_eq(rates_open(WORKERS, MODELS, now_ns, &rates), STATUS_OK);
}

static void
end(void)
{
    rates_close(&rates);
    cr_assert_null(rates);
}

TestSuite(rates, .init = start, .fini = end);

static unsigned
label_of(const char *key)
{
    struct bytes bytes = {(const uint8_t *)key, strlen(key)};

    return rates_label(rates_worker(rates, 0), 0, &bytes, 0);
}

static void
hit(unsigned worker, const char *key)
{
    rates_hit(rates_worker(rates, worker), label_of(key), TIER_DRAM, MIB);
}

static void
miss(unsigned worker, const char *key)
{
    rates_miss(rates_worker(rates, worker), label_of(key));
}

static struct rates_window
read_since(const char *key, uint64_t seconds)
{
    struct rates_window window;
    unsigned label = key == NULL ? rates_labels(rates) - 1 : label_of(key);

    rates_read(rates, label,
               seconds == 0 ? RATES_START : seconds * NS_PER_SECOND, now_ns,
               &window);
    return window;
}

static uint64_t
queries_since(const char *key, uint64_t seconds)
{
    return read_since(key, seconds).count.queries;
}

/* Time goes by as a server's does: a look ten times a second. */
static void
pass(uint64_t seconds)
{
    uint64_t until_ns = now_ns + seconds * NS_PER_SECOND;

    while (now_ns < until_ns) {
        now_ns += NS_PER_SECOND / 10;
        rates_sample(rates, now_ns);
    }
}

Test(rates, of_nothing_there_is_no_ratio)
{
    struct rates_count count = {0};

    cr_assert_lt(rates_count_ratio(&count), 0);
    count.queries = 4;
    count.hits[TIER_DRAM] = 1;
    count.hits[TIER_SPILL] = 2;
    cr_assert_float_eq(rates_count_ratio(&count), 0.75, 1e-9);
    cr_assert_eq(rates_count_hits(&count), 3u);
}

Test(rates, all_workers_count_together)
{
    struct rates_count count;

    hit(0, "m@1");
    hit(2, "m@2");
    miss(1, "m@3");
    count = read_since("m@", 0).count;
    cr_assert_eq(count.queries, 3u);
    cr_assert_eq(count.hits[TIER_DRAM], 2u);
    cr_assert_eq(count.hit_bytes[TIER_DRAM], 2u * MIB);
    cr_assert_eq(rates_count_hit_bytes(&count), 2u * MIB);
    cr_assert_eq(count.puts, 0u);
}

Test(rates, each_tier_has_its_hits)
{
    struct rates_table *table = rates_worker(rates, 1);
    unsigned label = label_of("m@1");
    struct rates_count count;

    rates_hit(table, label, TIER_NVME, 10);
    rates_hit(table, label, TIER_SPILL, 20);
    rates_hit(table, label, TIER_SPILL, 30);
    count = read_since("m@", 0).count;
    cr_assert_eq(count.hits[TIER_DRAM], 0u);
    cr_assert_eq(count.hits[TIER_NVME], 1u);
    cr_assert_eq(count.hit_bytes[TIER_NVME], 10u);
    cr_assert_eq(count.hits[TIER_SPILL], 2u);
    cr_assert_eq(count.hit_bytes[TIER_SPILL], 50u);
    cr_assert_eq(count.query_bytes, 60u);
}

Test(rates, a_miss_is_as_large_as_the_values_of_its_model)
{
    miss(0, "m@1");
    cr_assert_eq(read_since("m@", 0).count.query_bytes, 0u);
    rates_put(rates_worker(rates, 1), label_of("m@1"), 5 * MIB);
    miss(0, "m@2");
    hit(2, "n@1");
    cr_assert_eq(read_since("m@", 0).count.query_bytes, 5u * MIB);
    cr_assert_eq(read_since("m@", 0).count.puts, 1u);
    cr_assert_eq(read_since("m@", 0).count.put_bytes, 5u * MIB);
}

Test(rates, the_sum_has_every_model_and_the_others)
{
    uint16_t space;
    const char *model;
    unsigned named = 0;

    hit(0, "m@1");
    miss(1, "n@1");
    miss(1, "o@1");
    miss(1, "plain");
    rates_put(rates_worker(rates, 0), 17, MIB);
    cr_assert_eq(queries_since(NULL, 0), 4u);
    cr_assert_eq(read_since(NULL, 0).count.puts, 1u);
    cr_assert_eq(queries_since("", 0), 2u);
    for (unsigned i = 0; i < rates_labels(rates); i++)
        named += rates_name(rates, i, &space, &model);
    cr_assert_eq(named, 4u);
    cr_assert(rates_name(rates, 17, &space, &model));
    cr_assert_eq(space, 17u);
    cr_assert_str_eq(model, "other");
    cr_assert(rates_name(rates, label_of("n@"), &space, &model));
    cr_assert_str_eq(model, "n");
}

Test(rates, a_model_that_was_only_named_is_not_shown)
{
    uint16_t space;
    const char *model;

    cr_assert_not(rates_name(rates, label_of("m@"), &space, &model));
    cr_assert_not(rates_name(rates, 0, &space, &model));
    cr_assert_not(rates_name(rates, rates_labels(rates) - 1, &space, &model));
}

Test(rates, before_a_window_is_full_it_is_what_there_was)
{
    struct rates_window window;

    hit(0, "m@1");
    now_ns += 3 * NS_PER_SECOND;
    for (unsigned i = 0; i < RATES_SPANS; i++) {
        rates_read(rates, label_of("m@"), rates_spans[i].ns, now_ns, &window);
        cr_assert_eq(window.count.queries, 1u);
        cr_assert_eq(window.ns, 3 * NS_PER_SECOND);
    }
}

Test(rates, what_is_older_than_a_window_is_not_in_it)
{
    pass(1);
    hit(0, "m@1");
    pass(50);
    cr_assert_eq(queries_since("m@", 60), 1u);
    pass(25);
    cr_assert_eq(queries_since("m@", 60), 0u);
    cr_assert_eq(queries_since("m@", 300), 1u);
    pass(220);
    cr_assert_eq(queries_since("m@", 300), 1u);
    pass(20);
    cr_assert_eq(queries_since("m@", 300), 0u);
    cr_assert_eq(queries_since("m@", 3600), 1u);
    pass(3280);
    cr_assert_eq(queries_since("m@", 3600), 1u);
    pass(90);
    cr_assert_eq(queries_since("m@", 3600), 0u);
    cr_assert_eq(queries_since("m@", 0), 1u);
}

Test(rates, a_window_is_not_shorter_than_it_says)
{
    pass(2 * 3600);
    for (unsigned i = 0; i < 70; i++) {
        struct rates_window minute = read_since("m@", 60);
        struct rates_window five = read_since("m@", 300);
        struct rates_window hour = read_since("m@", 3600);

        cr_assert_geq(minute.ns, 60 * NS_PER_SECOND);
        cr_assert_lt(minute.ns, 71 * NS_PER_SECOND);
        cr_assert_geq(five.ns, 300 * NS_PER_SECOND);
        cr_assert_lt(five.ns, 311 * NS_PER_SECOND);
        cr_assert_geq(hour.ns, 3600 * NS_PER_SECOND);
        cr_assert_lt(hour.ns, 3662 * NS_PER_SECOND);
        pass(1);
    }
}

Test(rates, a_model_met_late_has_windows_too)
{
    pass(3600);
    hit(0, "m@1");
    pass(40);
    hit(1, "late@1");
    pass(30);
    miss(1, "late@2");
    cr_assert_eq(queries_since("late@", 60), 2u);
    cr_assert_eq(queries_since("m@", 60), 0u);
    cr_assert_eq(queries_since(NULL, 60), 2u);
    cr_assert_eq(queries_since(NULL, 300), 3u);
}

Test(rates, a_server_that_was_held_up_loses_no_count)
{
    pass(20);
    hit(0, "m@1");
    now_ns += 500 * NS_PER_SECOND;
    rates_sample(rates, now_ns);
    hit(0, "m@1");
    pass(5);
    cr_assert_eq(queries_since("m@", 60), 2u);
    cr_assert_gt(read_since("m@", 60).ns, 500 * NS_PER_SECOND);
    pass(70);
    cr_assert_eq(queries_since("m@", 60), 0u);
}

Test(rates, the_moments_of_an_hour_are_in_order)
{
    struct rates_moment moments[RATES_MOMENTS];
    unsigned count = rates_moments(rates, moments);

    cr_assert_eq(count, 1u);
    cr_assert_eq(moments[0].at_ns, now_ns);
    for (unsigned i = 0; i < 4000; i++) {
        hit(i % WORKERS, "m@1");
        miss(i % WORKERS, "n@1");
        pass(1);
    }
    count = rates_moments(rates, moments);
    cr_assert_gt(count, 80u);
    cr_assert_leq(count, RATES_MOMENTS);
    for (unsigned i = 1; i < count; i++) {
        cr_assert_gt(moments[i].at_ns, moments[i - 1].at_ns);
        cr_assert_gt(moments[i].queries, moments[i - 1].queries);
        cr_assert_eq(moments[i].queries, 2 * moments[i].hits);
    }
    cr_assert_geq(now_ns - moments[0].at_ns, 3600 * NS_PER_SECOND);
    cr_assert_lt(now_ns - moments[count - 1].at_ns, 11 * NS_PER_SECOND);
}

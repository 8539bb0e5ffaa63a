/* SPDX-License-Identifier: Apache-2.0 */
/* Quantiles within 3 % of the truth, whatever the values. */
#include "tools/bench/histogram.h"
#include "tools/bench/random.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static struct histogram histogram, other;

static void
is_near(uint64_t got, uint64_t expected)
{
    double error = (double)got - (double)expected;

    cr_assert(error <= 0.03 * (double)expected &&
                  -error <= 0.03 * (double)expected,
              "%llu is not within 3 %% of %llu", (unsigned long long)got,
              (unsigned long long)expected);
}

Test(histogram, an_empty_one_answers_nought)
{
    cr_assert(histogram_quantile(&histogram, 0.5) == 0);
    cr_assert(histogram_quantile(&histogram, 1) == 0);
    cr_assert(histogram_mean(&histogram) == 0);
}

Test(histogram, small_values_are_exact)
{
    for (uint64_t value = 0; value < 64; value++)
        histogram_add(&histogram, value);
    cr_assert(histogram_quantile(&histogram, 0.5) == 31);
    cr_assert(histogram_quantile(&histogram, 0) == 0);
    cr_assert(histogram_quantile(&histogram, 1) == 63);
    cr_assert(histogram_mean(&histogram) == 31.5);
}

Test(histogram, one_value_of_any_size_comes_back)
{
    for (unsigned shift = 0; shift < 64; shift++) {
        struct histogram one = {.total = 0};
        uint64_t value = ((uint64_t)1 << shift) | ((uint64_t)1 << shift >> 3);

        histogram_add(&one, value);
        is_near(histogram_quantile(&one, 0.5), value);
        cr_assert(histogram_quantile(&one, 1) == value);
        cr_assert(one.most == value);
    }
    histogram_add(&histogram, UINT64_MAX);
    is_near(histogram_quantile(&histogram, 0.999), UINT64_MAX);
}

static int
compare(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

    return (a > b) - (a < b);
}

Test(histogram, quantiles_of_a_wide_spread_are_near_the_sorted_values)
{
    enum { COUNT = 20000 };
    static uint64_t values[COUNT];
    uint64_t random = 7;

    for (unsigned i = 0; i < COUNT; i++) {
        values[i] = random_next(&random) >> (20 + random_below(&random, 40));
        histogram_add(&histogram, values[i]);
    }
    qsort(values, COUNT, sizeof values[0], compare);
    is_near(histogram_quantile(&histogram, 0.5), values[COUNT / 2 - 1]);
    is_near(histogram_quantile(&histogram, 0.99), values[COUNT * 99 / 100 - 1]);
    is_near(histogram_quantile(&histogram, 0.999),
            values[COUNT * 999 / 1000 - 1]);
    cr_assert(histogram_quantile(&histogram, 1) == values[COUNT - 1]);
}

Test(histogram, merging_is_as_if_one_had_seen_all)
{
    static struct histogram all;

    for (uint64_t value = 1; value < 5000; value += 3) {
        histogram_add(value % 2 ? &histogram : &other, value * value);
        histogram_add(&all, value * value);
    }
    histogram_merge(&histogram, &other);
    cr_assert(histogram.total == all.total);
    cr_assert(histogram.most == all.most);
    cr_assert(histogram_mean(&histogram) == histogram_mean(&all));
    for (double share = 0; share <= 1; share += 0.01)
        cr_assert(histogram_quantile(&histogram, share) ==
                  histogram_quantile(&all, share));
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What is told of how long GETs take. */
#include "server/index/speed.h"

#include <criterion/criterion.h>
#include <string.h>

static struct speed speeds[3];

static void
note_many(unsigned which, unsigned count, uint64_t bytes, uint64_t ns)
{
    for (unsigned i = 0; i < count; i++)
        speed_note(&speeds[which], TIER_NVME, bytes, ns);
}

static struct speed_line
line(void)
{
    return speed_line(speeds, 3, TIER_NVME);
}

Test(speed, is_not_known_before_the_first_get)
{
    struct speed_line dram;

    cr_assert_not(line().is_known);
    note_many(0, 1, 1000, 1000);
    cr_assert(line().is_known);
    dram = speed_line(speeds, 3, TIER_DRAM);
    cr_assert_not(dram.is_known);
}

Test(speed, of_values_of_one_size_is_their_time)
{
    struct speed_line small, large;

    note_many(0, 100, 1000, 50000);
    small = line();
    cr_assert_float_eq(small.get_ns, 50000, 1);
    cr_assert_float_eq(small.byte_ns, 0, 0);
    memset(speeds, 0, sizeof(speeds));
    note_many(0, 100, 1u << 20, 500000);
    large = line();
    cr_assert_float_eq(large.get_ns, 0, 0);
    cr_assert_float_eq(large.byte_ns * (1u << 20), 500000, 1);
}

Test(speed, of_several_sizes_is_a_start_and_a_slope)
{
    struct speed_line now;

    for (unsigned i = 0; i < 200; i++)
        note_many(i % 3, 1, (i % 7 + 1) * 100000,
                  80000 + (i % 7 + 1) * 100000 / 2);
    now = line();
    cr_assert_float_eq(now.get_ns, 80000, 1000);
    cr_assert_float_eq(now.byte_ns, 0.5, 0.01);
}

Test(speed, is_never_negative)
{
    struct speed_line now;

    for (unsigned i = 0; i < 100; i++)
        note_many(0, 1, i % 2 == 0 ? 1000 : 100000, i % 2 == 0 ? 9000 : 1000);
    now = line();
    cr_assert_geq(now.get_ns, 0);
    cr_assert_geq(now.byte_ns, 0);
    memset(speeds, 0, sizeof(speeds));
    for (unsigned i = 0; i < 100; i++)
        note_many(0, 1, i % 2 == 0 ? 1000000 : 2000000,
                  i % 2 == 0 ? 1000 : 900000);
    now = line();
    cr_assert_geq(now.get_ns, 0);
    cr_assert_geq(now.byte_ns, 0);
}

Test(speed, follows_what_has_changed)
{
    note_many(0, 1000, 1u << 20, 1000000);
    note_many(0, 500, 1u << 20, 3000000);
    cr_assert_float_eq(line().byte_ns * (1u << 20), 3000000, 100000);
}

Test(speed, is_not_moved_far_by_a_client_that_stopped_reading)
{
    note_many(0, 1000, 1u << 20, 1000000);
    note_many(0, 1, 1u << 20, 100000000000ull);
    cr_assert_lt(line().byte_ns * (1u << 20), 1200000);
}

Test(speed, of_many_workers_is_that_of_all_their_gets)
{
    note_many(0, 1000, 1u << 20, 1000000);
    note_many(1, 1000, 1u << 20, 2000000);
    cr_assert_float_eq(line().byte_ns * (1u << 20), 1500000, 10000);
}

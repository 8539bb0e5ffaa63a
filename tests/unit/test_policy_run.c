/* SPDX-License-Identifier: Apache-2.0 */
/* Which accesses of a connection are one run. */
#include "storage/policy_run.h"

#include <criterion/criterion.h>

static struct policy_run run;
static struct policy_access access_now;
static uint64_t tail;

static bool
step(enum policy_step what, uint64_t hash, bool was_first)
{
    access_now.hash = hash;
    access_now.tick++;
    return policy_run_step(&run, what, was_first, &access_now, &tail);
}

static void
stands_at(uint64_t run_tick, uint32_t position)
{
    cr_assert(access_now.run_tick == run_tick &&
                  access_now.position == position,
              "run %u position %u", (unsigned)access_now.run_tick,
              access_now.position);
}

Test(policy_run, hits_a_miss_and_puts_are_one_run)
{
    step(POLICY_HIT, 1, true);
    stands_at(1, 0);
    step(POLICY_HIT, 2, false);
    stands_at(1, 1);
    step(POLICY_MISS, 3, false);
    step(POLICY_PUT, 3, false);
    stands_at(1, 2);
    step(POLICY_PUT, 4, false);
    stands_at(1, 3);
}

Test(policy_run, a_get_after_a_put_begins_the_next_and_tells_the_tail)
{
    step(POLICY_MISS, 1, false);
    step(POLICY_PUT, 1, false);
    step(POLICY_PUT, 2, false);
    cr_assert(step(POLICY_HIT, 1, true));
    cr_assert_eq(tail, 2);
    stands_at(4, 0);
    cr_assert_not(step(POLICY_HIT, 2, false), "a tail is told once");
}

Test(policy_run, a_single_put_has_no_tail)
{
    step(POLICY_MISS, 1, false);
    step(POLICY_PUT, 1, false);
    cr_assert_not(step(POLICY_MISS, 2, false));
    step(POLICY_PUT, 2, false);
    stands_at(3, 0);
}

Test(policy_run, a_miss_after_a_miss_begins_the_next)
{
    step(POLICY_MISS, 1, false);
    step(POLICY_MISS, 2, false);
    step(POLICY_PUT, 2, false);
    stands_at(2, 0);
}

Test(policy_run, what_began_a_run_begins_one_again)
{
    step(POLICY_HIT, 1, true);
    step(POLICY_HIT, 2, false);
    step(POLICY_HIT, 1, true);
    stands_at(3, 0);
    step(POLICY_HIT, 2, false);
    stands_at(3, 1);
}

Test(policy_run, puts_without_gets_are_one_run)
{
    step(POLICY_PUT, 1, false);
    step(POLICY_PUT, 2, false);
    stands_at(1, 1);
    cr_assert(step(POLICY_MISS, 9, false));
    cr_assert_eq(tail, 2);
}

Test(policy_run, all_of_a_run_have_the_size_of_its_first)
{
    access_now.size = 100;
    step(POLICY_MISS, 1, false);
    step(POLICY_PUT, 1, false);
    access_now.size = 30;
    step(POLICY_PUT, 2, false);
    cr_assert_eq(access_now.size, 100);
    access_now.size = 40;
    step(POLICY_HIT, 3, true);
    cr_assert_eq(access_now.size, 40, "the next run");
}

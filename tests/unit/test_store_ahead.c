/* SPDX-License-Identifier: Apache-2.0 */
/* Reading ahead along a run: the chunks of a prompt are asked for in the order in
 * which they came, so the next ones are read before they are asked for. */
#include "storage/policy_run.h"
#include "tests/lib/store_nvme.h"

#define RUN 8u

TestSuite(store_ahead, .init = set_up, .fini = tear_down);

static struct policy_run run;

static void
put_run(const unsigned *numbers, unsigned count)
{
    struct store_terms terms = {.form = FORM_LM, .run = &run};

    store_missed(port, &run);
    for (unsigned i = 0; i < count; i++)
        put_terms(numbers[i], numbers[i], &terms);
    store_missed(port, &run);
}

static void
get(unsigned number)
{
    struct store_name name = name_of(number);
    struct value_get value = {.get = {.run = &run}};

    value.get.done = value_on_got;
    value.is_done = store_get_start(port, &value.get, &name) == FINISHED;
    cr_assert(value_await_get(port, &value));
    cr_assert_eq(value.get.status, STATUS_OK);
    cr_assert(value_fills(value.get.chunk, number));
    chunk_drop(&value.get.chunk);
}

static uint64_t
ahead(void)
{
    return counter_read(&counters, COUNTER_nvme_reads_ahead);
}

static void
put_eight(void)
{
    static const unsigned numbers[RUN] = {1, 2, 3, 4, 5, 6, 7, 8};

    put_run(numbers, RUN);
    fill_dram();
}

Test(store_ahead, a_run_that_goes_the_way_it_went_is_read_ahead)
{
    put_eight();
    get(1);
    cr_assert_eq(ahead(), 0);
    get(2);
    cr_assert_eq(ahead(), 2);
    for (unsigned i = 3; i <= RUN; i++)
        get(i);
    cr_assert_eq(ahead(), RUN - 2);
    cr_assert_eq(counter_read(&counters, COUNTER_nvme_reads_good), RUN);
    cr_assert_eq(counter_read(&counters, COUNTER_hits_nvme), RUN);
}

Test(store_ahead, one_that_goes_another_way_is_not)
{
    put_eight();
    for (unsigned i = RUN; i > 0; i--)
        get(i);
    cr_assert_eq(ahead(), 0);
}

Test(store_ahead, a_way_is_learned_from_gets_too)
{
    put_eight();
    again(); /* what was a run is not on the device */
    for (unsigned i = 1; i <= RUN; i++)
        get(i);
    cr_assert_eq(ahead(), 0);
    store_missed(port, &run);
    fill_dram();
    fill_dram();
    for (unsigned i = 1; i <= RUN; i++)
        get(i);
    cr_assert_gt(ahead(), 0);
}

Test(store_ahead, gets_of_no_run_read_nothing_ahead)
{
    put_eight();
    for (unsigned i = 1; i <= RUN; i++)
        cr_assert_eq(check(i, i), STATUS_OK);
    cr_assert_eq(ahead(), 0);
}

Test(store_ahead, what_follows_and_was_deleted_is_passed_over)
{
    struct store_name name;

    put_eight();
    name = name_of(3);
    cr_assert_eq(store_drop(port, &name), STATUS_OK);
    get(1);
    get(2);
    cr_assert_eq(ahead(), 0);
}

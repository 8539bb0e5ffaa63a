/* SPDX-License-Identifier: Apache-2.0 */
/* The free map of one extent, against a map of one byte a block. */
#include "storage/extent.h"
#include "tests/lib/store_values.h"

#include <criterion/criterion.h>

static struct extent extent;
static bool is_free[EXTENT_BLOCKS];

static uint32_t
longest(void)
{
    uint32_t most = 0, here = 0;

    for (uint32_t i = 0; i < EXTENT_BLOCKS; i++) {
        here = is_free[i] ? here + 1 : 0;
        if (here > most)
            most = here;
    }
    return most;
}

static uint32_t
first_of(uint32_t count)
{
    uint32_t here = 0;

    for (uint32_t i = 0; i < EXTENT_BLOCKS; i++) {
        here = is_free[i] ? here + 1 : 0;
        if (here == count)
            return i + 1 - count;
    }
    return EXTENT_BLOCKS;
}

static void
mark(uint32_t first, uint32_t count, bool state)
{
    if (state)
        extent_mark_free(&extent, first, count);
    else
        extent_mark_taken(&extent, first, count);
    for (uint32_t i = 0; i < count; i++)
        is_free[first + i] = state;
}

static void
compare(void)
{
    uint32_t most = longest();

    cr_assert_eq(extent_measure(&extent), most);
    for (uint32_t count = 1; count <= most; count++)
        cr_assert_eq(extent_find(&extent, count), first_of(count));
}

Test(extent, is_all_taken_at_first)
{
    compare();
    mark(0, EXTENT_BLOCKS, true);
    compare();
    mark(0, EXTENT_BLOCKS, false);
    compare();
}

Test(extent, marks_every_range)
{
    for (uint32_t first = 0; first < EXTENT_BLOCKS; first++) {
        for (uint32_t end = first + 1; end <= EXTENT_BLOCKS; end += 3) {
            mark(first, end - first, true);
            cr_assert_eq(extent_measure(&extent), end - first);
            cr_assert_eq(extent_find(&extent, 1), first);
            cr_assert_eq(extent_find(&extent, end - first), first);
            mark(first, end - first, false);
            cr_assert_eq(extent_measure(&extent), 0);
        }
    }
}

Test(extent, finds_and_measures_after_any_marks)
{
    uint64_t random = 3;

    for (unsigned step = 0; step < 5000; step++) {
        uint32_t first = random_below(&random, EXTENT_BLOCKS), count = 1;
        bool state = !is_free[first];

        while (first + count < EXTENT_BLOCKS &&
               is_free[first + count] != state &&
               random_below(&random, 20) != 0)
            count++;
        mark(first, count, state);
        compare();
    }
}

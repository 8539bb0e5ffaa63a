/* SPDX-License-Identifier: Apache-2.0 */
/* S3-FIFO, with its queues over several parts. */
#include "tests/unit/policy_checks.h"

#define CAPACITY 40u

static struct bed bed;

static void
fill(void)
{
    bed_open(&bed, &policy_s3fifo, CAPACITY);
    for (unsigned i = 0; i < CAPACITY; i++)
        bed_use_alone(&bed, i);
}

Test(policy_s3fifo, what_was_used_once_goes_in_the_order_it_came)
{
    fill();
    for (unsigned i = 0; i < CAPACITY; i++)
        cr_assert_eq(bed_evict(&bed), i);
    bed_close(&bed);
}

Test(policy_s3fifo, one_more_use_does_not_save_it_but_two_do)
{
    fill();
    bed_use_alone(&bed, 0);
    bed_use_alone(&bed, 1);
    bed_use_alone(&bed, 1);
    cr_assert_eq(bed_evict(&bed), 0);
    cr_assert_eq(bed_evict(&bed), 2);
    cr_assert(bed.keys[1].is_in);
    bed_close(&bed);
}

Test(policy_s3fifo, what_comes_back_soon_stays_through_a_scan)
{
    fill();
    bed_use_alone(&bed, CAPACITY); /* pushes 0 out */
    cr_assert_eq(bed.last_out, 0);
    bed_use_alone(&bed, 0);
    for (unsigned i = CAPACITY + 1; i < CAPACITY * 10; i++)
        bed_use_alone(&bed, i);
    cr_assert(bed_use_alone(&bed, 0), "a scan pushed it out");
    bed_close(&bed);
}

Test(policy_s3fifo, what_comes_back_late_is_new)
{
    fill();
    for (unsigned i = CAPACITY; i < CAPACITY * 4; i++)
        bed_use_alone(&bed, i);
    bed_use_alone(&bed, 0);
    cr_assert_eq(bed.keys[0].node.queue, 0, "it is in the small queue");
    for (unsigned i = CAPACITY * 4; i < CAPACITY * 6; i++)
        bed_use_alone(&bed, i);
    cr_assert_not(bed.keys[0].is_in);
    bed_close(&bed);
}

Test(policy_s3fifo, the_small_share_is_the_caches_and_not_the_parts)
{
    unsigned small = 0;

    fill();
    /* All of part 0 becomes main; all else is seen once. */
    for (unsigned round = 0; round < 3; round++)
        for (unsigned i = 0; i < CAPACITY; i += BED_PARTS)
            bed_use_alone(&bed, i);
    for (unsigned i = 1000; i < 3000; i++)
        if (i % BED_PARTS != 0)
            bed_use_alone(&bed, i);
    for (unsigned i = 1000; i < 3000; i++)
        small += bed.keys[i].is_in;
    for (unsigned i = 0; i < CAPACITY; i += BED_PARTS)
        cr_assert(bed.keys[i].is_in, "%u was main, and left", i);
    cr_assert_eq(small, CAPACITY - CAPACITY / BED_PARTS);
    bed_close(&bed);
}

Test(policy_s3fifo, main_gives_as_many_second_chances_as_there_were_uses)
{
    fill();
    for (unsigned i = 0; i < CAPACITY; i++) {
        bed_use_alone(&bed, i);
        bed_use_alone(&bed, i);
    }
    bed_use_alone(&bed, CAPACITY); /* all go on to main; 0 had its chances */
    bed_use_alone(&bed, 1);
    bed_use_alone(&bed, 1);
    for (unsigned i = 2; i < CAPACITY / 2; i++)
        bed_evict(&bed);
    cr_assert(bed.keys[1].is_in);
    bed_close(&bed);
}

Test(policy_s3fifo, what_is_removed_is_counted_out)
{
    fill();
    for (unsigned i = 0; i < CAPACITY; i++)
        policy_s3fifo.remove(bed.shared, bed_order(&bed, i), &bed.keys[i].node);
    memset(bed.keys, 0, sizeof bed.keys);
    bed.in = 0;
    for (unsigned i = 0; i < CAPACITY; i++)
        bed_use_alone(&bed, i);
    cr_assert_eq(bed_evict(&bed), 0);
    bed_close(&bed);
}

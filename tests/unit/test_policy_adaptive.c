/* SPDX-License-Identifier: Apache-2.0 */
/* The adaptive policy: what goes first, and what it learns. */
#include "tests/lib/store_values.h"
#include "tests/unit/policy_checks.h"

static struct bed bed;

static void
use_run(unsigned first, unsigned count)
{
    bed_run(&bed);
    for (unsigned i = 0; i < count; i++)
        bed_use(&bed, first + i);
}

static void
demote(unsigned key)
{
    policy_adaptive.demote(bed.shared, bed_order(&bed, key),
                           &bed.keys[key].node, bed_hash(key));
}

Test(policy_adaptive, older_runs_go_first_and_the_end_of_a_run_before_its_begin)
{
    static const unsigned expected[] = {2, 1, 0, 12, 11, 10};

    bed_open(&bed, &policy_adaptive, 100);
    for (unsigned i = 0; i < 90; i++)
        bed_use_alone(&bed, 100 + i);
    use_run(0, 3);
    use_run(10, 3);
    for (unsigned i = 0; i < 90; i++)
        cr_assert_eq(bed_evict(&bed), 100 + i);
    for (unsigned i = 0; i < 6; i++)
        cr_assert_eq(bed_evict(&bed), expected[i]);
    bed_close(&bed);
}

Test(policy_adaptive, a_parent_never_goes_before_its_child)
{
    uint64_t random = 8;
    unsigned wrong = 0, evictions = 0;

    bed_open(&bed, &policy_adaptive, 2000);
    for (unsigned i = 0; i < 20000; i++) {
        unsigned chain = random_below(&random, 128) * 32;
        unsigned size = 1 + random_below(&random, 32);

        bed_run(&bed);
        for (unsigned k = 0; k < size; k++) {
            bed_use(&bed, chain + k);
            if (bed.evictions != evictions)
                wrong +=
                    bed.last_out % 32 != 31 && bed.keys[bed.last_out + 1].is_in;
            evictions = bed.evictions;
        }
    }
    /* But for the few keys that are remembered as another's. */
    cr_assert(evictions > 50000);
    cr_assert(wrong <= evictions / 1000, "%u of %u", wrong, evictions);
    bed_close(&bed);
}

Test(policy_adaptive, what_was_used_again_outlives_what_is_newer)
{
    bed_open(&bed, &policy_adaptive, 100);
    bed_use_alone(&bed, 0);
    bed_use_alone(&bed, 0);
    for (unsigned i = 1; i <= 110; i++)
        bed_use_alone(&bed, i);
    cr_assert(bed.keys[0].is_in, "LRU would have let it go");
    cr_assert_not(bed.keys[10].is_in);
    bed_close(&bed);
}

Test(policy_adaptive, uses_are_remembered_over_an_eviction)
{
    bed_open(&bed, &policy_adaptive, 50);
    bed_use_alone(&bed, 0);
    for (unsigned i = 1; i < 100; i++)
        bed_use_alone(&bed, i);
    cr_assert_not(bed.keys[0].is_in);
    bed_use_alone(&bed, 0);
    cr_assert_eq(bed.keys[0].node.uses, 2);
    bed_close(&bed);
}

Test(policy_adaptive, uses_are_kept_while_the_caller_keeps_the_node)
{
    struct policy_node *node = &bed.keys[7].node;

    bed_open(&bed, &policy_adaptive, 50);
    bed_use_alone(&bed, 7);
    bed_use_alone(&bed, 7);
    policy_adaptive.evict(bed.shared, bed_order(&bed, 7), node, bed_hash(7));
    bed.keys[7].is_in = false;
    bed_use_alone(&bed, 7);
    cr_assert_eq(node->uses, 3);
    bed_close(&bed);
}

/* Runs of 8, whose last key is asked for again or is not. */
static void
use_many_runs(bool is_tail_used)
{
    bed_open(&bed, &policy_adaptive, 400);
    for (unsigned i = 0; i < 2000; i++) {
        unsigned first = i % 200 * 20;

        bed_run(&bed);
        for (unsigned k = 0; k < 7 || (is_tail_used && k < 8); k++)
            bed_use(&bed, first + k);
        if (is_tail_used) {
            if (i < 200)
                demote(first + 7);
        } else {
            bed_use(&bed, first + 8 + i / 200);
            demote(first + 8 + i / 200);
        }
    }
}

Test(policy_adaptive, learns_that_the_last_of_a_run_is_not_asked_for_again)
{
    use_many_runs(false);
    use_run(4000, 4);
    demote(4003);
    cr_assert_eq(bed.keys[4003].node.queue, POLICY_QUEUES - 1);
    bed_close(&bed);
}

Test(policy_adaptive, keeps_the_last_of_a_run_where_it_is_asked_for)
{
    use_many_runs(true);
    use_run(4000, 4);
    demote(4003);
    cr_assert_eq(bed.keys[4003].node.queue, 0);
    bed_close(&bed);
}

static double
hit_ratio_of(const struct policy *policy, unsigned (*draw)(uint64_t *random))
{
    uint64_t random = 1, hits = 0;

    bed_open(&bed, policy, 256);
    for (unsigned i = 0; i < 200000; i++)
        hits += bed_use_alone(&bed, draw(&random));
    bed_close(&bed);
    return (double)hits / (double)bed.tick;
}

static unsigned
draw_scan(uint64_t *random)
{
    static unsigned next;

    return random_below(random, 2) == 0 ? random_below(random, 200)
                                        : 200 + next++ % 3800;
}

static unsigned
draw_recent(uint64_t *random)
{
    static unsigned newest;

    newest += random_below(random, 4) == 0;
    return (newest - random_below(random, 240)) % BED_KEYS;
}

Test(policy_adaptive, is_as_good_as_s3fifo_where_lru_is_weak)
{
    double lru = hit_ratio_of(&policy_lru, draw_scan);
    double s3fifo = hit_ratio_of(&policy_s3fifo, draw_scan);
    double adaptive = hit_ratio_of(&policy_adaptive, draw_scan);

    cr_assert(s3fifo > lru + 0.05, "%f, %f", lru, s3fifo);
    cr_assert(adaptive > s3fifo - 0.005, "%f, %f", adaptive, s3fifo);
}

Test(policy_adaptive, is_as_good_as_lru_where_s3fifo_is_weak)
{
    double lru = hit_ratio_of(&policy_lru, draw_recent);
    double s3fifo = hit_ratio_of(&policy_s3fifo, draw_recent);
    double adaptive = hit_ratio_of(&policy_adaptive, draw_recent);

    cr_assert(lru > s3fifo + 0.01, "%f, %f", lru, s3fifo);
    cr_assert(adaptive > lru - 0.005, "%f, %f", adaptive, lru);
}

static void
use_sized(unsigned key, uint32_t size)
{
    bed.size = size;
    bed_use_alone(&bed, key);
}

/* Two chunks used twice, the second one later, then others of both sizes, until
 * one of the two has gone. */
static unsigned
first_to_go(uint32_t first_size, uint32_t second_size)
{
    unsigned gone;

    bed_open(&bed, &policy_adaptive, 100);
    for (unsigned i = 0; i < 40; i++)
        use_sized(100 + i, i % 2 == 0 ? first_size : second_size);
    for (unsigned i = 0; i < 2; i++)
        use_sized(0, first_size);
    for (unsigned i = 0; i < 2; i++)
        use_sized(1, second_size);
    for (unsigned i = 200; bed.keys[0].is_in && bed.keys[1].is_in; i++)
        use_sized(i, i % 2 == 0 ? first_size : second_size);
    gone = bed.keys[0].is_in ? 1 : 0;
    bed_close(&bed);
    return gone;
}

Test(policy_adaptive, a_further_use_of_what_is_large_is_worth_less)
{
    cr_assert_eq(first_to_go(1 << 20, 1 << 20), 0);
    cr_assert_eq(first_to_go(1 << 20, 4 << 20), 1, "newer, but larger");
    cr_assert_eq(first_to_go(4 << 20, 1 << 20), 0);
}

Test(policy_adaptive, what_was_used_once_goes_by_its_age_whatever_its_size)
{
    bed_open(&bed, &policy_adaptive, 200);
    for (unsigned i = 0; i < 100; i++)
        use_sized(i, i % 3 == 0 ? 64 << 20 : 4096);
    for (unsigned i = 0; i < 100; i++)
        cr_assert_eq(bed_evict(&bed), i);
    bed_close(&bed);
}

/* Two groups of keys alike in all but the size of their chunks. */
static unsigned
hits_of_sized(bool is_told)
{
    uint64_t random = 5;
    unsigned hits = 0, in = 0;

    bed_open(&bed, &policy_adaptive, BED_KEYS);
    for (unsigned i = 0; i < 200000; i++) {
        uint32_t one = random_below(&random, 2000);
        unsigned key = one * random_below(&random, 2000) / 2000 * 2;
        unsigned size;

        key += random_below(&random, 2);
        size = key % 2 == 0 ? 1 : 8;
        /* As many bytes as 2,000 of the small ones. */
        while (!bed.keys[key].is_in && in + size > 2000)
            in -= bed_evict(&bed) % 2 == 0 ? 1 : 8;
        hits += bed.keys[key].is_in;
        in += bed.keys[key].is_in ? 0 : size;
        use_sized(key, is_told ? size << 16 : 0);
    }
    bed_close(&bed);
    return hits;
}

Test(policy_adaptive, hits_more_where_sizes_are_told)
{
    unsigned without = hits_of_sized(false), with = hits_of_sized(true);

    cr_assert(with > without + without / 50, "%u, %u", with, without);
}

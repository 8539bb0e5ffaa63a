/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of nodes, the table of policies, and the order of the baseline. */
#include "tests/lib/store_values.h"
#include "tests/unit/policy_checks.h"

#define NODES 50u

static struct bed bed;

static void
takes_in_turn(const unsigned *numbers, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        unsigned key = bed_evict(&bed);

        cr_assert(key == numbers[i], "%u went, not %u", key, numbers[i]);
    }
    cr_assert_eq(bed.in, 0);
}

static void
insert_first(unsigned count)
{
    bed_open(&bed, &policy_lru, NODES);
    for (unsigned i = 0; i < count; i++)
        bed_use_alone(&bed, i);
}

Test(policy, is_found_by_its_name)
{
    cr_assert_eq(policy_find("lru"), &policy_lru);
    cr_assert_eq(policy_find("s3fifo"), &policy_s3fifo);
    cr_assert_eq(policy_find("adaptive"), &policy_adaptive);
    cr_assert_null(policy_find("clairvoyant"));
    cr_assert_eq(policy_at(0), &policy_lru);
    cr_assert_null(policy_at(3));
}

Test(policy, has_no_least_number_where_nothing_is_in)
{
    struct policy_order order;
    unsigned queue = 7;

    policy_order_start(&order);
    cr_assert_eq(policy_order_least(&policy_lru, NULL, &order, &queue),
                 UINT64_MAX);
    cr_assert_null(policy_list_oldest(&order.queues[0]));
}

Test(policy_list, places_a_node_before_those_of_higher_ticks)
{
    struct policy_list list;
    struct policy_node nodes[4] = {
        {.tick = 10}, {.tick = 30}, {.tick = 20}, {.tick = 5}};
    const struct policy_node *node;
    static const uint64_t expected[] = {5, 10, 20, 30};
    unsigned count = 0;

    policy_list_start(&list);
    for (unsigned i = 0; i < 4; i++)
        policy_list_place(&list, &nodes[i], 4);
    for (node = policy_list_oldest(&list); node != &list.ends;
         node = node->newer)
        cr_assert_eq(node->tick, expected[count++]);
    cr_assert_eq(count, 4);
}

Test(policy_list, passes_no_more_nodes_than_it_may)
{
    struct policy_list list;
    struct policy_node nodes[3] = {{.tick = 10}, {.tick = 11}, {.tick = 12}};
    struct policy_node late = {.tick = 1};

    policy_list_start(&list);
    for (unsigned i = 0; i < 3; i++)
        policy_list_append(&list, &nodes[i]);
    policy_list_place(&list, &late, 2);
    cr_assert_eq(late.older, &nodes[0]);
    cr_assert_eq(late.newer, &nodes[1]);
    cr_assert_eq(late.tick, 10, "ticks do not fall from older to newer");
}

Test(policy_lru, lets_the_first_in_go_first)
{
    insert_first(4);
    takes_in_turn((unsigned[]){0, 1, 2, 3}, 4);
}

Test(policy_lru, puts_what_was_touched_last)
{
    insert_first(4);
    bed_use_alone(&bed, 0);
    bed_use_alone(&bed, 2);
    bed_use_alone(&bed, 0);
    cr_assert_eq(bed.keys[0].node.tick, 7);
    takes_in_turn((unsigned[]){1, 3, 2, 0}, 4);
}

Test(policy_lru, forgets_what_was_removed)
{
    insert_first(3);
    policy_lru.remove(NULL, bed_order(&bed, 1), &bed.keys[1].node);
    bed.keys[1].is_in = false;
    bed.in--;
    takes_in_turn((unsigned[]){0, 2}, 2);
    bed_use_alone(&bed, 1);
    takes_in_turn((unsigned[]){1}, 1);
}

Test(policy_lru, candidate_has_the_least_tick_of_all_parts_after_any_accesses)
{
    uint64_t random = 4;

    insert_first(NODES);
    for (unsigned step = 0; step < 20000; step++) {
        unsigned which = random_below(&random, NODES), oldest = NODES;

        if (!bed.keys[which].is_in || random_below(&random, 3) == 0)
            bed_use_alone(&bed, which);
        else
            bed_evict(&bed);
        for (unsigned i = 0; i < NODES; i++)
            if (bed.keys[i].is_in &&
                (oldest == NODES ||
                 bed.keys[i].node.tick < bed.keys[oldest].node.tick))
                oldest = i;
        if (oldest != NODES)
            cr_assert_eq(bed_next(&bed), oldest);
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The order in which entries go. */
#include "storage/policy.h"
#include "tests/lib/store_values.h"

#include <criterion/criterion.h>

#define NODES 50u

static struct policy_order order;
static struct policy_node nodes[NODES];

static void
takes_in_turn(const unsigned *numbers, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        cr_assert_eq(policy_lru.candidate(&order), &nodes[numbers[i]]);
        policy_lru.remove(&order, &nodes[numbers[i]]);
    }
    cr_assert_null(policy_lru.candidate(&order));
}

static void
insert_first(unsigned count)
{
    policy_lru.start(&order);
    for (unsigned i = 0; i < count; i++)
        policy_lru.insert(&order, &nodes[i], i);
}

Test(policy_lru, has_no_candidate_where_nothing_is_in)
{
    policy_lru.start(&order);
    cr_assert_null(policy_lru.candidate(&order));
}

Test(policy_lru, lets_the_first_in_go_first)
{
    insert_first(4);
    takes_in_turn((unsigned[]){0, 1, 2, 3}, 4);
}

Test(policy_lru, puts_what_was_touched_last)
{
    insert_first(4);
    policy_lru.touch(&order, &nodes[0], 4);
    policy_lru.touch(&order, &nodes[2], 5);
    policy_lru.touch(&order, &nodes[0], 6);
    cr_assert_eq(nodes[0].tick, 6);
    takes_in_turn((unsigned[]){1, 3, 2, 0}, 4);
}

Test(policy_lru, forgets_what_was_removed)
{
    insert_first(3);
    policy_lru.remove(&order, &nodes[1]);
    takes_in_turn((unsigned[]){0, 2}, 2);
    policy_lru.insert(&order, &nodes[1], 9);
    takes_in_turn((unsigned[]){1}, 1);
}

Test(policy_lru, candidate_has_the_least_tick_after_any_accesses)
{
    uint64_t random = 4, tick = NODES;
    bool is_in[NODES];

    insert_first(NODES);
    memset(is_in, true, sizeof(is_in));
    for (unsigned step = 0; step < 20000; step++) {
        unsigned which = random_below(&random, NODES), oldest = NODES;

        if (!is_in[which])
            policy_lru.insert(&order, &nodes[which], tick++);
        else if (random_below(&random, 3) == 0)
            policy_lru.touch(&order, &nodes[which], tick++);
        else
            policy_lru.remove(&order, &nodes[which]);
        is_in[which] = nodes[which].older != NULL;
        for (unsigned i = 0; i < NODES; i++)
            if (is_in[i] &&
                (oldest == NODES || nodes[i].tick < nodes[oldest].tick))
                oldest = i;
        cr_assert_eq(policy_lru.candidate(&order),
                     oldest == NODES ? NULL : &nodes[oldest]);
    }
}

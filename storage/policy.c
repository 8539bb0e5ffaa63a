/* SPDX-License-Identifier: Apache-2.0 */
/* Eviction orders.  So far the baseline: least recently used goes first. */
#include "storage/policy.h"

#include <stddef.h>

static void
start(struct policy_order *order)
{
    order->ends.older = order->ends.newer = &order->ends;
    order->ends.tick = 0;
}

static void
insert(struct policy_order *order, struct policy_node *node, uint64_t tick)
{
    struct policy_node *newest = order->ends.older;

    node->tick = tick;
    node->older = newest;
    node->newer = &order->ends;
    newest->newer = node;
    order->ends.older = node;
}

static void
unlink_node(struct policy_order *order, struct policy_node *node)
{
    (void)order;
    node->older->newer = node->newer;
    node->newer->older = node->older;
    node->older = node->newer = NULL;
}

static void
touch(struct policy_order *order, struct policy_node *node, uint64_t tick)
{
    unlink_node(order, node);
    insert(order, node, tick);
}

static struct policy_node *
oldest(const struct policy_order *order)
{
    struct policy_node *node = order->ends.newer;

    return node == &order->ends ? NULL : node;
}

const struct policy policy_lru = {
    .name = "lru",
    .start = start,
    .insert = insert,
    .touch = touch,
    .remove = unlink_node,
    .candidate = oldest,
};

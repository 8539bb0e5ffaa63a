/* SPDX-License-Identifier: Apache-2.0 */
/* The baseline: least recently used goes first.  One queue, nothing shared. */
#include "storage/policy.h"

static size_t
shared_size(uint64_t entries)
{
    (void)entries;
    return 0;
}

static void
open_nothing(struct policy_shared *shared, uint64_t entries)
{
    (void)shared;
    (void)entries;
}

static void
insert(struct policy_shared *shared, struct policy_order *order,
       struct policy_node *node, const struct policy_access *access)
{
    (void)shared;
    node->queue = 0;
    node->tick = access->tick;
    policy_list_append(&order->queues[0], node);
}

static void
unlink_node(struct policy_shared *shared, struct policy_order *order,
            struct policy_node *node)
{
    (void)shared;
    (void)order;
    policy_list_unlink(node);
}

static void
touch(struct policy_shared *shared, struct policy_order *order,
      struct policy_node *node, const struct policy_access *access)
{
    policy_list_unlink(node);
    insert(shared, order, node, access);
}

static void
evict(struct policy_shared *shared, struct policy_order *order,
      struct policy_node *node, uint64_t hash)
{
    (void)hash;
    unlink_node(shared, order, node);
}

static void
leave_as_it_is(struct policy_shared *shared, struct policy_order *order,
               struct policy_node *node, uint64_t hash)
{
    (void)shared;
    (void)order;
    (void)node;
    (void)hash;
}

static struct policy_node *
candidate(struct policy_shared *shared, struct policy_order *order,
          unsigned queue)
{
    (void)shared;
    return policy_list_oldest(&order->queues[queue]);
}

static uint64_t
number(const struct policy_shared *shared, unsigned queue, uint64_t tick)
{
    (void)shared;
    (void)queue;
    return tick;
}

const struct policy policy_lru = {
    .name = "lru",
    .queues = 1,
    .shared_size = shared_size,
    .open = open_nothing,
    .insert = insert,
    .touch = touch,
    .evict = evict,
    .remove = unlink_node,
    .demote = leave_as_it_is,
    .candidate = candidate,
    .number = number,
};

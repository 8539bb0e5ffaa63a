/* SPDX-License-Identifier: Apache-2.0 */
/* What all policies are made of: lists of nodes, and the table of policies. */
#include "storage/policy.h"

#include <string.h>

static const struct policy *const policies[] = {&policy_lru, &policy_s3fifo,
                                                &policy_adaptive};
#define POLICY_COUNT (sizeof policies / sizeof policies[0])

const struct policy *
policy_at(unsigned number)
{
    return number < POLICY_COUNT ? policies[number] : NULL;
}

const struct policy *
policy_find(const char *name)
{
    for (unsigned i = 0; i < POLICY_COUNT; i++)
        if (strcmp(policies[i]->name, name) == 0)
            return policies[i];
    return NULL;
}

void
policy_order_start(struct policy_order *order)
{
    for (unsigned i = 0; i < POLICY_QUEUES; i++)
        policy_list_start(&order->queues[i]);
}

uint64_t
policy_order_least(const struct policy *policy,
                   const struct policy_shared *shared,
                   const struct policy_order *order, unsigned *queue_out)
{
    uint64_t least = UINT64_MAX;

    for (unsigned i = 0; i < policy->queues; i++) {
        const struct policy_node *node = policy_list_oldest(&order->queues[i]);
        uint64_t number =
            node == NULL ? UINT64_MAX : policy->number(shared, i, node->tick);

        if (number < least) {
            least = number;
            *queue_out = i;
        }
    }
    return least;
}

void
policy_list_start(struct policy_list *list)
{
    list->ends.older = list->ends.newer = &list->ends;
    list->ends.tick = 0;
}

static void
link_behind(struct policy_node *older, struct policy_node *node)
{
    node->older = older;
    node->newer = older->newer;
    older->newer->older = node;
    older->newer = node;
}

void
policy_list_append(struct policy_list *list, struct policy_node *node)
{
    link_behind(list->ends.older, node);
}

void
policy_list_place(struct policy_list *list, struct policy_node *node,
                  unsigned most)
{
    struct policy_node *at = list->ends.older;

    while (at != &list->ends && at->tick > node->tick && most-- != 0)
        at = at->older;
    if (at != &list->ends && at->tick > node->tick)
        node->tick = at->tick;
    link_behind(at, node);
}

void
policy_list_unlink(struct policy_node *node)
{
    node->older->newer = node->newer;
    node->newer->older = node->older;
    node->older = node->newer = NULL;
}

struct policy_node *
policy_list_oldest(const struct policy_list *list)
{
    struct policy_node *node = list->ends.newer;

    return node == &list->ends ? NULL : node;
}

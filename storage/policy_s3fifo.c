/* SPDX-License-Identifier: Apache-2.0 */
/*
 * S3-FIFO (Yang et al., SOSP 2023): what is new stands in a small queue, a
 * tenth of the cache; what was used twice more by the time it has come to its
 * end goes on to the main queue, else it goes, and is remembered.  What comes
 * back while it is remembered goes to the main queue at once.  The main queue
 * is a FIFO with up to three second chances.
 *
 * How much is in each queue is counted over all parts: the share of the small
 * one is the cache's and not the part's.
 */
#include "storage/policy.h"

#include "storage/policy_ghost.h"

#include <stdatomic.h>

enum { SMALL, MAIN, QUEUES };

#define SMALL_SHARE 10u /* a tenth */
#define USES_MOST   3u
#define OTHER_QUEUE (1ull << 63)

struct policy_shared {
    _Atomic uint64_t counts[QUEUES];
    _Atomic uint64_t tick; /* of about the latest access */
    struct policy_ghost ghost;
};

static size_t
shared_size(uint64_t entries)
{
    return offsetof(struct policy_shared, ghost) + policy_ghost_size(entries);
}

static void
open_shared(struct policy_shared *shared, uint64_t entries)
{
    policy_ghost_start(&shared->ghost, entries);
}

static uint64_t
count_of(const struct policy_shared *shared, unsigned queue)
{
    return atomic_load_explicit(&shared->counts[queue], memory_order_relaxed);
}

static void
append(struct policy_shared *shared, struct policy_order *order,
       struct policy_node *node, unsigned queue)
{
    node->queue = (uint8_t)queue;
    node->tick = atomic_load_explicit(&shared->tick, memory_order_relaxed);
    policy_list_append(&order->queues[queue], node);
    atomic_fetch_add_explicit(&shared->counts[queue], 1, memory_order_relaxed);
}

static void
take_out(struct policy_shared *shared, struct policy_order *order,
         struct policy_node *node)
{
    (void)order;
    policy_list_unlink(node);
    atomic_fetch_sub_explicit(&shared->counts[node->queue], 1,
                              memory_order_relaxed);
}

static void
insert(struct policy_shared *shared, struct policy_order *order,
       struct policy_node *node, const struct policy_access *access)
{
    uint64_t most = count_of(shared, SMALL) + count_of(shared, MAIN);
    bool is_back = policy_ghost_take(&shared->ghost, access->hash, most) != 0;

    atomic_store_explicit(&shared->tick, access->tick, memory_order_relaxed);
    node->uses = 0;
    append(shared, order, node, is_back ? MAIN : SMALL);
}

static void
touch(struct policy_shared *shared, struct policy_order *order,
      struct policy_node *node, const struct policy_access *access)
{
    (void)shared;
    (void)order;
    (void)access;
    if (node->uses < USES_MOST)
        node->uses++;
}

static void
evict(struct policy_shared *shared, struct policy_order *order,
      struct policy_node *node, uint64_t hash)
{
    if (node->queue == SMALL)
        policy_ghost_add(&shared->ghost, hash, 1);
    take_out(shared, order, node);
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
    struct policy_node *node = policy_list_oldest(&order->queues[queue]);

    if (node == NULL || node->uses <= (queue == SMALL ? 1u : 0u))
        return node;
    if (queue == MAIN)
        node->uses--;
    take_out(shared, order, node);
    append(shared, order, node, MAIN);
    return NULL;
}

static uint64_t
number(const struct policy_shared *shared, unsigned queue, uint64_t tick)
{
    uint64_t in_small = count_of(shared, SMALL),
             in_main = count_of(shared, MAIN);
    unsigned turn = in_main == 0 || in_small * SMALL_SHARE >= in_small + in_main
                        ? SMALL
                        : MAIN;

    return queue == turn ? tick : tick | OTHER_QUEUE;
}

const struct policy policy_s3fifo = {
    .name = "s3fifo",
    .queues = QUEUES,
    .shared_size = shared_size,
    .open = open_shared,
    .insert = insert,
    .touch = touch,
    .evict = evict,
    .remove = take_out,
    .demote = leave_as_it_is,
    .candidate = candidate,
    .number = number,
};

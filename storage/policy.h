/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is evicted next.  Pure: no clock, no memory, no locks, no I/O of its
 * own, so that the very code that serves can be run over a trace.
 *
 * The caller embeds a node in each of its entries, keeps one order for each of
 * its parts, guarded as the part is, and one shared state for all of them,
 * which any thread may use at any time.  Ticks come from one counter for all
 * parts and grow with each access.  An order has some queues.  The one to go is
 * the candidate of the part and queue whose oldest node has the least number of
 * all parts and queues, so that parts divide locks but never recency (DESIGN 3):
 *
 *   for each part and queue: tick of the oldest, read without the part's lock
 *   number(shared, queue, tick): the least of them all; that part is locked
 *   candidate(shared, order, queue): the node, or NULL: look again
 *
 *   node state   by
 *   out          policy->remove(), policy->evict(), or never inserted (zeroes)
 *   in           policy->insert(); stays in through touch() and demote()
 */
#ifndef STORAGE_POLICY_H
#define STORAGE_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define POLICY_QUEUES 14u
/* The queue of the ends of runs that were used once, where a policy tells them
 * apart. */
#define POLICY_TAILS (POLICY_QUEUES - 1)

struct policy_node {
    struct policy_node *older, *newer;
    uint64_t tick; /* grows from older to newer within a queue */
    uint8_t queue; /* it is in */
    uint8_t uses;  /* as the policy counts them; kept while it is out */
    bool is_first; /* the caller's: it was position 0 of its last run */
    uint32_t run;  /* the caller's: low bits of that run's tick */
};

struct policy_list {
    struct policy_node
        ends; /* ends.newer: the oldest; ends.older: the newest */
};

struct policy_order {
    struct policy_list queues[POLICY_QUEUES];
};

/* One access, as policy_run.h tells it.  Where nothing is known of runs,
 * run_tick is tick and position is 0. */
struct policy_access {
    uint64_t hash;     /* of the key */
    uint64_t tick;     /* of this access, from 1 on */
    uint64_t run_tick; /* of the first access of its run */
    uint64_t previous; /* hash of the one before it in its run; 0: none */
    uint32_t position; /* in its run, from 0 */
    uint32_t size;     /* bytes of what its run began with; 0: not known */
    bool is_quiet;     /* insert: it is not used, only moved here */
};

/* What all parts share: the caller's memory, the policy's content. */
struct policy_shared;

struct policy {
    const char *name;
    unsigned queues; /* 1 .. POLICY_QUEUES */
    /* Bytes of shared state for a cache of so many entries at most; aligned to
     * 64 bytes, all zero, it is opened once.  No bytes: shared may be NULL. */
    size_t (*shared_size)(uint64_t entries);
    void (*open)(struct policy_shared *, uint64_t entries);
    void (*insert)(struct policy_shared *, struct policy_order *,
                   struct policy_node *, const struct policy_access *);
    void (*touch)(struct policy_shared *, struct policy_order *,
                  struct policy_node *, const struct policy_access *);
    /* It goes because room is needed, and may be remembered for a while. */
    void (*evict)(struct policy_shared *, struct policy_order *,
                  struct policy_node *, uint64_t hash);
    /* It goes for another reason: deleted, expired, overwritten, parked. */
    void (*remove)(struct policy_shared *, struct policy_order *,
                   struct policy_node *);
    /* It was the last that its run put, and may be a part-full chunk, which
     * hardly anybody asks for again (policy_run.h). */
    void (*demote)(struct policy_shared *, struct policy_order *,
                   struct policy_node *, uint64_t hash);
    /* The oldest of a queue that is not empty; NULL if the policy would rather
     * keep it, and has moved it. */
    struct policy_node *(*candidate)(struct policy_shared *,
                                     struct policy_order *, unsigned queue);
    /* Less goes first; below UINT64_MAX. */
    uint64_t (*number)(const struct policy_shared *, unsigned queue,
                       uint64_t tick);
};

extern const struct policy policy_lru, policy_s3fifo, policy_adaptive;

/* The policy of that name, or NULL; number 0, 1, ... in the order in which they
 * are shown, or NULL. */
const struct policy *policy_find(const char *name);
const struct policy *policy_at(unsigned number);

/* Empty queues. */
void policy_order_start(struct policy_order *);
/* Of all queues of one order: the least number, UINT64_MAX where nothing is in,
 * and whose it is. */
uint64_t policy_order_least(const struct policy *, const struct policy_shared *,
                            const struct policy_order *, unsigned *queue_out);

/* Is it in that queue?  Asked before it is taken out of it. */
static inline bool
policy_is_tail(const struct policy_node *node)
{
    return node->queue == POLICY_TAILS;
}

/* For policies, and for who keeps lists of nodes beside them. */
void policy_list_start(struct policy_list *);
void policy_list_append(struct policy_list *,
                        struct policy_node *); /* newest */
/* By its tick: before those that have a higher one, of which it passes at most
 * `most`; then its tick becomes that of the one it stops at. */
void policy_list_place(struct policy_list *, struct policy_node *,
                       unsigned most);
void policy_list_unlink(struct policy_node *);
/* NULL where the list is empty. */
struct policy_node *policy_list_oldest(const struct policy_list *);

#endif

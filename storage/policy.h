/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is evicted next.  Pure: no clock, no memory, no locks, no I/O of its
 * own, so that the very code that serves can be run over a trace.
 *
 * The caller embeds a node in each of its entries and keeps one order for each
 * of its parts, guarded as the part is.  Ticks come from one counter for all
 * parts and grow with each access; the oldest candidate of all parts is the
 * one that goes, so that parts divide locks but never recency (DESIGN 3).
 *
 *   node state   by
 *   out          policy->remove(), or never inserted
 *   in           policy->insert(); stays in through touch()
 */
#ifndef STORAGE_POLICY_H
#define STORAGE_POLICY_H

#include <stdbool.h>
#include <stdint.h>

struct policy_node {
    struct policy_node *older, *newer;
    uint64_t tick; /* of the last access that counted */
};

struct policy_order {
    struct policy_node
        ends; /* ends.newer: the oldest; ends.older: the newest */
};

struct policy {
    const char *name;
    void (*start)(struct policy_order *); /* an empty order */
    void (*insert)(struct policy_order *, struct policy_node *, uint64_t tick);
    void (*touch)(struct policy_order *, struct policy_node *, uint64_t tick);
    void (*remove)(struct policy_order *, struct policy_node *);
    /* The node that would go next, still in; NULL when there is none. */
    struct policy_node *(*candidate)(const struct policy_order *);
};

extern const struct policy policy_lru;

#endif

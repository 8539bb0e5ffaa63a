/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the index, for index.c and index_order.c alone. */
#ifndef STORAGE_INDEX_PARTS_H
#define STORAGE_INDEX_PARTS_H

#include "storage/index.h"

#include <pthread.h>
#include <stdatomic.h>

#define PART_NONE UINT64_MAX

struct part {
    _Alignas(64) pthread_mutex_t lock;
    struct index *index;
    unsigned number;
    /* By rank. */
    struct policy_order
        order[INDEX_RANKS]; /* those that may go, by the policy */
    struct policy_list parked[INDEX_RANKS]; /* by when they may go, which is
                                               their tick */
};

struct index {
    const struct policy *policies[INDEX_RANKS];
    struct policy_shared *shared[INDEX_RANKS];
    size_t shared_size; /* of the warm */
    struct policy_curve *curve;
    struct pool *pool;
    uint64_t memory;
    uint64_t bucket_count, part_buckets;
    uint64_t secret; /* odd: where a hash goes is nobody's to choose */
    unsigned shift;
    struct entry **buckets;
    unsigned part_count;
    struct part *parts;
    _Atomic uint64_t tick; /* accesses so far, over all parts */
    _Atomic uint64_t entries;
    /* What each part's lock guards, told to evictors without it: the ticks of
     * the oldest of its queues, and when its first parked one may go. */
    _Atomic uint64_t *oldest[INDEX_RANKS], *unparked[INDEX_RANKS];
};

enum status index_order_open(struct index *,
                             const struct index_plan *) MUST_USE;
void index_order_close(struct index *);
void part_order_in(struct part *, struct entry *, const struct policy_access *);
void part_order_out(struct part *, struct entry *);
void part_demote(struct part *, struct entry *);
/* The next access.  NULL: it is none. */
struct policy_access part_access(struct part *, struct entry *,
                                 struct index_access *);

#endif

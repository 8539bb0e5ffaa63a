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
    struct policy_list parked[INDEX_RANKS]; /* leased when they were to go;
                                                their ticks are the ends of
                                                their leases */
};

struct index {
    const struct policy *policy;
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
    /* What each part's lock guards, told to evictors without it: the tick of
     * the part's candidate, and when its first parked lease ends. */
    _Atomic uint64_t *oldest[INDEX_RANKS], *unparked[INDEX_RANKS];
};

void part_order_in(struct part *, struct entry *);
void part_order_out(struct part *, struct entry *);

#endif

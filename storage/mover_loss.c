/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a tier has lost without a victim that told of it: the index is looked
 * through, some of it at each step, whether the tier may be written now or not.
 * Nobody is told meanwhile that it is there (lower_holds()); this gives back the
 * index's memory, and tells those who listen.
 */
#include "storage/mover_state.h"

/* In one step: entries, and buckets of a table with little in it. */
#define ENTRIES_MOST 4096u
#define BUCKETS_MOST (1u << 18)

struct walk {
    struct mover *mover;
    const struct mover_lane *lane;
    unsigned count;
};

static void
on_found(void *arg, struct part *part, struct entry *entry)
{
    struct walk *walk = arg;
    const struct mover_lane *lane = walk->lane;

    walk->count++;
    if (entry_is_in(entry, lane->kind) &&
        lower_has_lost(lane->tier, &entry->places[lane->kind]))
        mover_reclaim_forget(walk->mover, lane, part, entry);
}

static void
walk_some(struct mover *mover, struct mover_lane *lane)
{
    struct index *index = mover->store->index;
    struct walk walk = {.mover = mover, .lane = lane};
    uint64_t buckets = index_buckets(index), *at = &lane->loss.bucket;
    uint64_t end = buckets - *at > BUCKETS_MOST ? *at + BUCKETS_MOST : buckets;

    while (walk.count < ENTRIES_MOST &&
           (*at = index_skip_empty(index, *at, end)) < end)
        index_walk_bucket(index, (*at)++, on_found, &walk);
}

void
mover_loss_step(struct mover *mover, struct mover_lane *lane)
{
    struct mover_loss *loss = &lane->loss;

    if (!loss->is_under_way) {
        loss->telling = lower_losses(lane->tier);
        loss->is_under_way = loss->telling != loss->told;
        loss->bucket = 0;
    }
    if (!loss->is_under_way)
        return;
    walk_some(mover, lane);
    if (loss->bucket < index_buckets(mover->store->index))
        return;
    loss->told = loss->telling;
    loss->is_under_way = false;
}

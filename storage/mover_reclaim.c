/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Giving space back: the oldest segment's values are gone through, those worth
 * it (hit since they were written, or leased) are written anew, then the segment
 * is retired on the device and the places of the rest are forgotten.
 */
#include "storage/mover_state.h"

#include "base/clock.h"

#include <string.h>

/* Values being kept at one time, and their bytes: enough for the device, little
 * of DRAM. */
#define KEEPING_MOST       64u
#define KEEPING_BYTES_MOST (8u << 20)
/* Values looked at in one step. */
#define STEP_MOST 256u

static bool
is_place(const struct entry *entry, const struct tier_place *place)
{
    return entry_is_in(entry, TIER_NVME) &&
           memcmp(&entry->places[TIER_NVME], place, sizeof(*place)) == 0;
}

void
mover_reclaim_kept(struct mover *mover, const struct mover_job *job)
{
    mover->reclaim.under_way--;
    mover->reclaim.under_way_bytes -= job->transfer.size;
}

static void
on_read(struct transfer *transfer)
{
    struct mover_job *job = (struct mover_job *)transfer;

    if (transfer->status != STATUS_OK)
        mover_job_end(job, transfer->status);
    else if (atomic_load(&job->mover->is_stopping))
        mover_job_end(job, STATUS_MISS);
    else
        mover_job_write_now(job);
}

static void
keep(struct mover *mover, struct mover_job *job, const struct tier_place *place)
{
    struct transfer *transfer = &job->transfer;

    mover->reclaim.under_way++;
    mover->reclaim.under_way_bytes += transfer->size;
    mover->reclaim.kept_bytes += transfer->size;
    if (transfer->chunk != NULL) {
        mover_job_write_now(job);
        return;
    }
    transfer->place = *place;
    transfer->done = on_read;
    if (tier_get(mover->store->tiers[TIER_NVME], transfer) == FINISHED)
        on_read(transfer);
}

static bool
is_worth_it(const struct mover_reclaim *reclaim, const struct entry *entry,
            uint64_t now_ns)
{
    if (entry->leased_until_ns > now_ns)
        return true;
    return entry->was_hit &&
           reclaim->kept_bytes + entry->body_size <= reclaim->kept_most;
}

static void
consider(struct mover *mover, const struct nvme_item *item,
         const struct tier_place *place, uint64_t now_ns)
{
    struct part *part = index_lock(mover->store->index, item->key.hash);
    struct entry *entry = part_find(part, &item->key);
    struct mover_job *job = NULL;

    if (entry != NULL && is_place(entry, place) && !entry->is_moving &&
        is_worth_it(&mover->reclaim, entry, now_ns))
        job = mover_job_new(mover, entry, MOVER_KEEP);
    index_unlock(part);
    if (job != NULL)
        keep(mover, job, place);
}

/* Its record is no more: the place is, too, without a note to the device. */
static void
forget(struct mover *mover, struct part *part, struct entry *entry)
{
    entry->is_noted = false;
    count(mover->counters, COUNTER_reclaimed, 1);
    store_forget_place(mover->port, part, entry, TIER_NVME);
}

static void
forget_found(void *arg, struct part *part, struct entry *entry)
{
    struct mover *mover = arg;

    if (entry_is_in(entry, TIER_NVME) &&
        nvme_victim_has(mover->reclaim.victim, &entry->places[TIER_NVME]))
        forget(mover, part, entry);
}

static void
forget_all(struct mover *mover)
{
    struct index *index = mover->store->index;
    struct nvme_item item;
    struct tier_place place;

    if (nvme_victim_is_blind(mover->reclaim.victim)) {
        for (uint64_t i = 0; i < index_buckets(index); i++)
            index_walk_bucket(index, i, forget_found, mover);
        return;
    }
    while (nvme_victim_next(mover->reclaim.victim, &item, &place)) {
        struct part *part = index_lock(index, item.key.hash);
        struct entry *entry = part_find(part, &item.key);

        if (entry != NULL && is_place(entry, &place))
            forget(mover, part, entry);
        index_unlock(part);
    }
}

static void
start(struct mover *mover)
{
    struct tier *nvme = mover->store->tiers[TIER_NVME];
    struct mover_reclaim *reclaim = &mover->reclaim;
    unsigned percent =
        atomic_load_explicit(&mover->store->reinsert, memory_order_relaxed);

    if (nvme_victim_start(nvme, mover->port->port, &reclaim->victim) !=
        STATUS_OK) {
        reclaim->victim = NULL;
        return;
    }
    reclaim->is_through = nvme_victim_is_blind(reclaim->victim);
    reclaim->kept_bytes = 0;
    reclaim->kept_most = nvme_victim_bytes(reclaim->victim) / 100 * percent;
}

static void
finish(struct mover *mover)
{
    struct mover_reclaim *reclaim = &mover->reclaim;

    if (nvme_victim_retire(reclaim->victim) != STATUS_OK) {
        reclaim->victim = NULL;
        return;
    }
    forget_all(mover);
    nvme_victim_finish(&reclaim->victim);
}

void
mover_reclaim_step(struct mover *mover)
{
    struct mover_reclaim *reclaim = &mover->reclaim;
    struct tier *nvme = mover->store->tiers[TIER_NVME];
    uint64_t now_ns = clock_now_ns();
    struct tier_place place;
    struct nvme_item item;

    if (reclaim->victim == NULL && nvme_wants_reclaim(nvme) &&
        nvme_may_write(nvme))
        start(mover);
    if (reclaim->victim == NULL)
        return;
    for (unsigned i = 0; i < STEP_MOST && !reclaim->is_through &&
                         reclaim->under_way < KEEPING_MOST &&
                         reclaim->under_way_bytes < KEEPING_BYTES_MOST;
         i++) {
        if (nvme_victim_next(reclaim->victim, &item, &place))
            consider(mover, &item, &place, now_ns);
        else
            reclaim->is_through = true;
    }
    if (reclaim->is_through && reclaim->under_way == 0)
        finish(mover);
}

void
mover_reclaim_end(struct mover *mover)
{
    if (mover->reclaim.victim != NULL)
        nvme_victim_abandon(&mover->reclaim.victim);
}

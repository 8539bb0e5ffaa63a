/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Giving space back: the values of a tier's oldest unit are gone through, those
 * worth it are written anew, others to the tier below, then the unit is retired
 * on the device and the places of all the rest are forgotten.
 */
#include "storage/mover_state.h"

#include "base/clock.h"

#include <string.h>

/* Values being kept at one time, and their bytes: enough for the device, little
 * of DRAM. */
#define KEEPING_MOST       64u
#define KEEPING_BYTES_MOST (8u << 20)
/* Values that sink at one time: a tier that is flushed by batches wants more. */
#define SINKING_MOST 1024u
/* A tier below that ends none of them for so long holds up nobody above. */
#define STUCK_NS (10 * NS_PER_SECOND)
/* Values looked at in one step. */
#define STEP_MOST 256u

enum verdict { FORGET, KEEP, SINK, LATER };

static bool
is_place(const struct entry *entry, enum tier_kind tier,
         const struct tier_place *place)
{
    return entry_is_in(entry, tier) &&
           memcmp(&entry->places[tier], place, sizeof(*place)) == 0;
}

void
mover_reclaim_done(struct mover *mover, const struct mover_job *job)
{
    struct mover_reclaim *reclaim = &mover->lanes[job->from].reclaim;

    reclaim->moved_ns = clock_now_ns();
    if (job->errand == MOVER_KEEP) {
        reclaim->keeping--;
        reclaim->keeping_bytes -= job->transfer.size;
    } else {
        reclaim->sinking--;
        reclaim->sinking_bytes -= job->transfer.size;
    }
}

/* Its bytes are in DRAM. */
static void
write_read(struct mover_job *job)
{
    if (job->errand == MOVER_KEEP)
        mover_job_write_now(job);
    else
        mover_queue_append(&job->mover->lanes[job->to].due, job);
}

static void
on_read(struct transfer *transfer)
{
    struct mover_job *job = (struct mover_job *)transfer;

    job->mover->lanes[job->from].reclaim.reading--;
    if (transfer->status != STATUS_OK)
        mover_job_end(job, transfer->status);
    else
        write_read(job);
}

static void
start_job(struct mover *mover, struct mover_lane *lane, struct mover_job *job)
{
    struct transfer *transfer = &job->transfer;
    struct mover_reclaim *reclaim = &lane->reclaim;

    job->from = lane->kind;
    reclaim->moved_ns = clock_now_ns();
    if (job->errand == MOVER_KEEP) {
        reclaim->keeping++;
        reclaim->keeping_bytes += transfer->size;
        policy_lower_room_keep(&lane->room, transfer->size);
    } else {
        reclaim->sinking++;
        reclaim->sinking_bytes += transfer->size;
    }
    if (transfer->chunk != NULL) {
        write_read(job);
        return;
    }
    reclaim->reading++;
    transfer->place = reclaim->item.place;
    transfer->done = on_read;
    if (tier_get(mover->store->tiers[lane->kind], transfer) == FINISHED)
        on_read(transfer);
}

static bool
has_room_to_sink(const struct mover *mover, const struct mover_lane *lane,
                 const struct mover_lane *next, uint32_t size)
{
    const struct mover_reclaim *reclaim = &lane->reclaim;
    uint64_t most = mover->store->lower[next->kind].inflight;

    return mover_has_credit(mover, next) && reclaim->sinking < SINKING_MOST &&
           (reclaim->sinking == 0 || reclaim->sinking_bytes + size <= most);
}

/* It is to go to the tier below.  May one more?  If it can not just now it waits, but
 * not where the space it is in is needed. */
static enum verdict
judge_sink(struct mover *mover, const struct mover_lane *lane,
           const struct entry *entry)
{
    struct mover_lane *next = mover_next_lane(mover, lane);
    bool has_room = has_room_to_sink(mover, lane, next, entry->body_size);
    uint32_t held_back = atomic_load(&next->held_back);

    if (!has_room && !lower_is_tight(lane->tier))
        return LATER;
    atomic_store(&next->held_back,
                 policy_lower_hold_back(held_back, !has_room));
    if (has_room)
        return SINK;
    count(mover->counters, tier_counters[next->kind].writes_skipped, 1);
    count(mover->counters, tier_counters[next->kind].write_bytes_skipped,
          entry->body_size);
    return FORGET;
}

static enum verdict
judge(struct mover *mover, const struct mover_lane *lane,
      const struct entry *entry, uint64_t now_ns)
{
    const struct mover_lane *next = mover_next_lane(mover, lane);
    struct policy_lower_facts facts = mover_facts(mover, entry);

    facts.is_leased = entry->leased_until_ns > now_ns;
    facts.has_below = next != NULL && lower_may_write(next->tier);
    facts.held_back = next == NULL ? 0 : atomic_load(&next->held_back);
    facts.room = lane->room.bytes;
    switch (policy_lower_end(&entry->lower, (enum policy_lower_tier)lane->kind,
                             &facts)) {
    case POLICY_LOWER_KEEP:
        return KEEP;
    case POLICY_LOWER_SINK:
        return judge_sink(mover, lane, entry);
    case POLICY_LOWER_FORGET:
        break;
    }
    return FORGET;
}

/* The item of the reclaim; false: later. */
static bool
consider(struct mover *mover, struct mover_lane *lane, uint64_t now_ns)
{
    const struct tier_found *item = &lane->reclaim.item;
    struct part *part = index_lock(mover->store->index, item->key.hash);
    struct entry *entry = part_find(part, &item->key);
    enum verdict verdict = FORGET;
    struct mover_job *job = NULL;

    if (entry != NULL && is_place(entry, lane->kind, &item->place) &&
        !entry->is_moving)
        verdict = judge(mover, lane, entry, now_ns);
    if (verdict == KEEP)
        job = mover_job_new(mover, entry, MOVER_KEEP, lane->kind);
    else if (verdict == SINK)
        job = mover_job_new(mover, entry, MOVER_SINK,
                            mover_next_lane(mover, lane)->kind);
    index_unlock(part);
    if (job != NULL)
        start_job(mover, lane, job);
    return verdict != LATER;
}

/* Its record is no more: the place is, too, without a note to the device. */
static void
forget(struct mover *mover, const struct mover_lane *lane, struct part *part,
       struct entry *entry)
{
    entry->noted &= (uint8_t) ~(1u << lane->kind);
    count(mover->counters, tier_counters[lane->kind].reclaimed, 1);
    if (mover_next_lane(mover, lane) == NULL)
        atomic_store_explicit(&mover->store->is_full, true,
                              memory_order_relaxed);
    store_forget_place(mover->port, part, entry, lane->kind);
}

struct blind_walk {
    struct mover *mover;
    struct mover_lane *lane;
};

static void
forget_found(void *arg, struct part *part, struct entry *entry)
{
    struct blind_walk *walk = arg;
    const struct mover_lane *lane = walk->lane;

    if (entry_is_in(entry, lane->kind) &&
        lower_victim_has(lane->reclaim.victim, &entry->places[lane->kind]))
        forget(walk->mover, lane, part, entry);
}

static void
forget_all(struct mover *mover, struct mover_lane *lane)
{
    struct index *index = mover->store->index;
    struct blind_walk walk = {.mover = mover, .lane = lane};
    struct tier_found item;

    if (lower_victim_is_blind(lane->reclaim.victim)) {
        for (uint64_t i = 0; i < index_buckets(index); i++)
            index_walk_bucket(index, i, forget_found, &walk);
        return;
    }
    while (lower_victim_next(lane->reclaim.victim, &item)) {
        struct part *part = index_lock(index, item.key.hash);
        struct entry *entry = part_find(part, &item.key);

        if (entry != NULL && is_place(entry, lane->kind, &item.place))
            forget(mover, lane, part, entry);
        index_unlock(part);
    }
}

static void
start(struct mover *mover, struct mover_lane *lane)
{
    struct mover_reclaim *reclaim = &lane->reclaim;
    unsigned percent = atomic_load_explicit(
        &mover->store->lower[lane->kind].reinsert, memory_order_relaxed);

    if (lower_victim_start(lane->tier, mover->port->port, &reclaim->victim) !=
        STATUS_OK) {
        reclaim->victim = NULL;
        return;
    }
    reclaim->is_through = lower_victim_is_blind(reclaim->victim);
    reclaim->has_item = false;
    policy_lower_room_start(&lane->room, lower_victim_bytes(reclaim->victim),
                            percent);
}

static void
finish(struct mover *mover, struct mover_lane *lane)
{
    if (lower_victim_retire(lane->reclaim.victim) != STATUS_OK) {
        lane->reclaim.victim = NULL;
        return;
    }
    forget_all(mover, lane);
    lower_victim_finish(&lane->reclaim.victim);
}

/* One more value of the unit is considered; false: none is to be now. */
static bool
go_on(struct mover *mover, struct mover_lane *lane, uint64_t now_ns)
{
    struct mover_reclaim *reclaim = &lane->reclaim;

    if (reclaim->is_through || reclaim->keeping >= KEEPING_MOST ||
        reclaim->keeping_bytes >= KEEPING_BYTES_MOST)
        return false;
    if (!reclaim->has_item &&
        !lower_victim_next(reclaim->victim, &reclaim->item)) {
        reclaim->is_through = true;
        return false;
    }
    reclaim->has_item = !consider(mover, lane, now_ns);
    return !reclaim->has_item;
}

/* What sinks has its bytes in DRAM; a stop would lose it, but the tier above can
 * not wait for ever. */
static bool
is_stuck(const struct mover_lane *lane, uint64_t now_ns)
{
    return lane->reclaim.reading == 0 && lower_is_tight(lane->tier) &&
           now_ns > lane->reclaim.moved_ns + STUCK_NS;
}

void
mover_reclaim_step(struct mover *mover, struct mover_lane *lane)
{
    struct mover_reclaim *reclaim = &lane->reclaim;
    uint64_t now_ns = clock_now_ns();

    /* Who stops gives up no more than what waits has to have room for. */
    if (atomic_load(&mover->is_stopping) && lane->due.first == NULL)
        return;
    if (reclaim->victim == NULL && lower_wants_reclaim(lane->tier) &&
        lower_may_write(lane->tier))
        start(mover, lane);
    if (reclaim->victim == NULL)
        return;
    for (unsigned i = 0; i < STEP_MOST && go_on(mover, lane, now_ns); i++)
        continue;
    if (reclaim->is_through && reclaim->keeping == 0 &&
        (reclaim->sinking == 0 || is_stuck(lane, now_ns)))
        finish(mover, lane);
}

void
mover_reclaim_end(struct mover_lane *lane)
{
    if (lane->reclaim.victim != NULL)
        lower_victim_abandon(&lane->reclaim.victim);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Giving space back: the values of a tier's oldest unit are gone through, those
 * worth it are written anew, others to the tier below, then the unit is retired
 * on the device and the places of all the rest are forgotten.  All by steps, so
 * that a unit of many values keeps nothing else of the mover's waiting.
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
/* Values looked at in one step, and in one that only finds what is leased, or
 * forgets them. */
#define STEP_MOST   256u
#define FORGET_MOST 4096u

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
        !entry->is_moving &&
        (!lane->reclaim.is_closed || entry->leased_until_ns > now_ns))
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

void
mover_reclaim_forget(struct mover *mover, const struct mover_lane *lane,
                     struct part *part, struct entry *entry)
{
    /* One on its way there again has a record yet. */
    if (!entry->is_moving)
        entry->noted &= (uint8_t) ~(1u << lane->kind);
    count(mover->counters, tier_counters[lane->kind].reclaimed, 1);
    if (mover_next_lane(mover, lane) == NULL)
        atomic_store_explicit(&mover->store->is_full, true,
                              memory_order_relaxed);
    store_forget_place(mover->port, part, entry, lane->kind);
}

static void
forget_item(struct mover *mover, const struct mover_lane *lane,
            const struct tier_found *item)
{
    struct part *part = index_lock(mover->store->index, item->key.hash);
    struct entry *entry = part_find(part, &item->key);

    if (entry != NULL && is_place(entry, lane->kind, &item->place))
        mover_reclaim_forget(mover, lane, part, entry);
    index_unlock(part);
}

static void
forget_some(struct mover *mover, struct mover_lane *lane)
{
    struct mover_reclaim *reclaim = &lane->reclaim;
    enum status status = STATUS_OK;
    struct tier_found item;

    for (unsigned i = 0; i < FORGET_MOST && status == STATUS_OK; i++) {
        status = lower_victim_next(reclaim->victim, &item);
        if (status == STATUS_OK)
            forget_item(mover, lane, &item);
    }
    if (status == STATUS_MISS)
        lower_victim_finish(&reclaim->victim);
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
    reclaim->is_through = false;
    reclaim->is_closed = false;
    reclaim->is_retired = false;
    reclaim->has_item = false;
    policy_lower_room_start(&lane->room, lower_victim_bytes(reclaim->victim),
                            percent);
}

/* It was gone through.  What was promised since is kept, too, before it goes. */
static void
end_round(struct mover_lane *lane)
{
    struct mover_reclaim *reclaim = &lane->reclaim;

    if (!reclaim->is_closed) {
        lower_victim_close(reclaim->victim);
        reclaim->is_closed = true;
        reclaim->is_through = false;
        return;
    }
    if (lower_victim_retire(reclaim->victim) == STATUS_OK)
        reclaim->is_retired = true;
    else
        reclaim->victim = NULL;
}

/* One more value of the unit is considered; false: none is to be now. */
static bool
go_on(struct mover *mover, struct mover_lane *lane, uint64_t now_ns)
{
    struct mover_reclaim *reclaim = &lane->reclaim;
    enum status status = STATUS_OK;

    if (reclaim->is_through || reclaim->keeping >= KEEPING_MOST ||
        reclaim->keeping_bytes >= KEEPING_BYTES_MOST)
        return false;
    if (!reclaim->has_item)
        status = lower_victim_next(reclaim->victim, &reclaim->item);
    reclaim->is_through = status == STATUS_MISS;
    if (status != STATUS_OK)
        return false;
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
    unsigned most;

    if (reclaim->victim != NULL && reclaim->is_retired) {
        forget_some(mover, lane);
        return;
    }
    /* Who stops gives up no more than what waits has to have room for. */
    if (atomic_load(&mover->is_stopping) && lane->due.first == NULL)
        return;
    if (reclaim->victim == NULL && lower_wants_reclaim(lane->tier) &&
        lower_may_write(lane->tier))
        start(mover, lane);
    if (reclaim->victim == NULL)
        return;
    most = reclaim->is_closed ? FORGET_MOST : STEP_MOST;
    for (unsigned i = 0; i < most && go_on(mover, lane, now_ns); i++)
        continue;
    if (reclaim->is_through && reclaim->keeping == 0 &&
        (reclaim->sinking == 0 || reclaim->is_closed || is_stuck(lane, now_ns)))
        end_round(lane);
}

void
mover_reclaim_end(struct mover_lane *lane)
{
    struct mover_reclaim *reclaim = &lane->reclaim;

    if (reclaim->victim == NULL)
        return;
    if (reclaim->is_retired)
        lower_victim_finish(&reclaim->victim);
    else
        lower_victim_abandon(&reclaim->victim);
}

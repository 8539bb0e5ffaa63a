/* SPDX-License-Identifier: Apache-2.0 */
/* The mover's thread and its queue. */
#include "storage/mover_state.h"

#include "base/clock.h"
#include "base/thread.h"

#include <assert.h>
#include <stdlib.h>

/* A queue that has grown by so much wakes the thread at once; less waits for
 * its next look. */
#define WAKE_BYTES (1u << 20)
#define LOOK_MS    10
/* nvme.write_max may be saved up for so long. */
#define CREDIT_SECONDS 0.1
#define CLOSE_NS       (5 * NS_PER_SECOND)

enum status
mover_open(struct store *store, struct counters *counters, struct mover **out)
{
    struct mover *mover = calloc(1, sizeof(*mover));
    enum status status;

    if (mover == NULL)
        return STATUS_NO_SPACE;
    mover->store = store;
    mover->counters = counters;
    mover->top = TIER_COUNT;
    for (unsigned i = TIER_COUNT - 1; i > TIER_DRAM; i--) {
        mover->lanes[i].kind = (enum tier_kind)i;
        mover->lanes[i].tier = store->tiers[i];
        mover->lanes[i].loss.told = lower_losses(store->tiers[i]);
        mover->lanes[i].writing_most = MOVER_WRITING_MOST;
        if (store->lower[i].inflight > MOVER_WRITING_MOST)
            mover->lanes[i].writing_most = store->lower[i].inflight;
        if (store->tiers[i] != NULL)
            mover->top = (enum tier_kind)i;
    }
    assert(mover->top != TIER_COUNT);
    pthread_mutex_init(&mover->queue_lock, NULL);
    status = store_port_open(store, counters, &mover->port);
    if (status != STATUS_OK) {
        pthread_mutex_destroy(&mover->queue_lock);
        free(mover);
        return status;
    }
    *out = mover;
    return STATUS_OK;
}

void
mover_queue_append(struct mover_queue *queue, struct mover_job *job)
{
    job->next = NULL;
    if (queue->last != NULL)
        queue->last->next = job;
    else
        queue->first = job;
    queue->last = job;
}

struct mover_lane *
mover_top(struct mover *mover)
{
    return &mover->lanes[mover->top];
}

struct mover_lane *
mover_next_lane(struct mover *mover, const struct mover_lane *lane)
{
    for (unsigned i = lane->kind + 1; i < TIER_COUNT; i++)
        if (mover->lanes[i].tier != NULL)
            return &mover->lanes[i];
    return NULL;
}

struct store_port *
mover_store_port(const struct mover *mover)
{
    return mover == NULL ? NULL : mover->port;
}

uint64_t
mover_queue_bytes(const struct mover *mover, enum tier_kind to)
{
    return atomic_load_explicit(&mover->queue_bytes[to], memory_order_relaxed);
}

/* Room for so many bytes more?  Skips and counts what has none. */
static bool
has_room(struct mover *mover, uint32_t bytes)
{
    uint64_t size =
        atomic_load_explicit(&mover->store->queue_size, memory_order_relaxed);
    uint64_t pinned =
        atomic_load_explicit(&mover->pinned_bytes, memory_order_relaxed);

    if (pinned + chunk_footprint(bytes) + sizeof(struct mover_job) <= size)
        return true;
    atomic_fetch_add_explicit(&mover->skipped, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&mover->skipped_bytes, bytes,
                              memory_order_relaxed);
    return false;
}

struct policy_lower_facts
mover_facts(const struct mover *mover, const struct entry *entry)
{
    return (struct policy_lower_facts){
        .tiers = entry->tiers,
        .uses = entry->node.uses,
        .run = entry->node.run,
        .leaves_written =
            atomic_load_explicit(&mover->store->write, memory_order_relaxed) ==
            STORE_WRITE_EVICTED,
        .size = entry->body_size};
}

static bool
is_wanted(const struct mover *mover, const struct entry *entry,
          enum policy_lower_reason reason)
{
    enum store_write write =
        atomic_load_explicit(&mover->store->write, memory_order_relaxed);
    struct policy_lower_facts facts = mover_facts(mover, entry);

    facts.held_back = atomic_load_explicit(&mover->lanes[mover->top].held_back,
                                           memory_order_relaxed);
    /* With nvme.write=all, one that was skipped has another chance. */
    return write <= (reason == POLICY_LOWER_PUT ? STORE_WRITE_ALL
                                                : STORE_WRITE_REUSED) &&
           entry_is_in(entry, TIER_DRAM) && !entry_is_in(entry, mover->top) &&
           !entry->is_moving &&
           policy_lower_may_enter(&entry->lower, reason, &facts);
}

void
mover_put(struct mover *mover, struct entry *entry,
          enum policy_lower_reason reason)
{
    uint64_t before = mover_queue_bytes(mover, mover->top);
    struct mover_job *job;

    if (!is_wanted(mover, entry, reason) || !has_room(mover, entry->body_size))
        return;
    job = mover_job_new(mover, entry, MOVER_COPY, mover->top);
    if (job == NULL)
        return;
    pthread_mutex_lock(&mover->queue_lock);
    mover_queue_append(&mover->queue, job);
    pthread_mutex_unlock(&mover->queue_lock);
    if (before / WAKE_BYTES != (before + entry->body_size) / WAKE_BYTES)
        atomic_store_explicit(&mover->is_wanted, true, memory_order_relaxed);
}

void
mover_nudge(struct mover *mover)
{
    if (mover == NULL ||
        (!atomic_load_explicit(&mover->is_wanted, memory_order_relaxed) &&
         !mover_is_behind(mover)) ||
        !atomic_exchange(&mover->is_asleep, false))
        return;
    atomic_store_explicit(&mover->is_wanted, false, memory_order_relaxed);
    port_wake(mover->port->port);
}

/* Takes over what was queued since the last look. */
static void
take_queue(struct mover *mover)
{
    struct mover_queue *due = &mover_top(mover)->due, taken;

    pthread_mutex_lock(&mover->queue_lock);
    taken = mover->queue;
    mover->queue = (struct mover_queue){NULL, NULL};
    pthread_mutex_unlock(&mover->queue_lock);
    if (taken.first == NULL)
        return;
    if (due->last != NULL)
        due->last->next = taken.first;
    else
        due->first = taken.first;
    due->last = taken.last;
}

static uint64_t
write_max(const struct mover *mover, const struct mover_lane *lane)
{
    return atomic_load_explicit(&mover->store->lower[lane->kind].write_max,
                                memory_order_relaxed);
}

static void
earn_credit(const struct mover *mover, struct mover_lane *lane)
{
    double rate = (double)write_max(mover, lane);
    uint64_t now_ns = clock_now_ns();
    double most = rate * CREDIT_SECONDS;

    lane->credit +=
        rate * (double)(now_ns - lane->credit_ns) / (double)NS_PER_SECOND;
    lane->credit_ns = now_ns;
    /* Without a limit nothing is owed, should one be set. */
    if (lane->credit > most || rate <= 0)
        lane->credit = most;
}

bool
mover_has_credit(const struct mover *mover, const struct mover_lane *lane)
{
    return write_max(mover, lane) == 0 || lane->credit > 0;
}

static struct mover_job *
next_job(struct mover_queue *queue)
{
    struct mover_job *job = queue->first;

    queue->first = job->next;
    if (queue->first == NULL)
        queue->last = NULL;
    job->next = NULL;
    return job;
}

static void
put_back(struct mover_queue *queue, struct mover_job *job)
{
    job->next = queue->first;
    queue->first = job;
    if (queue->last == NULL)
        queue->last = job;
}

bool
mover_must_hold_back(const struct mover_lane *lane)
{
    return lower_is_tight(lane->tier) &&
           (lane->reclaim.victim != NULL || lower_wants_reclaim(lane->tier));
}

static bool
may_start(const struct mover *mover, const struct mover_lane *lane)
{
    return lane->writing_bytes < lane->writing_most &&
           mover_has_credit(mover, lane) && !mover_must_hold_back(lane);
}

/* What sinks may wait for the tier below while the one above has room: who
 * waits for that has waited enough. */
static bool
is_urgent(const struct mover *mover, const struct mover_job *job)
{
    return job->errand == MOVER_SINK &&
           (lower_is_tight(mover->lanes[job->from].tier) ||
            atomic_load(&mover->is_stopping));
}

static void
write_due(struct mover *mover, struct mover_lane *lane)
{
    bool may_write = lower_may_write(lane->tier);

    earn_credit(mover, lane);
    while (lane->due.first != NULL) {
        struct mover_job *job = next_job(&lane->due);

        if (!may_write) {
            mover_job_end(job, STATUS_IO);
        } else if (!may_start(mover, lane) ||
                   mover_job_write(job) == STATUS_BUSY) {
            if (is_urgent(mover, job)) {
                mover_job_end(job, STATUS_BUSY);
                continue;
            }
            put_back(&lane->due, job);
            return;
        }
    }
}

static void
count_skipped(struct mover *mover)
{
    const struct tier_counters *row = &tier_counters[mover->top];
    uint64_t skipped = atomic_exchange(&mover->skipped, 0);
    _Atomic uint32_t *held_back = &mover_top(mover)->held_back;

    atomic_store(held_back,
                 policy_lower_hold_back(atomic_load(held_back), skipped != 0));
    count(mover->counters, row->writes_skipped, skipped);
    count(mover->counters, row->write_bytes_skipped,
          atomic_exchange(&mover->skipped_bytes, 0));
}

/* Is more on its way to a tier, out of a unit of one above it? */
static bool
is_more_to_come(const struct mover *mover, const struct mover_lane *lane)
{
    for (unsigned i = mover->top; i < lane->kind; i++) {
        const struct mover_reclaim *reclaim = &mover->lanes[i].reclaim;

        if (reclaim->victim != NULL &&
            (!reclaim->is_through ||
             reclaim->sinking_bytes > lane->writing_bytes))
            return true;
    }
    return false;
}

static void
submit(struct mover *mover)
{
    for (unsigned i = mover->top; i < TIER_COUNT; i++)
        if (!is_more_to_come(mover, &mover->lanes[i]))
            lower_submit(mover->lanes[i].tier, mover->port->port);
}

static void
turn(struct mover *mover)
{
    store_port_run(mover->port);
    take_queue(mover);
    for (unsigned i = mover->top; i < TIER_COUNT; i++) {
        struct mover_lane *lane = &mover->lanes[i];

        if (lane->tier == NULL)
            continue;
        lower_care(lane->tier, mover->port->port);
        mover_loss_step(mover, lane);
        mover_reclaim_step(mover, lane);
        write_due(mover, lane);
    }
    if (atomic_load_explicit(&mover->store->write, memory_order_relaxed) ==
        STORE_WRITE_EVICTED)
        mover_evict_ahead(mover);
    submit(mover);
    store_port_submit(mover->port);
    count_skipped(mover);
}

/* Is there something to do for which nobody wakes it? */
static bool
has_more(const struct mover *mover)
{
    if (atomic_load(&mover->is_stopping))
        return false;
    for (unsigned i = mover->top; i < TIER_COUNT; i++) {
        const struct mover_reclaim *reclaim = &mover->lanes[i].reclaim;

        if (reclaim->victim != NULL && reclaim->is_closed &&
            (reclaim->is_retired ||
             (!reclaim->is_through && reclaim->keeping == 0)))
            return true;
    }
    return false;
}

static bool
is_idle(const struct mover *mover)
{
    for (unsigned i = mover->top; i < TIER_COUNT; i++)
        if (mover_queue_bytes(mover, (enum tier_kind)i) != 0)
            return false;
    return true;
}

static void *
run(void *arg)
{
    struct mover *mover = arg;
    uint64_t give_up_ns = 0;

    for (;;) {
        turn(mover);
        if (atomic_load(&mover->is_stopping)) {
            if (give_up_ns == 0)
                give_up_ns = clock_now_ns() + CLOSE_NS;
            if (is_idle(mover) || clock_now_ns() > give_up_ns)
                break;
        }
        atomic_store(&mover->is_asleep, true);
        port_wait(mover->port->port, has_more(mover) ? 0 : LOOK_MS);
        atomic_store(&mover->is_asleep, false);
    }
    return NULL;
}

enum status
mover_start(struct mover *mover)
{
    enum status status = thread_start(&mover->thread, "mover", run, mover);

    mover->is_started = status == STATUS_OK;
    return status;
}

static bool
is_under_way(const struct mover *mover)
{
    for (unsigned i = mover->top; i < TIER_COUNT; i++)
        if (mover->lanes[i].writing_bytes != 0 ||
            mover->lanes[i].reclaim.keeping + mover->lanes[i].reclaim.sinking !=
                0)
            return true;
    return port_pending(mover->port->port) != 0;
}

static void
end_due(struct mover *mover)
{
    for (unsigned i = mover->top; i < TIER_COUNT; i++)
        while (mover->lanes[i].due.first != NULL)
            mover_job_end(next_job(&mover->lanes[i].due), STATUS_IO);
}

/* What could not be written in time. */
static void
drop_due(struct mover *mover)
{
    take_queue(mover);
    end_due(mover);
    while (is_under_way(mover)) {
        submit(mover);
        store_port_submit(mover->port);
        port_wait(mover->port->port, LOOK_MS);
        store_port_run(mover->port);
        end_due(mover);
    }
    for (unsigned i = mover->top; i < TIER_COUNT; i++)
        mover_reclaim_end(&mover->lanes[i]);
}

void
mover_close(struct mover **mover_in)
{
    struct mover *mover = *mover_in;

    if (mover == NULL)
        return;
    if (mover->is_started) {
        atomic_store(&mover->is_stopping, true);
        port_wake(mover->port->port);
        pthread_join(mover->thread, NULL);
        drop_due(mover);
    }
    *mover_in = NULL;
    store_port_close(&mover->port);
    pthread_mutex_destroy(&mover->queue_lock);
    free(mover);
}

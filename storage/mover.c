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

struct store_port *
mover_store_port(const struct mover *mover)
{
    return mover == NULL ? NULL : mover->port;
}

uint64_t
mover_queue_bytes(const struct mover *mover)
{
    return atomic_load_explicit(&mover->queue_bytes, memory_order_relaxed);
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

void
mover_put(struct mover *mover, struct entry *entry)
{
    uint64_t before = mover_queue_bytes(mover);
    struct mover_job *job;

    if (!entry_is_in(entry, TIER_DRAM) || entry_is_in(entry, TIER_NVME) ||
        entry->is_moving || !has_room(mover, entry->body_size))
        return;
    job = mover_job_new(mover, entry, MOVER_COPY);
    if (job == NULL)
        return;
    pthread_mutex_lock(&mover->queue_lock);
    if (mover->last != NULL)
        mover->last->next = job;
    else
        mover->first = job;
    mover->last = job;
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
    struct mover_job *first, *last;

    pthread_mutex_lock(&mover->queue_lock);
    first = mover->first;
    last = mover->last;
    mover->first = mover->last = NULL;
    pthread_mutex_unlock(&mover->queue_lock);
    if (first == NULL)
        return;
    if (mover->last_due != NULL)
        mover->last_due->next = first;
    else
        mover->first_due = first;
    mover->last_due = last;
}

static void
earn_credit(struct mover *mover)
{
    double rate = (double)atomic_load_explicit(&mover->store->write_max,
                                               memory_order_relaxed);
    uint64_t now_ns = clock_now_ns();
    double most = rate * CREDIT_SECONDS;

    mover->credit +=
        rate * (double)(now_ns - mover->credit_ns) / (double)NS_PER_SECOND;
    mover->credit_ns = now_ns;
    /* Without a limit nothing is owed, should one be set. */
    if (mover->credit > most || rate <= 0)
        mover->credit = most;
}

bool
mover_has_credit(const struct mover *mover)
{
    return atomic_load_explicit(&mover->store->write_max,
                                memory_order_relaxed) == 0 ||
           mover->credit > 0;
}

static struct mover_job *
next_job(struct mover *mover)
{
    struct mover_job *job = mover->first_due;

    mover->first_due = job->next;
    if (mover->first_due == NULL)
        mover->last_due = NULL;
    job->next = NULL;
    return job;
}

static void
put_back(struct mover *mover, struct mover_job *job)
{
    job->next = mover->first_due;
    mover->first_due = job;
    if (mover->last_due == NULL)
        mover->last_due = job;
}

bool
mover_must_hold_back(const struct mover *mover)
{
    const struct tier *nvme = mover->store->tiers[TIER_NVME];

    return nvme_is_tight(nvme) &&
           (mover->reclaim.victim != NULL || nvme_wants_reclaim(nvme));
}

static bool
may_start(const struct mover *mover)
{
    return mover->writing_bytes < MOVER_WRITING_MOST &&
           mover_has_credit(mover) && !mover_must_hold_back(mover);
}

static void
write_due(struct mover *mover)
{
    bool may_write = nvme_may_write(mover->store->tiers[TIER_NVME]);

    earn_credit(mover);
    while (mover->first_due != NULL && (!may_write || may_start(mover))) {
        struct mover_job *job = next_job(mover);

        if (!may_write) {
            mover_job_end(job, STATUS_IO);
        } else if (mover_job_write(job) == STATUS_BUSY) {
            put_back(mover, job);
            return;
        }
    }
}

static void
count_skipped(struct mover *mover)
{
    count(mover->counters, COUNTER_writes_skipped,
          atomic_exchange(&mover->skipped, 0));
    count(mover->counters, COUNTER_write_bytes_skipped,
          atomic_exchange(&mover->skipped_bytes, 0));
}

static void
turn(struct mover *mover)
{
    struct tier *nvme = mover->store->tiers[TIER_NVME];

    store_port_run(mover->port);
    nvme_care(nvme, mover->port->port);
    mover_reclaim_step(mover);
    take_queue(mover);
    write_due(mover);
    if (atomic_load_explicit(&mover->store->write, memory_order_relaxed) ==
        STORE_WRITE_EVICTED)
        mover_evict_ahead(mover);
    nvme_submit(nvme, mover->port->port);
    store_port_submit(mover->port);
    count_skipped(mover);
}

static bool
is_idle(const struct mover *mover)
{
    return mover_queue_bytes(mover) == 0 && mover->reclaim.victim == NULL;
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
        port_wait(mover->port->port, LOOK_MS);
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

/* What could not be written in time. */
static void
drop_due(struct mover *mover)
{
    take_queue(mover);
    while (mover->first_due != NULL)
        mover_job_end(next_job(mover), STATUS_IO);
    while (port_pending(mover->port->port) != 0 || mover->writing_bytes != 0 ||
           mover->reclaim.under_way != 0) {
        nvme_submit(mover->store->tiers[TIER_NVME], mover->port->port);
        store_port_submit(mover->port);
        port_wait(mover->port->port, LOOK_MS);
        store_port_run(mover->port);
    }
    mover_reclaim_end(mover);
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

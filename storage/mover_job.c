/* SPDX-License-Identifier: Apache-2.0 */
/* One body on its way to a lower tier. */
#include "storage/mover_state.h"

#include "base/clock.h"

#include <assert.h>
#include <string.h>

static size_t
size_of(const struct mover_job *job)
{
    return sizeof(*job) + job->transfer.key.size;
}

static uint64_t
pinned_by(const struct mover_job *job)
{
    return chunk_footprint(job->transfer.size) + size_of(job);
}

struct mover_job *
mover_job_new(struct mover *mover, struct entry *entry,
              enum mover_errand errand, enum tier_kind to)
{
    struct key key = entry_key(entry);
    struct chunk *chunk = store_chunk(entry);
    struct mover_job *job =
        index_object_new(mover->store->index, sizeof(*job) + key.size);

    if (job == NULL)
        return NULL;
    memset(job, 0, sizeof(*job));
    memcpy(job->key, key.bytes, key.size);
    key.bytes = job->key;
    job->mover = mover;
    job->errand = errand;
    job->to = to;
    job->transfer.key = key;
    job->transfer.sequence = entry->sequence;
    job->transfer.size = entry->body_size;
    job->transfer.port = mover->port->port;
    if (chunk != NULL)
        job->transfer.chunk = chunk_hold(chunk);
    entry->is_moving = true;
    atomic_fetch_add_explicit(&mover->queue_bytes[to], entry->body_size,
                              memory_order_relaxed);
    atomic_fetch_add_explicit(&mover->pinned_bytes, pinned_by(job),
                              memory_order_relaxed);
    return job;
}

/* With the part locked: the entry the job was made for, if it is still that
 * one. */
static struct entry *
find_entry(struct mover_job *job, struct part *part)
{
    struct entry *entry = part_find(part, &job->transfer.key);

    if (entry == NULL || entry->sequence != job->transfer.sequence)
        return NULL;
    return entry;
}

/* It is on the device: in place of where it was there, if it was. */
static void
arrive(struct mover_job *job, struct part *part, struct entry *entry)
{
    struct store *store = job->mover->store;

    if (entry_is_in(entry, job->to))
        tier_drop(store->tiers[job->to], &entry->places[job->to],
                  entry->body_size);
    entry->places[job->to] = job->transfer.place;
    store_set_tiers(store, entry, entry->tiers | 1u << job->to);
    policy_lower_enter(&entry->lower, (enum policy_lower_tier)job->to);
    /* Whoever asked for it meanwhile has put it in order again. */
    if (job->errand == MOVER_LEAVE && entry->standing == INDEX_PARKED &&
        entry->rank == INDEX_WARM) {
        store_unplace(store, part, entry, TIER_DRAM);
        count(job->mover->counters, COUNTER_evictions, 1);
        count(job->mover->counters, COUNTER_evicted_bytes, entry->body_size);
    }
}

static void
count_end(struct mover *mover, const struct mover_job *job, enum status status)
{
    const struct tier_counters *row = &tier_counters[job->to];
    bool is_kept = job->errand == MOVER_KEEP;
    uint64_t size = job->transfer.size;

    switch (status) {
    case STATUS_OK:
        count(mover->counters, is_kept ? row->writes_kept : row->writes_put, 1);
        count(mover->counters,
              is_kept ? row->write_bytes_kept : row->write_bytes_put, size);
        return;
    case STATUS_MISS:
        count(mover->counters, row->writes_void, 1);
        return;
    case STATUS_TOO_BIG:
        count(mover->counters, row->writes_too_big, 1);
        return;
    case STATUS_BUSY:
        count(mover->counters, row->writes_skipped, 1);
        count(mover->counters, row->write_bytes_skipped, size);
        return;
    default:
        count(mover->counters, row->writes_failed, 1);
    }
}

void
mover_job_end(struct mover_job *job, enum status status)
{
    struct mover *mover = job->mover;
    struct store *store = mover->store;
    struct transfer *transfer = &job->transfer;
    struct part *part = index_lock(store->index, transfer->key.hash);
    struct entry *entry = find_entry(job, part);

    if (entry != NULL)
        entry->is_moving = false;
    if (status == STATUS_OK && entry != NULL)
        arrive(job, part, entry);
    else if (status == STATUS_OK)
        tier_drop(store->tiers[job->to], &transfer->place, transfer->size);
    index_unlock(part);
    count_end(mover, job, status);
    if (job->errand >= MOVER_KEEP)
        mover_reclaim_done(mover, job);
    atomic_fetch_sub_explicit(&mover->queue_bytes[job->to], transfer->size,
                              memory_order_relaxed);
    atomic_fetch_sub_explicit(&mover->pinned_bytes, pinned_by(job),
                              memory_order_relaxed);
    chunk_drop(&transfer->chunk);
    index_object_free(store->index, job, size_of(job));
}

static void
on_written(struct transfer *transfer)
{
    struct mover_job *job = (struct mover_job *)transfer;

    job->mover->lanes[job->to].writing_bytes -= transfer->size;
    mover_job_end(job, transfer->status);
}

/* What stands in the record is what the entry has at the moment in which its
 * place in the log is taken: what changes later is noted behind it. */
static enum progress
put(struct mover_job *job, struct part *part, struct entry *entry)
{
    struct transfer *transfer = &job->transfer;
    enum progress progress;

    (void)part;
    job->meta = entry_meta_copy(entry);
    transfer->meta = &job->meta;
    transfer->form = entry->form;
    transfer->expires_unix_ms = store_unix_ms(entry->expires_ns);
    transfer->done = on_written;
    progress = tier_put(job->mover->store->tiers[job->to], transfer);
    if (progress == PENDING || transfer->status == STATUS_OK)
        entry->noted |= (uint8_t)(1u << job->to);
    return progress;
}

enum status
mover_job_write(struct mover_job *job)
{
    struct mover *mover = job->mover;
    struct transfer *transfer = &job->transfer;
    struct part *part = index_lock(mover->store->index, transfer->key.hash);
    struct entry *entry = find_entry(job, part);
    enum progress progress = FINISHED;

    assert(transfer->chunk != NULL);
    transfer->status = STATUS_MISS;
    if (entry != NULL)
        progress = put(job, part, entry);
    index_unlock(part);
    if (progress == PENDING) {
        mover->lanes[job->to].writing_bytes += transfer->size;
        mover->lanes[job->to].credit -= transfer->size;
        return STATUS_OK;
    }
    if (transfer->status == STATUS_BUSY)
        return STATUS_BUSY;
    mover_job_end(job, transfer->status);
    return STATUS_MISS;
}

void
mover_job_write_now(struct mover_job *job)
{
    if (mover_job_write(job) == STATUS_BUSY)
        mover_job_end(job, STATUS_BUSY);
}

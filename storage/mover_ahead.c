/* SPDX-License-Identifier: Apache-2.0 */
/* Making DRAM free ahead of need, so that what leaves it was written first
 * (nvme.write: evicted). */
#include "storage/mover_state.h"

#include "base/clock.h"
#include "storage/pool.h"

/* Free DRAM that is kept, at most. */
#define AHEAD_MOST (64u << 20)
/* Entries looked at in one turn. */
#define AHEAD_STEP 256u

/* The oldest of DRAM: away if a lower tier has it, else on its way there.
 * False: nothing more may go now. */
static bool
evict_one(struct mover *mover, uint64_t now_ns)
{
    struct entry *entry;
    struct part *part =
        index_lock_oldest(mover->store->index, INDEX_WARM, now_ns, &entry);
    uint64_t value_max = lower_value_max(mover_top(mover)->tier);
    struct mover_job *job = NULL;
    bool is_free;

    if (part == NULL)
        return false;
    is_free =
        store_chunk(entry) != NULL && !chunk_is_shared(store_chunk(entry));
    if (is_free && entry->tiers != 1u << TIER_DRAM) {
        count(mover->counters, COUNTER_evictions, 1);
        count(mover->counters, COUNTER_evicted_bytes, entry->body_size);
        store_unplace(mover->store, part, entry, TIER_DRAM);
    } else if (is_free && entry->body_size > value_max) {
        /* No unit is made for it. */
        count(mover->counters, COUNTER_evictions, 1);
        count(mover->counters, COUNTER_evicted_bytes, entry->body_size);
        store_remove(mover->port, part, entry, now_ns);
    } else {
        part_touch(part, entry);
        if (is_free) {
            entry->was_hit = false;
            job = mover_job_new(mover, entry, MOVER_LEAVE, mover->top);
        }
    }
    index_unlock(part);
    if (job != NULL)
        mover_job_write_now(job);
    return true;
}

/* How much is kept free. */
static uint64_t
reserve(const struct pool *pool)
{
    uint64_t share = pool_size(pool) / 16;

    return share < AHEAD_MOST ? share : AHEAD_MOST;
}

bool
mover_is_behind(const struct mover *mover)
{
    const struct store *store = mover->store;

    return atomic_load_explicit(&store->write, memory_order_relaxed) ==
               STORE_WRITE_EVICTED &&
           lower_may_write(store->tiers[mover->top]) &&
           pool_free_bytes(store->pool) < reserve(store->pool) / 2;
}

void
mover_evict_ahead(struct mover *mover)
{
    const struct mover_lane *lane = mover_top(mover);
    struct pool *pool = mover->store->pool;
    uint64_t most = reserve(pool), now_ns = clock_now_ns();

    for (unsigned i = 0; i < AHEAD_STEP; i++) {
        if (pool_free_bytes(pool) + lane->writing_bytes >= most ||
            lane->writing_bytes >= MOVER_WRITING_MOST ||
            !lower_may_write(lane->tier) || !mover_has_credit(mover, lane) ||
            mover_must_hold_back(lane) || !evict_one(mover, now_ns))
            return;
    }
}

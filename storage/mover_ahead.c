/* SPDX-License-Identifier: Apache-2.0 */
/* Making DRAM free ahead of need, so that what leaves it was written first
 * (nvme.write: evicted). */
#include "storage/mover_state.h"

#include "base/clock.h"
#include "storage/pool.h"

/* Free DRAM that is kept, at most. */
#define AHEAD_MOST (64u << 20)
/* When one that is being written, or sent, is looked at again. */
#define LEAVING_NS (20 * NS_PER_MS)
#define IN_USE_NS  (20 * NS_PER_MS)
/* Entries looked at in one turn. */
#define AHEAD_STEP 256u

/* It goes without being written: it is below already, it is not worth it, or no
 * unit is made for one so large. */
static void
let_go(struct mover *mover, struct part *part, struct entry *entry,
       uint64_t now_ns)
{
    count(mover->counters, COUNTER_evictions, 1);
    count(mover->counters, COUNTER_evicted_bytes, entry->body_size);
    if (entry->tiers != 1u << TIER_DRAM)
        store_unplace(mover->store, part, entry, TIER_DRAM);
    else
        store_remove(mover->port, part, entry, now_ns);
}

static bool
is_to_be_written(struct mover *mover, const struct entry *entry)
{
    const struct mover_lane *top = mover_top(mover);
    struct policy_lower_facts facts = mover_facts(mover, entry);

    facts.held_back = atomic_load(&top->held_back);
    return !entry_is_in(entry, top->kind) &&
           entry->body_size <= lower_value_max(top->tier) &&
           policy_lower_may_enter(&entry->lower, POLICY_LOWER_LEAVE, &facts);
}

/* The oldest of DRAM: away if a lower tier has it, else on its way there.
 * False: nothing more may go now. */
static bool
evict_one(struct mover *mover, uint64_t now_ns)
{
    struct entry *entry;
    struct part *part =
        index_lock_oldest(mover->store->index, INDEX_WARM, now_ns, &entry);
    struct mover_job *job = NULL;
    bool is_free, is_leaving = false;

    if (part == NULL)
        return false;
    is_free =
        store_chunk(entry) != NULL && !chunk_is_shared(store_chunk(entry));
    if (!is_free) {
        part_defer(part, entry, now_ns + IN_USE_NS);
    } else {
        part_evict(part, entry);
        is_leaving = is_to_be_written(mover, entry);
        if (is_leaving) {
            part_defer(part, entry, now_ns + LEAVING_NS);
            job = mover_job_new(mover, entry, MOVER_LEAVE, mover->top);
        } else {
            let_go(mover, part, entry, now_ns);
        }
    }
    index_unlock(part);
    if (job == NULL)
        return !is_leaving;
    if (mover_job_write(job) != STATUS_BUSY)
        return true;
    mover_job_end(job, STATUS_BUSY);
    return false;
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
            lane->writing_bytes >= lane->writing_most ||
            !lower_may_write(lane->tier) || !mover_has_credit(mover, lane) ||
            mover_must_hold_back(lane) || !evict_one(mover, now_ns))
            return;
    }
}

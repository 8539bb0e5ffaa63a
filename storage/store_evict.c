/* SPDX-License-Identifier: Apache-2.0 */
/* Making room: the oldest entry of all goes first; and the sweep that frees what
 * has expired. */
#include "storage/mover.h"
#include "storage/store_state.h"

#include "base/clock.h"

#include <assert.h>

/* How many entries that are being sent or written may be passed over in one
 * search. */
#define PASSED_MAX 2048u
/* And when they are looked at again. */
#define IN_USE_NS (20 * NS_PER_MS)
/* How many buckets one sweep looks at, however large the index is. */
#define SWEEP_MOST (1u << 15)

static bool
is_being_sent(const struct entry *entry)
{
    const struct chunk *chunk = store_chunk(entry);

    return chunk != NULL && chunk_is_shared(chunk);
}

/* It was promised, and may leave DRAM because a tier below has it; but that has
 * lost it, or is about to give it up. */
static bool
is_last_promised(const struct store *store, const struct entry *entry,
                 uint64_t now_ns)
{
    if (entry->leased_until_ns <= now_ns || !entry_is_in(entry, TIER_DRAM))
        return false;
    for (unsigned tier = TIER_DRAM + 1; tier < TIER_COUNT; tier++)
        if (entry_is_in(entry, tier) &&
            lower_may_promise(store->tiers[tier], &entry->places[tier]))
            return false;
    return true;
}

/* Out of DRAM; out of the index too unless a lower tier has it. */
static void
let_go(struct store_port *port, struct part *part, struct entry *entry,
       uint64_t now_ns)
{
    part_evict(part, entry);
    if (entry_is_in(entry, TIER_DRAM) && entry->tiers != 1u << TIER_DRAM) {
        store_unplace(port->store, part, entry, TIER_DRAM);
    } else {
        atomic_store_explicit(&port->store->is_full, true,
                              memory_order_relaxed);
        store_remove(port, part, entry, now_ns);
    }
}

/* Where there is nothing else, what was in use a moment ago. */
static struct part *
lock_next(struct index *index, uint64_t now_ns, struct entry **entry_out)
{
    struct part *part = index_lock_oldest(index, INDEX_WARM, now_ns, entry_out);

    if (part != NULL)
        return part;
    return index_lock_deferred(index, now_ns + IN_USE_NS - 1, now_ns,
                               entry_out);
}

bool
store_evict(struct store_port *port, enum counter_id reason)
{
    uint64_t now_ns = clock_now_ns();

    for (unsigned passed = 0; passed < PASSED_MAX; passed++) {
        struct entry *entry;
        struct part *part = lock_next(port->store->index, now_ns, &entry);

        if (part == NULL)
            return false;
        /* To forget what is being sent or written would free nothing yet, and
         * it is in use besides. */
        if (is_being_sent(entry) ||
            is_last_promised(port->store, entry, now_ns)) {
            part_defer(part, entry, now_ns + IN_USE_NS);
            index_unlock(part);
            continue;
        }
        count(port->counters, reason, 1);
        count(port->counters, COUNTER_evicted_bytes, entry->body_size);
        let_go(port, part, entry, now_ns);
        index_unlock(part);
        return true;
    }
    return false;
}

/* What takes no DRAM is forgotten first. */
static bool
evict_entry(struct store_port *port)
{
    uint64_t now_ns = clock_now_ns();
    struct entry *entry;
    struct part *part =
        index_lock_oldest(port->store->index, INDEX_COLD, now_ns, &entry);

    if (part == NULL)
        return store_evict(port, COUNTER_evictions_index);
    count(port->counters, COUNTER_evictions_index, 1);
    store_remove(port, part, entry, now_ns);
    index_unlock(part);
    return true;
}

bool
store_make_room(struct store_port *port, uint64_t bytes)
{
    while (pool_free_bytes(port->store->pool) < bytes)
        if (!store_evict(port, COUNTER_evictions))
            return pool_free_bytes(port->store->pool) != 0;
    return true;
}

struct entry *
store_new_entry(struct store_port *port, const struct key *key,
                uint8_t meta_room)
{
    struct store *store = port->store;

    while (store->mover != NULL && index_is_short(store->index) &&
           evict_entry(port))
        continue;
    for (;;) {
        struct entry *entry = entry_new(store->index, key, meta_room);

        if (entry != NULL || !evict_entry(port))
            return entry;
    }
}

static void
sweep_found(void *arg, struct part *part, struct entry *entry)
{
    struct store_port *port = arg;
    uint64_t now_ns = clock_now_ns();

    if (entry->expires_ns == 0)
        return;
    if (entry->expires_ns > now_ns || entry->leased_until_ns > now_ns) {
        atomic_store_explicit(&port->store->has_expiry, true,
                              memory_order_relaxed);
        return;
    }
    count(port->counters, COUNTER_expirations, 1);
    store_remove(port, part, entry, now_ns);
}

static void
sweep(struct store_port *port, uint64_t from, uint64_t end)
{
    struct index *index = port->store->index;

    while ((from = index_skip_empty(index, from, end)) < end)
        index_walk_bucket(index, from++, sweep_found, port);
}

void
store_sweep(struct store_port *port)
{
    struct store *store = port->store;
    uint64_t buckets = index_buckets(store->index);
    /* A power of two, as buckets are: rounds begin where rounds end. */
    uint64_t share = (buckets + 63) / 64, first;

    store_census(store, clock_now_ns());
    if (share > SWEEP_MOST)
        share = SWEEP_MOST;
    first = atomic_fetch_add_explicit(&store->sweep_bucket, share,
                                      memory_order_relaxed);
    /* A round begins: whoever still has an expiry says so again, and the round
     * goes on to its end whether anybody has yet or not. */
    if (first % buckets < share)
        atomic_store(&store->is_round_due,
                     atomic_exchange(&store->has_expiry, false));
    if (!atomic_load_explicit(&store->is_round_due, memory_order_relaxed))
        return;
    first %= buckets;
    sweep(port, first, first + share);
}

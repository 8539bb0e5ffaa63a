/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recency over all parts, and the search for the entry that goes next.  Each
 * part tells, outside its lock, the age of its candidate; an evictor reads
 * those and locks one part only.
 */
#include "storage/index_parts.h"

#include <assert.h>
#include <stddef.h>

static struct entry *
entry_of(struct policy_node *node)
{
    static_assert(offsetof(struct entry, node) == 0, "the node comes first");
    return (struct entry *)node;
}

static void
tell(_Atomic uint64_t *told, uint64_t value)
{
    if (atomic_load_explicit(told, memory_order_relaxed) != value)
        atomic_store_explicit(told, value, memory_order_relaxed);
}

/* So far the index knows policies of one queue and without shared state. */
static struct policy_node *
oldest(const struct policy_order *order)
{
    return policy_list_oldest(&order->queues[0]);
}

static void
tell_order(struct part *part, unsigned rank)
{
    struct policy_node *node = oldest(&part->order[rank]);

    tell(&part->index->oldest[rank][part->number],
         node == NULL ? PART_NONE : node->tick);
}

static void
tell_parked(struct part *part, unsigned rank)
{
    struct policy_node *node = policy_list_oldest(&part->parked[rank]);

    tell(&part->index->unparked[rank][part->number],
         node == NULL ? PART_NONE : node->tick);
}

static struct policy_access
access_now(struct index *index, const struct entry *entry)
{
    uint64_t tick =
        atomic_fetch_add_explicit(&index->tick, 1, memory_order_relaxed);

    return (struct policy_access){
        .hash = entry->hash, .tick = tick, .run_tick = tick};
}

void
part_order_in(struct part *part, struct entry *entry)
{
    struct policy_access access = access_now(part->index, entry);

    entry->is_parked = false;
    part->index->policy->insert(NULL, &part->order[entry->rank], &entry->node,
                                &access);
    tell_order(part, entry->rank);
}

void
part_order_out(struct part *part, struct entry *entry)
{
    if (entry->is_parked) {
        policy_list_unlink(&entry->node);
        entry->is_parked = false;
        tell_parked(part, entry->rank);
    } else {
        part->index->policy->remove(NULL, &part->order[entry->rank],
                                    &entry->node);
        tell_order(part, entry->rank);
    }
}

void
part_touch(struct part *part, struct entry *entry)
{
    struct policy_access access;

    if (entry->is_parked) {
        part_order_out(part, entry);
        part_order_in(part, entry);
        return;
    }
    access = access_now(part->index, entry);
    part->index->policy->touch(NULL, &part->order[entry->rank], &entry->node,
                               &access);
    tell_order(part, entry->rank);
}

void
part_rank(struct part *part, struct entry *entry, enum index_rank rank)
{
    if (entry->rank == rank)
        return;
    part_order_out(part, entry);
    entry->rank = (uint8_t)rank;
    part_order_in(part, entry);
}

/* The parked stand in the order in which their leases end, so that a short one
 * does not wait for a longer one.  Leases are granted in that order too, nearly:
 * the place is near the back. */
static void
stand_by_lease(struct part *part, struct entry *entry)
{
    struct policy_node *node = &entry->node;
    struct policy_node *ends = &part->parked[entry->rank].ends;
    struct policy_node *at = ends->older;

    node->tick = entry->leased_until_ns;
    while (at != ends && at->tick > node->tick)
        at = at->older;
    node->older = at;
    node->newer = at->newer;
    at->newer->older = node;
    at->newer = node;
}

static void
park(struct part *part, struct entry *entry)
{
    part->index->policy->remove(NULL, &part->order[entry->rank], &entry->node);
    stand_by_lease(part, entry);
    entry->is_parked = true;
    tell_order(part, entry->rank);
    tell_parked(part, entry->rank);
}

/* With the part locked: its parked entry whose lease has ended, if any.  Those
 * that were leased again take another place. */
static struct entry *
unparked(struct part *part, unsigned rank, uint64_t now_ns)
{
    struct policy_list *parked = &part->parked[rank];
    struct policy_node *node = policy_list_oldest(parked);
    struct entry *found = NULL;

    while (node != NULL && node->tick <= now_ns && found == NULL) {
        struct entry *entry = entry_of(node);

        if (entry->leased_until_ns <= now_ns) {
            found = entry;
        } else {
            policy_list_unlink(node);
            stand_by_lease(part, entry);
            node = policy_list_oldest(parked);
        }
    }
    tell_parked(part, rank);
    return found;
}

/* Does it break no promise if an entry of its rank goes? */
static bool
may_go(const struct entry *entry, uint64_t now_ns)
{
    return entry->leased_until_ns <= now_ns ||
           (entry->rank == INDEX_WARM &&
            (entry->tiers & ~(1u << TIER_DRAM)) != 0);
}

static struct part *
lock_least(struct index *index, const _Atomic uint64_t *told, uint64_t below)
{
    uint64_t least = below;
    struct part *part = NULL;

    for (unsigned i = 0; i < index->part_count; i++) {
        uint64_t value = atomic_load_explicit(&told[i], memory_order_relaxed);

        if (value < least) {
            least = value;
            part = &index->parts[i];
        }
    }
    if (part != NULL)
        pthread_mutex_lock(&part->lock);
    return part;
}

struct part *
index_lock_oldest(struct index *index, enum index_rank rank, uint64_t now_ns,
                  struct entry **entry_out)
{
    struct part *part;

    while ((part = lock_least(index, index->unparked[rank], now_ns + 1)) !=
           NULL) {
        *entry_out = unparked(part, rank, now_ns);
        if (*entry_out != NULL)
            return part;
        pthread_mutex_unlock(&part->lock);
    }
    while ((part = lock_least(index, index->oldest[rank], PART_NONE)) != NULL) {
        struct policy_node *node = oldest(&part->order[rank]);

        if (node != NULL && may_go(entry_of(node), now_ns)) {
            *entry_out = entry_of(node);
            return part;
        }
        if (node != NULL)
            park(part, entry_of(node));
        pthread_mutex_unlock(&part->lock);
    }
    return NULL;
}

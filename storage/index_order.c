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

static void
tell_order(struct part *part)
{
    struct policy_node *node = part->index->policy->candidate(&part->order);

    tell(&part->index->oldest[part->number],
         node == NULL ? PART_NONE : node->tick);
}

static void
tell_parked(struct part *part)
{
    struct policy_node *node = policy_lru.candidate(&part->parked);

    tell(&part->index->unparked[part->number],
         node == NULL ? PART_NONE : node->tick);
}

static uint64_t
next_tick(struct index *index)
{
    return atomic_fetch_add_explicit(&index->tick, 1, memory_order_relaxed);
}

void
part_order_in(struct part *part, struct entry *entry)
{
    entry->is_parked = false;
    part->index->policy->insert(&part->order, &entry->node,
                                next_tick(part->index));
    tell_order(part);
}

void
part_order_out(struct part *part, struct entry *entry)
{
    if (entry->is_parked) {
        policy_lru.remove(&part->parked, &entry->node);
        entry->is_parked = false;
        tell_parked(part);
    } else {
        part->index->policy->remove(&part->order, &entry->node);
        tell_order(part);
    }
}

void
part_touch(struct part *part, struct entry *entry)
{
    if (entry->is_parked) {
        part_order_out(part, entry);
        part_order_in(part, entry);
        return;
    }
    part->index->policy->touch(&part->order, &entry->node,
                               next_tick(part->index));
    tell_order(part);
}

/* The parked stand in the order in which their leases end, so that a short one
 * does not wait for a longer one.  Leases are granted in that order too, nearly:
 * the place is near the back. */
static void
stand_by_lease(struct part *part, struct entry *entry)
{
    struct policy_node *node = &entry->node;
    struct policy_node *ends = &part->parked.ends, *at = ends->older;

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
    part->index->policy->remove(&part->order, &entry->node);
    stand_by_lease(part, entry);
    entry->is_parked = true;
    tell_order(part);
    tell_parked(part);
}

/* With the part locked: its parked entry whose lease has ended, if any.  Those
 * that were leased again take another place. */
static struct entry *
unparked(struct part *part, uint64_t now_ns)
{
    struct policy_node *node = policy_lru.candidate(&part->parked);
    struct entry *found = NULL;

    while (node != NULL && node->tick <= now_ns && found == NULL) {
        struct entry *entry = entry_of(node);

        if (entry->leased_until_ns <= now_ns) {
            found = entry;
        } else {
            policy_lru.remove(&part->parked, node);
            stand_by_lease(part, entry);
            node = policy_lru.candidate(&part->parked);
        }
    }
    tell_parked(part);
    return found;
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
index_lock_oldest(struct index *index, uint64_t now_ns,
                  struct entry **entry_out)
{
    struct part *part;

    while ((part = lock_least(index, index->unparked, now_ns + 1)) != NULL) {
        *entry_out = unparked(part, now_ns);
        if (*entry_out != NULL)
            return part;
        pthread_mutex_unlock(&part->lock);
    }
    while ((part = lock_least(index, index->oldest, PART_NONE)) != NULL) {
        struct policy_node *node = index->policy->candidate(&part->order);

        if (node != NULL && entry_of(node)->leased_until_ns <= now_ns) {
            *entry_out = entry_of(node);
            return part;
        }
        if (node != NULL)
            park(part, entry_of(node));
        pthread_mutex_unlock(&part->lock);
    }
    return NULL;
}

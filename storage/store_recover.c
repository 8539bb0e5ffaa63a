/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From what a tier has found on its device to entries of the index, in the
 * order in which it was written: what is told later of a key holds.  On the main
 * thread, before anybody else knows the store.
 */
#include "storage/store_state.h"

#include "base/clock.h"
#include "base/log.h"

struct recovery {
    struct store_port *port;
    uint64_t unfit; /* values the index had no room for */
};

/* Forgets it without a word to the device, which said so itself. */
static void
forget(struct store_port *port, struct part *part, struct entry *entry)
{
    entry->is_noted = false;
    store_remove(port, part, entry, clock_now_ns());
}

/* The index is full: what was written longest ago is reclaimed first anyway. */
static bool
make_room_in_index(struct recovery *recovery)
{
    struct entry *entry;
    struct part *part = index_lock_oldest(recovery->port->store->index,
                                          INDEX_COLD, clock_now_ns(), &entry);

    if (part == NULL)
        return false;
    /* With a note: who deletes or overwrites it from now on does not see it. */
    store_remove(recovery->port, part, entry, clock_now_ns());
    index_unlock(part);
    recovery->unfit++;
    return true;
}

static struct entry *
new_entry(struct recovery *recovery, const struct tier_found *found)
{
    struct index *index = recovery->port->store->index;
    uint8_t least = found->key.kind == KEY_OBJECT ? CHUNK_META_LM : 0;
    uint8_t room = found->meta->size > least ? found->meta->size : least;
    struct entry *entry;

    while (index_is_short(index) && make_room_in_index(recovery))
        continue;
    do
        entry = entry_new(index, &found->key, room);
    while (entry == NULL && make_room_in_index(recovery));
    if (entry == NULL)
        return NULL;
    entry->rank = INDEX_COLD;
    entry->sequence = found->sequence;
    entry->form = found->form;
    /* Also where that is past: a change may follow that says otherwise. */
    entry->expires_ns = store_expires_ns(found->expires_unix_ms);
    entry->is_noted = true;
    entry_set_meta(entry, found->meta->bytes, found->meta->size);
    return entry;
}

/* With the part locked: `entry`, which has its places, instead of `old`. */
static void
take_over(struct recovery *recovery, struct part *part, struct entry *entry,
          struct entry *old)
{
    if (old != NULL)
        forget(recovery->port, part, old);
    store_link(recovery->port, part, entry);
}

static void
on_value(struct recovery *recovery, const struct tier_found *found)
{
    struct store *store = recovery->port->store;
    struct entry *entry = new_entry(recovery, found);
    struct part *part = index_lock(store->index, found->key.hash);
    struct entry *old = part_find(part, &found->key);

    if (entry == NULL || (old != NULL && old->sequence > found->sequence)) {
        /* What it replaced is not there any more either. */
        if (entry == NULL && old != NULL && old->sequence <= found->sequence)
            forget(recovery->port, part, old);
        tier_drop(store->tiers[TIER_NVME], &found->place, found->size);
        if (entry != NULL)
            entry_free(store->index, entry);
    } else {
        entry->places[TIER_NVME] = found->place;
        entry->tiers = 1u << TIER_NVME;
        entry->checksum = found->checksum;
        entry->body_size = found->size;
        take_over(recovery, part, entry, old);
    }
    index_unlock(part);
}

static void
on_change(struct recovery *recovery, const struct tier_found *found)
{
    struct index *index = recovery->port->store->index;
    struct entry *entry = new_entry(recovery, found);
    struct part *part = index_lock(index, found->key.hash);
    struct entry *old = part_find(part, &found->key);

    if (old == NULL || old->sequence != found->sequence) {
        if (entry != NULL)
            entry_free(index, entry);
    } else if (entry == NULL) {
        forget(recovery->port, part, old);
    } else {
        store_take_body(entry, old);
        take_over(recovery, part, entry, old);
    }
    index_unlock(part);
}

static void
on_dropped(struct recovery *recovery, const struct tier_found *found)
{
    struct part *part =
        index_lock(recovery->port->store->index, found->key.hash);
    struct entry *old = part_find(part, &found->key);

    if (old != NULL && old->sequence < found->sequence)
        forget(recovery->port, part, old);
    index_unlock(part);
}

static void
on_found(void *arg, const struct tier_found *found)
{
    switch (found->kind) {
    case TIER_FOUND_VALUE:
        on_value(arg, found);
        return;
    case TIER_FOUND_DROPPED:
        on_dropped(arg, found);
        return;
    case TIER_FOUND_CHANGED:
        on_change(arg, found);
        return;
    }
}

static void
forget_found(void *arg, struct part *part, struct entry *entry)
{
    struct recovery *recovery = arg;

    forget(recovery->port, part, entry);
}

static void
forget_all(struct recovery *recovery)
{
    struct index *index = recovery->port->store->index;

    for (uint64_t i = 0; i < index_buckets(index); i++)
        index_walk_bucket(index, i, forget_found, recovery);
}

enum status
store_recover(struct store_port *port)
{
    struct store *store = port->store;
    struct recovery recovery = {.port = port};
    uint64_t sequence = 0;
    enum status status =
        tier_recover(store->tiers[TIER_NVME], on_found, &recovery, &sequence);

    if (status == STATUS_MISS)
        forget_all(&recovery);
    else if (status != STATUS_OK)
        return status;
    atomic_store(&store->sequence, sequence);
    if (recovery.unfit != 0)
        log_event(LOG_WARN, "limits.index_memory too small",
                  "%llu values on NVMe have no room in the index and are "
                  "misses",
                  (unsigned long long)recovery.unfit);
    return STATUS_OK;
}

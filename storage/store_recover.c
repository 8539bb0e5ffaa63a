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
    enum tier_kind tier;  /* that is telling */
    enum tier_kind first; /* the fastest that is there */
    uint64_t unfit;       /* values the index had no room for */
};

/* Forgets it without a word to the device that is telling, which said so itself.
 * Others that have it are told. */
static void
forget(struct recovery *recovery, struct part *part, struct entry *entry)
{
    entry->noted &= (uint8_t) ~(1u << recovery->tier);
    store_remove(recovery->port, part, entry, clock_now_ns());
}

/* The index is full: what was written longest ago is reclaimed first anyway. */
static bool
make_room_in_index(struct recovery *recovery)
{
    struct entry *entry;
    struct part *part;

    /* What a slower tier has is older than what a faster one has told. */
    if (recovery->tier != recovery->first)
        return false;
    part = index_lock_oldest(recovery->port->store->index, INDEX_COLD,
                             clock_now_ns(), &entry);
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
    entry->noted = (uint8_t)(1u << recovery->tier);
    entry_set_meta(entry, found->meta->bytes, found->meta->size);
    return entry;
}

/* With the part locked: `entry`, which has its places, instead of `old`. */
static void
take_over(struct recovery *recovery, struct part *part, struct entry *entry,
          struct entry *old)
{
    if (old != NULL)
        forget(recovery, part, old);
    store_link(recovery->port, part, entry, NULL);
}

/* Another tier has a later one: that this one has ended is to be known here too,
 * for when the later one has. */
static void
note_stale(const struct recovery *recovery, const struct entry *old,
           const struct tier_found *found)
{
    const struct tier_found item = {.kind = TIER_FOUND_DROPPED,
                                    .key = found->key,
                                    .sequence = found->sequence + 1};

    if ((old->noted & (1u << recovery->tier)) == 0)
        lower_note(recovery->port->store->tiers[recovery->tier], &item);
}

/* Nobody will know of it, so nobody could tell its end. */
static void
note_unfit(struct recovery *recovery, const struct tier_found *found)
{
    const struct tier_found item = {.kind = TIER_FOUND_DROPPED,
                                    .key = found->key,
                                    .sequence = found->sequence + 1};

    if (recovery->tier == recovery->first)
        return;
    lower_note(recovery->port->store->tiers[recovery->tier], &item);
    recovery->unfit++;
}

/* The very value that a faster tier has told of. */
static bool
is_copy(const struct recovery *recovery, const struct entry *old,
        const struct tier_found *found)
{
    return old != NULL && old->sequence == found->sequence &&
           old->body_size == found->size && old->checksum == found->checksum &&
           !entry_is_in(old, recovery->tier);
}

static void
add_copy(const struct recovery *recovery, struct entry *old,
         const struct tier_found *found)
{
    old->places[recovery->tier] = found->place;
    store_set_tiers(recovery->port->store, old,
                    old->tiers | 1u << recovery->tier);
    old->noted |= (uint8_t)(1u << recovery->tier);
}

/* With the part locked; entry: NULL without room.  It is not wanted. */
static void
refuse(struct recovery *recovery, struct part *part, struct entry *old,
       struct entry *entry, const struct tier_found *found)
{
    struct store *store = recovery->port->store;

    if (old != NULL && old->sequence > found->sequence)
        note_stale(recovery, old, found);
    else if (old != NULL) /* what it replaced is not there any more either */
        forget(recovery, part, old);
    if (entry == NULL)
        note_unfit(recovery, found);
    tier_drop(store->tiers[recovery->tier], &found->place, found->size);
    if (entry != NULL)
        entry_free(store->index, entry);
}

static void
on_value(struct recovery *recovery, const struct tier_found *found)
{
    struct store *store = recovery->port->store;
    struct entry *entry = new_entry(recovery, found);
    struct part *part = index_lock(store->index, found->key.hash);
    struct entry *old = part_find(part, &found->key);

    if (is_copy(recovery, old, found)) {
        add_copy(recovery, old, found);
        if (entry != NULL)
            entry_free(store->index, entry);
    } else if (entry == NULL ||
               (old != NULL && old->sequence > found->sequence)) {
        refuse(recovery, part, old, entry, found);
    } else {
        entry->places[recovery->tier] = found->place;
        store_set_tiers(store, entry, 1u << recovery->tier);
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
        forget(recovery, part, old);
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
        forget(recovery, part, old);
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

    entry->noted &= (uint8_t) ~(1u << recovery->tier);
    if (entry_is_in(entry, recovery->tier))
        store_forget_place(recovery->port, part, entry, recovery->tier);
}

static void
forget_all(struct recovery *recovery)
{
    struct index *index = recovery->port->store->index;

    for (uint64_t i = 0; i < index_buckets(index); i++)
        index_walk_bucket(index, i, forget_found, recovery);
}

static enum status
recover_tier(struct recovery *recovery)
{
    struct store *store = recovery->port->store;
    uint64_t sequence = 0;
    enum status status = tier_recover(store->tiers[recovery->tier], on_found,
                                      recovery, &sequence);

    if (status == STATUS_MISS)
        forget_all(recovery);
    else if (status != STATUS_OK)
        return status;
    if (sequence > atomic_load(&store->sequence))
        atomic_store(&store->sequence, sequence);
    return STATUS_OK;
}

enum status
store_recover(struct store_port *port)
{
    struct store *store = port->store;
    struct recovery recovery = {
        .port = port,
        .first = store->tiers[TIER_NVME] != NULL ? TIER_NVME : TIER_SPILL};

    for (unsigned i = TIER_DRAM + 1; i < TIER_COUNT; i++) {
        enum status status;

        recovery.tier = (enum tier_kind)i;
        if (store->tiers[i] == NULL)
            continue;
        status = recover_tier(&recovery);
        if (status != STATUS_OK)
            return status;
    }
    if (recovery.unfit != 0)
        log_event(LOG_WARN, "limits.index_memory too small",
                  "%llu values of lower tiers have no room in the index and "
                  "are misses",
                  (unsigned long long)recovery.unfit);
    return STATUS_OK;
}

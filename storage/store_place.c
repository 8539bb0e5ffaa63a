/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the body of an entry is: in DRAM, in lower tiers, or in both; and what
 * a device is told about an entry that was written there.
 */
#include "storage/store_state.h"

#include "base/clock.h"

#include <assert.h>

bool
store_is_readable(const struct store *store, const struct entry *entry)
{
    return store_best_tier(store, entry) != TIER_COUNT;
}

bool
store_is_held(const struct store *store, const struct entry *entry,
              enum tier_kind tier)
{
    return entry_is_in(entry, tier) &&
           (tier == TIER_DRAM ||
            lower_holds(store->tiers[tier], &entry->places[tier]));
}

bool
store_may_promise(const struct store *store, const struct entry *entry)
{
    for (unsigned tier = TIER_DRAM + 1; tier < TIER_COUNT; tier++)
        if (entry_is_in(entry, tier) && lower_may_read(store->tiers[tier]) &&
            lower_may_promise(store->tiers[tier], &entry->places[tier]))
            return true;
    return entry_is_in(entry, TIER_DRAM);
}

enum tier_kind
store_best_tier(const struct store *store, const struct entry *entry)
{
    enum tier_kind tier = TIER_DRAM;

    while (tier < TIER_COUNT &&
           (!store_is_held(store, entry, tier) ||
            (tier != TIER_DRAM && !lower_may_read(store->tiers[tier]))))
        tier++;
    return tier;
}

struct chunk *
store_chunk(const struct entry *entry)
{
    if (!entry_is_in(entry, TIER_DRAM))
        return NULL;
    return (struct chunk *)(uintptr_t)entry->places[TIER_DRAM].word[0];
}

void
store_set_tiers(struct store *store, struct entry *entry, unsigned tiers)
{
    if (entry->tiers != 0)
        atomic_fetch_sub_explicit(&store->held[entry->tiers], 1,
                                  memory_order_relaxed);
    if (tiers != 0)
        atomic_fetch_add_explicit(&store->held[tiers], 1, memory_order_relaxed);
    entry->tiers = (uint8_t)tiers;
}

void
store_place_dram(struct store *store, struct part *part, struct entry *entry,
                 struct chunk *chunk, const struct policy_access *access)
{
    struct transfer transfer = {.sequence = entry->sequence, .chunk = chunk};

    assert(!entry_is_in(entry, TIER_DRAM));
    if (tier_put(store->tiers[TIER_DRAM], &transfer) != FINISHED)
        assert(!"DRAM finishes at once");
    entry->places[TIER_DRAM] = transfer.place;
    store_set_tiers(store, entry, entry->tiers | 1u << TIER_DRAM);
    policy_lower_enter(&entry->lower, POLICY_LOWER_DRAM);
    if (entry->is_linked)
        part_rank(part, entry, INDEX_WARM, access);
    else
        entry->rank = INDEX_WARM;
}

void
store_unplace(struct store *store, struct part *part, struct entry *entry,
              enum tier_kind tier)
{
    assert(entry_is_in(entry, tier) && entry->tiers != 1u << tier);
    tier_drop(store->tiers[tier], &entry->places[tier], entry->body_size);
    store_set_tiers(store, entry, entry->tiers & ~(1u << tier));
    if (tier == TIER_DRAM)
        part_rank(part, entry, INDEX_COLD, NULL);
}

void
store_forget_place(struct store_port *port, struct part *part,
                   struct entry *entry, enum tier_kind tier)
{
    /* While it has its body: its names are counted with it. */
    if (entry->tiers == 1u << tier)
        store_remove(port, part, entry, clock_now_ns());
    else
        store_unplace(port->store, part, entry, tier);
}

void
store_take_body(struct entry *entry, struct entry *old)
{
    for (unsigned tier = 0; tier < TIER_COUNT; tier++)
        entry->places[tier] = old->places[tier];
    entry->tiers = old->tiers;
    entry->rank = old->rank;
    entry->sequence = old->sequence;
    entry->checksum = old->checksum;
    entry->body_size = old->body_size;
    entry->is_moving = old->is_moving;
    entry->noted = old->noted;
    entry->lower = old->lower;
    entry->next = old->next;
    store_flight_move(entry, old);
    store_tell_same(entry, old);
    old->is_body_moved = true;
}

uint64_t
store_unix_ms(uint64_t expires_ns)
{
    uint64_t now_ns = clock_now_ns(), now_ms = clock_unix_ms();

    if (expires_ns == 0)
        return 0;
    return expires_ns > now_ns ? now_ms + (expires_ns - now_ns) / NS_PER_MS
                               : now_ms;
}

uint64_t
store_expires_ns(uint64_t unix_ms)
{
    uint64_t now_ns = clock_now_ns(), now_ms = clock_unix_ms();

    if (unix_ms == 0)
        return 0;
    return unix_ms > now_ms ? now_ns + (unix_ms - now_ms) * NS_PER_MS : now_ns;
}

void
store_note_gone(struct store *store, struct entry *entry)
{
    const struct tier_found item = {.kind = TIER_FOUND_DROPPED,
                                    .key = entry_key(entry),
                                    .sequence = entry->sequence + 1};

    for (unsigned i = TIER_DRAM + 1; i < TIER_COUNT; i++) {
        struct tier *tier = store->tiers[i];

        if ((entry->noted & (1u << i)) != 0 &&
            entry->sequence > lower_flushed(tier, entry->space))
            lower_note(tier, &item);
    }
    entry->noted = 0;
}

void
store_note_change(struct store *store, const struct entry *entry)
{
    const struct chunk_meta meta = entry_meta_copy(entry);
    const struct tier_found item = {.kind = TIER_FOUND_CHANGED,
                                    .key = entry_key(entry),
                                    .sequence = entry->sequence,
                                    .expires_unix_ms =
                                        store_unix_ms(entry->expires_ns),
                                    .form = entry->form,
                                    .meta = &meta};

    for (unsigned i = TIER_DRAM + 1; i < TIER_COUNT; i++)
        if ((entry->noted & (1u << i)) != 0)
            lower_note(store->tiers[i], &item);
}

struct lease_account *
store_lease_account(const struct store *store, const struct entry *entry)
{
    return store->leases[entry->lease_tier];
}

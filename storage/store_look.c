/* SPDX-License-Identifier: Apache-2.0 */
/* Looking at names without touching them; leases and reads for those who look
 * with a purpose. */
#include "storage/store_look.h"

#include "base/clock.h"
#include "storage/store_state.h"

/* Asked once for many names. */
static unsigned
answering(const struct store *store)
{
    unsigned tiers = 1u << TIER_DRAM;

    for (unsigned tier = TIER_DRAM + 1; tier < TIER_COUNT; tier++)
        if (lower_may_read(store->tiers[tier]))
            tiers |= 1u << tier;
    return tiers;
}

/* With the part locked: of those, the tiers that have its body. */
static unsigned
tiers_of(const struct store *store, const struct entry *entry,
         unsigned answering)
{
    unsigned tiers = entry->tiers & answering;

    for (unsigned tier = TIER_DRAM + 1; tier < TIER_COUNT; tier++)
        if (!store_is_held(store, entry, tier))
            tiers &= ~(1u << tier);
    return tiers;
}

/* With the part locked: the tiers that have what a name means; 0: it is not
 * here.  Past its expiry an entry lives by the lease it has, for whoever has
 * that, and is found by nobody else. */
static unsigned
find_tiers(const struct store *store, const struct entry *entry,
           const struct store_name *name, unsigned answering, uint64_t now_ns)
{
    if ((name->forms & (1u << entry->form)) == 0 ||
        (name->part != PART_BODY && entry->meta_size == 0) ||
        (entry->expires_ns != 0 && entry->expires_ns <= now_ns))
        return 0;
    return tiers_of(store, entry, answering);
}

void
store_look(struct store *store, const struct store_name *names, unsigned count,
           struct store_sight *out)
{
    uint64_t now_ns = clock_now_ns();
    unsigned tiers = answering(store);

    for (unsigned i = 0; i < count; i++) {
        struct part *part = index_lock(store->index, names[i].key.hash);
        const struct entry *entry = part_find(part, &names[i].key);

        out[i].tiers = 0;
        if (entry != NULL)
            out[i].tiers =
                (uint8_t)find_tiers(store, entry, &names[i], tiers, now_ns);
        out[i].is_here = out[i].tiers != 0;
        if (out[i].is_here)
            out[i].body_size = entry->body_size;
        index_unlock(part);
    }
}

/* The entry that is here under a name, with its part locked; else NULL,
 * unlocked. */
static struct entry *
lock_here(struct store *store, const struct store_name *name, uint64_t now_ns,
          struct part **part_out)
{
    struct part *part = index_lock(store->index, name->key.hash);
    struct entry *entry = part_find(part, &name->key);

    if (entry != NULL &&
        find_tiers(store, entry, name, answering(store), now_ns) != 0) {
        *part_out = part;
        return entry;
    }
    index_unlock(part);
    return NULL;
}

enum status
store_exists_for(struct store_port *port, const struct store_name *name,
                 uint64_t lease_ns)
{
    uint64_t now_ns = clock_now_ns();
    struct part *part;
    struct entry *entry = lock_here(port->store, name, now_ns, &part);
    enum status status;

    if (entry == NULL)
        return STATUS_MISS;
    /* What was promised before is forgotten with its lease. */
    entry->is_promised = entry->is_promised && entry->leased_until_ns > now_ns;
    status = store_lease_for(port->store, entry, now_ns, lease_ns);
    index_unlock(part);
    count(port->counters,
          status == STATUS_OK ? COUNTER_leases_granted : COUNTER_leases_refused,
          1);
    return status;
}

uint64_t
store_lease_length(const struct store *store, uint64_t lease_ns)
{
    return lease_length(store->leases[TIER_DRAM], lease_ns);
}

bool
store_promote(struct store_port *port, const struct store_name *name)
{
    unsigned before = port->under_way;
    struct part *part;
    struct entry *entry = lock_here(port->store, name, clock_now_ns(), &part);

    if (entry == NULL)
        return false;
    if (entry_is_in(entry, TIER_DRAM)) {
        index_unlock(part);
        return false;
    }
    store_flight_ahead(port, part, entry);
    return port->under_way > before;
}

unsigned
store_tiers(const struct store *store)
{
    unsigned tiers = 0;

    for (unsigned tier = 0; tier < TIER_COUNT; tier++)
        if (store->tiers[tier] != NULL)
            tiers |= 1u << tier;
    return tiers;
}

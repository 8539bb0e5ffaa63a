/* SPDX-License-Identifier: Apache-2.0 */
/* What is asked of an entry: its bytes, whether it is there, its end. */
#include "storage/mover.h"
#include "storage/store_state.h"

#include "base/clock.h"

#include <assert.h>

/* The entry a name means, with its part locked; else NULL, unlocked. */
static struct entry *
lock_meant(struct store_port *port, const struct store_name *name,
           struct part **part_out, uint64_t now_ns)
{
    struct part *part = index_lock(port->store->index, name->key.hash);
    struct entry *entry = store_find(port, part, &name->key, now_ns);

    if (entry != NULL && store_is_meant(port->store, entry, name)) {
        *part_out = part;
        return entry;
    }
    index_unlock(part);
    return NULL;
}

/* What a GET tells the policy and, where it is still to be written, the mover. */
static void
mark_hit(struct store *store, struct part *part, struct entry *entry,
         struct index_access *access)
{
    part_touch(part, entry, access);
    policy_lower_hit(&entry->lower);
    if (store->mover != NULL)
        mover_put(store->mover, entry, POLICY_LOWER_HIT);
}

void
store_missed(struct store_port *port, struct policy_run *run)
{
    struct index_access access = {.run = run};

    index_miss(port->store->index, &access);
    if (access.has_tail)
        index_end_run(port->store->index, access.tail);
}

/* With the part locked, which is unlocked.  Who asks for the metadata has it at
 * once, and asks for the bytes next: they are read meanwhile. */
static enum progress
get_lower(struct store_port *port, struct part *part, struct entry *entry,
          struct store_get *get, const struct policy_access *access)
{
    if (!store_is_readable(port->store, entry)) {
        index_unlock(part);
        return FINISHED;
    }
    if (access != NULL)
        return store_flight_join(port, part, entry, get, access);
    get->status = STATUS_OK;
    store_flight_ahead(port, part, entry);
    return FINISHED;
}

/* Nothing locked: what an access brings about beside its answer. */
static void
end_access(struct store_port *port, const struct index_access *access,
           uint64_t next)
{
    if (access->has_tail)
        index_end_run(port->store->index, access->tail);
    store_flight_follow(port, &access->policy, next);
}

/* The same; access: NULL where it is no use. */
static enum progress
get_cold(struct store_port *port, struct part *part, struct entry *entry,
         struct store_get *get, struct index_access *access)
{
    uint64_t next = entry->next;
    enum progress progress = get_lower(port, part, entry, get,
                                       access == NULL ? NULL : &access->policy);

    if (access != NULL)
        end_access(port, access, next);
    return progress;
}

/* It is in DRAM; it may have come there just for this. */
static void
count_hit(struct store_port *port, struct entry *entry, struct store_get *get)
{
    get->tier = (enum tier_kind)entry->ahead;
    entry->ahead = TIER_DRAM;
    count(port->counters, tier_counters[get->tier].hits, 1);
}

enum progress
store_get_start(struct store_port *port, struct store_get *get,
                const struct store_name *name)
{
    uint64_t now_ns = clock_now_ns();
    struct part *part;
    struct entry *entry = lock_meant(port, name, &part, now_ns);
    struct index_access access = {.run = get->run, .step = POLICY_HIT};
    const struct chunk *chunk;
    uint64_t next;
    bool is_use;

    get->chunk = NULL;
    get->waiter = NULL;
    get->tier = TIER_DRAM;
    get->status = STATUS_MISS;
    get->is_promised = false;
    if (entry == NULL)
        return FINISHED;
    get->is_promised = entry->is_promised && entry->leased_until_ns > now_ns;
    /* Who gets the metadata of a body gets the body next. */
    is_use = name->part == PART_BODY || !entry_has_body(entry);
    if (is_use)
        mark_hit(port->store, part, entry, &access);
    get->meta = entry_meta_copy(entry);
    get->form = entry->form;
    get->expires_ns = entry->expires_ns;
    chunk = store_chunk(entry);
    if (chunk == NULL && entry_has_body(entry))
        return get_cold(port, part, entry, get, is_use ? &access : NULL);
    get->status = STATUS_OK;
    if (chunk != NULL) {
        struct transfer transfer = {.sequence = entry->sequence,
                                    .size = entry->body_size,
                                    .place = entry->places[TIER_DRAM]};

        /* DRAM finishes at once, so that this may be asked under the lock,
         * which keeps the place true. */
        if (tier_get(port->store->tiers[TIER_DRAM], &transfer) != FINISHED)
            assert(!"DRAM finishes at once");
        get->chunk = transfer.chunk;
        if (is_use)
            count_hit(port, entry, get);
    }
    next = entry->next;
    index_unlock(part);
    if (is_use)
        end_access(port, &access, next);
    mover_nudge(port->store->mover);
    return FINISHED;
}

/* lease_ns: NULL for as long as usual. */
static enum status
promise(struct store_port *port, const struct store_name *name,
        const uint64_t *lease_ns, struct store_promise *out)
{
    uint64_t now_ns = clock_now_ns();
    struct part *part;
    struct entry *entry = lock_meant(port, name, &part, now_ns);
    enum status status = STATUS_MISS;
    enum tier_kind tier;

    if (entry == NULL)
        return STATUS_MISS;
    /* Metadata without its bytes promises what a GET could not keep.  Past its
     * expiry an entry lives by the lease it has, and gets no other. */
    tier = store_best_tier(port->store, entry);
    if (tier != TIER_COUNT &&
        (entry->expires_ns == 0 || entry->expires_ns > now_ns))
        status = lease_ns == NULL
                     ? store_lease(port->store, entry, now_ns)
                     : store_lease_for(port->store, entry, now_ns, *lease_ns);
    if (status == STATUS_OK) {
        entry->is_promised = true;
        out->tier = tier;
        out->body_size = entry->body_size;
    }
    index_unlock(part);
    if (status != STATUS_MISS)
        count(port->counters,
              status == STATUS_OK ? COUNTER_leases_granted
                                  : COUNTER_leases_refused,
              1);
    return status;
}

enum status
store_promise(struct store_port *port, const struct store_name *name,
              struct store_promise *out)
{
    return promise(port, name, NULL, out);
}

enum status
store_promise_for(struct store_port *port, const struct store_name *name,
                  uint64_t lease_ns, struct store_promise *out)
{
    return promise(port, name, &lease_ns, out);
}

enum status
store_exists(struct store_port *port, const struct store_name *name)
{
    struct store_promise promise;

    return store_promise(port, name, &promise);
}

enum status
store_view(struct store_port *port, const struct store_name *name,
           struct store_view *out)
{
    struct part *part;
    struct entry *entry = lock_meant(port, name, &part, clock_now_ns());

    if (entry == NULL)
        return STATUS_MISS;
    out->expires_ns = entry->expires_ns;
    out->memory = entry_footprint(entry);
    if (store_chunk(entry) != NULL)
        out->memory += chunk_footprint(entry->body_size);
    out->body_size = entry->body_size;
    out->has_body = store_is_readable(port->store, entry);
    out->form = entry->form;
    out->meta = entry_meta_copy(entry);
    index_unlock(part);
    return STATUS_OK;
}

/* The entry a name means, whether its bytes can be had now or not: what is
 * deleted on a device that is out of service must not be back with it. */
static struct entry *
lock_held(struct store_port *port, const struct store_name *name,
          struct part **part_out, uint64_t now_ns)
{
    struct part *part = index_lock(port->store->index, name->key.hash);
    struct entry *entry = store_find(port, part, &name->key, now_ns);

    if (entry != NULL && (name->forms & (1u << entry->form)) != 0 &&
        (name->part == PART_BODY ? entry_has_body(entry)
                                 : entry->meta_size != 0)) {
        *part_out = part;
        return entry;
    }
    index_unlock(part);
    return NULL;
}

enum status
store_drop(struct store_port *port, const struct store_name *name)
{
    uint64_t now_ns = clock_now_ns();
    struct part *part;
    struct entry *entry = lock_held(port, name, &part, now_ns);

    if (entry == NULL)
        return STATUS_MISS;
    store_remove(port, part, entry, now_ns);
    index_unlock(part);
    return STATUS_OK;
}

enum status
store_expire(struct store_port *port, const struct store_name *name,
             uint64_t expires_ns)
{
    struct part *part;
    uint64_t now_ns = clock_now_ns();
    struct entry *entry = lock_held(port, name, &part, now_ns);
    struct store_terms terms = {.expires_ns = expires_ns};

    if (entry == NULL)
        return STATUS_MISS;
    entry->expires_ns = store_expiry(port->store, &terms, entry, now_ns);
    if (entry->expires_ns != 0)
        atomic_store_explicit(&port->store->has_expiry, true,
                              memory_order_relaxed);
    store_note_change(port->store, entry);
    index_unlock(part);
    return STATUS_OK;
}

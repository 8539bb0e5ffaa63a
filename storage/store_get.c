/* SPDX-License-Identifier: Apache-2.0 */
/* What is asked of an entry: its bytes, whether it is there, its end. */
#include "storage/store_state.h"

#include "base/clock.h"

#include <assert.h>
#include <string.h>

/* The entry a name means, with its part locked; else NULL, unlocked. */
static struct entry *
lock_meant(struct store_port *port, const struct store_name *name,
           struct part **part_out, uint64_t now_ns)
{
    struct part *part = index_lock(port->store->index, name->key.hash);
    struct entry *entry = store_find(port, part, &name->key, now_ns);

    if (entry != NULL && store_is_meant(entry, name)) {
        *part_out = part;
        return entry;
    }
    index_unlock(part);
    return NULL;
}

static void
copy_meta(const struct entry *entry, struct chunk_meta *meta_out)
{
    meta_out->size = entry->meta_size;
    memcpy(meta_out->bytes, entry_meta(entry), entry->meta_size);
}

enum progress
store_get_start(struct store_port *port, struct store_get *get,
                const struct store_name *name)
{
    struct part *part;
    struct entry *entry = lock_meant(port, name, &part, clock_now_ns());
    struct transfer *transfer = &get->transfer;

    transfer->chunk = NULL;
    get->status = STATUS_MISS;
    if (entry == NULL)
        return FINISHED;
    part_touch(part, entry);
    copy_meta(entry, &get->meta);
    get->form = entry->form;
    get->status = STATUS_OK;
    if (entry->has_body) {
        transfer->key = name->key;
        transfer->sequence = entry->sequence;
        transfer->size = entry->body_size;
        transfer->place = entry->place;
        /* DRAM finishes at once, so that this may be asked under the lock,
         * which keeps the place true. */
        if (tier_get(port->store->dram, transfer) != FINISHED)
            assert(!"DRAM finishes at once");
        get->status = transfer->status;
    }
    index_unlock(part);
    return FINISHED;
}

enum status
store_exists(struct store_port *port, const struct store_name *name)
{
    uint64_t now_ns = clock_now_ns();
    struct part *part;
    struct entry *entry = lock_meant(port, name, &part, now_ns);
    enum status status = STATUS_MISS;

    if (entry == NULL)
        return STATUS_MISS;
    /* Metadata without its bytes promises what a GET could not keep.  Past its
     * expiry an entry lives by the lease it has, and gets no other. */
    if (entry->has_body &&
        (entry->expires_ns == 0 || entry->expires_ns > now_ns))
        status = lease_grant(port->store->leases, now_ns, entry->body_size,
                             &entry->leased_until_ns);
    index_unlock(part);
    if (status != STATUS_MISS)
        count(port->counters,
              status == STATUS_OK ? COUNTER_leases_granted
                                  : COUNTER_leases_refused,
              1);
    return status;
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
    if (entry->has_body)
        out->memory += chunk_footprint(entry->body_size);
    out->body_size = entry->body_size;
    out->has_body = entry->has_body;
    out->form = entry->form;
    copy_meta(entry, &out->meta);
    index_unlock(part);
    return STATUS_OK;
}

enum status
store_drop(struct store_port *port, const struct store_name *name)
{
    uint64_t now_ns = clock_now_ns();
    struct part *part;
    struct entry *entry = lock_meant(port, name, &part, now_ns);

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
    struct entry *entry = lock_meant(port, name, &part, now_ns);
    struct store_terms terms = {.expires_ns = expires_ns};

    if (entry == NULL)
        return STATUS_MISS;
    entry->expires_ns = store_expiry(port->store, &terms, entry, now_ns);
    if (entry->expires_ns != 0)
        atomic_store_explicit(&port->store->has_expiry, true,
                              memory_order_relaxed);
    index_unlock(part);
    return STATUS_OK;
}

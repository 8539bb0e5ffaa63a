/* SPDX-License-Identifier: Apache-2.0 */
/* Opening and closing, limits, what is used, and the care of entries that
 * every operation shares. */
#include "storage/store.h"

#include "base/clock.h"
#include "proto/object_name.h"
#include "storage/store_state.h"

#include <assert.h>
#include <stdlib.h>

/* Enough parts that workers seldom meet at one. */
static unsigned
part_count(unsigned workers)
{
    unsigned parts = 16;

    while (parts < workers * 4 && parts < 256)
        parts *= 2;
    return parts;
}

enum status
store_open(const struct store_limits *limits, struct store **store_out)
{
    struct store *store = calloc(1, sizeof(*store));
    struct tier_env env = {0};

    if (store == NULL)
        return STATUS_NO_SPACE;
    store->inflight_size = limits->inflight;
    if (pool_open(limits->dram_size, limits->prefault, &store->pool) !=
            STATUS_OK ||
        index_open(limits->index_memory, part_count(limits->workers),
                   &policy_lru, &store->index) != STATUS_OK ||
        tier_open(TIER_DRAM, &env, &store->dram) != STATUS_OK ||
        lease_open(limits->lease_ns, limits->dram_size / 4, &store->leases) !=
            STATUS_OK) {
        store_close(&store);
        return STATUS_NO_SPACE;
    }
    store_set_limits(store, limits);
    *store_out = store;
    return STATUS_OK;
}

void
store_set_limits(struct store *store, const struct store_limits *limits)
{
    uint64_t most = pool_size(store->pool) / 2;

    if (most > store->inflight_size)
        most = store->inflight_size;
    if (most > limits->value_max)
        most = limits->value_max;
    atomic_store(&store->value_max, most);
    atomic_store(&store->put_wait_ns, limits->put_wait_ns);
    atomic_store(&store->ttl_ns, limits->ttl_ns);
    lease_set_duration(store->leases, limits->lease_ns);
}

static void
free_found(void *arg, struct part *part, struct entry *entry)
{
    struct store *store = arg;

    part_unlink(part, entry);
    if (entry->has_body)
        tier_drop(store->dram, &entry->place, entry->body_size);
    entry_free(store->index, entry);
}

void
store_close(struct store **store_in)
{
    struct store *store = *store_in;

    if (store == NULL)
        return;
    *store_in = NULL;
    if (store->index != NULL && store->dram != NULL)
        for (uint64_t i = 0; i < index_buckets(store->index); i++)
            index_walk_bucket(store->index, i, free_found, store);
    tier_close(&store->dram);
    lease_close(&store->leases);
    index_close(&store->index);
    pool_close(&store->pool);
    free(store);
}

bool
store_is_meant(const struct entry *entry, const struct store_name *name)
{
    if ((name->forms & (1u << entry->form)) == 0)
        return false;
    return name->part == PART_BODY ? entry->has_body : entry->meta_size != 0;
}

unsigned
store_name_count(const struct entry *entry)
{
    if (entry->kind == KEY_PLAIN || entry->form == FORM_LM)
        return 1;
    return (unsigned)entry->has_body + (entry->meta_size != 0);
}

void
store_count_names(struct store *store, const struct entry *entry, int sign)
{
    atomic_fetch_add_explicit(&store->names[entry->space],
                              (uint64_t)(sign * (int)store_name_count(entry)),
                              memory_order_relaxed);
}

void
store_link(struct store_port *port, struct part *part, struct entry *entry)
{
    part_link(part, entry);
    store_count_names(port->store, entry, 1);
    if (entry->expires_ns != 0)
        atomic_store_explicit(&port->store->has_expiry, true,
                              memory_order_relaxed);
}

void
store_remove(struct store_port *port, struct part *part, struct entry *entry,
             uint64_t now_ns)
{
    struct store *store = port->store;

    part_unlink(part, entry);
    store_count_names(store, entry, -1);
    lease_end(store->leases, now_ns, entry->body_size, entry->leased_until_ns);
    if (entry->has_body && !entry->is_body_moved)
        tier_drop(store->dram, &entry->place, entry->body_size);
    entry_free(store->index, entry);
}

void
store_move_lease(struct store_port *port, struct entry *entry,
                 struct entry *old, uint64_t now_ns)
{
    struct lease_account *leases = port->store->leases;

    if (old->leased_until_ns <= now_ns)
        return;
    if (entry->body_size == old->body_size) {
        entry->leased_until_ns = old->leased_until_ns;
    } else {
        lease_end(leases, now_ns, old->body_size, old->leased_until_ns);
        if (lease_grant(leases, now_ns, entry->body_size,
                        &entry->leased_until_ns) != STATUS_OK)
            count(port->counters, COUNTER_leases_refused, 1);
    }
    old->leased_until_ns = 0;
}

struct entry *
store_find(struct store_port *port, struct part *part, const struct key *key,
           uint64_t now_ns)
{
    struct entry *entry = part_find(part, key);

    if (entry == NULL || entry->expires_ns == 0 || entry->expires_ns > now_ns ||
        entry->leased_until_ns > now_ns)
        return entry;
    count(port->counters, COUNTER_expirations, 1);
    store_remove(port, part, entry, now_ns);
    return NULL;
}

void
store_usage(struct store *store, struct store_usage *out)
{
    struct tier_usage dram;

    tier_usage(store->dram, &dram);
    out->dram_size = pool_size(store->pool);
    out->dram_used = out->dram_size - pool_free_bytes(store->pool);
    out->value_bytes = dram.bytes_used;
    out->chunks = dram.chunks;
    out->entries = index_entries(store->index);
    out->index_size = index_memory_size(store->index);
    out->index_used = index_memory_used(store->index);
    out->inflight_size = store->inflight_size;
    out->inflight_used = atomic_load(&store->inflight_used);
    out->leased_bytes = lease_bytes(store->leases, clock_now_ns());
}

uint64_t
store_names(struct store *store, unsigned space)
{
    assert(space < STORE_SPACES);
    return atomic_load_explicit(&store->names[space], memory_order_relaxed);
}

uint64_t
store_value_max(const struct store *store)
{
    return atomic_load_explicit(&store->value_max, memory_order_relaxed);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Opening and closing, limits, what is used, and the care of entries that
 * every operation shares. */
#include "storage/store.h"

#include "base/clock.h"
#include "proto/object_name.h"
#include "storage/mover.h"
#include "storage/store_state.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* What the policy remembers is made for chunks of at least so many bytes. */
#define CHUNK_LEAST (64u << 10)

/* Enough parts that workers seldom meet at one. */
static unsigned
part_count(unsigned workers)
{
    unsigned parts = 16;

    while (parts < workers * 4 && parts < 256)
        parts *= 2;
    return parts;
}

/* For a tier: room for what it reads, on the thread that asked. */
static bool
make_room(struct port *port, uint64_t bytes)
{
    return store_make_room(port_owner(port), bytes);
}

static enum status
open_leases(struct store *store, const struct store_limits *limits)
{
    uint64_t caps[TIER_COUNT] = {[TIER_DRAM] = limits->dram_size / 4,
                                 [TIER_NVME] = limits->nvme.device.size / 4,
                                 [TIER_SPILL] = limits->spill.device.size / 4};

    for (unsigned tier = 0; tier < TIER_COUNT; tier++)
        if (lease_open(limits->lease_ns, caps[tier], &store->leases[tier]) !=
            STATUS_OK)
            return STATUS_NO_SPACE;
    return STATUS_OK;
}

/* The lower tiers, what they have kept, and who writes to them. */
static enum status
open_lower(struct store *store, const struct store_limits *limits)
{
    struct tier_env env = {.nvme = &limits->nvme.device,
                           .spill = &limits->spill.device,
                           .pool = store->pool,
                           .make_room = make_room};
    enum status status = STATUS_OK;

    if (limits->nvme.device.path == NULL && limits->spill.device.path == NULL)
        return STATUS_OK;
    if (limits->nvme.device.path != NULL)
        status = tier_open(TIER_NVME, &env, &store->tiers[TIER_NVME]);
    if (status == STATUS_OK && limits->spill.device.path != NULL)
        status = tier_open(TIER_SPILL, &env, &store->tiers[TIER_SPILL]);
    if (status == STATUS_OK)
        status = mover_open(store, limits->mover_counters, &store->mover);
    if (status == STATUS_OK)
        status = store_recover(mover_store_port(store->mover));
    if (status == STATUS_OK)
        status = mover_start(store->mover);
    return status;
}

static enum status
open_parts(struct store *store, const struct store_limits *limits)
{
    struct tier_env env = {.pool = NULL};
    const struct index_plan plan = {
        .memory = limits->index_memory,
        .parts = part_count(limits->workers),
        .policy = limits->policy != NULL ? limits->policy : &policy_adaptive,
        .warm_most = limits->dram_size / CHUNK_LEAST,
        .has_lower = limits->nvme.device.path != NULL ||
                     limits->spill.device.path != NULL};

    if (pool_open(limits->dram_size, limits->prefault, &store->pool) !=
            STATUS_OK ||
        index_open(&plan, &store->index) != STATUS_OK ||
        tier_open(TIER_DRAM, &env, &store->tiers[TIER_DRAM]) != STATUS_OK ||
        open_leases(store, limits) != STATUS_OK)
        return STATUS_NO_SPACE;
    return STATUS_OK;
}

enum status
store_open(const struct store_limits *limits, struct store **store_out)
{
    struct store *store = calloc(1, sizeof(*store));
    enum status status;

    if (store == NULL)
        return STATUS_NO_SPACE;
    pthread_mutex_init(&store->flight_lock, NULL);
    store->inflight_size = limits->inflight;
    store->lower[TIER_SPILL].inflight = limits->spill.device.inflight;
    store->on_event = limits->on_event;
    store->event_arg = limits->event_arg;
    status = open_parts(store, limits);
    if (status == STATUS_OK) {
        store_set_limits(store, limits);
        status = open_lower(store, limits);
    }
    if (status != STATUS_OK) {
        store_close(&store);
        return status;
    }
    *store_out = store;
    return STATUS_OK;
}

static void
set_lower(struct store_lower *lower, uint64_t read_wait_ns, uint64_t write_max,
          unsigned reinsert)
{
    atomic_store(&lower->read_wait_ns, read_wait_ns);
    atomic_store(&lower->write_max, write_max);
    atomic_store(&lower->reinsert, reinsert);
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
    atomic_store(&store->write, limits->nvme.write);
    atomic_store(&store->queue_size, limits->nvme.queue);
    set_lower(&store->lower[TIER_NVME], limits->nvme.read_wait_ns,
              limits->nvme.write_max, limits->nvme.reinsert);
    set_lower(&store->lower[TIER_SPILL], limits->spill.read_wait_ns,
              limits->spill.write_max, limits->spill.reinsert);
    for (unsigned tier = 0; tier < TIER_COUNT; tier++)
        lease_set_duration(store->leases[tier], limits->lease_ns,
                           limits->lease_most_ns);
}

static void
free_found(void *arg, struct part *part, struct entry *entry)
{
    struct store *store = arg;

    assert(entry->flight == NULL);
    part_unlink(part, entry);
    for (unsigned tier = 0; tier < TIER_COUNT; tier++)
        if (entry_is_in(entry, tier))
            tier_drop(store->tiers[tier], &entry->places[tier],
                      entry->body_size);
    entry_free(store->index, entry);
}

void
store_close(struct store **store_in)
{
    struct store *store = *store_in;

    if (store == NULL)
        return;
    *store_in = NULL;
    mover_close(&store->mover);
    if (store->index != NULL && store->tiers[TIER_DRAM] != NULL)
        for (uint64_t i = 0; i < index_buckets(store->index); i++)
            index_walk_bucket(store->index, i, free_found, store);
    for (unsigned tier = 0; tier < TIER_COUNT; tier++) {
        tier_close(&store->tiers[tier]);
        lease_close(&store->leases[tier]);
    }
    index_close(&store->index);
    pool_close(&store->pool);
    pthread_mutex_destroy(&store->flight_lock);
    free(store);
}

bool
store_is_meant(const struct store *store, const struct entry *entry,
               const struct store_name *name)
{
    if ((name->forms & (1u << entry->form)) == 0)
        return false;
    return name->part == PART_BODY ? store_is_readable(store, entry)
                                   : entry->meta_size != 0;
}

unsigned
store_name_count(const struct entry *entry)
{
    if (entry->kind == KEY_PLAIN || entry->form == FORM_LM)
        return 1;
    return (unsigned)entry_has_body(entry) + (entry->meta_size != 0);
}

void
store_count_names(struct store *store, const struct entry *entry, int sign)
{
    atomic_fetch_add_explicit(&store->names[entry->space],
                              (uint64_t)(sign * (int)store_name_count(entry)),
                              memory_order_relaxed);
}

void
store_link(struct store_port *port, struct part *part, struct entry *entry,
           struct index_access *access)
{
    part_link(part, entry, access);
    store_count_names(port->store, entry, 1);
    store_tell_stored(port->store, entry);
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
    store_tell_removed(store, entry);
    store_count_names(store, entry, -1);
    lease_end(store_lease_account(store, entry), now_ns, entry->body_size,
              entry->leased_until_ns);
    if (!entry->is_body_moved) {
        store_flight_leave(entry);
        store_note_gone(store, entry);
        for (unsigned tier = 0; tier < TIER_COUNT; tier++)
            if (entry_is_in(entry, tier))
                tier_drop(store->tiers[tier], &entry->places[tier],
                          entry->body_size);
        store_set_tiers(store, entry, 0);
    }
    entry_free(store->index, entry);
}

/* On the account of the lowest tier that has it. */
static struct lease_account *
choose_account(struct store *store, struct entry *entry, uint64_t now_ns)
{
    enum tier_kind tier = TIER_COUNT - 1;

    while (tier != TIER_DRAM && !entry_is_in(entry, tier))
        tier--;
    /* What is promised already is promised by that tier until it ends. */
    if (entry->leased_until_ns > now_ns)
        tier = entry->lease_tier;
    else
        entry->lease_tier = (uint8_t)tier;
    return store->leases[tier];
}

/* What is about to go is promised to nobody but who has its promise already, for
 * which it is kept. */
static bool
may_lease(const struct store *store, const struct entry *entry, uint64_t now_ns)
{
    return entry->leased_until_ns > now_ns || store_may_promise(store, entry);
}

enum status
store_lease(struct store *store, struct entry *entry, uint64_t now_ns)
{
    if (!may_lease(store, entry, now_ns))
        return STATUS_BUSY;
    return lease_grant(choose_account(store, entry, now_ns), now_ns,
                       entry->body_size, &entry->leased_until_ns);
}

enum status
store_lease_for(struct store *store, struct entry *entry, uint64_t now_ns,
                uint64_t duration_ns)
{
    if (!may_lease(store, entry, now_ns))
        return STATUS_BUSY;
    return lease_grant_for(choose_account(store, entry, now_ns), now_ns,
                           duration_ns, entry->body_size,
                           &entry->leased_until_ns);
}

void
store_move_lease(struct store_port *port, struct entry *entry,
                 struct entry *old, uint64_t now_ns)
{
    if (old->leased_until_ns <= now_ns)
        return;
    entry->is_promised = old->is_promised;
    if (entry->body_size == old->body_size) {
        entry->leased_until_ns = old->leased_until_ns;
        entry->lease_tier = old->lease_tier;
    } else {
        lease_end(store_lease_account(port->store, old), now_ns, old->body_size,
                  old->leased_until_ns);
        if (store_lease(port->store, entry, now_ns) != STATUS_OK)
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
    uint64_t now_ns = clock_now_ns();

    memset(out, 0, sizeof(*out));
    out->dram_size = pool_size(store->pool);
    out->dram_used = out->dram_size - pool_free_bytes(store->pool);
    out->entries = index_entries(store->index);
    out->index_size = index_memory_size(store->index);
    out->index_used = index_memory_used(store->index);
    out->inflight_size = store->inflight_size;
    out->inflight_used = atomic_load(&store->inflight_used);
    for (unsigned tier = 0; tier < TIER_COUNT; tier++) {
        out->leased_bytes += lease_bytes(store->leases[tier], now_ns);
        if (store->tiers[tier] != NULL)
            tier_usage(store->tiers[tier], &out->tiers[tier]);
    }
    out->has_nvme = store->tiers[TIER_NVME] != NULL;
    out->has_spill = store->tiers[TIER_SPILL] != NULL;
    for (unsigned tier = 0; store->mover != NULL && tier < TIER_COUNT; tier++) {
        out->queues[tier] =
            mover_queue_bytes(store->mover, (enum tier_kind)tier);
        out->queue_bytes += out->queues[tier];
    }
    if (out->has_nvme)
        nvme_usage(store->tiers[TIER_NVME], &out->nvme);
    if (out->has_spill)
        spill_usage(store->tiers[TIER_SPILL], &out->spill);
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

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A PUT from its head to its sealed chunk: the budget first, then pages as
 * bytes arrive, then the index.
 */
#include "storage/mover.h"
#include "storage/store_state.h"

#include "base/clock.h"

#include <string.h>
#include <sys/uio.h>

/* With less room than this and more to come, the next run is taken. */
#define ROOM_LEAST (256u << 10)
#define ROOM_STEP  (1u << 20)

static void
free_entry(struct store_port *port, struct store_put *put)
{
    if (put->entry != NULL)
        entry_free(port->store->index, put->entry);
    put->entry = NULL;
}

/* The budget is there: a header for the body. */
static enum status
begin(struct store_port *port, struct store_put *put, uint32_t size)
{
    for (;;) {
        enum status status = chunk_new(port->store->pool, size, &put->chunk);

        if (status == STATUS_OK)
            return STATUS_OK;
        if (!store_evict(port, COUNTER_evictions))
            return STATUS_NO_SPACE;
    }
}

static void
stand_in_line(struct store_port *port, struct store_put *put)
{
    put->next = NULL;
    put->is_waiting = true;
    put->deadline_ns = clock_now_ns() + atomic_load(&port->store->put_wait_ns);
    if (port->last_waiting != NULL)
        port->last_waiting->next = put;
    else
        port->first_waiting = put;
    port->last_waiting = put;
    atomic_fetch_add(&port->store->waiting, 1);
    /* What was given back between the look and the line woke nobody. */
    port_wake(port->port);
}

enum progress
store_put_start(struct store_port *port, struct store_put *put,
                const struct key *key, uint64_t size)
{
    struct store *store = port->store;

    put->chunk = NULL;
    put->entry = NULL;
    put->budget = 0;
    put->is_waiting = false;
    if (size > atomic_load_explicit(&store->value_max, memory_order_relaxed)) {
        put->status = STATUS_TOO_BIG;
        return FINISHED;
    }
    put->entry =
        store_new_entry(port, key, key->kind == KEY_OBJECT ? CHUNK_META_LM : 0);
    if (put->entry == NULL) {
        put->status = STATUS_NO_SPACE;
        return FINISHED;
    }
    put->entry->body_size = (uint32_t)size;
    put->budget = size;
    if (store_budget_take(store, size)) {
        put->status = STATUS_OK;
        return FINISHED;
    }
    if (atomic_load(&store->put_wait_ns) != 0) {
        stand_in_line(port, put);
        return PENDING;
    }
    put->budget = 0;
    free_entry(port, put);
    put->status = STATUS_BUSY;
    return FINISHED;
}

unsigned
store_put_space(struct store_port *port, struct store_put *put,
                struct iovec *vectors, unsigned max)
{
    struct chunk *chunk;
    uint32_t room, coming;

    if (put->chunk == NULL &&
        begin(port, put, put->entry->body_size) != STATUS_OK)
        return 0;
    chunk = put->chunk;
    room = chunk_room(chunk);
    coming = chunk_missing(chunk) - room;
    if (coming != 0 && room < ROOM_LEAST) {
        uint32_t step = coming < ROOM_STEP ? coming : ROOM_STEP;

        if (!store_make_room(port, step) && room == 0)
            return 0;
        while (chunk_grow(chunk, step) != STATUS_OK)
            if (!store_evict(port, COUNTER_evictions))
                return 0;
    }
    return chunk_space(chunk, vectors, max);
}

enum status
store_put_copy(struct store_port *port, struct store_put *put,
               const void *bytes, uint32_t n)
{
    const uint8_t *at = bytes;

    if (put->chunk == NULL &&
        begin(port, put, put->entry->body_size) != STATUS_OK)
        return STATUS_NO_SPACE;
    while (n != 0) {
        struct iovec vector;
        uint32_t size;

        if (store_put_space(port, put, &vector, 1) == 0)
            return STATUS_NO_SPACE;
        size = chunk_room(put->chunk) < n ? chunk_room(put->chunk) : n;
        chunk_copy_in(put->chunk, at, size);
        at += size;
        n -= size;
    }
    return STATUS_OK;
}

static void
leave_waiting(struct store_port *port, struct store_put *put)
{
    struct store_put **at = &port->first_waiting, *last = NULL;

    while (*at != put) {
        last = *at;
        at = &(*at)->next;
    }
    *at = put->next;
    if (put->next == NULL)
        port->last_waiting = last;
    /* There may be enough for the one that was behind it. */
    else if (last == NULL)
        port_wake(port->port);
    put->is_waiting = false;
    put->budget = 0;
    atomic_fetch_sub(&port->store->waiting, 1);
}

void
store_put_cancel(struct store_port *port, struct store_put *put)
{
    if (put->is_waiting)
        leave_waiting(port, put);
    chunk_drop(&put->chunk);
    free_entry(port, put);
    store_budget_give(port->store, put->budget);
    put->budget = 0;
}

uint64_t
store_put_checksum(struct store_put *put)
{
    if (put->chunk->state == CHUNK_FILLING)
        chunk_seal(put->chunk);
    return put->chunk->checksum;
}

struct key
store_put_key(const struct store_put *put)
{
    return entry_key(put->entry);
}

/* Is the metadata there that this body belongs to? */
static bool
is_other_half(const struct entry *old, const struct store_terms *terms)
{
    return terms->is_half && terms->meta == NULL && old != NULL &&
           !entry_has_body(old) && old->form == terms->form;
}

/* One entry, one expiry: that of the half that came first stands unless this
 * one has its own. */
static uint64_t
expiry_of(const struct store *store, const struct store_terms *terms,
          const struct entry *old, uint64_t now_ns)
{
    struct store_terms joined = *terms;

    if (is_other_half(old, terms) && terms->expires_ns == 0)
        joined.keep_expiry = true;
    return store_expiry(store, &joined, old, now_ns);
}

/* What of the old entry goes on in the new one. */
static void
inherit(struct entry *entry, const struct entry *old,
        const struct store_terms *terms)
{
    if (terms->meta != NULL)
        entry_set_meta(entry, terms->meta->bytes, terms->meta->size);
    else if (is_other_half(old, terms) && old->meta_size <= entry->meta_room)
        entry_set_meta(entry, entry_meta(old), old->meta_size);
}

/* An equal value keeps its place. */
static bool
has_same_body(const struct store *store, const struct entry *old,
              const struct chunk *chunk)
{
    return old != NULL && entry_has_body(old) &&
           store_is_readable(store, old) && old->body_size == chunk->size &&
           old->checksum == chunk->checksum;
}

/* It may be what the mover is to write. */
static void
tell_mover(struct store *store, struct entry *entry,
           enum policy_lower_reason reason)
{
    if (store->mover != NULL)
        mover_put(store->mover, entry, reason);
}

/* The same bytes again: what is in a lower tier comes to DRAM without a read. */
static void
keep_body(struct store *store, struct part *part, struct entry *entry,
          struct entry *old, struct chunk *chunk)
{
    store_take_body(entry, old);
    policy_lower_hit(&entry->lower);
    if (store_chunk(entry) == NULL)
        store_place_dram(store, part, entry, chunk, NULL);
}

static bool
is_changed(const struct entry *entry, const struct entry *old)
{
    return entry->expires_ns != old->expires_ns || entry->form != old->form ||
           entry->meta_size != old->meta_size ||
           memcmp(entry_meta(entry), entry_meta(old), old->meta_size) != 0;
}

static void
place_body(struct store_port *port, struct part *part, struct entry *entry,
           struct chunk *chunk)
{
    entry->checksum = chunk->checksum;
    entry->lower = (struct policy_lower){0};
    store_place_dram(port->store, part, entry, chunk, NULL);
    count(port->counters, COUNTER_puts_stored, 1);
    count(port->counters, COUNTER_put_bytes, chunk->size);
}

/* Does the body belong to metadata that is there and would not fit into the
 * entry that was made for the body? */
static bool
is_awaited(const struct entry *entry, const struct entry *old,
           const struct store_terms *terms)
{
    return is_other_half(old, terms) && old->meta_size > entry->meta_room;
}

/* The body joins the metadata where that is. */
static void
join(struct store_port *port, struct part *part, struct entry *old,
     struct store_put *put, struct index_access *access)
{
    uint64_t expires_ns = put->entry->expires_ns;

    store_count_names(port->store, old, -1);
    old->body_size = put->entry->body_size;
    old->sequence = put->entry->sequence;
    old->expires_ns = expires_ns;
    if (expires_ns != 0)
        atomic_store_explicit(&port->store->has_expiry, true,
                              memory_order_relaxed);
    place_body(port, part, old, put->chunk);
    store_tell_stored(port->store, old);
    put->is_new = true;
    store_count_names(port->store, old, 1);
    part_touch(part, old, access);
    tell_mover(port->store, old, POLICY_LOWER_PUT);
}

/* The new entry takes the place of the old one, if there is one. */
static void
supersede(struct store_port *port, struct part *part, struct entry *old,
          struct store_put *put, struct index_access *access)
{
    struct store *store = port->store;
    uint64_t now_ns = clock_now_ns();
    struct entry *entry = put->entry;
    bool is_same = has_same_body(store, old, put->chunk);

    put->is_new = !is_same;
    if (is_same) {
        keep_body(store, part, entry, old, put->chunk);
        if (is_changed(entry, old))
            store_note_change(store, entry);
        count(port->counters, COUNTER_puts_same, 1);
    } else {
        place_body(port, part, entry, put->chunk);
        if (old != NULL)
            store_tell_same(entry, old);
    }
    if (old != NULL) {
        store_move_lease(port, entry, old, now_ns);
        if (entry_has_body(old))
            entry->node.uses = old->node.uses;
        entry->node.is_first = old->node.is_first;
        store_remove(port, part, old, now_ns);
    }
    store_link(port, part, entry, access);
    tell_mover(store, entry, is_same ? POLICY_LOWER_HIT : POLICY_LOWER_PUT);
    put->entry = NULL;
}

static enum status
finish(struct store_port *port, struct store_put *put,
       const struct store_terms *terms)
{
    struct store *store = port->store;
    struct entry *entry = put->entry, *old;
    struct key key = entry_key(entry);
    uint64_t now_ns = clock_now_ns();
    struct index_access access = {.run = terms->run, .step = POLICY_PUT};
    uint64_t hash = key.hash;
    struct part *part;

    (void)store_put_checksum(put);
    entry->form = terms->form;
    entry->sequence = atomic_fetch_add(&store->sequence, 1) + 1;
    part = index_lock(store->index, key.hash);
    old = store_find(port, part, &key, now_ns);
    if (!store_is_met(terms, old, PART_BODY)) {
        index_unlock(part);
        count(port->counters, COUNTER_puts_unmet, 1);
        store_put_cancel(port, put);
        return STATUS_UNMET;
    }
    entry->expires_ns = expiry_of(store, terms, old, now_ns);
    if (is_awaited(entry, old, terms)) {
        join(port, part, old, put, &access);
    } else {
        inherit(entry, old, terms);
        supersede(port, part, old, put, &access);
    }
    index_unlock(part);
    if (access.has_tail)
        index_end_run(store->index, access.tail);
    if (store->mover != NULL && access.policy.previous != 0)
        (void)index_follow(store->index, access.policy.previous, hash);
    store_put_cancel(port, put);
    mover_nudge(store->mover);
    return STATUS_OK;
}

/* Room was made for the metadata that lm:// has: more takes another entry. */
static enum status
fit_meta(struct store_port *port, struct store_put *put,
         const struct chunk_meta *meta)
{
    struct entry *narrow = put->entry, *entry;
    struct key key = entry_key(narrow);

    if (meta == NULL || meta->size <= narrow->meta_room)
        return STATUS_OK;
    entry = store_new_entry(port, &key, meta->size);
    if (entry == NULL)
        return STATUS_NO_SPACE;
    entry->body_size = narrow->body_size;
    entry_free(port->store->index, narrow);
    put->entry = entry;
    return STATUS_OK;
}

enum status
store_put_finish(struct store_port *port, struct store_put *put,
                 const struct store_terms *terms)
{
    enum status status = fit_meta(port, put, terms->meta);

    if (status != STATUS_OK)
        store_put_cancel(port, put);
    return status == STATUS_OK ? finish(port, put, terms) : status;
}

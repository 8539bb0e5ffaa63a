/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The metadata half of an object, where it is written by a request of its own,
 * and the terms that both halves are written under.
 */
#include "storage/store_state.h"

#include "base/clock.h"
#include "proto/object_name.h"

uint64_t
store_expiry(const struct store *store, const struct store_terms *terms,
             const struct entry *old, uint64_t now_ns)
{
    uint64_t ttl_ns =
        atomic_load_explicit(&store->ttl_ns, memory_order_relaxed);
    uint64_t expires_ns = terms->expires_ns;

    if (terms->keep_expiry && old != NULL)
        expires_ns = old->expires_ns;
    if (ttl_ns != 0 && (expires_ns == 0 || expires_ns > now_ns + ttl_ns))
        expires_ns = now_ns + ttl_ns;
    return expires_ns;
}

bool
store_is_met(const struct store_terms *terms, const struct entry *old,
             enum store_part part)
{
    bool is_present =
        old != NULL && (terms->present_forms & (1u << old->form)) != 0 &&
        (part == PART_BODY ? entry_has_body(old) : old->meta_size != 0);

    switch (terms->condition) {
    case STORE_ALWAYS:
        return true;
    case STORE_IF_ABSENT:
        return !is_present;
    case STORE_IF_PRESENT:
        return is_present;
    }
    return false;
}

/* Writes into the entry that is there. */
static void
rewrite(struct store_port *port, struct entry *entry,
        const struct store_terms *terms, uint64_t now_ns)
{
    store_count_names(port->store, entry, -1);
    entry_set_meta(entry, terms->meta->bytes, terms->meta->size);
    store_count_names(port->store, entry, 1);
    /* One entry, one expiry: the bytes' own stands unless this one has one. */
    if (terms->expires_ns != 0)
        entry->expires_ns = store_expiry(port->store, terms, entry, now_ns);
    if (entry->expires_ns != 0)
        atomic_store_explicit(&port->store->has_expiry, true,
                              memory_order_relaxed);
    store_note_change(port->store, entry);
}

/* Links a fresh entry, which takes over the body of the old one where both are
 * spelled alike. */
static void
replace(struct store_port *port, struct part *part, struct entry *entry,
        struct entry *old, const struct store_terms *terms)
{
    uint64_t now_ns = clock_now_ns();

    if (old != NULL && entry_has_body(old) && old->form == entry->form) {
        store_take_body(entry, old);
        entry->node.uses = old->node.uses;
        if (terms->expires_ns == 0)
            entry->expires_ns = old->expires_ns;
        store_move_lease(port, entry, old, now_ns);
        store_note_change(port->store, entry);
    }
    if (old != NULL)
        store_remove(port, part, old, now_ns);
    /* Its uses are the old one's. */
    store_link(port, part, entry, NULL);
}

enum status
store_set_meta(struct store_port *port, const struct key *key,
               const struct store_terms *terms)
{
    struct store *store = port->store;
    uint8_t size = terms->meta->size;
    uint64_t now_ns = clock_now_ns();
    struct entry *entry, *old;
    struct part *part;
    enum status status = STATUS_OK;

    /* Made before the lock, because making it may evict. */
    entry =
        store_new_entry(port, key, size > CHUNK_META_LM ? size : CHUNK_META_LM);
    if (entry == NULL)
        return STATUS_NO_SPACE;
    entry->form = terms->form;
    entry_set_meta(entry, terms->meta->bytes, size);
    entry->sequence = atomic_fetch_add(&store->sequence, 1) + 1;
    part = index_lock(store->index, key->hash);
    old = store_find(port, part, key, now_ns);
    if (!store_is_met(terms, old, PART_META)) {
        status = STATUS_UNMET;
    } else if (old != NULL && size <= old->meta_room &&
               (old->form == terms->form || old->form == FORM_LM)) {
        rewrite(port, old, terms, now_ns);
    } else {
        entry->expires_ns = store_expiry(store, terms, old, now_ns);
        replace(port, part, entry, old, terms);
        entry = NULL;
    }
    index_unlock(part);
    if (entry != NULL)
        entry_free(store->index, entry);
    return status;
}

void
store_withdraw_meta(struct store_port *port, const struct store_name *name)
{
    struct part *part = index_lock(port->store->index, name->key.hash);
    uint64_t now_ns = clock_now_ns();
    struct entry *entry = store_find(port, part, &name->key, now_ns);

    if (entry != NULL && store_is_meant(port->store, entry, name)) {
        if (entry_has_body(entry)) {
            store_count_names(port->store, entry, -1);
            entry_set_meta(entry, NULL, 0);
            store_count_names(port->store, entry, 1);
            store_note_change(port->store, entry);
        } else {
            store_remove(port, part, entry, now_ns);
        }
    }
    index_unlock(part);
}

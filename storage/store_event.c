/* SPDX-License-Identifier: Apache-2.0 */
/* Tells whoever asked for it which keys have come and gone: once each, whatever
 * becomes of the bodies under them. */
#include "storage/store_state.h"

static void
tell(struct store *store, enum store_event_kind kind, const struct entry *entry)
{
    struct store_event event = {.kind = kind};

    if (store->on_event == NULL)
        return;
    event.key = entry_key(entry);
    store->on_event(store->event_arg, &event);
}

void
store_tell_stored(struct store *store, struct entry *entry)
{
    if (entry->is_told || !entry_has_body(entry))
        return;
    entry->is_told = true;
    tell(store, STORE_STORED, entry);
}

void
store_tell_removed(struct store *store, struct entry *entry)
{
    if (!entry->is_told)
        return;
    entry->is_told = false;
    tell(store, STORE_REMOVED, entry);
}

void
store_tell_same(struct entry *entry, struct entry *old)
{
    entry->is_told = old->is_told;
    old->is_told = false;
}

void
store_tell_cleared(struct store *store, unsigned space)
{
    const struct store_event event = {.kind = STORE_CLEARED,
                                      .key.space = (uint16_t)space};

    if (store->on_event != NULL)
        store->on_event(store->event_arg, &event);
}

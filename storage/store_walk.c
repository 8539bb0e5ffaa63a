/* SPDX-License-Identifier: Apache-2.0 */
/* Walks over all entries: listing them, and deleting them by namespace. */
#include "storage/store_state.h"

#include "base/clock.h"

struct flush {
    struct store_port *port;
    unsigned space;
    uint64_t now_ns;
};

static void
flush_found(void *arg, struct part *part, struct entry *entry)
{
    struct flush *flush = arg;

    if (flush->space == STORE_ALL_SPACES || flush->space == entry->space)
        store_remove(flush->port, part, entry, flush->now_ns);
}

void
store_flush(struct store_port *port, unsigned space)
{
    struct index *index = port->store->index;
    struct flush flush = {port, space, clock_now_ns()};

    for (uint64_t i = 0; i < index_buckets(index); i++)
        index_walk_bucket(index, i, flush_found, &flush);
}

struct walk {
    store_seen_fn *seen;
    void *arg;
    unsigned count;
    uint64_t now_ns;
};

static void
walk_found(void *arg, struct part *part, struct entry *entry)
{
    struct walk *walk = arg;
    struct store_seen seen = {.key = entry_key(entry),
                              .form = entry->form,
                              .has_body = entry->has_body,
                              .has_meta = entry->meta_size != 0};

    (void)part;
    if (entry->expires_ns != 0 && entry->expires_ns <= walk->now_ns &&
        entry->leased_until_ns <= walk->now_ns)
        return;
    walk->count++;
    walk->seen(walk->arg, &seen);
}

void
store_walk(struct store_port *port, uint64_t *cursor, unsigned least,
           store_seen_fn *seen, void *arg)
{
    struct index *index = port->store->index;
    struct walk walk = {seen, arg, 0, clock_now_ns()};

    while (*cursor < index_buckets(index) && walk.count < least)
        index_walk_bucket(index, (*cursor)++, walk_found, &walk);
    if (*cursor >= index_buckets(index))
        *cursor = 0;
}

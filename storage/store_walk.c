/* SPDX-License-Identifier: Apache-2.0 */
/* Walks over all entries: listing them, and deleting them by namespace. */
#include "storage/store_state.h"

#include "base/clock.h"

/* What one call does at most, so that it keeps nobody waiting: buckets of a
 * table with little in it, and entries deleted. */
#define BUCKETS_MOST (1u << 20)
#define FLUSH_MOST   256u

struct flush {
    struct store_port *port;
    unsigned space, count;
    uint64_t now_ns;
};

static void
flush_found(void *arg, struct part *part, struct entry *entry)
{
    struct flush *flush = arg;

    flush->count++;
    if (flush->space == STORE_ALL_SPACES || flush->space == entry->space)
        store_remove(flush->port, part, entry, flush->now_ns);
}

/* The next bucket with something in it, of those this call may look at; false
 * (and *cursor where the next call goes on) when there is none. */
static bool
next_bucket(struct index *index, uint64_t *cursor, uint64_t end)
{
    *cursor = index_skip_empty(index, *cursor, end);
    return *cursor < end;
}

static uint64_t
end_of_share(const struct index *index, uint64_t cursor)
{
    uint64_t buckets = index_buckets(index);

    return cursor < buckets && buckets - cursor > BUCKETS_MOST
               ? cursor + BUCKETS_MOST
               : buckets;
}

bool
store_flush_some(struct store_port *port, unsigned space, uint64_t *cursor)
{
    struct index *index = port->store->index;
    struct flush flush = {port, space, 0, clock_now_ns()};
    uint64_t end = end_of_share(index, *cursor);

    if (*cursor == 0)
        store_tell_cleared(port->store, space);
    while (flush.count < FLUSH_MOST && next_bucket(index, cursor, end))
        index_walk_bucket(index, (*cursor)++, flush_found, &flush);
    return *cursor < index_buckets(index);
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
                              .tiers = entry->tiers,
                              .body_size = entry->body_size,
                              .has_body = entry_has_body(entry),
                              .has_meta = entry->meta_size != 0};

    (void)part;
    if (entry->expires_ns != 0 && entry->expires_ns <= walk->now_ns &&
        entry->leased_until_ns <= walk->now_ns)
        return;
    walk->count++;
    walk->seen(walk->arg, &seen);
}

void
store_list(struct store *store, uint64_t *cursor, unsigned least,
           store_seen_fn *seen, void *arg)
{
    struct index *index = store->index;
    struct walk walk = {seen, arg, 0, clock_now_ns()};
    uint64_t end = end_of_share(index, *cursor);

    while (walk.count < least && next_bucket(index, cursor, end))
        index_walk_bucket(index, (*cursor)++, walk_found, &walk);
    if (*cursor >= index_buckets(index))
        *cursor = 0;
}

void
store_walk(struct store_port *port, uint64_t *cursor, unsigned least,
           store_seen_fn *seen, void *arg)
{
    store_list(port->store, cursor, least, seen, arg);
}

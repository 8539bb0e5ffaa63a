/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hash table of handles that grows by one bucket at a time (linear hashing),
 * in pages of an arena, so that no insertion ever pays for all.  Items of a
 * bucket are chained through a field of their own.
 *
 * When a bucket is divided, its items stay or go to the new bucket, which has
 * the highest number: a walk from the lowest to the highest meets each item that
 * is there all the time at least once.  A table does not shrink.
 *
 * One thread at a time.
 */
#ifndef INDEX_TABLE_H
#define INDEX_TABLE_H

#include "server/index/arena.h"

#define TABLE_PAGE_BUCKETS (ARENA_PAGE / (uint32_t)sizeof(uint32_t))

/* What a table has to know of its items. */
struct table_items {
    uint32_t (*hash)(void *owner, uint32_t item);
    uint32_t *(*next)(void *owner, uint32_t item); /* 0 at the chain's end */
    void *owner;
};

struct table {
    struct arena *arena;
    uint32_t *page; /* numbers of its pages, in the caller's memory */
    uint32_t pages_max;
    uint32_t buckets;
    uint32_t half; /* the greatest power of two below or at `buckets` */
    uint32_t items;
};

/* Takes a page, which must be there.  pages[pages_max] lives as long. */
void table_open(struct table *, struct arena *, uint32_t *pages,
                uint32_t pages_max);

static inline uint32_t
table_bucket(const struct table *table, uint32_t hash)
{
    uint32_t bucket = hash & (2 * table->half - 1);

    return bucket < table->buckets ? bucket : hash & (table->half - 1);
}

/* The first item's handle, 0 for none. */
static inline uint32_t *
table_head(const struct table *table, uint32_t bucket)
{
    uint32_t page = table->page[bucket / TABLE_PAGE_BUCKETS];

    return (uint32_t *)arena_page_at(table->arena, page) +
           bucket % TABLE_PAGE_BUCKETS;
}

/* In front of its chain.  May take one page, which must be there. */
void table_add(struct table *, const struct table_items *, uint32_t item);
/* The word that holds the item's handle: a head or a `next`.  It must be in the
 * table, though its bytes may be at another handle already: `hash` is its. */
uint32_t *table_link(const struct table *, const struct table_items *,
                     uint32_t hash, uint32_t item);
void table_remove(struct table *, const struct table_items *, uint32_t item);

#endif

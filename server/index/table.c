/* SPDX-License-Identifier: Apache-2.0 */
/* Growing, linking and finding links. */
#include "server/index/table.h"

#include <assert.h>
#include <string.h>

static void
add_page(struct table *table)
{
    uint32_t page = arena_page_take(table->arena);

    memset(arena_page_at(table->arena, page), 0, ARENA_PAGE);
    table->page[table->buckets / TABLE_PAGE_BUCKETS] = page;
}

void
table_open(struct table *table, struct arena *arena, uint32_t *pages,
           uint32_t pages_max)
{
    assert(pages_max != 0);
    table->arena = arena;
    table->page = pages;
    table->pages_max = pages_max;
    table->buckets = 0;
    table->items = 0;
    add_page(table);
    table->buckets = TABLE_PAGE_BUCKETS;
    table->half = TABLE_PAGE_BUCKETS;
}

/* One bucket more: the items of one other are divided between the two. */
static void
grow(struct table *table, const struct table_items *items)
{
    uint32_t fresh = table->buckets, bit = table->half;
    uint32_t *from = table_head(table, fresh - bit), *to;
    uint32_t item = *from;

    if (fresh % TABLE_PAGE_BUCKETS == 0)
        add_page(table);
    to = table_head(table, fresh);
    while (item != 0) {
        uint32_t *next = items->next(items->owner, item);
        uint32_t **end =
            (items->hash(items->owner, item) & bit) != 0 ? &to : &from;

        **end = item;
        *end = next;
        item = *next;
    }
    *from = *to = 0;
    table->buckets++;
    if (table->buckets == 2 * table->half)
        table->half = table->buckets;
}

void
table_add(struct table *table, const struct table_items *items, uint32_t item)
{
    uint32_t *head;

    if (table->items >= table->buckets &&
        table->buckets < table->pages_max * TABLE_PAGE_BUCKETS)
        grow(table, items);
    head =
        table_head(table, table_bucket(table, items->hash(items->owner, item)));
    *items->next(items->owner, item) = *head;
    *head = item;
    table->items++;
}

uint32_t *
table_link(const struct table *table, const struct table_items *items,
           uint32_t hash, uint32_t item)
{
    uint32_t *link = table_head(table, table_bucket(table, hash));

    while (*link != item) {
        assert(*link != 0);
        link = items->next(items->owner, *link);
    }
    return link;
}

void
table_remove(struct table *table, const struct table_items *items,
             uint32_t item)
{
    uint32_t hash = items->hash(items->owner, item);
    uint32_t *link = table_link(table, items, hash, item);

    *link = *items->next(items->owner, item);
    table->items--;
}

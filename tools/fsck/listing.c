/* SPDX-License-Identifier: Apache-2.0 */
/* Two lists of items side by side. */
#include "tools/fsck/listing.h"

#include "proto/checksum.h"

#include <stdlib.h>

#define ROOM_FIRST 1024u

bool
listing_add(struct listing *listing, const struct nvme_item *item)
{
    uint8_t bytes[NVME_ITEM_MAX], *at = bytes;

    if (listing->count == listing->room) {
        size_t room = listing->room == 0 ? ROOM_FIRST : 2 * listing->room;
        struct listing_item *items =
            realloc(listing->items, room * sizeof *items);
        if (items == NULL)
            return false;
        listing->items = items;
        listing->room = room;
    }
    if (!nvme_write_item(item, &at, bytes + sizeof bytes))
        return false;
    listing->items[listing->count++] = (struct listing_item){
        .block = item->block,
        .print = checksum_of(bytes, (size_t)(at - bytes))};
    return true;
}

void
listing_clear(struct listing *listing)
{
    listing->count = 0;
}

void
listing_free(struct listing *listing)
{
    free(listing->items);
    *listing = (struct listing){.items = NULL};
}

static int
compare(const void *a, const void *b)
{
    const struct listing_item *left = a, *right = b;

    if (left->block != right->block)
        return left->block < right->block ? -1 : 1;
    return (left->print > right->print) - (left->print < right->print);
}

static void
sort(struct listing *listing)
{
    if (listing->count > 1)
        qsort(listing->items, listing->count, sizeof *listing->items, compare);
}

void
listing_compare(struct listing *table, struct listing *records,
                const struct listing_events *events)
{
    size_t i = 0, j = 0;

    sort(table);
    sort(records);
    while (i < table->count || j < records->count) {
        const struct listing_item *left = &table->items[i];
        const struct listing_item *right = &records->items[j];
        int order = i == table->count     ? 1
                    : j == records->count ? -1
                                          : compare(left, right);
        if (order != 0 && i < table->count && j < records->count &&
            left->block == right->block && left->block != 0) {
            events->different(events->arg, left->block);
            order = 0;
        } else if (order < 0) {
            events->missing(events->arg, left->block);
        } else if (order > 0) {
            events->extra(events->arg, right->block);
        }
        i += order <= 0;
        j += order >= 0;
    }
}

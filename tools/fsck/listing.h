/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one segment has, told twice: by its table and by its records.  Items
 * are kept as their place and a fingerprint of all that is said of them.
 */
#ifndef TOOLS_FSCK_LISTING_H
#define TOOLS_FSCK_LISTING_H

#include "storage/nvme_format.h"

#include <stddef.h>

struct listing_item {
    uint32_t block; /* 0: of a note */
    uint64_t print;
};

struct listing {
    struct listing_item *items;
    size_t count, room;
};

/* False: no memory. */
bool listing_add(struct listing *, const struct nvme_item *);
void listing_clear(struct listing *);
void listing_free(struct listing *);

struct listing_events {
    void *arg;
    /* Only the table has an item here; only the records; both, and they say
     * different things.  block 0: a note. */
    void (*missing)(void *arg, uint32_t block);
    void (*extra)(void *arg, uint32_t block);
    void (*different)(void *arg, uint32_t block);
};
/* Sorts both. */
void listing_compare(struct listing *table, struct listing *records,
                     const struct listing_events *);

#endif

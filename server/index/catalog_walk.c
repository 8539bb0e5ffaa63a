/* SPDX-License-Identifier: Apache-2.0 */
/* Going through all keys: listing them, and deleting them by namespace. */
#include "server/index/catalog.h"

#include "server/index/catalog_part.h"

/* What one call does at most, and under one lock. */
#define BUCKETS_MOST   65536u
#define BUCKETS_LOCKED 64u
#define FLUSH_MOST     256u

/* A cursor is the part's number, and the bucket below. */
#define BUCKET_BITS 32

struct position {
    struct catalog_part *part;
    uint32_t number, bucket;
};

/* False behind the last part. */
static bool
lock_position(struct catalog *catalog, uint64_t cursor, struct position *out)
{
    out->number = (uint32_t)(cursor >> BUCKET_BITS);
    out->bucket = (uint32_t)cursor;
    if (cursor >> BUCKET_BITS >= catalog->part_count)
        return false;
    out->part = &catalog->parts[out->number];
    pthread_mutex_lock(&out->part->lock);
    return true;
}

static uint64_t
unlock_position(struct position *at)
{
    bool is_over = at->bucket >= at->part->by_key.buckets;

    pthread_mutex_unlock(&at->part->lock);
    if (is_over)
        return (uint64_t)(at->number + 1) << BUCKET_BITS;
    return (uint64_t)at->number << BUCKET_BITS | at->bucket;
}

struct walk {
    catalog_seen_fn *seen;
    void *arg;
    unsigned count;
};

static void
walk_bucket(struct position *at, struct walk *walk)
{
    uint32_t handle = *table_head(&at->part->by_key, at->bucket);

    while (handle != 0) {
        const struct card *card = catalog_part_card(at->part, handle);
        char digits[CATALOG_KEY_DIGITS];
        struct catalog_seen seen = {
            .name = catalog_part_name(at->part, card, digits),
            .type =
                (card->form & CARD_SORTED) != 0 ? CATALOG_SORTED : CATALOG_HASH,
            .space = card->space,
        };

        walk->count++;
        walk->seen(walk->arg, &seen);
        handle = card->next;
    }
}

void
catalog_walk(struct catalog *catalog, uint64_t *cursor, unsigned least,
             catalog_seen_fn *seen, void *arg)
{
    struct walk walk = {seen, arg, 0};
    uint32_t buckets = 0;
    struct position at;

    while (walk.count < least && buckets < BUCKETS_MOST) {
        if (!lock_position(catalog, *cursor, &at)) {
            *cursor = 0;
            return;
        }
        for (unsigned i = 0; i < BUCKETS_LOCKED && walk.count < least &&
                             at.bucket < at.part->by_key.buckets;
             i++, buckets++, at.bucket++)
            walk_bucket(&at, &walk);
        *cursor = unlock_position(&at);
    }
    if (*cursor >> BUCKET_BITS >= catalog->part_count)
        *cursor = 0;
}

/* Removes one card of the bucket; 0 where there is none of the namespace.  (A
 * removal moves other cards, so that a chain is begun anew behind it.) */
static unsigned
flush_one(struct position *at, unsigned space)
{
    uint32_t handle = *table_head(&at->part->by_key, at->bucket);

    while (handle != 0) {
        const struct card *card = catalog_part_card(at->part, handle);

        if (space == CATALOG_ALL_SPACES || space == card->space) {
            catalog_part_remove(at->part, handle);
            return 1;
        }
        handle = card->next;
    }
    return 0;
}

bool
catalog_flush_some(struct catalog *catalog, unsigned space, uint64_t *cursor)
{
    unsigned removed = 0;
    uint32_t buckets = 0;
    struct position at;

    while (removed < FLUSH_MOST && buckets < BUCKETS_MOST) {
        if (!lock_position(catalog, *cursor, &at))
            return false;
        for (unsigned i = 0;
             i < BUCKETS_LOCKED && at.bucket < at.part->by_key.buckets; i++) {
            while (flush_one(&at, space) != 0)
                removed++;
            at.bucket++;
            buckets++;
        }
        *cursor = unlock_position(&at);
    }
    return true;
}

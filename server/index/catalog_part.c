/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of a part: finding, adding and removing their cards, and which of them
 * leave for others. */
#include "server/index/catalog_part.h"

#include "proto/checksum.h"

#include <assert.h>
#include <string.h>

/* Eviction takes the oldest of so many; it looks no further than so many buckets
 * once it has one. */
#define SAMPLE         16u
#define SAMPLE_BUCKETS 1024u
/* While there are fewer free pages than needed and these, each change evicts a
 * few, so that none has to evict many. */
#define PAGES_AHEAD 2u
#define FEW         3u
/* The clock ticks so often while each key is used once. */
#define TICKS_A_ROUND 64u

static uint32_t
hash(void *owner, uint32_t handle)
{
    const struct catalog_part *part = owner;
    const struct card *card = catalog_part_card(part, handle);
    struct catalog_key key = {.number = card_number(card),
                              .kind = card->form & CARD_KIND,
                              .space = card->space};

    if (key.kind == CATALOG_TEXT) {
        struct bytes text = words_text(&part->words, (uint32_t)key.number);

        key.number = checksum_of(text.at, text.size);
    }
    return (uint32_t)catalog_key_hash(&key);
}

static uint32_t *
next(void *owner, uint32_t handle)
{
    return &catalog_part_card(owner, handle)->next;
}

static struct table_items
items_of(struct catalog_part *part)
{
    struct table_items items = {hash, next, part};

    return items;
}

enum status
catalog_part_open(struct catalog_part *part, size_t size,
                  _Atomic uint64_t *keys)
{
    uint32_t pages = (uint32_t)(size / ARENA_PAGE) / 4 + 4;
    void *front;
    enum status status;

    memset(part, 0, sizeof(*part));
    /* Three lists of pages: of both tables, and of where words are. */
    status = arena_open(&part->arena, size, sizeof(uint32_t), &front);
    if (status != STATUS_OK)
        return status;
    assert((size_t)pages * 3 <= size / ARENA_PAGE);
    pthread_mutex_init(&part->lock, NULL);
    part->keys = keys;
    part->weight_max = (uint32_t)(size / 4 / CARD_WEIGHT_UNIT);
    if (part->weight_max > CARD_WEIGHT_MAX)
        part->weight_max = CARD_WEIGHT_MAX;
    table_open(&part->by_key, &part->arena, front, pages);
    words_open(&part->words, &part->arena, (uint32_t *)front + pages, pages);
    return STATUS_OK;
}

void
catalog_part_close(struct catalog_part *part)
{
    if (part->arena.base == NULL)
        return;
    arena_close(&part->arena);
    pthread_mutex_destroy(&part->lock);
}

static bool
is_of(const struct catalog_part *part, const struct card *card,
      const struct catalog_key *key)
{
    struct bytes text;

    if ((card->form & CARD_KIND) != key->kind || card->space != key->space)
        return false;
    if (key->kind != CATALOG_TEXT)
        return card_number(card) == key->number;
    text = words_text(&part->words, (uint32_t)card_number(card));
    return text.size == key->text.size &&
           memcmp(text.at, key->text.at, text.size) == 0;
}

uint32_t
catalog_part_find(const struct catalog_part *part,
                  const struct catalog_key *key)
{
    uint32_t bucket = table_bucket(&part->by_key, (uint32_t)key->hash);
    uint32_t handle = *table_head(&part->by_key, bucket);

    while (handle != 0 && !is_of(part, catalog_part_card(part, handle), key))
        handle = catalog_part_card(part, handle)->next;
    return handle;
}

void
catalog_part_touch(struct catalog_part *part, struct card *card)
{
    if (++part->uses > part->by_key.items / TICKS_A_ROUND) {
        part->uses = 0;
        part->clock++;
    }
    card->tick = part->clock;
}

/* Read by others without the lock. */
static void
count_key(struct catalog_part *part, unsigned space, int change)
{
    uint32_t keys =
        atomic_load_explicit(&part->keys_of[space], memory_order_relaxed);

    atomic_store_explicit(&part->keys_of[space], keys + (uint32_t)change,
                          memory_order_relaxed);
    atomic_fetch_add_explicit(part->keys, (uint64_t)change,
                              memory_order_relaxed);
}

uint32_t
catalog_part_add(struct catalog_part *part, const struct catalog_key *key,
                 enum catalog_type type)
{
    struct table_items items = items_of(part);
    uint64_t number = key->kind == CATALOG_TEXT
                          ? words_take(&part->words, &key->text)
                          : key->number;
    uint32_t handle =
        arena_object_new(&part->arena, ARENA_CARDS, sizeof(struct card));
    struct card *card = catalog_part_card(part, handle);

    memset(card, 0, sizeof(*card));
    card_set_number(card, number);
    card->space = key->space;
    card->form = (uint8_t)key->kind;
    if (type == CATALOG_SORTED)
        card->form |= CARD_SORTED;
    table_add(&part->by_key, &items, handle);
    count_key(part, key->space, 1);
    part->sets += type == CATALOG_SORTED;
    return handle;
}

static void
drop_items(struct catalog_part *part, const struct card *card)
{
    struct card_member member;
    struct card_field field;

    for (uint32_t i = 0; i < card->items; i++) {
        if ((card->form & CARD_SORTED) == 0) {
            card_read_field(part, card, i, &field);
            words_drop(&part->words, field.field);
            if (field.value != 0)
                words_drop(&part->words, field.value);
        } else if ((card->form & CARD_WIDE) != 0) {
            card_read_member(part, card, i, &member);
            if (member.is_word)
                words_drop(&part->words, (uint32_t)member.number);
        }
    }
}

void
catalog_part_remove(struct catalog_part *part, uint32_t handle)
{
    struct table_items items = items_of(part);
    const struct card *card = catalog_part_card(part, handle);

    table_remove(&part->by_key, &items, handle);
    drop_items(part, card);
    if ((card->form & CARD_KIND) == CATALOG_TEXT)
        words_drop(&part->words, (uint32_t)card_number(card));
    part->items -= card->items;
    count_key(part, card->space, -1);
    part->sets -= (card->form & CARD_SORTED) != 0;
    part->changes++;
    card_free(part, handle);
}

void
catalog_part_relink(struct catalog_part *part, uint32_t from, uint32_t to)
{
    struct table_items items = items_of(part);

    *table_link(&part->by_key, &items, hash(part, to), from) = to;
}

uint32_t
catalog_part_free(struct catalog_part *part, uint32_t handle, size_t size)
{
    uint32_t moved = arena_object_free(&part->arena, ARENA_CARDS, size, handle);

    if (moved != 0)
        catalog_part_relink(part, moved, handle);
    return moved;
}

/* The card that was used longest ago, of the next ones in the table. */
static uint32_t
oldest(struct catalog_part *part, const struct catalog_key *kept)
{
    uint32_t buckets = part->by_key.buckets, seen = 0, found = 0;
    uint16_t age, most = 0;

    for (uint32_t i = 0;
         i < buckets && seen < SAMPLE && (found == 0 || i < SAMPLE_BUCKETS);
         i++) {
        uint32_t handle = *table_head(&part->by_key, part->hand);

        part->hand = part->hand + 1 < buckets ? part->hand + 1 : 0;
        for (; handle != 0; handle = *next(part, handle)) {
            const struct card *card = catalog_part_card(part, handle);

            if (kept != NULL && is_of(part, card, kept))
                continue;
            age = (uint16_t)(part->clock - card->tick);
            if (found == 0 || age > most) {
                most = age;
                found = handle;
            }
            seen++;
        }
    }
    return found;
}

bool
catalog_part_make_room(struct catalog_part *part, uint32_t pages,
                       const struct catalog_key *kept, uint32_t *evicted)
{
    for (unsigned i = 0; i < FEW || part->arena.free_pages < pages; i++) {
        uint32_t handle;

        if (part->arena.free_pages >= pages + PAGES_AHEAD)
            return true;
        handle = oldest(part, kept);
        if (handle == 0)
            return part->arena.free_pages >= pages;
        catalog_part_remove(part, handle);
        ++*evicted;
    }
    return true;
}

struct bytes
catalog_part_name(const struct catalog_part *part, const struct card *card,
                  char digits[CATALOG_KEY_DIGITS])
{
    unsigned kind = card->form & CARD_KIND;

    return kind == CATALOG_TEXT
               ? words_text(&part->words, (uint32_t)card_number(card))
               : catalog_key_spell(kind, card_number(card), digits);
}

struct bytes
catalog_part_member(const struct catalog_part *part,
                    const struct card_member *member,
                    char digits[CATALOG_KEY_DIGITS])
{
    return member->is_word
               ? words_text(&part->words, (uint32_t)member->number)
               : catalog_key_spell(CATALOG_NUMBER, member->number, digits);
}

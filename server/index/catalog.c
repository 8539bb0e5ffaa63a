/* SPDX-License-Identifier: Apache-2.0 */
/* The catalog as a whole; reading a key, and deleting it. */
#include "server/index/catalog.h"

#include "server/index/catalog_part.h"

#include <assert.h>
#include <stdlib.h>

#define PARTS_MAX     16u
#define PART_SIZE_MIN (1u << 20)
#define WAY_STEPS     3u

static enum status
open_parts(struct catalog *catalog)
{
    size_t each = catalog->size / catalog->part_count;

    catalog->parts =
        aligned_alloc(_Alignof(struct catalog_part),
                      catalog->part_count * sizeof(*catalog->parts));
    if (catalog->parts == NULL)
        return STATUS_NO_SPACE;
    for (unsigned i = 0; i < catalog->part_count; i++) {
        enum status status =
            catalog_part_open(&catalog->parts[i], each, &catalog->keys);

        if (status != STATUS_OK) {
            while (i > 0)
                catalog_part_close(&catalog->parts[--i]);
            free(catalog->parts);
            return status;
        }
    }
    return STATUS_OK;
}

enum status
catalog_open(uint64_t size, struct catalog **out)
{
    struct catalog *catalog = calloc(1, sizeof(*catalog));
    enum status status;

    if (catalog == NULL)
        return STATUS_NO_SPACE;
    catalog->size = size;
    catalog->part_count = 1;
    while (catalog->part_count < PARTS_MAX &&
           size / catalog->part_count >= 2ull * PART_SIZE_MIN)
        catalog->part_count *= 2;
    status = open_parts(catalog);
    if (status != STATUS_OK) {
        free(catalog);
        return status;
    }
    *out = catalog;
    return STATUS_OK;
}

void
catalog_close(struct catalog **catalog_in)
{
    struct catalog *catalog = *catalog_in;

    if (catalog == NULL)
        return;
    *catalog_in = NULL;
    for (unsigned i = 0; i < catalog->part_count; i++)
        catalog_part_close(&catalog->parts[i]);
    free(catalog->parts);
    free(catalog);
}

static enum catalog_type
type_of(const struct card *card)
{
    return (card->form & CARD_SORTED) != 0 ? CATALOG_SORTED : CATALOG_HASH;
}

/* The part is locked behind it where the key is there. */
static struct card *
lock_card(struct catalog *catalog, const struct catalog_key *key,
          struct catalog_part **part_out)
{
    struct catalog_part *part = catalog_part_of(catalog, key);
    uint32_t handle;

    if (atomic_load_explicit(&catalog->keys, memory_order_relaxed) == 0)
        return NULL;
    pthread_mutex_lock(&part->lock);
    handle = catalog_part_find(part, key);
    if (handle == 0) {
        pthread_mutex_unlock(&part->lock);
        return NULL;
    }
    *part_out = part;
    return catalog_part_card(part, handle);
}

bool
catalog_look(struct catalog *catalog, const struct catalog_key *key,
             struct catalog_look *out)
{
    struct card *card = lock_card(catalog, key, &out->part);

    if (card == NULL)
        return false;
    catalog_part_touch(out->part, card);
    out->type = type_of(card);
    out->count = card->items;
    out->reply_max = ((size_t)card->weight + card->items) * CARD_WEIGHT_UNIT;
    out->card = card;
    return true;
}

/* What stands so many steps on the way to a key: its bucket, the first card of the
 * bucket, the second one. */
static const void *
way_to(const struct catalog_part *part, const struct catalog_key *key,
       unsigned step)
{
    const struct table *table = &part->by_key;
    const uint32_t *head =
        table_head(table, table_bucket(table, (uint32_t)key->hash));
    const struct card *card;

    if (step == 0)
        return head;
    card = catalog_part_card(part, *head);
    return step == 1 || *head == 0 ? card : catalog_part_card(part, card->next);
}

/* Each step asks for what all keys need next; what it reads itself, the step before
 * has asked for.  (A function that did nothing else than prefetch would be left
 * out by the compiler.) */
void
catalog_expect(struct catalog *catalog, const struct catalog_key *keys,
               unsigned count)
{
    for (unsigned step = 0; step < WAY_STEPS; step++) {
        for (unsigned i = 0; i < count; i++) {
            struct catalog_part *part = catalog_part_of(catalog, &keys[i]);

            pthread_mutex_lock(&part->lock);
            __builtin_prefetch(way_to(part, &keys[i], step));
            pthread_mutex_unlock(&part->lock);
        }
    }
}

static void
read_item(const struct catalog_part *part, const struct card *card, uint32_t at,
          struct catalog_item *out)
{
    struct card_member member;
    struct card_field field;

    if ((card->form & CARD_SORTED) == 0) {
        card_read_field(part, card, at, &field);
        out->name = words_text(&part->words, field.field);
        out->value.at = NULL;
        out->value.size = 0;
        if (field.value != 0)
            out->value = words_text(&part->words, field.value);
        return;
    }
    card_read_member(part, card, at, &member);
    out->score = member.score;
    out->name = catalog_part_member(part, &member, out->digits);
}

void
catalog_look_item(const struct catalog_look *look, uint32_t number,
                  struct catalog_item *out)
{
    assert(number < look->count);
    read_item(look->part, look->card, number, out);
}

bool
catalog_look_find(const struct catalog_look *look, const struct bytes *field,
                  struct catalog_item *out)
{
    uint32_t word = words_find(&look->part->words, field);
    uint32_t at = word == 0 ? CARD_NOWHERE
                            : card_find_field(look->part, look->card, word);

    if (at == CARD_NOWHERE)
        return false;
    read_item(look->part, look->card, at, out);
    return true;
}

void
catalog_look_end(struct catalog_look *look)
{
    pthread_mutex_unlock(&look->part->lock);
}

static size_t
memory_of(const struct catalog_part *part, const struct card *card)
{
    size_t memory = arena_object_size(card_size(card)) + sizeof(uint32_t);
    struct card_member member;
    struct card_field field;

    if ((card->form & CARD_LONG) != 0)
        memory += card_pages(card) * (size_t)ARENA_PAGE;
    if ((card->form & CARD_KIND) == CATALOG_TEXT)
        memory += words_memory(&part->words, (uint32_t)card_number(card));
    for (uint32_t i = 0; i < card->items; i++) {
        if ((card->form & CARD_SORTED) != 0) {
            card_read_member(part, card, i, &member);
            if (member.is_word)
                memory += words_memory(&part->words, (uint32_t)member.number);
        } else {
            card_read_field(part, card, i, &field);
            memory += words_memory(&part->words, field.field);
            if (field.value != 0)
                memory += words_memory(&part->words, field.value);
        }
    }
    return memory;
}

bool
catalog_view(struct catalog *catalog, const struct catalog_key *key,
             struct catalog_view *out)
{
    struct catalog_part *part;
    struct card *card = lock_card(catalog, key, &part);

    if (card == NULL)
        return false;
    out->type = type_of(card);
    out->count = card->items;
    out->memory = memory_of(part, card);
    pthread_mutex_unlock(&part->lock);
    return true;
}

bool
catalog_drop(struct catalog *catalog, const struct catalog_key *key)
{
    struct catalog_part *part;

    if (lock_card(catalog, key, &part) == NULL)
        return false;
    catalog_part_remove(part, catalog_part_find(part, key));
    pthread_mutex_unlock(&part->lock);
    return true;
}

static uint32_t
bit_of(const struct catalog *catalog, const struct catalog_key *key)
{
    return 1u << (catalog_part_of(catalog, key) - catalog->parts);
}

/* From the lowest part to the highest, so that two of them never wait for each
 * other. */
static void
lock_parts(struct catalog *catalog, uint32_t parts)
{
    for (unsigned i = 0; i < catalog->part_count; i++)
        if ((parts & 1u << i) != 0)
            pthread_mutex_lock(&catalog->parts[i].lock);
}

static void
unlock_parts(struct catalog *catalog, uint32_t parts)
{
    for (unsigned i = 0; i < catalog->part_count; i++)
        if ((parts & 1u << i) != 0)
            pthread_mutex_unlock(&catalog->parts[i].lock);
}

static enum status
check_others(struct catalog *catalog, const struct catalog_others *others)
{
    enum status status = STATUS_OK;
    struct catalog_key other;

    while (others->next(others->arg, &other)) {
        const struct catalog_part *part = catalog_part_of(catalog, &other);
        uint32_t handle = catalog_part_find(part, &other);

        if (handle != 0 && status == STATUS_OK)
            status = type_of(catalog_part_card(part, handle)) == CATALOG_HASH
                         ? STATUS_UNMET
                         : STATUS_BAD_REQUEST;
    }
    return status;
}

static void
remove_key(struct catalog_part *part, const struct catalog_key *key)
{
    uint32_t handle = catalog_part_find(part, key);

    if (handle != 0)
        catalog_part_remove(part, handle);
}

enum status
catalog_prune(struct catalog *catalog, const struct catalog_key *key,
              const struct catalog_others *others)
{
    uint32_t parts = key == NULL ? 0 : bit_of(catalog, key);
    struct catalog_key other;
    enum status status;

    while (others->next(others->arg, &other))
        parts |= bit_of(catalog, &other);
    lock_parts(catalog, parts);
    status = check_others(catalog, others);
    if (status == STATUS_OK && key != NULL)
        remove_key(catalog_part_of(catalog, key), key);
    unlock_parts(catalog, parts);
    return status;
}

void
catalog_usage(struct catalog *catalog, struct catalog_usage *out)
{
    struct catalog_usage usage = {.size = catalog->size};

    for (unsigned i = 0; i < catalog->part_count; i++) {
        struct catalog_part *part = &catalog->parts[i];

        pthread_mutex_lock(&part->lock);
        usage.used +=
            (uint64_t)(part->arena.pages - part->arena.free_pages) * ARENA_PAGE;
        usage.hashes += part->by_key.items - part->sets;
        usage.sets += part->sets;
        usage.items += part->items;
        usage.words += part->words.count;
        usage.changes += part->changes;
        usage.key_size_max = (uint64_t)part->weight_max * CARD_WEIGHT_UNIT;
        pthread_mutex_unlock(&part->lock);
    }
    *out = usage;
}

uint64_t
catalog_keys(struct catalog *catalog, unsigned space)
{
    uint64_t keys = 0;

    if (space == CATALOG_ALL_SPACES)
        return atomic_load_explicit(&catalog->keys, memory_order_relaxed);
    for (unsigned i = 0; i < catalog->part_count; i++)
        keys += atomic_load_explicit(&catalog->parts[i].keys_of[space],
                                     memory_order_relaxed);
    return keys;
}

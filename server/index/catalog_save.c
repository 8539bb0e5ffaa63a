/* SPDX-License-Identifier: Apache-2.0 */
/* From cards to a payload, and back by the way any change goes. */
#include "server/index/catalog_save.h"

#include "server/index/catalog_part.h"

#include <assert.h>

/* A payload of so many bytes is enough. */
#define PAYLOAD_ENOUGH (128u << 10)
#define BUCKET_BITS    32
/* No word has this number; the empty value does. */
#define EMPTY_VALUE UINT32_MAX

static_assert((unsigned)CARD_KIND == SNAPSHOT_KIND &&
                  (unsigned)CARD_SORTED == SNAPSHOT_SET &&
                  (unsigned)CARD_WIDE == SNAPSHOT_WIDE,
              "forms are written as they are");

static void
write_word(struct snapshot_writer *writer, const struct catalog_part *part,
           uint32_t number)
{
    struct bytes text = words_text(&part->words, number);

    snapshot_writer_word(writer, number, &text);
}

static void
write_field(struct snapshot_writer *writer, const struct catalog_part *part,
            const struct card *card, uint32_t at)
{
    static const struct bytes nothing = {NULL, 0};
    struct card_field field;

    card_read_field(part, card, at, &field);
    write_word(writer, part, field.field);
    if ((card->form & CARD_WIDE) == 0)
        return;
    if (field.value == 0)
        snapshot_writer_word(writer, EMPTY_VALUE, &nothing);
    else
        write_word(writer, part, field.value);
}

static void
write_member(struct snapshot_writer *writer, const struct catalog_part *part,
             const struct card *card, uint32_t at)
{
    struct card_member member;
    struct bytes text;

    card_read_member(part, card, at, &member);
    if ((card->form & CARD_WIDE) == 0) {
        snapshot_writer_short(writer, member.number, (int32_t)member.score);
    } else if (!member.is_word) {
        snapshot_writer_number(writer, member.number, member.score);
    } else {
        text = words_text(&part->words, (uint32_t)member.number);
        snapshot_writer_member(writer, (uint32_t)member.number, &text,
                               member.score);
    }
}

/* A key that does not fit even so is left out: a miss is legal. */
static void
write_card(struct snapshot_writer *writer, const struct catalog_part *part,
           const struct card *card)
{
    struct snapshot_key key = {
        .form = card->form & (CARD_KIND | CARD_SORTED | CARD_WIDE),
        .space = card->space,
        .age = (uint16_t)(part->clock - card->tick),
        .items = card->items,
        .number = card_number(card),
    };

    if (!snapshot_writer_has_room(writer, card->items,
                                  (size_t)card->weight * CARD_WEIGHT_UNIT))
        return;
    if ((card->form & CARD_KIND) == CATALOG_TEXT)
        key.text = words_text(&part->words, (uint32_t)key.number);
    snapshot_writer_key(writer, &key);
    for (uint32_t i = 0; i < card->items; i++) {
        if ((card->form & CARD_SORTED) != 0)
            write_member(writer, part, card, i);
        else
            write_field(writer, part, card, i);
    }
}

static void
write_bucket(struct snapshot_writer *writer, const struct catalog_part *part,
             uint32_t bucket)
{
    uint32_t handle = *table_head(&part->by_key, bucket);

    while (handle != 0) {
        const struct card *card = catalog_part_card(part, handle);

        write_card(writer, part, card);
        handle = card->next;
    }
}

bool
catalog_save_some(struct catalog *catalog, uint64_t *cursor,
                  struct snapshot_writer *writer)
{
    uint32_t number = (uint32_t)(*cursor >> BUCKET_BITS);
    uint32_t bucket = (uint32_t)*cursor;
    struct catalog_part *part;

    if (number >= catalog->part_count)
        return false;
    part = &catalog->parts[number];
    pthread_mutex_lock(&part->lock);
    while (bucket < part->by_key.buckets &&
           writer->out.at - writer->payload < PAYLOAD_ENOUGH)
        write_bucket(writer, part, bucket++);
    *cursor = bucket < part->by_key.buckets
                  ? (uint64_t)number << BUCKET_BITS | bucket
                  : (uint64_t)(number + 1) << BUCKET_BITS;
    pthread_mutex_unlock(&part->lock);
    return true;
}

/* The name that a number of this kind spells. */
static struct bytes
spell(const struct snapshot_key *key, char digits[CATALOG_KEY_DIGITS])
{
    unsigned kind = key->form & SNAPSHOT_KIND;

    return kind == CATALOG_TEXT ? key->text
                                : catalog_key_spell(kind, key->number, digits);
}

static void
restore_item(struct catalog_edit *edit, const struct snapshot_item *item)
{
    char digits[CATALOG_KEY_DIGITS];
    struct bytes name = item->name;
    enum status status;
    bool is_new;

    if (edit->type == CATALOG_HASH) {
        status = catalog_edit_field(edit, &name, &item->value, &is_new);
    } else {
        if (!item->is_word)
            name = catalog_key_spell(CATALOG_NUMBER, item->number, digits);
        status = catalog_edit_member(edit, &name, item->score);
    }
    /* An index that is smaller now holds less. */
    (void)status;
}

static void
restore_key(struct catalog *catalog, struct snapshot_reader *reader,
            const struct snapshot_key *from)
{
    enum catalog_type type =
        (from->form & SNAPSHOT_SET) != 0 ? CATALOG_SORTED : CATALOG_HASH;
    char digits[CATALOG_KEY_DIGITS];
    struct bytes name = spell(from, digits);
    struct snapshot_item item;
    struct catalog_edit edit;
    struct catalog_key key;
    bool may_edit;

    /* What was read is no longer than a name may be. */
    (void)catalog_key_read(from->space, &name, &key);
    (void)catalog_drop(catalog, &key);
    may_edit = catalog_edit(catalog, &key, type, &edit) == STATUS_OK;
    while (snapshot_reader_item(reader, &item))
        if (may_edit)
            restore_item(&edit, &item);
    if (may_edit)
        catalog_edit_end_aged(&edit, from->age);
}

bool
catalog_restore(struct catalog *catalog, struct snapshot_reader *reader)
{
    struct snapshot_key key;

    while (snapshot_reader_key(reader, &key))
        restore_key(catalog, reader, &key);
    return snapshot_reader_is_good(reader);
}

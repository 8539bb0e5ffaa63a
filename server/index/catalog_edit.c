/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changing what a key holds.  Room for the most that a change may take is made
 * first, so that it can not fail half way; making room may move the card, which
 * is therefore looked up again behind it.
 */
#include "server/index/catalog.h"

#include "server/index/catalog_part.h"

#include <assert.h>
#include <string.h>

/* A card and its bucket, three words, and the card's growth. */
#define EDIT_PAGES (2 + 3 * WORDS_PAGES + CARD_PAGES)

enum status
catalog_edit(struct catalog *catalog, const struct catalog_key *key,
             enum catalog_type type, struct catalog_edit *out)
{
    struct catalog_part *part = catalog_part_of(catalog, key);

    pthread_mutex_lock(&part->lock);
    out->evicted = 0;
    out->part = part;
    out->key = key;
    out->type = type;
    out->card = catalog_part_find(part, key);
    if (out->card == 0)
        return STATUS_OK;
    if (((catalog_part_card(part, out->card)->form & CARD_SORTED) != 0) !=
        (type == CATALOG_SORTED)) {
        pthread_mutex_unlock(&part->lock);
        return STATUS_UNMET;
    }
    return STATUS_OK;
}

static struct card *
card_of(const struct catalog_edit *edit)
{
    assert(edit->card != 0);
    return catalog_part_card(edit->part, edit->card);
}

void
catalog_edit_end(struct catalog_edit *edit)
{
    if (edit->card != 0)
        catalog_part_touch(edit->part, card_of(edit));
    pthread_mutex_unlock(&edit->part->lock);
}

void
catalog_edit_end_aged(struct catalog_edit *edit, uint16_t age)
{
    if (edit->card != 0)
        card_of(edit)->tick = (uint16_t)(edit->part->clock - age);
    pthread_mutex_unlock(&edit->part->lock);
}

/* must_widen: the card is to be made wide too. */
static enum status
make_room(struct catalog_edit *edit, bool must_widen)
{
    uint32_t pages = EDIT_PAGES, before = edit->evicted;
    bool has_room;

    if (must_widen && edit->card != 0 && (card_of(edit)->form & CARD_WIDE) == 0)
        pages += card_widen_pages(card_of(edit));
    has_room =
        catalog_part_make_room(edit->part, pages, edit->key, &edit->evicted);
    if (edit->evicted != before)
        edit->card = catalog_part_find(edit->part, edit->key);
    return has_room ? STATUS_OK : STATUS_NO_SPACE;
}

/* The card, made if there is none, and wide if it has to be. */
static void
take_card(struct catalog_edit *edit, bool must_widen)
{
    if (edit->card == 0)
        edit->card = catalog_part_add(edit->part, edit->key, edit->type);
    if (must_widen && (card_of(edit)->form & CARD_WIDE) == 0)
        edit->card = card_widen(edit->part, edit->card);
    edit->part->changes++;
}

/* Would the key hold too much? */
static bool
is_too_heavy(const struct catalog_edit *edit, uint32_t more, uint32_t less)
{
    uint32_t weight = edit->card == 0 ? 0 : card_of(edit)->weight;

    return weight + more - less > edit->part->weight_max;
}

static void
change_weight(struct catalog_edit *edit, uint32_t more, uint32_t less)
{
    struct card *card = card_of(edit);

    card->weight = (uint16_t)(card->weight + more - less);
}

static uint32_t
find_field(const struct catalog_edit *edit, const struct bytes *name)
{
    uint32_t word;

    if (edit->card == 0)
        return CARD_NOWHERE;
    word = words_find(&edit->part->words, name);
    return word == 0 ? CARD_NOWHERE
                     : card_find_field(edit->part, card_of(edit), word);
}

static struct bytes
value_of(const struct catalog_edit *edit, const struct card_field *field)
{
    static const struct bytes nothing = {NULL, 0};

    return field->value == 0 ? nothing
                             : words_text(&edit->part->words, field->value);
}

static bool
is_same(const struct bytes *one, const struct bytes *other)
{
    return one->size == other->size &&
           (one->size == 0 || memcmp(one->at, other->at, one->size) == 0);
}

static enum status
replace_value(struct catalog_edit *edit, uint32_t at, const struct bytes *name,
              const struct bytes *value)
{
    struct words *words = &edit->part->words;
    bool must_widen = value->size != 0;
    struct card_field field;
    uint32_t more, less, before;
    struct bytes present;

    card_read_field(edit->part, card_of(edit), at, &field);
    present = value_of(edit, &field);
    if (is_same(&present, value))
        return STATUS_OK;
    more = card_weight(name->size + value->size);
    less = card_weight(name->size + present.size);
    if (is_too_heavy(edit, more, less))
        return STATUS_TOO_BIG;
    if (make_room(edit, must_widen) != STATUS_OK)
        return STATUS_NO_SPACE;
    take_card(edit, must_widen);
    before = field.value;
    field.value = value->size == 0 ? 0 : words_take(words, value);
    card_write_field(edit->part, card_of(edit), at, &field);
    change_weight(edit, more, less);
    if (before != 0)
        words_drop(words, before);
    return STATUS_OK;
}

static enum status
add_field(struct catalog_edit *edit, const struct bytes *name,
          const struct bytes *value)
{
    struct words *words = &edit->part->words;
    uint32_t weight = card_weight(name->size + value->size), at;
    bool must_widen = value->size != 0;
    struct card_field field;

    if (is_too_heavy(edit, weight, 0))
        return STATUS_TOO_BIG;
    if (make_room(edit, must_widen) != STATUS_OK)
        return STATUS_NO_SPACE;
    take_card(edit, must_widen);
    field.field = words_take(words, name);
    field.value = value->size == 0 ? 0 : words_take(words, value);
    at = card_of(edit)->items;
    edit->card = card_insert(edit->part, edit->card, at);
    card_write_field(edit->part, card_of(edit), at, &field);
    change_weight(edit, weight, 0);
    edit->part->items++;
    return STATUS_OK;
}

enum status
catalog_edit_field(struct catalog_edit *edit, const struct bytes *name,
                   const struct bytes *value, bool *is_new_out)
{
    enum status status;
    uint32_t at;

    assert(edit->type == CATALOG_HASH);
    if (name->size > CATALOG_TEXT_MAX || value->size > CATALOG_TEXT_MAX)
        return STATUS_TOO_BIG;
    at = find_field(edit, name);
    status = at == CARD_NOWHERE ? add_field(edit, name, value)
                                : replace_value(edit, at, name, value);
    if (status == STATUS_OK)
        *is_new_out = at == CARD_NOWHERE;
    return status;
}

bool
catalog_edit_take(struct catalog_edit *edit, const struct bytes *name)
{
    struct catalog_part *part = edit->part;
    uint32_t at = find_field(edit, name);
    struct card_field field;

    if (at == CARD_NOWHERE)
        return false;
    if (card_of(edit)->items == 1) {
        catalog_part_remove(part, edit->card);
        edit->card = 0;
        return true;
    }
    card_read_field(part, card_of(edit), at, &field);
    change_weight(edit, 0,
                  card_weight(name->size + value_of(edit, &field).size));
    edit->card = card_remove(part, edit->card, at);
    words_drop(&part->words, field.field);
    if (field.value != 0)
        words_drop(&part->words, field.value);
    part->items--;
    part->changes++;
    return true;
}

/* False where the member is a word that nobody uses yet. */
static bool
find_member(const struct catalog_edit *edit, const struct bytes *name,
            struct card_member *out)
{
    out->is_word = !catalog_key_number(name, &out->number);
    if (out->is_word)
        out->number = words_find(&edit->part->words, name);
    return !out->is_word || out->number != 0;
}

static uint32_t
place_of(const struct catalog_edit *edit, const struct card_member *member)
{
    return edit->card == 0
               ? CARD_NOWHERE
               : card_find_member(edit->part, card_of(edit), member);
}

static bool
is_before(const struct catalog_part *part, const struct card_member *one,
          const struct card_member *other)
{
    char one_digits[CATALOG_KEY_DIGITS], other_digits[CATALOG_KEY_DIGITS];
    struct bytes a, b;
    int order;

    if (one->score != other->score)
        return one->score < other->score;
    a = catalog_part_member(part, one, one_digits);
    b = catalog_part_member(part, other, other_digits);
    order = memcmp(a.at, b.at, a.size < b.size ? a.size : b.size);
    return order != 0 ? order < 0 : a.size < b.size;
}

/* Where the member belongs: before the first that is not before it. */
static uint32_t
rank_of(const struct catalog_edit *edit, const struct card_member *member)
{
    const struct card *card = card_of(edit);
    uint32_t low = 0, high = card->items;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        struct card_member at;

        card_read_member(edit->part, card, middle, &at);
        if (is_before(edit->part, &at, member))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void
insert_member(struct catalog_edit *edit, const struct card_member *member)
{
    uint32_t rank = rank_of(edit, member);

    edit->card = card_insert(edit->part, edit->card, rank);
    card_write_member(edit->part, card_of(edit), rank, member);
}

bool
catalog_edit_score(struct catalog_edit *edit, const struct bytes *name,
                   double *score_out)
{
    struct card_member member;
    uint32_t at;

    assert(edit->type == CATALOG_SORTED);
    if (!find_member(edit, name, &member))
        return false;
    at = place_of(edit, &member);
    if (at == CARD_NOWHERE)
        return false;
    card_read_member(edit->part, card_of(edit), at, &member);
    *score_out = member.score;
    return true;
}

/* The member is at `at`; its score changes. */
static enum status
move_member(struct catalog_edit *edit, uint32_t at,
            const struct card_member *member)
{
    bool must_widen = !card_is_short_member(member);

    if (make_room(edit, must_widen) != STATUS_OK)
        return STATUS_NO_SPACE;
    take_card(edit, must_widen);
    edit->card = card_remove(edit->part, edit->card, at);
    insert_member(edit, member);
    return STATUS_OK;
}

static enum status
add_member(struct catalog_edit *edit, const struct bytes *name,
           struct card_member *member)
{
    uint32_t weight = card_weight(name->size);
    bool must_widen = !card_is_short_member(member);

    if (is_too_heavy(edit, weight, 0))
        return STATUS_TOO_BIG;
    if (make_room(edit, must_widen) != STATUS_OK)
        return STATUS_NO_SPACE;
    take_card(edit, must_widen);
    if (member->is_word)
        member->number = words_take(&edit->part->words, name);
    insert_member(edit, member);
    change_weight(edit, weight, 0);
    edit->part->items++;
    return STATUS_OK;
}

enum status
catalog_edit_member(struct catalog_edit *edit, const struct bytes *name,
                    double score)
{
    struct card_member member, present;
    uint32_t at = CARD_NOWHERE;

    assert(edit->type == CATALOG_SORTED);
    if (name->size > CATALOG_TEXT_MAX)
        return STATUS_TOO_BIG;
    if (find_member(edit, name, &member))
        at = place_of(edit, &member);
    member.score = score == 0 ? 0 : score; /* no minus zero */
    if (at == CARD_NOWHERE)
        return add_member(edit, name, &member);
    card_read_member(edit->part, card_of(edit), at, &present);
    if (present.score == member.score)
        return STATUS_OK;
    return move_member(edit, at, &member);
}

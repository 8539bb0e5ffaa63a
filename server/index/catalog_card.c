/* SPDX-License-Identifier: Apache-2.0 */
/* Where the items of a card stand, and in which of four forms. */
#include "server/index/catalog_part.h"

#include <assert.h>
#include <math.h>
#include <string.h>

/* A longer one has its items in pages. */
#define OBJECT_MAX 1024u

#define HEAD_SIZE offsetof(struct card, data)

/* In memory; all of four-byte words, because a card's data is no more aligned. */
struct narrow_member {
    uint32_t number[2]; /* least half first */
    int32_t score;
};
struct wide_member {
    uint32_t number[2];
    uint32_t score[2];
    uint32_t is_word;
};

static uint32_t
stride_of(unsigned form)
{
    static const uint8_t strides[] = {
        sizeof(uint32_t),
        sizeof(struct narrow_member),
        sizeof(struct card_field),
        sizeof(struct wide_member),
    };

    return strides[(form & (CARD_SORTED | CARD_WIDE)) / CARD_SORTED];
}

static uint32_t
per_page(unsigned form)
{
    return ARENA_PAGE / stride_of(form);
}

static uint32_t
pages_of(unsigned form, uint32_t items)
{
    return (items + per_page(form) - 1) / per_page(form);
}

static size_t
size_of(unsigned form, uint32_t items)
{
    if ((form & CARD_LONG) != 0)
        return HEAD_SIZE + pages_of(form, items) * sizeof(uint32_t);
    return HEAD_SIZE + (size_t)items * stride_of(form);
}

size_t
card_size(const struct card *card)
{
    return size_of(card->form, card->items);
}

uint32_t
card_pages(const struct card *card)
{
    return (card->form & CARD_LONG) == 0 ? 0
                                         : pages_of(card->form, card->items);
}

static uint64_t
join(const uint32_t halves[2])
{
    return (uint64_t)halves[1] << 32 | halves[0];
}

static void
split(uint64_t number, uint32_t halves[2])
{
    halves[0] = (uint32_t)number;
    halves[1] = (uint32_t)(number >> 32);
}

uint64_t
card_number(const struct card *card)
{
    return join(card->number);
}

void
card_set_number(struct card *card, uint64_t number)
{
    split(number, card->number);
}

uint32_t
card_weight(size_t bytes)
{
    return 1 + (uint32_t)(bytes / CARD_WEIGHT_UNIT);
}

static void *
item_at(const struct catalog_part *part, const struct card *card, uint32_t at)
{
    uint32_t stride = stride_of(card->form);
    uint32_t each = ARENA_PAGE / stride;

    if ((card->form & CARD_LONG) == 0)
        return (uint8_t *)(uintptr_t)card->data + (size_t)at * stride;
    return (uint8_t *)arena_page_at(&part->arena, card->data[at / each]) +
           (size_t)(at % each) * stride;
}

/* How many items stand side by side from `at` on. */
static uint32_t
run_at(const struct card *card, uint32_t at)
{
    uint32_t left = card->items - at, each = per_page(card->form);

    if ((card->form & CARD_LONG) == 0)
        return left;
    return left < each - at % each ? left : each - at % each;
}

/* Its object is `from` bytes now and is to be `to`. */
static uint32_t
resize(struct catalog_part *part, uint32_t handle, size_t from, size_t to)
{
    uint32_t fresh;

    if (arena_object_size(from) == arena_object_size(to))
        return handle;
    fresh = arena_object_new(&part->arena, ARENA_CARDS, to);
    memcpy(catalog_part_card(part, fresh), catalog_part_card(part, handle),
           from < to ? from : to);
    catalog_part_relink(part, handle, fresh);
    (void)catalog_part_free(part, handle, from);
    return fresh;
}

static void
copy_items(struct catalog_part *part, const struct card *from, struct card *to)
{
    struct card_member member;
    struct card_field field;

    for (uint32_t i = 0; i < from->items; i++) {
        if ((from->form & CARD_SORTED) != 0) {
            card_read_member(part, from, i, &member);
            card_write_member(part, to, i, &member);
        } else {
            card_read_field(part, from, i, &field);
            card_write_field(part, to, i, &field);
        }
    }
}

static void
give_pages(struct catalog_part *part, const struct card *card)
{
    for (uint32_t i = 0; i < card_pages(card); i++)
        arena_page_give(&part->arena, card->data[i]);
}

/* The same card in another form. */
static uint32_t
remake(struct catalog_part *part, uint32_t handle, unsigned form)
{
    struct card *old = catalog_part_card(part, handle), *card;
    size_t old_size = card_size(old);
    uint32_t fresh =
        arena_object_new(&part->arena, ARENA_CARDS, size_of(form, old->items));

    card = catalog_part_card(part, fresh);
    memcpy(card, old, HEAD_SIZE);
    card->form = (uint8_t)form;
    for (uint32_t i = 0; i < card_pages(card); i++)
        card->data[i] = arena_page_take(&part->arena);
    copy_items(part, old, card);
    catalog_part_relink(part, handle, fresh);
    give_pages(part, old);
    /* Of one size, it is the last, and so the one that fills the gap. */
    return catalog_part_free(part, handle, old_size) == fresh ? handle : fresh;
}

uint32_t
card_widen_pages(const struct card *card)
{
    return pages_of(card->form | CARD_WIDE, card->items) + CARD_PAGES;
}

uint32_t
card_widen(struct catalog_part *part, uint32_t handle)
{
    const struct card *card = catalog_part_card(part, handle);
    unsigned form = card->form | CARD_WIDE;

    if (size_of(form, card->items) > OBJECT_MAX)
        form |= CARD_LONG;
    return remake(part, handle, form);
}

/* Moves items at .. items - 1 one up, from the last page to the first. */
static void
shift_up(struct catalog_part *part, struct card *card, uint32_t at)
{
    uint32_t stride = stride_of(card->form);
    uint32_t each =
        (card->form & CARD_LONG) != 0 ? ARENA_PAGE / stride : card->items + 1u;
    uint32_t end = card->items;

    while (end > at) {
        uint32_t first = end / each * each;
        uint32_t from = first > at ? first : at;

        memmove((uint8_t *)item_at(part, card, from) + stride,
                item_at(part, card, from), (size_t)(end - from) * stride);
        if (from == at)
            return;
        memcpy(item_at(part, card, from), item_at(part, card, from - 1),
               stride);
        end = from - 1;
    }
}

uint32_t
card_insert(struct catalog_part *part, uint32_t handle, uint32_t at)
{
    struct card *card = catalog_part_card(part, handle);
    uint32_t items = card->items;

    assert(at <= items && items < UINT16_MAX);
    if ((card->form & CARD_LONG) == 0 &&
        size_of(card->form, items + 1) > OBJECT_MAX)
        handle = remake(part, handle, card->form | CARD_LONG);
    card = catalog_part_card(part, handle);
    handle = resize(part, handle, size_of(card->form, items),
                    size_of(card->form, items + 1));
    card = catalog_part_card(part, handle);
    if ((card->form & CARD_LONG) != 0 && items % per_page(card->form) == 0)
        card->data[items / per_page(card->form)] =
            arena_page_take(&part->arena);
    shift_up(part, card, at);
    card->items++;
    return handle;
}

/* Moves items at + 1 .. items - 1 one down, from the first page to the last. */
static void
shift_down(struct catalog_part *part, struct card *card, uint32_t at)
{
    uint32_t stride = stride_of(card->form);
    uint32_t each =
        (card->form & CARD_LONG) != 0 ? ARENA_PAGE / stride : card->items;
    uint32_t last = card->items - 1u;

    while (at < last) {
        uint32_t end = (at / each + 1) * each; /* of this page */
        uint32_t stop = end - 1 < last ? end - 1 : last;

        memmove(item_at(part, card, at),
                (uint8_t *)item_at(part, card, at) + stride,
                (size_t)(stop - at) * stride);
        if (stop < last)
            memcpy(item_at(part, card, stop), item_at(part, card, stop + 1),
                   stride);
        at = stop + 1;
    }
}

uint32_t
card_remove(struct catalog_part *part, uint32_t handle, uint32_t at)
{
    struct card *card = catalog_part_card(part, handle);
    uint32_t items = card->items;
    unsigned form = card->form;

    assert(at < items);
    shift_down(part, card, at);
    if ((form & CARD_LONG) != 0 && (items - 1) % per_page(form) == 0)
        arena_page_give(&part->arena, card->data[(items - 1) / per_page(form)]);
    card->items--;
    return resize(part, handle, size_of(form, items), size_of(form, items - 1));
}

void
card_free(struct catalog_part *part, uint32_t handle)
{
    const struct card *card = catalog_part_card(part, handle);

    give_pages(part, card);
    (void)catalog_part_free(part, handle, card_size(card));
}

void
card_read_field(const struct catalog_part *part, const struct card *card,
                uint32_t at, struct card_field *out)
{
    const uint32_t *item = item_at(part, card, at);

    out->field = item[0];
    out->value = (card->form & CARD_WIDE) != 0 ? item[1] : 0;
}

void
card_write_field(struct catalog_part *part, struct card *card, uint32_t at,
                 const struct card_field *field)
{
    uint32_t *item = item_at(part, card, at);

    item[0] = field->field;
    if ((card->form & CARD_WIDE) != 0)
        item[1] = field->value;
}

uint32_t
card_find_field(const struct catalog_part *part, const struct card *card,
                uint32_t field)
{
    uint32_t words = stride_of(card->form) / (uint32_t)sizeof(uint32_t);

    for (uint32_t i = 0, run; i < card->items; i += run) {
        const uint32_t *item = item_at(part, card, i);

        run = run_at(card, i);
        for (uint32_t k = 0; k < run; k++)
            if (item[k * words] == field)
                return i + k;
    }
    return CARD_NOWHERE;
}

bool
card_is_short_member(const struct card_member *member)
{
    return !member->is_word && member->score >= INT32_MIN &&
           member->score <= INT32_MAX && trunc(member->score) == member->score;
}

void
card_read_member(const struct catalog_part *part, const struct card *card,
                 uint32_t at, struct card_member *out)
{
    const void *item = item_at(part, card, at);

    if ((card->form & CARD_WIDE) != 0) {
        const struct wide_member *wide = item;

        out->number = join(wide->number);
        memcpy(&out->score, wide->score, sizeof(out->score));
        out->is_word = wide->is_word != 0;
    } else {
        const struct narrow_member *narrow = item;

        out->number = join(narrow->number);
        out->score = narrow->score;
        out->is_word = false;
    }
}

void
card_write_member(struct catalog_part *part, struct card *card, uint32_t at,
                  const struct card_member *member)
{
    void *item = item_at(part, card, at);

    if ((card->form & CARD_WIDE) != 0) {
        struct wide_member *wide = item;

        split(member->number, wide->number);
        memcpy(wide->score, &member->score, sizeof(member->score));
        wide->is_word = member->is_word;
    } else {
        struct narrow_member *narrow = item;

        split(member->number, narrow->number);
        narrow->score = (int32_t)member->score;
    }
}

uint32_t
card_find_member(const struct catalog_part *part, const struct card *card,
                 const struct card_member *member)
{
    uint32_t words = stride_of(card->form) / (uint32_t)sizeof(uint32_t);
    uint32_t low = (uint32_t)member->number;
    struct card_member found;

    for (uint32_t i = 0, run; i < card->items; i += run) {
        const uint32_t *item = item_at(part, card, i);

        run = run_at(card, i);
        for (uint32_t k = 0; k < run; k++) {
            if (item[k * words] != low)
                continue;
            card_read_member(part, card, i + k, &found);
            if (found.number == member->number &&
                found.is_word == member->is_word)
                return i + k;
        }
    }
    return CARD_NOWHERE;
}

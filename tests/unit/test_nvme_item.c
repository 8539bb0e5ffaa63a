/* SPDX-License-Identifier: Apache-2.0 */
/* Items of notes, tables and heads, one by one and one behind the other. */
#include "proto/object_name.h"
#include "tests/lib/nvme_parts.h"

#include <criterion/criterion.h>

static uint8_t bytes[4 * NVME_BLOCK];

static void
expect_same(const struct nvme_item *got, const struct nvme_item *want)
{
    cr_assert_eq(got->kind, want->kind);
    cr_assert(key_is_equal(&got->key, &want->key));
    cr_assert_eq(got->sequence, want->sequence);
    cr_assert_eq(got->expires_unix_ms, want->expires_unix_ms);
    cr_assert_eq(got->size, want->size);
    cr_assert_eq(got->checksum, want->checksum);
    cr_assert_eq(got->meta.size, want->meta.size);
    cr_assert_arr_eq(got->meta.bytes, want->meta.bytes, want->meta.size);
    cr_assert_eq(got->form, want->form);
    cr_assert_eq(got->block, want->block);
}

static uint32_t
round_trip(const struct nvme_item *item)
{
    uint32_t size = nvme_item_size(item);
    const uint8_t *from = bytes;
    uint8_t *at = bytes;
    struct nvme_item got;

    memset(bytes, 0xee, sizeof(bytes));
    cr_assert(nvme_write_item(item, &at, bytes + sizeof(bytes)));
    cr_assert_eq(at, bytes + size);
    cr_assert_eq(*at, 0xee);
    cr_assert_eq(size % 8, 0);
    cr_assert_leq(size, NVME_ITEM_MAX);
    cr_assert(nvme_read_item(&from, at, &got));
    cr_assert_eq(from, at);
    expect_same(&got, item);
    return size;
}

Test(nvme_item, every_size_of_key_and_metadata_fits)
{
    struct nvme_item item = sample_item(0);
    uint32_t largest = 0;

    for (uint16_t key = 1; key <= KEY_SIZE_MAX; key++) {
        item.key = sample_key(KEY_PLAIN, key);
        for (uint8_t meta = 0; meta <= CHUNK_META_MAX; meta++) {
            if (key > 40 && key < KEY_SIZE_MAX - 8 && meta % 64 != 0)
                continue;
            item.meta = sample_meta(meta);
            uint32_t size = round_trip(&item);
            largest = size > largest ? size : largest;
        }
    }
    cr_assert_eq(largest, 48 + CHUNK_META_MAX + KEY_SIZE_MAX);
}

Test(nvme_item, every_field_is_kept_at_its_limits)
{
    for (unsigned form = 0; form < FORM_COUNT; form++) {
        struct nvme_item item = sample_item(0);
        item.form = (uint8_t)form;
        item.sequence = item.expires_unix_ms = item.checksum = UINT64_MAX;
        item.size = item.block = UINT32_MAX;
        for (int kind = KEY_PLAIN; kind <= KEY_OBJECT; kind++) {
            item.key = key_make((enum key_kind)kind, NVME_SPACES - 1,
                                "\0\xff/../\n", 7);
            round_trip(&item);
        }
    }
}

Test(nvme_item, a_note_has_only_what_is_its_own)
{
    struct nvme_item item = sample_item(0), want = item, got;
    const uint8_t *from = bytes;
    uint8_t *at = bytes;

    item.kind = want.kind = NVME_TOMBSTONE;
    want.size = want.block = want.form = want.meta.size = 0;
    want.checksum = want.expires_unix_ms = 0;
    cr_assert(nvme_write_item(&item, &at, bytes + sizeof(bytes)));
    cr_assert(nvme_read_item(&from, at, &got));
    expect_same(&got, &want);

    want = item = sample_item(0);
    item.kind = want.kind = NVME_CHANGE;
    want.size = want.block = 0;
    want.checksum = 0;
    from = at = bytes;
    cr_assert(nvme_write_item(&item, &at, bytes + sizeof(bytes)));
    cr_assert(nvme_read_item(&from, at, &got));
    expect_same(&got, &want);
}

Test(nvme_item, items_stand_one_behind_the_other)
{
    const uint8_t *from = bytes;
    uint8_t *at = bytes;
    struct nvme_item got;

    for (unsigned i = 0; i < SAMPLE_ITEM_COUNT; i++) {
        struct nvme_item item = sample_item(i);
        cr_assert(nvme_write_item(&item, &at, bytes + sizeof(bytes)));
    }
    for (unsigned i = 0; i < SAMPLE_ITEM_COUNT; i++) {
        struct nvme_item item = sample_item(i);
        cr_assert(nvme_read_item(&from, at, &got));
        expect_same(&got, &item);
    }
    cr_assert_not(nvme_read_item(&from, at, &got));
    cr_assert_eq(from, at, "the end is told from what is no item");
}

Test(nvme_item, nothing_is_written_where_there_is_no_room)
{
    struct nvme_item item = sample_item(0);
    uint32_t size = nvme_item_size(&item);

    for (uint32_t room = 0; room < size; room++) {
        uint8_t *exact = malloc(room > 0 ? room : 1), *at = exact;
        memset(exact, 0xee, room);
        cr_assert_not(nvme_write_item(&item, &at, exact + room));
        cr_assert_eq(at, exact);
        for (uint32_t i = 0; i < room; i++)
            cr_assert_eq(exact[i], 0xee);
        free(exact);
    }
}

Test(nvme_item, a_cut_item_is_none_and_not_the_end)
{
    struct nvme_item item = sample_item(0), got;
    uint32_t size = nvme_item_size(&item);
    uint8_t *at = bytes;

    cr_assert(nvme_write_item(&item, &at, bytes + sizeof(bytes)));
    for (uint32_t left = 1; left < size; left++) {
        uint8_t *exact = malloc(left);
        const uint8_t *from = exact;
        memcpy(exact, bytes, left);
        cr_assert_not(nvme_read_item(&from, exact + left, &got));
        cr_assert_eq(from, exact);
        free(exact);
    }
}

/* Is the n-th sample an item with this number at this byte? */
static bool
is_item_with(unsigned n, unsigned at, uint32_t value, unsigned size)
{
    struct nvme_item item = sample_item(n), got;
    const uint8_t *from = bytes;
    uint8_t *end = bytes;

    memset(bytes, 0, sizeof(bytes));
    cr_assert(nvme_write_item(&item, &end, bytes + sizeof(bytes)));
    for (unsigned i = 0; i < size; i++)
        bytes[at + i] = (uint8_t)(value >> 8 * i);
    return nvme_read_item(&from, bytes + sizeof(bytes), &got);
}

Test(nvme_item, fields_that_can_not_be_make_it_none)
{
    uint32_t size = 48 + CHUNK_META_LM + 20;

    cr_assert(is_item_with(0, 0, size, 4));
    cr_assert_not(is_item_with(0, 0, size + 8, 4), "its size is too large");
    cr_assert_not(is_item_with(0, 0, size - 8, 4), "too small");
    cr_assert_not(is_item_with(0, 0, 0, 4), "nothing");
    cr_assert_not(is_item_with(0, 0, UINT32_MAX, 4));
    for (unsigned kind = 0; kind < 256; kind++)
        cr_assert_eq(is_item_with(0, 4, kind, 1), kind == NVME_VALUE);
    for (unsigned form = 0; form < 256; form++)
        cr_assert_eq(is_item_with(0, 5, form, 1), form < FORM_COUNT);
    for (unsigned kind = 0; kind < 256; kind++)
        cr_assert_eq(is_item_with(0, 6, kind, 1), kind <= KEY_OBJECT);
    cr_assert_not(is_item_with(0, 7, CHUNK_META_MAX + 1, 1));
    cr_assert_not(is_item_with(0, 8, 0, 2), "no key");
    cr_assert_not(is_item_with(0, 8, KEY_SIZE_MAX + 1, 2));
    cr_assert(is_item_with(0, 10, NVME_SPACES - 1, 2));
    cr_assert_not(is_item_with(0, 10, NVME_SPACES, 2));
    cr_assert_not(is_item_with(0, 44, 1, 1), "not drawn");
    for (unsigned at = 12; at < 44; at++) {
        if (at >= 16 && at < 24)
            continue;
        cr_assert_not(is_item_with(1, at, 1, 1), "a tombstone, byte %u", at);
        if (at < 24 || at >= 32)
            cr_assert_not(is_item_with(2, at, 1, 1), "a change, byte %u", at);
    }
}

Test(nvme_item, the_bytes_behind_a_key_are_zero)
{
    struct nvme_item item = sample_item(0), got;
    const uint8_t *from = bytes;
    uint8_t *at = bytes;

    item.key = sample_key(KEY_PLAIN, 21);
    cr_assert(nvme_write_item(&item, &at, bytes + sizeof(bytes)));
    at[-1] = 1;
    cr_assert_not(nvme_read_item(&from, at, &got));
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What the spill tier keeps of a value, byte for byte. */
#include "storage/spill_head.h"

#include "proto/object_name.h"

#include <criterion/criterion.h>
#include <string.h>

static struct spill_head
sample(uint16_t key_size, uint8_t meta_size)
{
    static uint8_t key[KEY_SIZE_MAX];
    struct spill_head head = {.sequence = 0x0102030405060708u,
                              .group = 0x0a0b0c0,
                              .number = 0x0a0b0c0d0u,
                              .expires_unix_ms = 1900000000123u,
                              .checksum = UINT64_C(0xfedcba9876543210),
                              .size = 70001,
                              .form = FORM_LM,
                              .meta = {.size = meta_size}};

    for (unsigned i = 0; i < key_size; i++)
        key[i] = (uint8_t)('a' + i % 26);
    for (unsigned i = 0; i < meta_size; i++)
        head.meta.bytes[i] = (uint8_t)(0xf0 - i);
    head.key = key_make(KEY_OBJECT, 7, key, key_size);
    return head;
}

static void
come_back(uint16_t key_size, uint8_t meta_size)
{
    struct spill_head head = sample(key_size, meta_size), read;
    uint8_t bytes[SPILL_HEAD_MAX], again[SPILL_HEAD_MAX];
    uint32_t size = spill_head_write(&head, bytes);

    cr_assert_eq(size, SPILL_HEAD_FIXED + key_size + meta_size);
    cr_assert(spill_head_read(bytes, size, &read));
    cr_assert(key_is_equal(&read.key, &head.key));
    cr_assert_eq(read.key.hash, head.key.hash);
    cr_assert_eq(read.sequence, head.sequence);
    cr_assert_eq(read.group, head.group);
    cr_assert_eq(read.number, head.number);
    cr_assert_eq(read.expires_unix_ms, head.expires_unix_ms);
    cr_assert_eq(read.checksum, head.checksum);
    cr_assert_eq(read.size, head.size);
    cr_assert_eq(read.form, head.form);
    cr_assert_eq(read.meta.size, meta_size);
    cr_assert_arr_eq(read.meta.bytes, head.meta.bytes, meta_size);
    cr_assert_eq(spill_head_write(&read, again), size);
    cr_assert_arr_eq(again, bytes, size);
}

Test(spill_head, what_is_written_is_read)
{
    come_back(1, 0);
    come_back(20, CHUNK_META_LM);
    come_back(KEY_SIZE_MAX, CHUNK_META_MAX);
}

/* The format does not change without anybody's knowing. */
Test(spill_head, has_these_very_bytes)
{
    static const uint8_t golden[] = {
        0x01, 0x00, 0x01, 0x02, 0x03, 0x00, 0x07, 0x00, 0x70, 0x9d, 0xca, 0xea,
        0x93, 0x47, 0x76, 0xaa, 0x08, 0x07, 0x06, 0x05, 0x04, 0x03, 0x02, 0x01,
        0xc0, 0xb0, 0xa0, 0x00, 0x00, 0x00, 0x00, 0x00, 0xd0, 0xc0, 0xb0, 0xa0,
        0x00, 0x00, 0x00, 0x00, 0x7b, 0x38, 0xd3, 0x60, 0xba, 0x01, 0x00, 0x00,
        0x10, 0x32, 0x54, 0x76, 0x98, 0xba, 0xdc, 0xfe, 0x71, 0x11, 0x01, 0x00,
        0x00, 0x00, 0x00, 0x00, 0xf0, 0xef, 'a',  'b',  'c'};
    struct spill_head head = sample(3, 2);
    uint8_t bytes[SPILL_HEAD_MAX];

    cr_assert_eq(spill_head_write(&head, bytes), sizeof(golden));
    cr_assert_arr_eq(bytes, golden, sizeof(golden));
}

Test(spill_head, of_which_a_bit_is_flipped_is_refused)
{
    struct spill_head head = sample(40, CHUNK_META_LM), read;
    uint8_t bytes[SPILL_HEAD_MAX];
    uint32_t size = spill_head_write(&head, bytes);

    for (uint32_t bit = 0; bit < size * 8; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        cr_assert(!spill_head_read(bytes, size, &read), "bit %u", bit);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    cr_assert(spill_head_read(bytes, size, &read));
}

Test(spill_head, that_is_cut_or_too_long_is_refused)
{
    struct spill_head head = sample(40, CHUNK_META_LM), read;
    uint8_t bytes[SPILL_HEAD_MAX];
    uint32_t size = spill_head_write(&head, bytes);

    for (uint32_t cut = 0; cut < size; cut++)
        cr_assert(!spill_head_read(bytes, cut, &read), "%u bytes", cut);
    bytes[size] = 0;
    cr_assert(!spill_head_read(bytes, size + 1, &read));
}

Test(spill_head, marks_come_back)
{
    const struct spill_marks marks = {1u << 20, 3, 77};
    uint8_t bytes[SPILL_MARKS_SIZE];
    struct spill_marks read;

    spill_head_write_marks(&marks, bytes);
    cr_assert(spill_head_read_marks(bytes, sizeof(bytes), &read));
    cr_assert_eq(memcmp(&read, &marks, sizeof(marks)), 0);
    cr_assert(!spill_head_read_marks(bytes, sizeof(bytes) - 1, &read));
}

static int
compare(const struct spill_name *a, const struct spill_name *b)
{
    uint32_t size = a->size < b->size ? a->size : b->size;
    int order = memcmp(a->bytes, b->bytes, size);

    return order != 0 ? order : (int)a->size - (int)b->size;
}

Test(spill_head, names_stand_in_the_order_of_their_numbers)
{
    struct spill_name before, after;
    struct key key = key_make(KEY_PLAIN, 255, "zz", 2);

    for (uint64_t n = 1; n < UINT64_C(1) << 35; n = n * 3 + 1) {
        spill_head_name(&before, n);
        spill_head_name(&after, n + 1);
        cr_assert_lt(compare(&before, &after), 0);
        spill_head_group_name(&before, n, UINT64_MAX);
        spill_head_group_name(&after, n + 1, 0);
        cr_assert_lt(compare(&before, &after), 0);
        spill_head_body_name(&before, n, UINT64_MAX, &key);
        spill_head_body_piece(&before, 65535);
        spill_head_body_name(&after, n + 1, 0, &key);
        cr_assert_lt(compare(&before, &after), 0);
        spill_head_body_name(&before, n, 1, &key);
        spill_head_body_piece(&before, 255);
        spill_head_body_name(&after, n, 1, &key);
        spill_head_body_piece(&after, 256);
        cr_assert_lt(compare(&before, &after), 0);
    }
}

Test(spill_head, names_are_parsed)
{
    uint64_t sequence = 0, group = 0;
    struct spill_name name;

    spill_head_name(&name, 0x123456789abcdef0u);
    cr_assert(spill_head_parse_name(name.bytes, name.size, &sequence));
    cr_assert_eq(sequence, 0x123456789abcdef0u);
    cr_assert(!spill_head_parse_name(name.bytes, name.size - 1, &sequence));
    cr_assert(
        !spill_head_parse_group_name(name.bytes, name.size, &group, &sequence));
    spill_head_group_name(&name, 12, 34);
    cr_assert(
        spill_head_parse_group_name(name.bytes, name.size, &group, &sequence));
    cr_assert_eq(group, 12u);
    cr_assert_eq(sequence, 34u);
    cr_assert(!spill_head_parse_name(name.bytes, name.size, &sequence));
}

Test(spill_head, families_are_parsed_only_as_they_are_written)
{
    static const char *const others[] = {
        "default",  "group-",   "group-x", "group-01",
        "group--1", "group-1 ", "Group-1", "group-268435456"};
    char name[SPILL_FAMILY_MAX];
    uint64_t group;

    spill_head_family(name, 268435455);
    cr_assert(spill_head_parse_family(name, &group));
    cr_assert_eq(group, 268435455u);
    spill_head_family(name, 0);
    cr_assert(spill_head_parse_family(name, &group));
    cr_assert_eq(group, 0u);
    for (unsigned i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        cr_assert(!spill_head_parse_family(others[i], &group), "%s", others[i]);
}

Test(spill_head, a_value_has_a_piece_for_each_megabyte_and_one_at_least)
{
    cr_assert_eq(spill_head_pieces(0), 1u);
    cr_assert_eq(spill_head_pieces(1), 1u);
    cr_assert_eq(spill_head_pieces(SPILL_PIECE), 1u);
    cr_assert_eq(spill_head_pieces(SPILL_PIECE + 1), 2u);
    cr_assert_eq(spill_head_pieces(64u << 20), 64u);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is found on a device: superblocks, segments and their tables; and that
 * nothing is told that was not written, whatever became of the rest.  Walking
 * is test_nvme_walk.c's.
 */
#include "tests/lib/nvme_seen.h"

#include <criterion/criterion.h>
#include <errno.h>

static struct image image;
static struct seen seen;

static void
open_image(void)
{
    image_open(&image, seen_file(), 1u << 20, 4);
}

static void
close_image(void)
{
    seen_close(&seen);
    image_close(&image);
}

TestSuite(nvme_scan, .init = open_image, .fini = close_image);

/* --- Superblocks --- */

static enum status
scan_super(struct nvme_super_seen *out)
{
    memset(out, 0, sizeof(*out));
    return nvme_scan_super(image.fd, out);
}

Test(nvme_scan, the_superblock_with_the_higher_serial_holds)
{
    struct nvme_super_seen super;

    cr_assert_eq(scan_super(&super), STATUS_OK);
    cr_assert_eq(super.which, 1);
    cr_assert(super.has_both);
    cr_assert_not(super.has_broken);
    cr_assert_eq(super.super.serial, 2);
    cr_assert_eq(super.super.segment_count, 4);
    image_write_super(&image, 0, 3);
    cr_assert_eq(scan_super(&super), STATUS_OK);
    cr_assert_eq(super.which, 0);
    cr_assert_eq(super.super.serial, 3);
}

Test(nvme_scan, one_superblock_is_enough)
{
    struct nvme_super_seen super;

    for (unsigned which = 0; which < 2; which++) {
        image_flip(&image, which * NVME_BLOCK + 777);
        cr_assert_eq(scan_super(&super), STATUS_OK);
        cr_assert_eq(super.which, 1 - which);
        cr_assert_not(super.has_both);
        cr_assert(super.has_broken);
        cr_assert_eq(super.super.serial, 2 - which);
        image_flip(&image, which * NVME_BLOCK + 777);
    }
    image_flip(&image, 777);
    image_flip(&image, NVME_BLOCK + 777);
    cr_assert_eq(scan_super(&super), STATUS_CORRUPT);
}

Test(nvme_scan, a_new_device_has_none)
{
    static const uint8_t zero[NVME_BLOCK];
    struct nvme_super_seen super;

    image_write(&image, NVME_BLOCK, zero, sizeof(zero));
    cr_assert_eq(scan_super(&super), STATUS_OK);
    cr_assert_not(super.has_both);
    cr_assert_not(super.has_broken, "one that was never written");
    cr_assert_eq(ftruncate(image.fd, 0), 0);
    cr_assert_eq(scan_super(&super), STATUS_MISS);
    cr_assert_eq(ftruncate(image.fd, 1 << 20), 0);
    cr_assert_eq(scan_super(&super), STATUS_MISS);
    image_write(&image, 100, "foreign", 7);
    cr_assert_eq(scan_super(&super), STATUS_CORRUPT);
}

Test(nvme_scan, a_newer_version_in_either_place_is_refused)
{
    uint8_t block[NVME_BLOCK];
    struct nvme_super_seen super;

    cr_assert_eq(pread(image.fd, block, sizeof(block), 0), sizeof(block));
    block[32] = 9;
    part_reseal(block, sizeof(block));
    for (unsigned which = 0; which < 2; which++) {
        image_write_super(&image, 1 - which, 100);
        image_write(&image, which * NVME_BLOCK, block, sizeof(block));
        cr_assert_eq(scan_super(&super), STATUS_BAD_REQUEST);
        cr_assert_eq(super.newer_version, 9);
    }
}

Test(nvme_scan, a_device_that_can_not_be_read_says_so)
{
    struct nvme_super_seen super;
    struct nvme_segment_seen segment;

    seen_fail(0, NVME_BLOCK);
    cr_assert_eq(scan_super(&super), STATUS_OK, "the other one is whole");
    cr_assert_eq(super.which, 1);
    cr_assert_not(super.has_both);
    seen_fail(0, 2 * NVME_BLOCK);
    cr_assert_eq(scan_super(&super), STATUS_IO);

    image_begin(&image, 0, 1);
    seen_open(&seen, &image);
    seen_fail(image_offset(&image, 0, 0), NVME_BLOCK);
    cr_assert_eq(nvme_scan_look(seen.scan, 0, &segment), STATUS_IO);
    cr_assert_eq(segment.state, NVME_SEGMENT_BLANK);
    seen_fail(0, 0);
    cr_assert_eq(nvme_scan_look(seen.scan, 0, &segment), STATUS_OK);
    cr_assert_eq(segment.state, NVME_SEGMENT_OPEN);
}

/* --- Segments --- */

static struct nvme_segment_seen
look(uint32_t number)
{
    struct nvme_segment_seen segment;

    cr_assert_eq(nvme_scan_look(seen.scan, number, &segment), STATUS_OK);
    cr_assert_eq(segment.number, number);
    return segment;
}

Test(nvme_scan, segments_are_blank_open_or_sealed)
{
    image_begin(&image, 1, 6);
    image_value(&image, 1, 1, 5000);
    image_begin(&image, 2, 5);
    image_value(&image, 2, 2, 5000);
    uint32_t table = image_seal(&image);
    seen_open(&seen, &image);

    cr_assert_eq(look(0).state, NVME_SEGMENT_BLANK);
    cr_assert_eq(look(1).state, NVME_SEGMENT_OPEN);
    cr_assert_eq(look(1).generation, 6);
    cr_assert_eq(look(2).state, NVME_SEGMENT_SEALED);
    cr_assert_eq(look(2).generation, 5);
    cr_assert_eq(look(2).trailer.table_block, table);
    cr_assert_eq(look(2).trailer.table_blocks, 2);
    cr_assert_eq(look(3).state, NVME_SEGMENT_BLANK);
    cr_assert_eq(seen.broken_count, 0);
}

Test(nvme_scan, a_trailer_of_an_earlier_life_seals_nothing)
{
    image_begin(&image, 0, 1);
    image_value(&image, 1, 1, 5000);
    image_seal(&image);
    image_begin(&image, 0, 2);
    seen_open(&seen, &image);
    cr_assert_eq(look(0).state, NVME_SEGMENT_OPEN);
}

Test(nvme_scan, a_trailer_whose_table_can_not_be_seals_nothing)
{
    image_begin(&image, 0, 1);
    uint32_t blocks = (1u << 20) / NVME_BLOCK;
    image.block = blocks - 1;
    image_trailer(&image, blocks - 2);
    seen_open(&seen, &image);
    cr_assert_eq(look(0).state, NVME_SEGMENT_SEALED, "just before it");
    image.block = blocks;
    image_trailer(&image, blocks - 2);
    cr_assert_eq(look(0).state, NVME_SEGMENT_OPEN, "over the trailer");
    image_trailer(&image, blocks - 1);
    cr_assert_eq(look(0).state, NVME_SEGMENT_OPEN, "at the trailer");
}

Test(nvme_scan, a_header_of_another_device_is_blank_and_a_broken_one_is_told)
{
    image_begin(&image, 0, 1);
    image_value(&image, 1, 1, 5000);
    seen_open(&seen, &image);
    image_flip(&image, image_offset(&image, 0, 0) + 40);
    cr_assert_eq(look(0).state, NVME_SEGMENT_BLANK);
    cr_assert_eq(seen.broken_count, 1);
    cr_assert_eq(seen.broken[0], 0);

    seen_clear(&seen);
    image.super.identity[0] = 'A'; /* formatted anew */
    image_begin(&image, 0, 1);
    cr_assert_eq(look(0).state, NVME_SEGMENT_BLANK);
    image_write(&image, image_offset(&image, 1, 0), "foreign", 7);
    cr_assert_eq(look(1).state, NVME_SEGMENT_BLANK);
    cr_assert_eq(seen.broken_count, 0);
}

/* --- Tables --- */

Test(nvme_scan, a_table_tells_all_items_in_order)
{
    image_begin(&image, 3, 9);
    uint32_t first = image_value(&image, 1, 10, 70000);
    image_note(&image, NVME_TOMBSTONE, 5, 11);
    uint32_t empty = image_value(&image, 2, 12, 0);
    image_note(&image, NVME_CHANGE, 1, 10);
    image_seal(&image);
    seen_open(&seen, &image);
    struct nvme_segment_seen segment = look(3);

    cr_assert_eq(nvme_scan_table(seen.scan, &segment), STATUS_OK);
    cr_assert_eq(seen.item_count, 4);
    cr_assert(seen_is(&seen, 0, NVME_VALUE, 1, 10));
    cr_assert_eq(seen.items[0].block, first);
    cr_assert_eq(seen.items[0].size, 70000);
    cr_assert(seen_is(&seen, 1, NVME_TOMBSTONE, 5, 11));
    cr_assert(seen_is(&seen, 2, NVME_VALUE, 2, 12));
    cr_assert_eq(seen.items[2].block, empty);
    cr_assert(seen_is(&seen, 3, NVME_CHANGE, 1, 10));
    cr_assert_eq(seen.broken_count, 0);
    cr_assert_gt(seen.read_bytes, 0);
}

Test(nvme_scan, a_table_may_be_empty)
{
    image_begin(&image, 0, 1);
    image_seal(&image);
    seen_open(&seen, &image);
    struct nvme_segment_seen segment = look(0);
    cr_assert_eq(nvme_scan_table(seen.scan, &segment), STATUS_OK);
    cr_assert_eq(seen.item_count, 0);
}

Test(nvme_scan, a_table_may_be_larger_than_what_is_read_at_once)
{
    image_close(&image);
    image_open(&image, seen_file(), 8u << 20, 1);
    image_begin(&image, 0, 1);
    image.key_size = 3000;
    for (uint32_t i = 0; i < 800; i++)
        image_value(&image, i, 1 + i, 0);
    cr_assert_gt(image.table_end - image.table, 2 << 20);
    image_seal(&image);
    seen_open(&seen, &image);
    struct nvme_segment_seen segment = look(0);

    cr_assert_eq(nvme_scan_table(seen.scan, &segment), STATUS_OK);
    cr_assert_eq(seen.item_count, 800);
    for (uint32_t i = 0; i < 800; i++) {
        cr_assert(seen_is(&seen, i, NVME_VALUE, i, 1 + i));
        cr_assert_eq(seen.items[i].block, 1 + i);
    }
}

Test(nvme_scan, a_table_with_any_byte_flipped_tells_nothing)
{
    image_begin(&image, 0, 1);
    for (uint32_t i = 0; i < 20; i++)
        image_value(&image, i, 1 + i, 100);
    uint32_t table = image_seal(&image);
    uint32_t size = NVME_BLOCK + (uint32_t)(image.table_end - image.table);
    seen_open(&seen, &image);
    struct nvme_segment_seen segment = look(0);

    for (uint32_t at = 0; at < size; at++) {
        uint64_t offset = image_offset(&image, 0, table) + at;
        image_flip(&image, offset);
        seen_reopen(&seen);
        cr_assert_eq(nvme_scan_table(seen.scan, &segment), STATUS_CORRUPT);
        cr_assert_eq(seen.item_count, 0);
        cr_assert_eq(seen.broken_count, 1);
        cr_assert_eq(seen.broken[0], table);
        image_flip(&image, offset);
    }
    seen_reopen(&seen);
    cr_assert_eq(nvme_scan_table(seen.scan, &segment), STATUS_OK);
    cr_assert_eq(seen.item_count, 20);
}

/* As another writer might make it: all checksums right. */
static enum status
table_with_block(uint32_t block)
{
    seen_close(&seen);
    image_begin(&image, 0, 1);
    image_value(&image, 1, 1, 5000);
    image_value(&image, 2, 2, 5000);
    for (unsigned i = 0; i < 4; i++)
        image.table[12 + i] = (uint8_t)(block >> 8 * i);
    image_seal(&image);
    seen_open(&seen, &image);
    struct nvme_segment_seen segment = look(0);
    return nvme_scan_table(seen.scan, &segment);
}

Test(nvme_scan, a_table_with_a_place_outside_its_records_tells_nothing)
{
    cr_assert_eq(table_with_block(1), STATUS_OK);
    cr_assert_eq(table_with_block(4), STATUS_OK);
    cr_assert_eq(table_with_block(5), STATUS_CORRUPT, "into the table");
    cr_assert_eq(seen.item_count, 0);
    cr_assert_eq(table_with_block(0), STATUS_CORRUPT, "over the header");
    cr_assert_eq(table_with_block(UINT32_MAX), STATUS_CORRUPT);
}

Test(nvme_scan, a_table_that_can_not_be_read_says_so)
{
    image_begin(&image, 0, 1);
    image_value(&image, 1, 1, 5000);
    uint32_t table = image_seal(&image);
    seen_open(&seen, &image);
    struct nvme_segment_seen segment = look(0);

    seen_fail(image_offset(&image, 0, table + 1), NVME_BLOCK);
    cr_assert_eq(nvme_scan_table(seen.scan, &segment), STATUS_IO);
    cr_assert_eq(seen.item_count, 0);
    cr_assert_eq(seen.broken_count, 1);
}

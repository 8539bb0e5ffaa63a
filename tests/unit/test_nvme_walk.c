/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walking the records of a segment: all of what is whole is told, in order, and
 * never anything that was not written, whatever is flipped or cut (D3, D4).
 */
#include "tests/lib/nvme_seen.h"

#include <criterion/criterion.h>

#define SEGMENT (128u << 10)

static struct image image;
static struct seen seen, whole;

static void
open_image(void)
{
    image_open(&image, seen_file(), SEGMENT, 2);
    image_begin(&image, 0, 1);
}

static void
close_image(void)
{
    seen_close(&seen);
    seen_close(&whole);
    image_close(&image);
}

TestSuite(nvme_walk, .init = open_image, .fini = close_image);

/* Five records in 14 blocks, a note and an empty value among them. */
static void
write_five(void)
{
    image_value(&image, 1, 1, 5000);
    image_value(&image, 2, 2, 100);
    image_note(&image, NVME_TOMBSTONE, 1, 3);
    image_value(&image, 3, 4, 0);
    image_value(&image, 2, 5, 12000);
}

static uint64_t
at(uint32_t block)
{
    return image_offset(&image, 0, block);
}

/* Walks the first segment; returns where it ended. */
static uint32_t
walk_into(struct seen *into, enum status want)
{
    struct nvme_segment_seen segment;
    uint32_t end = 0;

    if (into->scan == NULL)
        seen_open(into, &image);
    /* Look elsewhere first, so that nothing is left of what was read. */
    cr_assert_eq(nvme_scan_look(into->scan, 1, &segment), STATUS_OK);
    seen_clear(into);
    cr_assert_eq(nvme_scan_look(into->scan, 0, &segment), STATUS_OK);
    if (segment.state == NVME_SEGMENT_BLANK)
        return 0;
    cr_assert_eq(nvme_scan_walk(into->scan, &segment, &end), want);
    return end;
}

static uint32_t
walk(void)
{
    return walk_into(&seen, STATUS_OK);
}

static void
expect_item(unsigned n, unsigned of_whole)
{
    cr_assert_lt(n, seen.item_count);
    cr_assert(seen_is(&seen, n, whole.items[of_whole].kind,
                      whole.items[of_whole].number,
                      whole.items[of_whole].sequence));
    cr_assert_eq(seen.items[n].size, whole.items[of_whole].size);
    cr_assert_eq(seen.items[n].checksum, whole.items[of_whole].checksum);
    cr_assert_eq(seen.items[n].block, whole.items[of_whole].block);
}

/* What was told is of what was written, in that order. */
static void
expect_nothing_else(void)
{
    unsigned n = 0;

    for (unsigned i = 0; i < whole.item_count && n < seen.item_count; i++) {
        if (seen.items[n].sequence == whole.items[i].sequence)
            expect_item(n++, i);
    }
    cr_assert_eq(n, seen.item_count, "an item that was never written");
}

/* --- What is whole --- */

Test(nvme_walk, an_open_segment_tells_all_its_items_in_order)
{
    write_five();
    cr_assert_eq(walk(), image.block);
    cr_assert_eq(seen.item_count, 5);
    cr_assert_eq(seen.record_count, 5);
    cr_assert_eq(seen.broken_count, 0);
    cr_assert(seen_is(&seen, 0, NVME_VALUE, 1, 1));
    cr_assert(seen_is(&seen, 1, NVME_VALUE, 2, 2));
    cr_assert(seen_is(&seen, 2, NVME_TOMBSTONE, 1, 3));
    cr_assert(seen_is(&seen, 3, NVME_VALUE, 3, 4));
    cr_assert(seen_is(&seen, 4, NVME_VALUE, 2, 5));
    cr_assert_eq(seen.items[0].block, 1);
    cr_assert_eq(seen.items[1].block, 4);
    cr_assert_eq(seen.items[2].block, 0);
    cr_assert_eq(seen.items[3].block, 8);
}

Test(nvme_walk, a_sealed_segment_tells_what_its_table_tells)
{
    struct nvme_segment_seen segment;

    write_five();
    uint32_t table = image_seal(&image);
    seen_open(&whole, &image);
    cr_assert_eq(nvme_scan_look(whole.scan, 0, &segment), STATUS_OK);
    cr_assert_eq(nvme_scan_table(whole.scan, &segment), STATUS_OK);
    cr_assert_eq(walk(), table);
    cr_assert_eq(seen.item_count, 5);
    cr_assert_eq(whole.item_count, 5);
    for (unsigned i = 0; i < 5; i++)
        expect_item(i, i);
    cr_assert_eq(seen.broken_count, 0);
}

Test(nvme_walk, an_empty_segment_has_nothing_to_tell)
{
    cr_assert_eq(walk(), 1);
    cr_assert_eq(seen.item_count + seen.broken_count, 0);
    image_seal(&image);
    cr_assert_eq(walk(), 1);
    cr_assert_eq(seen.item_count + seen.broken_count, 0);
}

Test(nvme_walk, records_of_an_earlier_life_are_never_told)
{
    write_five();
    write_five();
    image_begin(&image, 0, 2);
    image_value(&image, 9, 9, 5000); /* as long as the first one was */
    cr_assert_eq(walk(), 4);
    cr_assert_eq(seen.item_count, 1);
    cr_assert(seen_is(&seen, 0, NVME_VALUE, 9, 9));
}

Test(nvme_walk, a_record_may_be_larger_than_what_is_read_at_once)
{
    image_close(&image);
    image_open(&image, seen_file(), 8u << 20, 2);
    image_begin(&image, 0, 1);
    image.key_size = KEY_SIZE_MAX;
    image_value(&image, 1, 1, 3000001);
    image_value(&image, 2, 2, 1 << 20);
    image_value(&image, 3, 3, (1 << 20) - 1);
    cr_assert_eq(walk(), image.block);
    cr_assert_eq(seen.item_count, 3);
    cr_assert_eq(seen.broken_count, 0);
}

Test(nvme_walk, a_record_may_end_where_the_trailer_begins)
{
    uint32_t blocks = SEGMENT / NVME_BLOCK;

    image_value(&image, 1, 1, (blocks - 3) * NVME_BLOCK);
    cr_assert_eq(image.block, blocks - 1);
    cr_assert_eq(walk(), blocks - 1);
    cr_assert_eq(seen.item_count, 1);
}

/* --- What is not --- */

Test(nvme_walk, an_open_segment_ends_at_what_is_no_head)
{
    write_five();
    image_flip(&image, at(4) + 100);
    cr_assert_eq(walk(), 4);
    cr_assert_eq(seen.item_count, 1);
    cr_assert_eq(seen.broken_count, 0);
}

Test(nvme_walk, a_sealed_segment_goes_on_behind_what_is_no_head)
{
    write_five();
    uint32_t table = image_seal(&image);
    image_flip(&image, at(1) + 100);
    cr_assert_eq(walk(), table);
    cr_assert_eq(seen.item_count, 4);
    cr_assert(seen_is(&seen, 0, NVME_VALUE, 2, 2));
    cr_assert_eq(seen.broken_count, 1, "once, and not for each block");
    cr_assert_eq(seen.broken[0], 1);
}

Test(nvme_walk, a_flipped_payload_is_told_and_not_its_item)
{
    write_five();
    for (unsigned is_sealed = 0; is_sealed < 2; is_sealed++) {
        if (is_sealed)
            image_seal(&image);
        image_flip(&image, at(2) + 4999);
        walk();
        cr_assert_eq(seen.item_count, 4);
        cr_assert(seen_is(&seen, 0, NVME_VALUE, 2, 2));
        cr_assert_eq(seen.broken_count, 1);
        cr_assert_eq(seen.broken[0], 1);
        image_flip(&image, at(2) + 4999);
    }
}

Test(nvme_walk, payloads_that_were_never_finished_at_the_end_are_the_torn_tail)
{
    write_five();
    uint32_t torn = image.block;
    image_value(&image, 4, 6, 5000);
    image_value(&image, 5, 7, 5000);
    image_flip(&image, at(torn + 1));
    image_flip(&image, at(torn + 4));
    cr_assert_eq(walk(), image.block);
    cr_assert_eq(seen.item_count, 5);
    cr_assert_eq(seen.broken_count, 0);
    image_value(&image, 6, 8, 5000);
    walk();
    cr_assert_eq(seen.item_count, 6);
    cr_assert_eq(seen.broken_count, 2, "not if a whole one follows");
    cr_assert_eq(seen.broken[0], torn);
    cr_assert_eq(seen.broken[1], torn + 3);
}

Test(nvme_walk, a_table_whose_trailer_was_never_written_ends_an_open_segment)
{
    write_five();
    uint32_t table = image_table(&image);
    uint32_t last = SEGMENT / NVME_BLOCK - 1;

    cr_assert_eq(walk(), table);
    cr_assert_eq(seen.item_count, 5);
    cr_assert_eq(seen.broken_count, 0);
    image_trailer(&image, table);
    image_flip(&image, at(last) + 904);
    cr_assert_eq(walk(), table);
    cr_assert_eq(seen.broken_count, 1, "a trailer that was");
    cr_assert_eq(seen.broken[0], last);
}

Test(nvme_walk, a_record_longer_than_its_segment_is_none)
{
    struct nvme_record record = {.kind = NVME_RECORD_NOTES,
                                 .head_blocks = 1,
                                 .generation = 1,
                                 .payload_size = UINT32_MAX};
    uint8_t head[NVME_BLOCK];

    image_value(&image, 1, 1, 5000);
    uint32_t place = image_value(&image, 2, 2, 5000);
    image_value(&image, 3, 3, 5000);
    nvme_write_record(image.super.identity, &record, head);
    image_write(&image, at(place), head, sizeof(head));
    cr_assert_eq(walk(), place);
    cr_assert_eq(seen.item_count, 1);
    image_seal(&image);
    walk();
    cr_assert_eq(seen.item_count, 2);
    cr_assert_eq(seen.broken_count, 1);
    cr_assert_eq(seen.broken[0], place);
}

Test(nvme_walk, notes_that_hold_a_value_are_none)
{
    struct nvme_item item = sample_item(0);
    uint8_t head[NVME_BLOCK], payload[NVME_BLOCK] = {0}, *to = payload;

    cr_assert(nvme_write_item(&item, &to, payload + sizeof(payload)));
    uint32_t size = (uint32_t)(to - payload);
    struct nvme_record record = {.kind = NVME_RECORD_NOTES,
                                 .head_blocks = 1,
                                 .generation = 1,
                                 .payload_size = size,
                                 .payload_checksum =
                                     checksum_of(payload, size)};
    nvme_write_record(image.super.identity, &record, head);
    image_append(&image, &record, payload);
    image_value(&image, 1, 1, 100);
    walk();
    cr_assert_eq(seen.item_count, 1);
    cr_assert_eq(seen.broken_count, 1);
    cr_assert_eq(seen.broken[0], 1);
}

/* --- D3: every byte --- */

static void
flip_every_byte(uint32_t blocks)
{
    uint64_t size = (uint64_t)blocks * NVME_BLOCK;

    walk_into(&whole, STATUS_OK);
    for (uint64_t i = 0; i < size; i++) {
        image_flip(&image, at(0) + i);
        walk();
        expect_nothing_else();
        image_flip(&image, at(0) + i);
    }
    walk();
    cr_assert_eq(seen.item_count, whole.item_count);
}

Test(nvme_walk, a_flipped_byte_of_an_open_segment_is_never_another_item)
{
    image_value(&image, 1, 1, 100);
    image_note(&image, NVME_CHANGE, 7, 2);
    image_value(&image, 2, 3, 5000);
    flip_every_byte(image.block);
}

Test(nvme_walk, a_flipped_byte_of_a_sealed_segment_costs_one_item)
{
    write_five();
    uint32_t table = image_seal(&image);

    walk_into(&whole, STATUS_OK);
    for (uint64_t i = at(1); i < at(table); i++) {
        image_flip(&image, i);
        walk();
        expect_nothing_else();
        cr_assert_geq(seen.item_count, 4);
        cr_assert_eq(seen.item_count + seen.broken_count, 5);
        image_flip(&image, i);
    }
    for (uint64_t i = at(table); i < at(image.block); i++) {
        image_flip(&image, i);
        walk();
        cr_assert_eq(seen.item_count, 5);
        image_flip(&image, i);
    }
}

/* --- D4: every cut --- */

static void
expect_those_before(uint64_t cut)
{
    unsigned whole_ones = 0;

    for (unsigned i = 0; i < whole.item_count; i++) {
        uint64_t end = at(whole.items[i].block + 1) + whole.items[i].size;
        whole_ones += end <= cut;
    }
    cr_assert_geq(seen.item_count, whole_ones, "cut at %ju", (uintmax_t)cut);
    for (unsigned i = 0; i < seen.item_count; i++)
        expect_item(i, i);
}

static void
zero_from(uint64_t offset, uint64_t end)
{
    static uint8_t zero[1 << 20];
    image_write(&image, offset, zero, end - offset);
}

static void
cut_everywhere(bool is_truncated)
{
    image_close(&image);
    image_open(&image, seen_file(), 1u << 20, 2);
    image_begin(&image, 0, 1);
    for (uint32_t i = 0; image.block < 215; i++)
        image_value(&image, i, i + 1, i % 7 * 9000 + i);
    walk_into(&whole, STATUS_OK);
    uint64_t end = at(256);
    for (uint64_t cut = end; cut >= at(0); cut -= 512) {
        if (is_truncated)
            cr_assert_eq(ftruncate(image.fd, (off_t)cut), 0);
        else
            zero_from(cut, end);
        seen.item_count = 0;
        walk();
        expect_those_before(cut);
    }
    cr_assert_eq(seen.item_count, 0);
}

Test(nvme_walk, a_file_cut_anywhere_tells_what_is_before_the_cut)
{
    cut_everywhere(true);
}

Test(nvme_walk, a_segment_zeroed_from_anywhere_tells_what_is_before)
{
    cut_everywhere(false);
}

/* --- Reading --- */

Test(nvme_walk, what_can_not_be_read_hides_nothing_else)
{
    write_five();
    uint32_t table = image_seal(&image);
    walk_into(&whole, STATUS_OK);
    for (uint32_t block = 1; block < table; block++) {
        seen_fail(at(block), NVME_BLOCK);
        walk_into(&seen, STATUS_IO);
        expect_nothing_else();
        cr_assert_eq(seen.item_count, 4, "block %u", block);
        cr_assert_eq(seen.broken_count, 1);
    }
    seen_fail(at(1), (table - 1) * (uint64_t)NVME_BLOCK);
    walk_into(&seen, STATUS_IO);
    cr_assert_eq(seen.item_count, 0);
}

Test(nvme_walk, a_device_that_reads_nothing_is_soon_given_up)
{
    image_close(&image);
    image_open(&image, seen_file(), 8u << 20, 2);
    image_begin(&image, 0, 1);
    image_value(&image, 1, 1, 7 << 20);
    image_seal(&image);
    seen_fail(at(1), 7 << 20);
    walk_into(&seen, STATUS_IO);
    cr_assert_eq(seen.item_count, 0);
    cr_assert_eq(seen.broken_count, 1);
}

Test(nvme_walk, interrupted_and_short_reads_are_gone_on_with)
{
    write_five();
    seen_interrupts = 3;
    seen_is_short = true;
    cr_assert_eq(walk(), image.block);
    cr_assert_eq(seen.item_count, 5);
    cr_assert_eq(seen_interrupts, 0);
}

Test(nvme_walk, a_device_opened_with_direct_io_reads_the_same)
{
    char path[64];
    int buffered = image.fd;

    write_five();
    image_seal(&image);
    walk_into(&whole, STATUS_OK);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", buffered);
    int fd = open(path, O_RDONLY | O_DIRECT);
    if (fd < 0) {
        cr_skip_test("no direct I/O in this folder");
        return;
    }
    image.fd = fd;
    for (uint64_t cut = at(14); cut >= at(0); cut -= 512) {
        cr_assert_eq(ftruncate(buffered, (off_t)cut), 0);
        walk();
        expect_nothing_else();
    }
    image.fd = buffered;
    close(fd);
}

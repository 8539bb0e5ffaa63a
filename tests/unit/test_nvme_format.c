/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks of the NVMe format: what was written is read, at every cap; whatever
 * else stands there is never taken for it; and the bytes are those that other
 * versions of this program have written (tests/golden/nvme; PREFIXCACHE_GOLDEN
 * set to its path writes it anew).
 */
#include "proto/object_name.h"
#include "tests/lib/nvme_parts.h"
#include "tools/bench/random.h"

#include <criterion/criterion.h>
#include <stdio.h>

#define FLIPS 10000u

static uint8_t bytes[PART_SIZE_MAX], again[PART_SIZE_MAX];

static const struct part *
make(unsigned i)
{
    memset(bytes, 0, sizeof(bytes));
    memset(again, 0, sizeof(again));
    part_at(i)->make(bytes);
    return part_at(i);
}

static void
expect_same_item(const struct nvme_item *got, const struct nvme_item *want)
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

/* --- Round trips --- */

Test(nvme_format, every_part_reads_as_it_was_written)
{
    for (unsigned i = 0; i < PART_COUNT; i++) {
        const struct part *part = make(i);
        cr_assert(part->again(bytes, again), "%s", part->name);
        cr_assert_arr_eq(again, bytes, part->size, "%s", part->name);
    }
}

Test(nvme_format, a_superblock_keeps_all_its_fields)
{
    struct nvme_super super = sample_super(), got;

    super.serial = UINT64_MAX;
    super.flushed[0] = 1;
    super.flushed[255] = UINT64_MAX;
    nvme_write_super(&super, bytes);
    cr_assert_eq(nvme_read_super(bytes, &got), NVME_GOOD);
    cr_assert_eq(got.version, NVME_VERSION);
    cr_assert_arr_eq(got.identity, super.identity, NVME_IDENTITY);
    cr_assert_eq(got.serial, UINT64_MAX);
    cr_assert_eq(got.segment_size, super.segment_size);
    cr_assert_eq(got.segment_count, super.segment_count);
    for (unsigned i = 0; i < NVME_SPACES; i++)
        cr_assert_eq(got.flushed[i], super.flushed[i], "space %u", i);
}

Test(nvme_format, headers_and_trailers_keep_all_their_fields)
{
    struct nvme_trailer trailer = {UINT64_MAX, UINT32_MAX - 9, 9}, got;
    uint64_t generation = 0;

    nvme_write_header(sample_identity(), UINT64_MAX, bytes);
    cr_assert_eq(nvme_read_header(sample_identity(), bytes, &generation),
                 NVME_GOOD);
    cr_assert_eq(generation, UINT64_MAX);
    nvme_write_trailer(sample_identity(), &trailer, bytes);
    cr_assert_eq(nvme_read_trailer(sample_identity(), bytes, &got), NVME_GOOD);
    cr_assert_eq(got.generation, UINT64_MAX);
    cr_assert_eq(got.table_block, UINT32_MAX - 9);
    cr_assert_eq(got.table_blocks, 9);
}

static uint32_t
round_trip(uint16_t key_size, uint8_t meta_size)
{
    struct nvme_record record = sample_value(key_size, meta_size), got;
    uint32_t size = record.head_blocks * NVME_BLOCK;

    memset(bytes, 0xee, sizeof(bytes));
    nvme_write_record(sample_identity(), &record, bytes);
    cr_assert_eq(bytes[size], 0xee, "a head of %u and %u bytes ends with it",
                 key_size, meta_size);
    cr_assert_eq(nvme_read_record(sample_identity(), SAMPLE_GENERATION, bytes,
                                  size, &got),
                 NVME_GOOD, "key %u, metadata %u", key_size, meta_size);
    cr_assert_eq(got.kind, NVME_RECORD_VALUE);
    cr_assert_eq(got.head_blocks, record.head_blocks);
    cr_assert_eq(got.payload_size, record.payload_size);
    cr_assert_eq(got.payload_checksum, record.payload_checksum);
    cr_assert_eq(got.generation, SAMPLE_GENERATION);
    expect_same_item(&got.item, &record.item);
    return record.head_blocks;
}

Test(nvme_format, a_record_holds_every_size_of_key_and_metadata)
{
    static const uint8_t metas[] = {0, 1, CHUNK_META_LM, CHUNK_META_MAX - 1,
                                    CHUNK_META_MAX};
    unsigned ones = 0, twos = 0;

    for (uint16_t key = 1; key <= KEY_SIZE_MAX; key++) {
        for (unsigned i = 0; i < sizeof(metas); i++) {
            uint32_t blocks = round_trip(key, metas[i]);
            ones += blocks == 1;
            twos += blocks == 2;
        }
    }
    cr_assert_eq(ones + twos, KEY_SIZE_MAX * sizeof(metas));
    cr_assert_gt(ones, 0);
    cr_assert_gt(twos, 0);
    /* 56 of the head and 48 of the item leave so much of a block. */
    cr_assert_eq(round_trip(4096 - 104, 0), 1);
    cr_assert_eq(round_trip(4096 - 104 + 1, 0), 2);
}

Test(nvme_format, a_record_says_what_kind_it_is_and_an_empty_value_is_one)
{
    struct nvme_record record = sample_value(9, 0), got;

    record.payload_size = record.item.size = 0;
    nvme_write_record(sample_identity(), &record, bytes);
    cr_assert_eq(
        nvme_read_record(sample_identity(), 0, bytes, NVME_BLOCK, &got),
        NVME_GOOD);
    cr_assert_eq(got.payload_size, 0);
    for (int kind = NVME_RECORD_NOTES; kind <= NVME_RECORD_TABLE; kind++) {
        record = (struct nvme_record){.kind = (enum nvme_record_kind)kind,
                                      .head_blocks = 1,
                                      .payload_size = UINT32_MAX,
                                      .payload_checksum = 77,
                                      .generation = 1};
        cr_assert_eq(nvme_head_blocks(NULL, NULL), 1);
        nvme_write_record(sample_identity(), &record, bytes);
        cr_assert_eq(
            nvme_read_record(sample_identity(), 1, bytes, NVME_BLOCK, &got),
            NVME_GOOD);
        cr_assert_eq(got.kind, record.kind);
        cr_assert_eq(got.payload_size, UINT32_MAX);
        cr_assert_eq(got.payload_checksum, 77);
    }
}

/* --- What is not taken --- */

Test(nvme_format, a_blank_block_is_no_broken_one)
{
    struct nvme_super super;
    struct nvme_record record;
    struct nvme_trailer trailer;
    uint64_t generation;

    memset(bytes, 0, sizeof(bytes));
    cr_assert_eq(nvme_read_super(bytes, &super), NVME_BLANK);
    cr_assert_eq(nvme_read_header(sample_identity(), bytes, &generation),
                 NVME_BLANK);
    cr_assert_eq(nvme_read_trailer(sample_identity(), bytes, &trailer),
                 NVME_BLANK);
    cr_assert_eq(
        nvme_read_record(sample_identity(), 1, bytes, 2 * NVME_BLOCK, &record),
        NVME_BLANK);
    bytes[NVME_BLOCK - 1] = 1;
    cr_assert_eq(nvme_read_super(bytes, &super), NVME_BROKEN);
    cr_assert_eq(
        nvme_read_record(sample_identity(), 1, bytes, 2 * NVME_BLOCK, &record),
        NVME_BROKEN);
}

Test(nvme_format, what_belongs_to_another_device_or_life_is_foreign)
{
    static const uint8_t other[NVME_IDENTITY] = "another device!";
    struct nvme_trailer trailer;
    struct nvme_record record;
    uint64_t generation;

    header_make(bytes);
    cr_assert_eq(nvme_read_header(other, bytes, &generation), NVME_FOREIGN);
    trailer_make(bytes);
    cr_assert_eq(nvme_read_trailer(other, bytes, &trailer), NVME_FOREIGN);
    short_head_make(bytes);
    cr_assert_eq(
        nvme_read_record(other, SAMPLE_GENERATION, bytes, NVME_BLOCK, &record),
        NVME_FOREIGN);
    cr_assert_eq(nvme_read_record(sample_identity(), SAMPLE_GENERATION + 1,
                                  bytes, NVME_BLOCK, &record),
                 NVME_FOREIGN);
    cr_assert_eq(
        nvme_read_record(sample_identity(), 0, bytes, NVME_BLOCK, &record),
        NVME_GOOD);
}

Test(nvme_format, a_newer_version_says_which_and_nothing_else)
{
    struct nvme_super super = {.version = 0, .serial = 5};

    super_make(bytes);
    bytes[32] = NVME_VERSION + 1;
    memset(bytes + 36, 0xab, 1000); /* whatever it means there */
    part_reseal(bytes, NVME_BLOCK);
    cr_assert_eq(nvme_read_super(bytes, &super), NVME_NEWER);
    cr_assert_eq(super.version, NVME_VERSION + 1);
    cr_assert_eq(super.serial, 5);
    bytes[32] = 0;
    part_reseal(bytes, NVME_BLOCK);
    cr_assert_eq(nvme_read_super(bytes, &super), NVME_BROKEN);
}

Test(nvme_format, a_flipped_bit_anywhere_is_never_good)
{
    for (unsigned i = 0; i < PART_COUNT; i++) {
        const struct part *part = make(i);
        for (uint32_t at = 0; at < part->head_size; at++) {
            for (unsigned bit = 0; bit < 8; bit++) {
                bytes[at] ^= (uint8_t)(1u << bit);
                cr_assert_not(part->again(bytes, again), "%s, byte %u",
                              part->name, at);
                bytes[at] ^= (uint8_t)(1u << bit);
            }
            bytes[at] ^= 0xff;
            cr_assert_not(part->again(bytes, again), "%s, byte %u", part->name,
                          at);
            bytes[at] ^= 0xff;
        }
    }
}

/* Flipped zeroes behind a payload are taken: they say nothing. */
static void
expect_never_different(const struct part *part, const uint8_t *golden,
                       const char *what)
{
    memset(again, 0, sizeof(again));
    if (part->again(bytes, again))
        cr_assert_arr_eq(again, golden, part->size, "%s, %s", part->name, what);
}

Test(nvme_format, a_flipped_payload_is_never_good_with_other_content)
{
    uint8_t golden[PART_SIZE_MAX];

    for (unsigned i = 0; i < PART_COUNT; i++) {
        const struct part *part = make(i);
        memcpy(golden, bytes, sizeof(golden));
        for (uint32_t at = part->head_size; at < part->size; at++) {
            bytes[at] ^= 0xff;
            expect_never_different(part, golden, "a byte of its payload");
            bytes[at] ^= 0xff;
        }
    }
}

Test(nvme_format, ten_thousand_random_flips_are_never_good_with_other_content)
{
    uint64_t random = 20240817;
    uint8_t golden[PART_SIZE_MAX];

    for (unsigned i = 0; i < FLIPS; i++) {
        const struct part *part =
            make((unsigned)random_below(&random, PART_COUNT));
        memcpy(golden, bytes, sizeof(golden));
        unsigned count = 1 + (unsigned)random_below(&random, 8);
        for (unsigned n = 0; n < count; n++)
            bytes[random_below(&random, part->size)] ^=
                (uint8_t)(1 + random_below(&random, 255));
        expect_never_different(part, golden, "random flips");
    }
}

/* With a checksum that is right, so that only the fields tell. */
Test(nvme_format, what_is_good_is_what_would_be_written)
{
    for (unsigned i = 0; i < PART_COUNT; i++) {
        const struct part *part = make(i);
        for (uint32_t at = 16; at < part->head_size; at++) {
            uint8_t was = bytes[at];
            bytes[at] = (uint8_t)(was + 1);
            part_reseal(bytes, part->head_size);
            memset(again, 0, sizeof(again));
            if (part->again(bytes, again))
                cr_assert_arr_eq(again, bytes, part->size, "%s, byte %u",
                                 part->name, at);
            bytes[at] = was;
        }
    }
}

static bool
is_good_with(unsigned i, uint32_t at, uint64_t value, unsigned size)
{
    const struct part *part = make(i);

    for (unsigned n = 0; n < size; n++)
        bytes[at + n] = (uint8_t)(value >> 8 * n);
    part_reseal(bytes, part->head_size);
    return part->again(bytes, again);
}

enum { SUPER, HEADER, SHORT_HEAD, LONG_HEAD, NOTES, TABLE, TRAILER };

Test(nvme_format, fields_that_can_not_be_are_broken)
{
    cr_assert(is_good_with(SUPER, 36, 1, 4));
    cr_assert_not(is_good_with(SUPER, 36, 0, 4), "no segments");
    cr_assert(is_good_with(SUPER, 40, NVME_SEGMENT_MIN, 8));
    cr_assert_not(is_good_with(SUPER, 40, NVME_SEGMENT_MIN - NVME_BLOCK, 8));
    cr_assert(is_good_with(SUPER, 40, NVME_SEGMENT_MAX, 8));
    cr_assert_not(is_good_with(SUPER, 40, NVME_SEGMENT_MAX + NVME_BLOCK, 8));
    cr_assert_not(is_good_with(SUPER, 40, (64u << 20) + 512, 8));
    cr_assert_not(is_good_with(SUPER, 56, 1, 1), "not drawn");
    cr_assert_not(is_good_with(SUPER, 64 + 8 * NVME_SPACES, 1, 1));
    cr_assert_not(is_good_with(HEADER, 32, NVME_VERSION + 1, 4));
    cr_assert_not(is_good_with(HEADER, 36, 1, 4), "not drawn");
    cr_assert_not(is_good_with(HEADER, 40, 0, 8), "no generation");
    cr_assert_not(is_good_with(HEADER, NVME_BLOCK - 1, 1, 1));
    cr_assert_not(is_good_with(SHORT_HEAD, 32, 0, 8), "no generation");
    for (unsigned kind = 0; kind < 256; kind++)
        cr_assert_eq(is_good_with(SHORT_HEAD, 40, kind, 1),
                     kind == NVME_RECORD_VALUE);
    for (unsigned blocks = 0; blocks < 256; blocks++) {
        cr_assert_eq(is_good_with(SHORT_HEAD, 41, blocks, 1), blocks == 1);
        cr_assert_eq(is_good_with(LONG_HEAD, 41, blocks, 1), blocks == 2);
    }
    cr_assert_not(is_good_with(SHORT_HEAD, 44, 1, 4), "not the item's size");
    cr_assert_not(is_good_with(SHORT_HEAD, 48, 1, 8), "nor its checksum");
    cr_assert_not(is_good_with(SHORT_HEAD, 56 + 4, NVME_CHANGE, 1));
    cr_assert_not(is_good_with(SHORT_HEAD, 56 + 12, 1, 4), "its block");
    cr_assert_not(is_good_with(NOTES, 56, 1, 1), "notes have no item");
    cr_assert_not(is_good_with(TRAILER, 32, 0, 8), "no generation");
    cr_assert_not(is_good_with(TRAILER, 40, 0, 4), "over the header");
    cr_assert_not(is_good_with(TRAILER, 44, 0, 4), "no table");
    cr_assert_not(is_good_with(TRAILER, 40, UINT32_MAX - 11, 4));
    cr_assert_not(is_good_with(TRAILER, 48, 1, 1), "not drawn");
}

Test(nvme_format, a_device_is_no_larger_than_a_file_may_be)
{
    struct nvme_super super = sample_super(), got;

    super.segment_size = NVME_SEGMENT_MAX;
    super.segment_count = INT32_MAX;
    nvme_write_super(&super, bytes);
    cr_assert_eq(nvme_read_super(bytes, &got), NVME_GOOD);
    bytes[36] = bytes[37] = bytes[38] = 0;
    bytes[39] = 0x80;
    part_reseal(bytes, NVME_BLOCK);
    cr_assert_eq(nvme_read_super(bytes, &got), NVME_BROKEN);
}

Test(nvme_format, a_head_has_no_more_blocks_than_it_needs)
{
    struct nvme_record record;

    make(SHORT_HEAD);
    bytes[41] = 2;
    part_reseal(bytes, 2 * NVME_BLOCK);
    cr_assert_eq(
        nvme_read_record(sample_identity(), 0, bytes, 2 * NVME_BLOCK, &record),
        NVME_BROKEN);
}

Test(nvme_format, a_record_is_never_read_beyond_what_is_there)
{
    struct nvme_record record;

    make(LONG_HEAD);
    for (uint32_t size = 0; size < 2 * NVME_BLOCK; size += 64) {
        /* Of exactly its size, for the sanitizer. */
        uint8_t *exact = malloc(size > 0 ? size : 1);
        memcpy(exact, bytes, size);
        cr_assert_eq(
            nvme_read_record(sample_identity(), 0, exact, size, &record),
            NVME_BROKEN, "%u bytes", size);
        free(exact);
    }
}

/* --- Golden images --- */

static void
write_golden(const struct part *part, const char *folder)
{
    char path[4096];

    snprintf(path, sizeof(path), "%s/%s", folder, part->name);
    FILE *file = fopen(path, "wb");
    cr_assert(file != NULL, "%s", path);
    cr_assert_eq(fwrite(bytes, 1, part->size, file), part->size);
    fclose(file);
}

static void
read_golden(const struct part *part, uint8_t *golden)
{
    const char *root = getenv("PREFIXCACHE_SOURCE");
    char path[4096];

    snprintf(path, sizeof(path), "%s/tests/golden/nvme/%s",
             root == NULL ? "." : root, part->name);
    FILE *file = fopen(path, "rb");
    cr_assert(file != NULL, "%s", path);
    cr_assert_eq(fread(golden, 1, PART_SIZE_MAX, file), part->size, "%s", path);
    fclose(file);
}

Test(nvme_format, other_versions_wrote_the_same_bytes)
{
    uint8_t golden[PART_SIZE_MAX];

    for (unsigned i = 0; i < PART_COUNT; i++) {
        const struct part *part = make(i);
        if (getenv("PREFIXCACHE_GOLDEN") != NULL)
            write_golden(part, getenv("PREFIXCACHE_GOLDEN"));
        memset(golden, 0, sizeof(golden));
        read_golden(part, golden);
        cr_assert_arr_eq(bytes, golden, part->size, "%s", part->name);
        cr_assert(part->again(golden, again), "%s", part->name);
        cr_assert_arr_eq(again, golden, part->size, "%s", part->name);
    }
}

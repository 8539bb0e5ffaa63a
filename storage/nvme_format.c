/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks of the NVMe tier: superblocks, segment headers, heads of records and
 * trailers.  All four begin alike, which is read first; only then does it
 * matter what a part says.
 */
#include "storage/nvme_format.h"
#include "storage/nvme_field.h"

#include "proto/checksum.h"

#include <assert.h>
#include <stddef.h>

/* Where all parts begin; nvme_format.h draws them. */
#define MAGIC_AT    0u
#define MAGIC_SIZE  8u
#define CHECKSUM_AT 8u
#define IDENTITY_AT 16u
#define FIELDS_AT   32u

#define SUPER_MAGIC   "PREFIXCS"
#define HEADER_MAGIC  "PREFIXCH"
#define RECORD_MAGIC  "PREFIXCR"
#define TRAILER_MAGIC "PREFIXCT"

#define SUPER_VERSION_AT 32u
#define SUPER_COUNT_AT   36u
#define SUPER_SIZE_AT    40u
#define SUPER_SERIAL_AT  48u
#define SUPER_FLUSHED_AT 64u
#define SUPER_END        (SUPER_FLUSHED_AT + 8u * NVME_SPACES)

#define HEADER_VERSION_AT    32u
#define HEADER_GENERATION_AT 40u
#define HEADER_END           48u

#define RECORD_GENERATION_AT 32u
#define RECORD_KIND_AT       40u
#define RECORD_BLOCKS_AT     41u
#define RECORD_ZERO_AT       42u
#define RECORD_SIZE_AT       44u
#define RECORD_CHECKSUM_AT   48u
#define RECORD_ITEM_AT       56u

#define TRAILER_GENERATION_AT 32u
#define TRAILER_TABLE_AT      40u
#define TRAILER_BLOCKS_AT     44u
#define TRAILER_END           48u

static_assert(SUPER_END <= NVME_BLOCK, "a superblock is one block");
static_assert(RECORD_ITEM_AT + NVME_ITEM_MAX <=
                  NVME_HEAD_BLOCKS_MAX * NVME_BLOCK,
              "the longest head fits");

/* Of the part, its checksum taken for zero. */
static uint64_t
checksum_part(const uint8_t *at, uint32_t size)
{
    static const uint8_t zero[8];
    struct checksum checksum;

    checksum_start(&checksum);
    checksum_add(&checksum, at, CHECKSUM_AT);
    checksum_add(&checksum, zero, sizeof(zero));
    checksum_add(&checksum, at + IDENTITY_AT, size - IDENTITY_AT);
    return checksum_value(&checksum);
}

static void
begin(uint8_t *at, uint32_t size, const char *magic, const uint8_t *identity)
{
    memset(at, 0, size);
    memcpy(at + MAGIC_AT, magic, MAGIC_SIZE);
    memcpy(at + IDENTITY_AT, identity, NVME_IDENTITY);
}

static void
finish(uint8_t *at, uint32_t size)
{
    field_write64(at + CHECKSUM_AT, checksum_part(at, size));
}

/* GOOD as far as what all parts have goes, without its owner. */
static enum nvme_found
check(const uint8_t *at, uint32_t size, const char *magic)
{
    if (memcmp(at + MAGIC_AT, magic, MAGIC_SIZE) != 0)
        return field_is_zero(at, NVME_BLOCK) ? NVME_BLANK : NVME_BROKEN;
    if (field_read64(at + CHECKSUM_AT) != checksum_part(at, size))
        return NVME_BROKEN;
    return NVME_GOOD;
}

static bool
is_owned(const uint8_t *at, const uint8_t *identity)
{
    return memcmp(at + IDENTITY_AT, identity, NVME_IDENTITY) == 0;
}

/* --- super --- */

static bool
may_be_geometry(uint64_t segment_size, uint32_t count)
{
    return count >= 1 && segment_size >= NVME_SEGMENT_MIN &&
           segment_size <= NVME_SEGMENT_MAX && segment_size % NVME_BLOCK == 0 &&
           count <= (INT64_MAX - NVME_DATA_START) / segment_size;
}

void
nvme_write_super(const struct nvme_super *super, uint8_t block[NVME_BLOCK])
{
    assert(super->version == NVME_VERSION);
    assert(may_be_geometry(super->segment_size, super->segment_count));
    begin(block, NVME_BLOCK, SUPER_MAGIC, super->identity);
    field_write32(block + SUPER_VERSION_AT, super->version);
    field_write32(block + SUPER_COUNT_AT, super->segment_count);
    field_write64(block + SUPER_SIZE_AT, super->segment_size);
    field_write64(block + SUPER_SERIAL_AT, super->serial);
    for (unsigned i = 0; i < NVME_SPACES; i++)
        field_write64(block + SUPER_FLUSHED_AT + 8 * i, super->flushed[i]);
    finish(block, NVME_BLOCK);
}

enum nvme_found
nvme_read_super(const uint8_t block[NVME_BLOCK], struct nvme_super *out)
{
    enum nvme_found found = check(block, NVME_BLOCK, SUPER_MAGIC);
    if (found != NVME_GOOD)
        return found;
    uint32_t version = field_read32(block + SUPER_VERSION_AT);
    if (version > NVME_VERSION) {
        out->version = version;
        return NVME_NEWER;
    }
    uint64_t segment_size = field_read64(block + SUPER_SIZE_AT);
    uint32_t segment_count = field_read32(block + SUPER_COUNT_AT);
    if (version != NVME_VERSION ||
        !may_be_geometry(segment_size, segment_count) ||
        !field_is_zero(block + SUPER_SERIAL_AT + 8,
                       SUPER_FLUSHED_AT - SUPER_SERIAL_AT - 8) ||
        !field_is_zero(block + SUPER_END, NVME_BLOCK - SUPER_END))
        return NVME_BROKEN;
    *out = (struct nvme_super){.version = version,
                               .serial = field_read64(block + SUPER_SERIAL_AT),
                               .segment_size = segment_size,
                               .segment_count = segment_count};
    memcpy(out->identity, block + IDENTITY_AT, NVME_IDENTITY);
    for (unsigned i = 0; i < NVME_SPACES; i++)
        out->flushed[i] = field_read64(block + SUPER_FLUSHED_AT + 8 * i);
    return NVME_GOOD;
}

/* --- header --- */

void
nvme_write_header(const uint8_t identity[NVME_IDENTITY], uint64_t generation,
                  uint8_t block[NVME_BLOCK])
{
    assert(generation >= 1);
    begin(block, NVME_BLOCK, HEADER_MAGIC, identity);
    field_write32(block + HEADER_VERSION_AT, NVME_VERSION);
    field_write64(block + HEADER_GENERATION_AT, generation);
    finish(block, NVME_BLOCK);
}

enum nvme_found
nvme_read_header(const uint8_t identity[NVME_IDENTITY],
                 const uint8_t block[NVME_BLOCK], uint64_t *generation_out)
{
    enum nvme_found found = check(block, NVME_BLOCK, HEADER_MAGIC);
    if (found != NVME_GOOD)
        return found;
    uint64_t generation = field_read64(block + HEADER_GENERATION_AT);
    if (field_read32(block + HEADER_VERSION_AT) != NVME_VERSION ||
        generation == 0 || field_read32(block + HEADER_VERSION_AT + 4) != 0 ||
        !field_is_zero(block + HEADER_END, NVME_BLOCK - HEADER_END))
        return NVME_BROKEN;
    if (!is_owned(block, identity))
        return NVME_FOREIGN;
    *generation_out = generation;
    return NVME_GOOD;
}

/* --- record --- */

uint32_t
nvme_head_blocks(const struct key *key, const struct chunk_meta *meta)
{
    struct nvme_item item = {.kind = NVME_VALUE};

    if (key == NULL)
        return 1;
    item.key.size = key->size;
    item.meta.size = meta == NULL ? 0 : meta->size;
    uint32_t size = RECORD_ITEM_AT + nvme_item_size(&item);
    return (size + NVME_BLOCK - 1) / NVME_BLOCK;
}

static void
write_value(const struct nvme_record *record, uint8_t *at, const uint8_t *end)
{
    struct nvme_item item = record->item;

    assert(item.kind == NVME_VALUE && item.size == record->payload_size);
    assert(item.checksum == record->payload_checksum);
    item.block = 0;
    bool is_written = nvme_write_item(&item, &at, end);
    assert(is_written);
    (void)is_written;
}

void
nvme_write_record(const uint8_t identity[NVME_IDENTITY],
                  const struct nvme_record *record, uint8_t *blocks)
{
    uint32_t size = record->head_blocks * NVME_BLOCK;
    bool is_value = record->kind == NVME_RECORD_VALUE;
    const struct key *key = is_value ? &record->item.key : NULL;
    uint32_t least = nvme_head_blocks(key, &record->item.meta);

    assert(record->generation >= 1 && record->head_blocks == least);
    (void)least;
    begin(blocks, size, RECORD_MAGIC, identity);
    field_write64(blocks + RECORD_GENERATION_AT, record->generation);
    blocks[RECORD_KIND_AT] = (uint8_t)record->kind;
    blocks[RECORD_BLOCKS_AT] = (uint8_t)record->head_blocks;
    field_write32(blocks + RECORD_SIZE_AT, record->payload_size);
    field_write64(blocks + RECORD_CHECKSUM_AT, record->payload_checksum);
    if (is_value)
        write_value(record, blocks + RECORD_ITEM_AT, blocks + size);
    finish(blocks, size);
}

/* The item of a value, which must agree with the head; of others none. */
static bool
read_value(const uint8_t *at, const uint8_t *end, struct nvme_record *record)
{
    if (record->kind == NVME_RECORD_VALUE) {
        if (!nvme_read_item(&at, end, &record->item))
            return false;
        const struct nvme_item *item = &record->item;
        if (item->kind != NVME_VALUE || item->block != 0 ||
            item->size != record->payload_size ||
            item->checksum != record->payload_checksum ||
            record->head_blocks != nvme_head_blocks(&item->key, &item->meta))
            return false;
    } else if (record->head_blocks != 1) {
        return false;
    }
    return field_is_zero(at, (size_t)(end - at));
}

enum nvme_found
nvme_read_record(const uint8_t identity[NVME_IDENTITY], uint64_t generation,
                 const uint8_t *bytes, uint32_t size, struct nvme_record *out)
{
    if (size < NVME_BLOCK)
        return NVME_BROKEN;
    uint32_t head_blocks = bytes[RECORD_BLOCKS_AT];
    bool may_be = head_blocks >= 1 && head_blocks <= NVME_HEAD_BLOCKS_MAX &&
                  head_blocks <= size / NVME_BLOCK;
    uint32_t head_size = NVME_BLOCK * (may_be ? head_blocks : 1);
    enum nvme_found found = check(bytes, head_size, RECORD_MAGIC);
    if (found != NVME_GOOD)
        return found;

    struct nvme_record record = {
        .kind = bytes[RECORD_KIND_AT],
        .head_blocks = head_blocks,
        .payload_size = field_read32(bytes + RECORD_SIZE_AT),
        .payload_checksum = field_read64(bytes + RECORD_CHECKSUM_AT),
        .generation = field_read64(bytes + RECORD_GENERATION_AT)};
    if (!may_be || record.kind < NVME_RECORD_VALUE ||
        record.kind > NVME_RECORD_TABLE || record.generation == 0 ||
        field_read16(bytes + RECORD_ZERO_AT) != 0 ||
        !read_value(bytes + RECORD_ITEM_AT, bytes + head_size, &record))
        return NVME_BROKEN;
    if (!is_owned(bytes, identity) ||
        (generation != 0 && generation != record.generation))
        return NVME_FOREIGN;
    *out = record;
    return NVME_GOOD;
}

/* --- trailer --- */

void
nvme_write_trailer(const uint8_t identity[NVME_IDENTITY],
                   const struct nvme_trailer *trailer,
                   uint8_t block[NVME_BLOCK])
{
    assert(trailer->generation >= 1);
    assert(trailer->table_block >= 1 && trailer->table_blocks >= 1);
    begin(block, NVME_BLOCK, TRAILER_MAGIC, identity);
    field_write64(block + TRAILER_GENERATION_AT, trailer->generation);
    field_write32(block + TRAILER_TABLE_AT, trailer->table_block);
    field_write32(block + TRAILER_BLOCKS_AT, trailer->table_blocks);
    finish(block, NVME_BLOCK);
}

enum nvme_found
nvme_read_trailer(const uint8_t identity[NVME_IDENTITY],
                  const uint8_t block[NVME_BLOCK], struct nvme_trailer *out)
{
    enum nvme_found found = check(block, NVME_BLOCK, TRAILER_MAGIC);
    if (found != NVME_GOOD)
        return found;
    struct nvme_trailer trailer = {
        .generation = field_read64(block + TRAILER_GENERATION_AT),
        .table_block = field_read32(block + TRAILER_TABLE_AT),
        .table_blocks = field_read32(block + TRAILER_BLOCKS_AT)};
    if (trailer.generation == 0 || trailer.table_block == 0 ||
        trailer.table_blocks == 0 ||
        trailer.table_block > UINT32_MAX - trailer.table_blocks ||
        !field_is_zero(block + TRAILER_END, NVME_BLOCK - TRAILER_END))
        return NVME_BROKEN;
    if (!is_owned(block, identity))
        return NVME_FOREIGN;
    *out = trailer;
    return NVME_GOOD;
}

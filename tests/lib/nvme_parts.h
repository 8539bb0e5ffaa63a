/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One sample of each part of the NVMe format, and for each a way to read any
 * bytes as that part and to write again what was read.  Nothing here knows a
 * test framework.
 */
#ifndef LIB_NVME_PARTS_H
#define LIB_NVME_PARTS_H

#include "proto/checksum.h"
#include "storage/nvme_format.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define PART_SIZE_MAX      (3 * NVME_BLOCK)
#define SAMPLE_GENERATION  UINT64_C(0x1122334455667788)
#define SAMPLE_ITEM_COUNT  4u
#define PART_CHECKSUM_AT   8u
#define PART_CHECKSUM_SIZE 8u

static inline const uint8_t *
sample_identity(void)
{
    return (const uint8_t *)"0123456789abcdef";
}

static inline struct key
sample_key(enum key_kind kind, uint16_t size)
{
    static uint8_t bytes[KEY_SIZE_MAX];

    for (unsigned i = 0; i < KEY_SIZE_MAX; i++)
        bytes[i] = (uint8_t)('a' + i % 26);
    return key_make(kind, 7, bytes, size);
}

static inline struct chunk_meta
sample_meta(uint8_t size)
{
    struct chunk_meta meta = {.size = size};

    for (unsigned i = 0; i < size; i++)
        meta.bytes[i] = (uint8_t)(0xf0 - i);
    return meta;
}

/* The n-th sample: a value, a tombstone, a change, a value without metadata. */
static inline struct nvme_item
sample_item(unsigned n)
{
    static const enum nvme_item_kind kinds[] = {NVME_VALUE, NVME_TOMBSTONE,
                                                NVME_CHANGE, NVME_VALUE};
    bool is_value = kinds[n] == NVME_VALUE, is_named = n == 1 || n == 3;
    struct nvme_item item = {
        .kind = kinds[n],
        .key = sample_key(n % 2 ? KEY_PLAIN : KEY_OBJECT, (uint16_t)(20 + n)),
        .sequence = 0x0102030405060708u + n};

    if (!is_named) {
        item.meta = sample_meta(CHUNK_META_LM);
        item.form = (uint8_t)(1 + n);
        item.expires_unix_ms = 1900000000123u;
    }
    if (is_value) {
        item.size = 70000 + n;
        item.checksum = UINT64_C(0xfedcba9876543210) + n;
        item.block = 1 + 30 * n;
    }
    return item;
}

static inline struct nvme_record
sample_value(uint16_t key_size, uint8_t meta_size)
{
    struct nvme_record record = {.kind = NVME_RECORD_VALUE,
                                 .generation = SAMPLE_GENERATION,
                                 .item = sample_item(0)};

    record.item.key = sample_key(KEY_OBJECT, key_size);
    record.item.meta = sample_meta(meta_size);
    record.item.block = 0;
    record.payload_size = record.item.size;
    record.payload_checksum = record.item.checksum;
    record.head_blocks = nvme_head_blocks(&record.item.key, &record.item.meta);
    return record;
}

static inline struct nvme_super
sample_super(void)
{
    struct nvme_super super = {.version = NVME_VERSION,
                               .serial = 0x1020304050607080u,
                               .segment_size = 64u << 20,
                               .segment_count = 320};

    memcpy(super.identity, sample_identity(), NVME_IDENTITY);
    for (unsigned i = 0; i < NVME_SPACES; i++)
        super.flushed[i] = (uint64_t)i << 32 | i;
    return super;
}

/* --- Each part: makes its sample, of `size` bytes; reads bytes and writes what
 * was read again, false for what is not GOOD.  Both have PART_SIZE_MAX bytes.
 */

static inline void
super_make(uint8_t *bytes)
{
    struct nvme_super super = sample_super();
    nvme_write_super(&super, bytes);
}

static inline bool
super_again(const uint8_t *bytes, uint8_t *again)
{
    struct nvme_super super;

    if (nvme_read_super(bytes, &super) != NVME_GOOD)
        return false;
    nvme_write_super(&super, again);
    return true;
}

static inline void
header_make(uint8_t *bytes)
{
    nvme_write_header(sample_identity(), SAMPLE_GENERATION, bytes);
}

static inline bool
header_again(const uint8_t *bytes, uint8_t *again)
{
    uint64_t generation;

    if (nvme_read_header(sample_identity(), bytes, &generation) != NVME_GOOD)
        return false;
    nvme_write_header(sample_identity(), generation, again);
    return true;
}

static inline void
trailer_make(uint8_t *bytes)
{
    struct nvme_trailer trailer = {SAMPLE_GENERATION, 16000, 12};
    nvme_write_trailer(sample_identity(), &trailer, bytes);
}

static inline bool
trailer_again(const uint8_t *bytes, uint8_t *again)
{
    struct nvme_trailer trailer;

    if (nvme_read_trailer(sample_identity(), bytes, &trailer) != NVME_GOOD)
        return false;
    nvme_write_trailer(sample_identity(), &trailer, again);
    return true;
}

static inline void
short_head_make(uint8_t *bytes)
{
    struct nvme_record record = sample_value(40, CHUNK_META_LM);
    nvme_write_record(sample_identity(), &record, bytes);
}

static inline void
long_head_make(uint8_t *bytes)
{
    struct nvme_record record = sample_value(KEY_SIZE_MAX, CHUNK_META_MAX);
    nvme_write_record(sample_identity(), &record, bytes);
}

/* Of any generation, so that more is taken. */
static inline bool
value_again(const uint8_t *bytes, uint8_t *again)
{
    struct nvme_record record;

    if (nvme_read_record(sample_identity(), 0, bytes,
                         NVME_HEAD_BLOCKS_MAX * NVME_BLOCK,
                         &record) != NVME_GOOD ||
        record.kind != NVME_RECORD_VALUE)
        return false;
    nvme_write_record(sample_identity(), &record, again);
    return true;
}

/* A head and a payload of all items from `first` on that are notes, or all. */
static inline void
items_make(enum nvme_record_kind kind, uint8_t *bytes)
{
    struct nvme_record record = {
        .kind = kind, .head_blocks = 1, .generation = SAMPLE_GENERATION};
    uint8_t *payload = bytes + NVME_BLOCK, *at = payload;

    memset(payload, 0, NVME_BLOCK);
    for (unsigned i = 0; i < SAMPLE_ITEM_COUNT; i++) {
        struct nvme_item item = sample_item(i);
        if (kind == NVME_RECORD_NOTES && item.kind == NVME_VALUE)
            continue;
        if (!nvme_write_item(&item, &at, payload + NVME_BLOCK))
            abort();
    }
    record.payload_size = (uint32_t)(at - payload);
    record.payload_checksum = checksum_of(payload, record.payload_size);
    nvme_write_record(sample_identity(), &record, bytes);
}

static inline void
notes_make(uint8_t *bytes)
{
    items_make(NVME_RECORD_NOTES, bytes);
}

static inline void
table_make(uint8_t *bytes)
{
    items_make(NVME_RECORD_TABLE, bytes);
}

/* The items from `from` to `end` again at `to`; false if there is another. */
static inline bool
items_copy(const uint8_t *from, const uint8_t *end, uint8_t *to)
{
    uint8_t *to_end = to + (end - from);
    struct nvme_item item;

    while (nvme_read_item(&from, end, &item)) {
        if (!nvme_write_item(&item, &to, to_end))
            abort();
    }
    return from == end;
}

static inline bool
items_again(const uint8_t *bytes, uint8_t *again)
{
    const uint8_t *payload = bytes + NVME_BLOCK;
    struct nvme_record record;

    if (nvme_read_record(sample_identity(), 0, bytes, NVME_BLOCK, &record) !=
            NVME_GOOD ||
        record.kind == NVME_RECORD_VALUE ||
        record.payload_size > PART_SIZE_MAX - NVME_BLOCK ||
        record.payload_checksum != checksum_of(payload, record.payload_size))
        return false;
    nvme_write_record(sample_identity(), &record, again);
    return items_copy(payload, payload + record.payload_size,
                      again + NVME_BLOCK);
}

struct part {
    const char *name;
    uint32_t head_size; /* what its checksum is over */
    uint32_t size;
    void (*make)(uint8_t *bytes);
    bool (*again)(const uint8_t *bytes, uint8_t *again);
};

#define PART_COUNT 7u

static inline const struct part *
part_at(unsigned i)
{
    static const struct part parts[PART_COUNT] = {
        {"super", NVME_BLOCK, NVME_BLOCK, super_make, super_again},
        {"header", NVME_BLOCK, NVME_BLOCK, header_make, header_again},
        {"short_head", NVME_BLOCK, NVME_BLOCK, short_head_make, value_again},
        {"long_head", 2 * NVME_BLOCK, 2 * NVME_BLOCK, long_head_make,
         value_again},
        {"notes", NVME_BLOCK, 2 * NVME_BLOCK, notes_make, items_again},
        {"table", NVME_BLOCK, 2 * NVME_BLOCK, table_make, items_again},
        {"trailer", NVME_BLOCK, NVME_BLOCK, trailer_make, trailer_again},
    };
    return &parts[i];
}

/* Makes the checksum right, over the first `size` bytes. */
static inline void
part_reseal(uint8_t *bytes, uint32_t size)
{
    memset(bytes + PART_CHECKSUM_AT, 0, PART_CHECKSUM_SIZE);
    uint64_t checksum = checksum_of(bytes, size);
    for (unsigned i = 0; i < PART_CHECKSUM_SIZE; i++)
        bytes[PART_CHECKSUM_AT + i] = (uint8_t)(checksum >> 8 * i);
}

#endif

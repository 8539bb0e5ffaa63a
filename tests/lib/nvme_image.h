/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Builds what the NVMe tier leaves on a device, record by record, in a file.
 * Values and keys follow from numbers, so that what is read can be checked.
 * Nothing here knows a test framework; what can not be written aborts.
 */
#ifndef LIB_NVME_IMAGE_H
#define LIB_NVME_IMAGE_H

#include "proto/checksum.h"
#include "storage/nvme_format.h"
#include "tools/bench/random.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define IMAGE_IDENTITY "an image's name."

struct image {
    int fd;
    struct nvme_super super;
    uint32_t segment, block; /* where the next record goes */
    uint64_t generation;
    uint8_t *table, *table_end; /* items of this segment */
    uint16_t key_size;          /* of the keys to come */
};

/* "key-000042" and so on, made as long as keys are. */
static inline struct key
image_key(const struct image *image, uint32_t number)
{
    static uint8_t bytes[KEY_SIZE_MAX];

    memset(bytes, '.', sizeof(bytes));
    int size = snprintf((char *)bytes, 32, "key-%06u", number);
    bytes[size] = '.';
    return key_make(KEY_OBJECT, (uint16_t)(number % 2), bytes, image->key_size);
}

static inline uint32_t
image_number(const struct key *key)
{
    return (uint32_t)strtoul((const char *)key->bytes + 4, NULL, 10);
}

static inline uint32_t
image_blocks(uint32_t bytes)
{
    return (uint32_t)(((uint64_t)bytes + NVME_BLOCK - 1) / NVME_BLOCK);
}

/* The bytes of a value, with zeroes to the end of the block; free() them. */
static inline uint8_t *
image_value_bytes(uint32_t number, uint64_t sequence, uint32_t size)
{
    uint64_t room = (uint64_t)image_blocks(size) * NVME_BLOCK;
    uint8_t *bytes = aligned_alloc(NVME_BLOCK, room > 0 ? room : NVME_BLOCK);

    if (bytes == NULL)
        abort();
    random_fill(random_mix(number) ^ sequence, (uint64_t *)(void *)bytes,
                room / 8);
    memset(bytes + size, 0, room - size);
    return bytes;
}

static inline uint64_t
image_offset(const struct image *image, uint32_t segment, uint32_t block)
{
    return NVME_DATA_START + segment * image->super.segment_size +
           (uint64_t)block * NVME_BLOCK;
}

static inline void
image_write(const struct image *image, uint64_t offset, const void *bytes,
            size_t size)
{
    if (pwrite(image->fd, bytes, size, (off_t)offset) != (ssize_t)size) {
        perror("image");
        abort();
    }
}

static inline void
image_write_super(struct image *image, unsigned which, uint64_t serial)
{
    uint8_t block[NVME_BLOCK];

    image->super.serial = serial;
    nvme_write_super(&image->super, block);
    image_write(image, (uint64_t)which * NVME_BLOCK, block, sizeof(block));
}

/* Empties the file and gives it both superblocks. */
static inline void
image_open(struct image *image, int fd, uint32_t segment_size, uint32_t count)
{
    *image = (struct image){.fd = fd,
                            .super.version = NVME_VERSION,
                            .super.segment_size = segment_size,
                            .super.segment_count = count,
                            .key_size = 20};
    memcpy(image->super.identity, IMAGE_IDENTITY, NVME_IDENTITY);
    image->table = malloc(segment_size);
    if (image->table == NULL || ftruncate(fd, 0) != 0 ||
        ftruncate(fd, (off_t)image_offset(image, count, 0)) != 0)
        abort();
    image_write_super(image, 0, 1);
    image_write_super(image, 1, 2);
}

static inline void
image_close(struct image *image)
{
    free(image->table);
    close(image->fd);
}

static inline void
image_begin(struct image *image, uint32_t segment, uint64_t generation)
{
    uint8_t block[NVME_BLOCK];

    image->segment = segment;
    image->generation = generation;
    image->block = 1;
    image->table_end = image->table;
    nvme_write_header(image->super.identity, generation, block);
    image_write(image, image_offset(image, segment, 0), block, sizeof(block));
}

static inline void
image_list(struct image *image, const struct nvme_item *item)
{
    if (!nvme_write_item(item, &image->table_end,
                         image->table + image->super.segment_size))
        abort();
}

/* A head and its payload, whole blocks of which `payload` has. */
static inline void
image_append(struct image *image, const struct nvme_record *record,
             const uint8_t *payload)
{
    uint8_t head[NVME_HEAD_BLOCKS_MAX * NVME_BLOCK];
    uint32_t blocks = image_blocks(record->payload_size);
    uint64_t at = image_offset(image, image->segment, image->block);

    if (image->block + record->head_blocks + blocks >=
        image->super.segment_size / NVME_BLOCK)
        abort();
    nvme_write_record(image->super.identity, record, head);
    image_write(image, at, head, record->head_blocks * (size_t)NVME_BLOCK);
    image_write(image, at + record->head_blocks * (uint64_t)NVME_BLOCK, payload,
                blocks * (size_t)NVME_BLOCK);
    image->block += record->head_blocks + blocks;
}

/* Returns its place. */
static inline uint32_t
image_value(struct image *image, uint32_t number, uint64_t sequence,
            uint32_t size)
{
    uint8_t *bytes = image_value_bytes(number, sequence, size);
    struct nvme_record record = {.kind = NVME_RECORD_VALUE,
                                 .generation = image->generation,
                                 .payload_size = size,
                                 .payload_checksum = checksum_of(bytes, size),
                                 .item = {.kind = NVME_VALUE,
                                          .key = image_key(image, number),
                                          .sequence = sequence,
                                          .size = size,
                                          .meta.size = CHUNK_META_LM,
                                          .block = image->block}};

    record.item.checksum = record.payload_checksum;
    record.head_blocks = nvme_head_blocks(&record.item.key, &record.item.meta);
    image_list(image, &record.item);
    image_append(image, &record, bytes);
    free(bytes);
    return record.item.block;
}

/* A record of one note; returns its place. */
static inline uint32_t
image_note(struct image *image, enum nvme_item_kind kind, uint32_t number,
           uint64_t sequence)
{
    static uint8_t payload[2 * NVME_BLOCK];
    struct nvme_item item = {
        .kind = kind, .key = image_key(image, number), .sequence = sequence};
    uint32_t place = image->block, size = nvme_item_size(&item);
    uint8_t *at = payload;

    memset(payload, 0, sizeof(payload));
    if (kind == NVME_CHANGE)
        item.expires_unix_ms = 1; /* long ago */
    if (!nvme_write_item(&item, &at, payload + sizeof(payload)))
        abort();
    struct nvme_record record = {.kind = NVME_RECORD_NOTES,
                                 .head_blocks = 1,
                                 .generation = image->generation,
                                 .payload_size = size,
                                 .payload_checksum =
                                     checksum_of(payload, size)};
    image_list(image, &item);
    image_append(image, &record, payload);
    return place;
}

/* The table here; returns its place. */
static inline uint32_t
image_table(struct image *image)
{
    uint32_t size = (uint32_t)(image->table_end - image->table);
    uint32_t place = image->block;
    struct nvme_record record = {.kind = NVME_RECORD_TABLE,
                                 .head_blocks = 1,
                                 .generation = image->generation,
                                 .payload_size = size,
                                 .payload_checksum =
                                     checksum_of(image->table, size)};

    memset(image->table_end, 0, image_blocks(size) * NVME_BLOCK - size);
    image_append(image, &record, image->table);
    return place;
}

static inline void
image_trailer(const struct image *image, uint32_t table_block)
{
    uint32_t last = (uint32_t)(image->super.segment_size / NVME_BLOCK) - 1;
    struct nvme_trailer trailer = {image->generation, table_block,
                                   image->block - table_block};
    uint8_t block[NVME_BLOCK];

    nvme_write_trailer(image->super.identity, &trailer, block);
    image_write(image, image_offset(image, image->segment, last), block,
                sizeof(block));
}

/* Table and trailer. */
static inline uint32_t
image_seal(struct image *image)
{
    uint32_t place = image_table(image);

    image_trailer(image, place);
    return place;
}

/* Turns all bits of one byte; the same again turns them back. */
static inline void
image_flip(const struct image *image, uint64_t offset)
{
    uint8_t byte;

    if (pread(image->fd, &byte, 1, (off_t)offset) != 1)
        abort();
    byte ^= 0xff;
    image_write(image, offset, &byte, 1);
}

#endif

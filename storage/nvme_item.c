/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Items: what a record's head, notes and tables say of a value.  An item has no
 * checksum of its own; the part that holds it has.  A reader takes exactly what
 * a writer makes, so that what was read is the same bytes when written again.
 */
#include "storage/nvme_field.h"
#include "storage/nvme_format.h"

#include "proto/object_name.h"

#include <assert.h>

/* Where things stand in an item; nvme_format.h draws them. */
#define SIZE_AT      0u
#define KIND_AT      4u
#define FORM_AT      5u
#define KEY_KIND_AT  6u
#define META_SIZE_AT 7u
#define KEY_SIZE_AT  8u
#define SPACE_AT     10u
#define BLOCK_AT     12u
#define SEQUENCE_AT  16u
#define EXPIRES_AT   24u
#define CHECKSUM_AT  32u
#define BYTES_AT     40u
#define ZERO_AT      44u
#define META_AT      48u

static_assert(META_AT + CHUNK_META_MAX + KEY_SIZE_MAX + 7 <= NVME_ITEM_MAX,
              "the largest item fits");

static uint32_t
size_of(uint32_t meta_size, uint32_t key_size)
{
    return (META_AT + meta_size + key_size + 7u) & ~7u;
}

/* A tombstone says nothing of a value but its name. */
static uint32_t
meta_size_of(const struct nvme_item *item)
{
    return item->kind == NVME_TOMBSTONE ? 0 : item->meta.size;
}

uint32_t
nvme_item_size(const struct nvme_item *item)
{
    return size_of(meta_size_of(item), item->key.size);
}

/* What is not of this kind stays zero, whatever the caller left in it. */
static void
write_kind(const struct nvme_item *item, uint8_t *at)
{
    if (item->kind != NVME_TOMBSTONE) {
        at[FORM_AT] = item->form;
        at[META_SIZE_AT] = item->meta.size;
        field_write64(at + EXPIRES_AT, item->expires_unix_ms);
        memcpy(at + META_AT, item->meta.bytes, item->meta.size);
    }
    if (item->kind == NVME_VALUE) {
        field_write32(at + BLOCK_AT, item->block);
        field_write64(at + CHECKSUM_AT, item->checksum);
        field_write32(at + BYTES_AT, item->size);
    }
}

bool
nvme_write_item(const struct nvme_item *item, uint8_t **at, const uint8_t *end)
{
    uint32_t size = nvme_item_size(item);
    uint8_t *to = *at;

    assert(item->kind >= NVME_VALUE && item->kind <= NVME_CHANGE);
    assert(item->key.size >= 1 && item->key.size <= KEY_SIZE_MAX);
    assert(item->key.space < NVME_SPACES && item->form < FORM_COUNT);
    assert(item->meta.size <= CHUNK_META_MAX);
    if ((size_t)(end - to) < size)
        return false;
    memset(to, 0, size);
    field_write32(to + SIZE_AT, size);
    to[KIND_AT] = (uint8_t)item->kind;
    to[KEY_KIND_AT] = (uint8_t)item->key.kind;
    field_write16(to + KEY_SIZE_AT, item->key.size);
    field_write16(to + SPACE_AT, item->key.space);
    field_write64(to + SEQUENCE_AT, item->sequence);
    write_kind(item, to);
    memcpy(to + META_AT + meta_size_of(item), item->key.bytes, item->key.size);
    *at = to + size;
    return true;
}

/* Are the fields that are not of this kind zero? */
static bool
has_only_its_own(const uint8_t *at)
{
    switch (at[KIND_AT]) {
    case NVME_VALUE:
        return true;
    case NVME_TOMBSTONE:
        if (at[FORM_AT] != 0 || at[META_SIZE_AT] != 0 ||
            field_read64(at + EXPIRES_AT) != 0)
            return false;
        break;
    case NVME_CHANGE:
        break;
    default:
        return false;
    }
    return field_read32(at + BLOCK_AT) == 0 &&
           field_read64(at + CHECKSUM_AT) == 0 &&
           field_read32(at + BYTES_AT) == 0;
}

/* left >= META_AT. */
static bool
is_item(const uint8_t *at, size_t left)
{
    uint32_t meta_size = at[META_SIZE_AT];
    uint32_t key_size = field_read16(at + KEY_SIZE_AT);
    uint32_t size = field_read32(at + SIZE_AT);
    uint32_t used = META_AT + meta_size + key_size;

    return meta_size <= CHUNK_META_MAX && key_size >= 1 &&
           key_size <= KEY_SIZE_MAX && size == size_of(meta_size, key_size) &&
           size <= left && at[FORM_AT] < FORM_COUNT &&
           at[KEY_KIND_AT] <= KEY_OBJECT &&
           field_read16(at + SPACE_AT) < NVME_SPACES && has_only_its_own(at) &&
           field_read32(at + ZERO_AT) == 0 &&
           field_is_zero(at + used, size - used);
}

bool
nvme_read_item(const uint8_t **at, const uint8_t *end, struct nvme_item *out)
{
    const uint8_t *from = *at;
    size_t left = (size_t)(end - from);

    if (left < META_AT || !is_item(from, left))
        return false;
    *out = (struct nvme_item){
        .kind = from[KIND_AT],
        .key = key_make(from[KEY_KIND_AT], field_read16(from + SPACE_AT),
                        from + META_AT + from[META_SIZE_AT],
                        field_read16(from + KEY_SIZE_AT)),
        .sequence = field_read64(from + SEQUENCE_AT),
        .expires_unix_ms = field_read64(from + EXPIRES_AT),
        .size = field_read32(from + BYTES_AT),
        .checksum = field_read64(from + CHECKSUM_AT),
        .meta.size = from[META_SIZE_AT],
        .form = from[FORM_AT],
        .block = field_read32(from + BLOCK_AT)};
    memcpy(out->meta.bytes, from + META_AT, out->meta.size);
    *at = from + field_read32(from + SIZE_AT);
    return true;
}

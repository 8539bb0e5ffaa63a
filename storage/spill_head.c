/* SPDX-License-Identifier: Apache-2.0 */
/* A reader takes exactly what a writer makes, so that what was read is the same
 * bytes when written again. */
#include "storage/spill_head.h"

#include "proto/checksum.h"
#include "proto/object_name.h"
#include "storage/nvme_field.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

/* Where things stand; spill_head.h draws them. */
#define VERSION_AT    0u
#define FORM_AT       1u
#define KIND_AT       2u
#define META_SIZE_AT  3u
#define KEY_SIZE_AT   4u
#define SPACE_AT      6u
#define CHECK_AT      8u
#define SEQUENCE_AT   16u
#define GROUP_AT      24u
#define NUMBER_AT     32u
#define EXPIRES_AT    40u
#define CHECKSUM_AT   48u
#define BYTES_AT      56u
#define ZERO_AT       60u
#define SPACES        256u
#define NAME_HEAD     9u /* letter, sequence */
#define NAME_GROUP    17u
#define NAME_PIECE_AT 8u
#define KEY_AT        21u
#define FAMILY_PREFIX "group-"

static_assert(KEY_AT + KEY_SIZE_MAX <= sizeof(((struct spill_name *)0)->bytes),
              "the longest name fits");

/* --- Heads. --- */

/* The bytes may not be written to. */
static uint64_t
check_of(const uint8_t *bytes, size_t size)
{
    static const uint8_t none[8];
    struct checksum sum;

    checksum_start(&sum);
    checksum_add(&sum, bytes, CHECK_AT);
    checksum_add(&sum, none, sizeof(none));
    checksum_add(&sum, bytes + SEQUENCE_AT, size - SEQUENCE_AT);
    return checksum_value(&sum);
}

uint32_t
spill_head_write(const struct spill_head *head, uint8_t bytes[SPILL_HEAD_MAX])
{
    uint32_t meta_size = head->meta.size, key_size = head->key.size;
    uint32_t size = SPILL_HEAD_FIXED + meta_size + key_size;

    assert(key_size >= 1 && key_size <= KEY_SIZE_MAX);
    assert(meta_size <= CHUNK_META_MAX);
    assert(head->key.space < SPACES && head->form < FORM_COUNT);
    memset(bytes, 0, SPILL_HEAD_FIXED);
    bytes[VERSION_AT] = SPILL_HEAD_VERSION;
    bytes[FORM_AT] = head->form;
    bytes[KIND_AT] = (uint8_t)head->key.kind;
    bytes[META_SIZE_AT] = head->meta.size;
    field_write16(bytes + KEY_SIZE_AT, head->key.size);
    field_write16(bytes + SPACE_AT, head->key.space);
    field_write64(bytes + SEQUENCE_AT, head->sequence);
    field_write64(bytes + GROUP_AT, head->group);
    field_write64(bytes + NUMBER_AT, head->number);
    field_write64(bytes + EXPIRES_AT, head->expires_unix_ms);
    field_write64(bytes + CHECKSUM_AT, head->checksum);
    field_write32(bytes + BYTES_AT, head->size);
    memcpy(bytes + SPILL_HEAD_FIXED, head->meta.bytes, meta_size);
    memcpy(bytes + SPILL_HEAD_FIXED + meta_size, head->key.bytes, key_size);
    field_write64(bytes + CHECK_AT, check_of(bytes, size));
    return size;
}

static bool
is_head(const uint8_t *bytes, size_t size)
{
    uint32_t meta_size = bytes[META_SIZE_AT];
    uint32_t key_size = field_read16(bytes + KEY_SIZE_AT);

    return bytes[VERSION_AT] == SPILL_HEAD_VERSION &&
           bytes[FORM_AT] < FORM_COUNT && bytes[KIND_AT] <= KEY_OBJECT &&
           meta_size <= CHUNK_META_MAX && key_size >= 1 &&
           key_size <= KEY_SIZE_MAX &&
           field_read16(bytes + SPACE_AT) < SPACES &&
           field_read32(bytes + ZERO_AT) == 0 &&
           field_read64(bytes + GROUP_AT) >> SPILL_GROUP_BITS == 0 &&
           field_read64(bytes + NUMBER_AT) >> SPILL_NUMBER_BITS == 0 &&
           size == SPILL_HEAD_FIXED + meta_size + key_size &&
           field_read64(bytes + CHECK_AT) == check_of(bytes, size);
}

bool
spill_head_read(const uint8_t *bytes, size_t size, struct spill_head *out)
{
    const uint8_t *meta = bytes + SPILL_HEAD_FIXED;

    if (size < SPILL_HEAD_FIXED || !is_head(bytes, size))
        return false;
    *out = (struct spill_head){
        .key = key_make(bytes[KIND_AT], field_read16(bytes + SPACE_AT),
                        meta + bytes[META_SIZE_AT],
                        field_read16(bytes + KEY_SIZE_AT)),
        .sequence = field_read64(bytes + SEQUENCE_AT),
        .group = field_read64(bytes + GROUP_AT),
        .number = field_read64(bytes + NUMBER_AT),
        .expires_unix_ms = field_read64(bytes + EXPIRES_AT),
        .checksum = field_read64(bytes + CHECKSUM_AT),
        .size = field_read32(bytes + BYTES_AT),
        .form = bytes[FORM_AT],
        .meta.size = bytes[META_SIZE_AT]};
    memcpy(out->meta.bytes, meta, out->meta.size);
    return true;
}

void
spill_head_write_marks(const struct spill_marks *marks,
                       uint8_t bytes[SPILL_MARKS_SIZE])
{
    field_write64(bytes, marks->sequence);
    field_write64(bytes + 8, marks->number);
    field_write64(bytes + 16, marks->group);
}

bool
spill_head_read_marks(const uint8_t *bytes, size_t size,
                      struct spill_marks *out)
{
    if (size != SPILL_MARKS_SIZE)
        return false;
    out->sequence = field_read64(bytes);
    out->number = field_read64(bytes + 8);
    out->group = field_read64(bytes + 16);
    return true;
}

/* --- Names. --- */

static void
write_big(uint8_t *at, uint64_t value, unsigned bytes)
{
    for (unsigned i = bytes; i > 0; i--, value >>= 8)
        at[i - 1] = (uint8_t)value;
}

static uint64_t
read_big64(const uint8_t *at)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < 8; i++)
        value = value << 8 | at[i];
    return value;
}

void
spill_head_name(struct spill_name *name, uint64_t sequence)
{
    name->size = NAME_HEAD;
    name->bytes[0] = SPILL_NAME_HEAD;
    write_big(name->bytes + 1, sequence, 8);
}

void
spill_head_group_name(struct spill_name *name, uint64_t group,
                      uint64_t sequence)
{
    name->size = NAME_GROUP;
    name->bytes[0] = SPILL_NAME_GROUP;
    write_big(name->bytes + 1, group, 8);
    write_big(name->bytes + 9, sequence, 8);
}

void
spill_head_flush_name(struct spill_name *name, unsigned space)
{
    name->size = 3;
    name->bytes[0] = SPILL_NAME_FLUSH;
    write_big(name->bytes + 1, space, 2);
}

void
spill_head_marks_name(struct spill_name *name)
{
    name->size = 1;
    name->bytes[0] = SPILL_NAME_MARKS;
}

bool
spill_head_parse_name(const uint8_t *bytes, size_t size, uint64_t *sequence_out)
{
    if (size != NAME_HEAD || bytes[0] != SPILL_NAME_HEAD)
        return false;
    *sequence_out = read_big64(bytes + 1);
    return true;
}

bool
spill_head_parse_group_name(const uint8_t *bytes, size_t size,
                            uint64_t *group_out, uint64_t *sequence_out)
{
    if (size != NAME_GROUP || bytes[0] != SPILL_NAME_GROUP)
        return false;
    *group_out = read_big64(bytes + 1);
    *sequence_out = read_big64(bytes + 9);
    return true;
}

void
spill_head_body_name(struct spill_name *name, uint64_t number,
                     uint64_t sequence, const struct key *key)
{
    name->size = KEY_AT + key->size;
    write_big(name->bytes, number, 8);
    write_big(name->bytes + NAME_PIECE_AT, 0, 2);
    write_big(name->bytes + 10, sequence, 8);
    write_big(name->bytes + 18, key->space, 2);
    name->bytes[20] = (uint8_t)key->kind;
    memcpy(name->bytes + KEY_AT, key->bytes, key->size);
}

void
spill_head_body_piece(struct spill_name *name, unsigned piece)
{
    write_big(name->bytes + NAME_PIECE_AT, piece, 2);
}

void
spill_head_family(char name[SPILL_FAMILY_MAX], uint64_t group)
{
    snprintf(name, SPILL_FAMILY_MAX, FAMILY_PREFIX "%llu",
             (unsigned long long)group);
}

bool
spill_head_parse_family(const char *name, uint64_t *group_out)
{
    const char *digits = name + strlen(FAMILY_PREFIX);
    char again[SPILL_FAMILY_MAX];
    unsigned long long group;

    if (strncmp(name, FAMILY_PREFIX, strlen(FAMILY_PREFIX)) != 0)
        return false;
    group = strtoull(digits, NULL, 10);
    spill_head_family(again, group);
    if (strcmp(again, name) != 0 || group >> SPILL_GROUP_BITS != 0)
        return false;
    *group_out = group;
    return true;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Heads of a dump, between memory and structs. */
#include "tools/cli/dump_format.h"

#include "proto/checksum.h"
#include "proto/number.h"

#include <string.h>

#define MAGIC_SIZE  8u
#define CHECKSUM_AT 56u

static const uint8_t magic[MAGIC_SIZE] = {'P', 'F', 'X', 'C',
                                          'D', 'U', 'M', 'P'};
static const uint8_t record_word[DUMP_MAGIC_SIZE] = DUMP_RECORD_WORD;
static const uint8_t end_word[DUMP_MAGIC_SIZE] = DUMP_END_WORD;

static void
seal(uint8_t head[DUMP_HEAD_SIZE])
{
    number_write(head + CHECKSUM_AT, checksum_of(head, CHECKSUM_AT), 8);
}

static bool
is_sealed(const uint8_t head[DUMP_HEAD_SIZE])
{
    return number_read(head + CHECKSUM_AT, 8) == checksum_of(head, CHECKSUM_AT);
}

void
dump_head_write(const struct dump_head *head, uint8_t into[DUMP_HEAD_SIZE])
{
    memset(into, 0, DUMP_HEAD_SIZE);
    memcpy(into, magic, MAGIC_SIZE);
    number_write(into + 8, head->version, 4);
    number_write(into + 16, head->identity, 8);
    number_write(into + 24, head->unix_ms, 8);
    seal(into);
}

enum status
dump_head_read(const uint8_t from[DUMP_HEAD_SIZE], struct dump_head *out)
{
    uint32_t version = (uint32_t)number_read(from + 8, 4);

    if (memcmp(from, magic, MAGIC_SIZE) != 0)
        return STATUS_BAD_REQUEST;
    if (version != DUMP_VERSION) {
        /* Nothing else of it is known, not even where its checksum is. */
        *out = (struct dump_head){.version = version};
        return STATUS_UNMET;
    }
    if (!is_sealed(from))
        return STATUS_CORRUPT;
    *out = (struct dump_head){.version = version,
                              .identity = number_read(from + 16, 8),
                              .unix_ms = number_read(from + 24, 8)};
    return STATUS_OK;
}

void
dump_record_write(const struct dump_record *record,
                  uint8_t into[DUMP_HEAD_SIZE])
{
    memset(into, 0, DUMP_HEAD_SIZE);
    memcpy(into, record->is_end ? end_word : record_word, DUMP_MAGIC_SIZE);
    number_write(into + 16, record->body_size, 8);
    number_write(into + 48, record->identity, 8);
    if (!record->is_end) {
        number_write(into + 4, record->key_size, 2);
        into[6] = record->meta_size;
        into[7] = record->kind;
        into[8] = record->space;
        into[9] = record->form;
        number_write(into + 24, record->expiry_unix_ms, 8);
        number_write(into + 32, record->body_checksum, 8);
        number_write(into + 40, record->names_checksum, 8);
    }
    seal(into);
}

static bool
is_within_limits(const struct dump_record *record)
{
    return record->key_size >= 1 && record->key_size <= KEY_SIZE_MAX &&
           record->meta_size <= CHUNK_META_MAX &&
           (record->kind == 1 || record->kind == 2) &&
           record->body_size <= DUMP_BODY_MAX;
}

enum status
dump_record_read(const uint8_t from[DUMP_HEAD_SIZE], struct dump_record *out)
{
    bool is_end = memcmp(from, end_word, DUMP_MAGIC_SIZE) == 0;

    if ((!is_end && memcmp(from, record_word, DUMP_MAGIC_SIZE) != 0) ||
        !is_sealed(from))
        return STATUS_CORRUPT;
    out->is_end = is_end;
    out->key_size = (uint16_t)number_read(from + 4, 2);
    out->meta_size = from[6];
    out->kind = from[7];
    out->space = from[8];
    out->form = from[9];
    out->body_size = number_read(from + 16, 8);
    out->expiry_unix_ms = number_read(from + 24, 8);
    out->body_checksum = number_read(from + 32, 8);
    out->names_checksum = number_read(from + 40, 8);
    out->identity = number_read(from + 48, 8);
    return is_end || is_within_limits(out) ? STATUS_OK : STATUS_CORRUPT;
}

size_t
dump_record_names(const struct dump_record *record)
{
    return (size_t)record->key_size + record->meta_size;
}

void
dump_record_seal(struct dump_record *record)
{
    record->names_checksum =
        checksum_of(record->names, dump_record_names(record));
}

bool
dump_record_is_named(const struct dump_record *record)
{
    return record->names_checksum ==
           checksum_of(record->names, dump_record_names(record));
}

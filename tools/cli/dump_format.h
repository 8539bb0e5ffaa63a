/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What prefixcache-cli dump writes and restore reads.  Pure: memory in, memory
 * out; reading and writing files is dump_reader.c's and dump_writer.c's.
 *
 *   dump      | head | record | record | ... | end |
 *   record    | head, 64 bytes | key | metadata | value |
 *
 * Nothing is padded; numbers are unsigned, least byte first, what is not drawn
 * is zero; checksums are XXH3-64.  A file is only ever written at its end: where
 * a dump was stopped, the last record may be torn, and no end stands behind it.
 *
 * head                                    record, and end
 *     0   8  magic: PFXCDUMP                  0   4  magic: PFXR; of the end: PFXE
 *     8   4  version, 1                       4   2  bytes of the key
 *    12   4  zero                             6   1  bytes of metadata
 *    16   8  identity, random                 7   1  kind: 1 plain, 2 object
 *    24   8  made at, Unix time in ms         8   1  namespace
 *    32  24  zero                             9   1  form of an object's name
 *    56   8  checksum of bytes 0 to 55       10   6  zero
 *                                            16   8  bytes of the value; of the
 *                                                    end: records in the file
 *                                            24   8  expiry, Unix time in ms, 0
 *                                                    never
 *                                            32   8  checksum of the value
 *                                            40   8  checksum of key and metadata
 *                                            48   8  identity of the file
 *                                            56   8  checksum of bytes 0 to 55
 *
 * The end has zeroes from 4 to 15 and from 24 to 47.  A reader of version 1
 * refuses any other.
 */
#ifndef CLI_DUMP_FORMAT_H
#define CLI_DUMP_FORMAT_H

#include "proto/key.h"
#include "proto/message.h"

#define DUMP_VERSION     1u
#define DUMP_HEAD_SIZE   64u /* of the file's head, and of a record's */
#define DUMP_NAMES_MAX   (KEY_SIZE_MAX + CHUNK_META_MAX)
#define DUMP_BODY_MAX    (1ull << 40)
#define DUMP_MAGIC_SIZE  4u
#define DUMP_RECORD_WORD "PFXR"
#define DUMP_END_WORD    "PFXE"

struct dump_head {
    uint32_t version;
    uint64_t identity, unix_ms;
};

struct dump_record {
    bool is_end;
    uint16_t key_size;
    uint8_t meta_size, kind, space, form;
    uint64_t body_size; /* of the end: records before it */
    uint64_t expiry_unix_ms;
    uint64_t body_checksum, names_checksum;
    uint64_t identity;
    uint8_t names[DUMP_NAMES_MAX]; /* key, metadata; not read or written here */
};

void dump_head_write(const struct dump_head *, uint8_t into[DUMP_HEAD_SIZE]);
/* OK; BAD_REQUEST: no dump; UNMET: of another version, which is in *out;
 * CORRUPT: it was one. */
enum status dump_head_read(const uint8_t from[DUMP_HEAD_SIZE],
                           struct dump_head *out) MUST_USE;

void dump_record_write(const struct dump_record *,
                       uint8_t into[DUMP_HEAD_SIZE]);
/* All but the names.  OK or CORRUPT; what is OK keeps its limits: a key of 1 to
 * KEY_SIZE_MAX bytes, a kind that is one. */
enum status dump_record_read(const uint8_t from[DUMP_HEAD_SIZE],
                             struct dump_record *out) MUST_USE;

/* Bytes behind a record's head. */
size_t dump_record_names(const struct dump_record *);
/* Sets the checksum of its names. */
void dump_record_seal(struct dump_record *);
/* Does it match them? */
bool dump_record_is_named(const struct dump_record *);

#endif

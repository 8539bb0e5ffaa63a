/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the NVMe tier lies on its device.  Pure: memory in, memory out; no I/O,
 * no threads, no allocation.  All numbers little endian, all parts in blocks of
 * 4 KiB, each with a checksum (XXH3-64) over itself with that field zero.
 *
 *   device    | super A | super B | segment 0 | segment 1 | ...
 *               block 0   block 1   from block 256 (1 MiB) on
 *
 *   segment   | header | record | record | ... | table |      | trailer |
 *               1 block                        sealed: with a table behind the
 *                                              last record, a trailer at the end
 *
 *   record    | head: 1 or 2 blocks | payload, zeroed to the next block |
 *
 * super     magic, version, serial (the higher one of A and B holds), identity
 *           (random, 16 bytes), segment size and count, and for each of the 256
 *           namespaces the flush sequence: what was PUT up to it is gone.
 * header    magic, version, identity, generation (grows by one with each
 *           segment taken into use, over the whole device).
 * record    magic, identity, generation, kind, block count of the head, payload
 *           size and checksum, and one item (a value) or none (notes).
 * notes     a record whose payload is items: tombstones and changes.
 * item      what is known of a value: see struct nvme_item.
 * table     a record, of kind TABLE, whose payload is all items of the segment in
 *           the order they were written.
 * trailer   magic, identity, generation, block of the table, its size in
 *           blocks; the last block of the segment.
 *
 * A record counts only if its generation and identity are the segment's: what
 * a segment's earlier life has left behind is never read.
 *
 * All four parts of one or two blocks begin alike, in this and in any later
 * version, and what is not drawn is zero:
 *
 *     0   8  magic: PREFIXCS, PREFIXCH, PREFIXCR or PREFIXCT
 *     8   8  checksum of the part's blocks, these 8 bytes taken for zero
 *    16  16  identity
 *
 * super                                   header
 *    32   4  version                         32   4  version
 *    36   4  segments                        36   4  zero
 *    40   8  bytes of a segment              40   8  generation
 *    48   8  serial
 *    56   8  zero                         trailer
 *    64   8  flush sequence of space 0       32   8  generation
 *    72   8  ... of space 1, to 255          40   4  block of the table's head
 *                                            44   4  blocks, head and payload
 *
 * record
 *    32   8  generation
 *    40   1  kind: 1 value, 2 notes, 3 table
 *    41   1  blocks of the head
 *    42   2  zero
 *    44   4  bytes of the payload
 *    48   8  checksum of the payload
 *    56      of a value: its item, its block 0
 *
 * item, in a head or in the payload of notes and tables; `v`: zero unless a
 * value's, `c`: zero in a tombstone
 *     0   4  bytes of the item, a multiple of 8
 *     4   1  kind: 1 value, 2 tombstone, 3 change
 *     5   1  form (c)
 *     6   1  kind of the key: 0 plain, 1 object
 *     7   1  bytes of metadata (c)
 *     8   2  bytes of the key, 1 to 4096
 *    10   2  namespace
 *    12   4  first block of the record, from the segment's start (v)
 *    16   8  sequence
 *    24   8  expiry, Unix time in ms, 0 never (c)
 *    32   8  checksum of the value's bytes (v)
 *    40   4  bytes of the value (v)
 *    44   4  zero
 *    48      metadata, key, zeroes to a multiple of 8
 */
#ifndef STORAGE_NVME_FORMAT_H
#define STORAGE_NVME_FORMAT_H

#include "proto/key.h"
#include "proto/message.h"
#include "proto/status.h"

#include <stdbool.h>
#include <stdint.h>

#define NVME_VERSION         1u
#define NVME_BLOCK           4096u
#define NVME_DATA_START      (1u << 20) /* of segment 0 on the device */
#define NVME_SPACES          256u
#define NVME_IDENTITY        16u
#define NVME_HEAD_BLOCKS_MAX 2u /* the longest key takes two */
#define NVME_SEGMENT_MIN     (64u << 10)
#define NVME_SEGMENT_MAX     (UINT64_C(1) << 32)

struct nvme_super {
    uint32_t version;
    uint8_t identity[NVME_IDENTITY];
    uint64_t serial;
    uint64_t segment_size; /* bytes, whole blocks, NVME_SEGMENT_MIN to MAX */
    uint32_t segment_count;
    uint64_t flushed[NVME_SPACES]; /* sequences */
};

enum nvme_item_kind {
    NVME_VALUE = 1,     /* a record's bytes */
    NVME_TOMBSTONE = 2, /* the key's values PUT before `sequence` are gone */
    NVME_CHANGE = 3     /* the value PUT with exactly `sequence` has this
                           metadata, form and expiry now */
};

struct nvme_item {
    enum nvme_item_kind kind;
    struct key key; /* bytes lent: the encoder's input, or the buffer read */
    uint64_t sequence;
    uint64_t expires_unix_ms; /* 0: never */
    uint32_t size;            /* VALUE: bytes */
    uint64_t checksum;        /* VALUE: XXH3-64 of the bytes */
    struct chunk_meta meta;
    uint8_t form;
    uint32_t block; /* VALUE, in tables: its record's first block, counted from
                       the segment's start; else 0 */
};

enum nvme_record_kind {
    NVME_RECORD_VALUE = 1,
    NVME_RECORD_NOTES = 2,
    NVME_RECORD_TABLE = 3
};

struct nvme_record {
    enum nvme_record_kind kind;
    uint32_t head_blocks;
    uint32_t payload_size;     /* bytes, without the zeroes */
    uint64_t payload_checksum; /* of VALUE: the item's */
    uint64_t generation;
    struct nvme_item item; /* VALUE; its key is lent from the block read */
};

struct nvme_trailer {
    uint64_t generation;
    uint32_t table_block, table_blocks; /* head and payload */
};

/* What was read.  A blank block (all zero) is NVME_BLANK, not broken. */
enum nvme_found {
    NVME_GOOD,
    NVME_BLANK,
    NVME_FOREIGN, /* whole, but of another identity or generation */
    NVME_BROKEN,  /* no magic, wrong checksum, or fields that can not be */
    NVME_NEWER    /* super only: a version this program does not know */
};

/* Each writer fills whole blocks.  Each reader may be given any bytes and
 * writes to `out` only if GOOD (of NEWER: out->version). */
void nvme_write_super(const struct nvme_super *, uint8_t block[NVME_BLOCK]);
enum nvme_found nvme_read_super(const uint8_t block[NVME_BLOCK],
                                struct nvme_super *out);

void nvme_write_header(const uint8_t identity[NVME_IDENTITY],
                       uint64_t generation, uint8_t block[NVME_BLOCK]);
enum nvme_found nvme_read_header(const uint8_t identity[NVME_IDENTITY],
                                 const uint8_t block[NVME_BLOCK],
                                 uint64_t *generation_out);

/* Blocks the head of a record for this key and metadata (NULL: none) needs.
 * key NULL: of notes or a table. */
uint32_t nvme_head_blocks(const struct key *, const struct chunk_meta *);
/* blocks: nvme_head_blocks() of them, all written.  record->head_blocks and
 * payload_* must be set; of a VALUE they are the item's size and checksum. */
void nvme_write_record(const uint8_t identity[NVME_IDENTITY],
                       const struct nvme_record *, uint8_t *blocks);
/* bytes: what was read from the record's start, NVME_HEAD_BLOCKS_MAX blocks or
 * as many as the segment has left.  generation: the segment's, or 0 for any. */
enum nvme_found nvme_read_record(const uint8_t identity[NVME_IDENTITY],
                                 uint64_t generation, const uint8_t *bytes,
                                 uint32_t size, struct nvme_record *out);

void nvme_write_trailer(const uint8_t identity[NVME_IDENTITY],
                        const struct nvme_trailer *, uint8_t block[NVME_BLOCK]);
enum nvme_found nvme_read_trailer(const uint8_t identity[NVME_IDENTITY],
                                  const uint8_t block[NVME_BLOCK],
                                  struct nvme_trailer *out);

/* Items of notes and tables, one behind the other.  What is not of an item's
 * kind is neither written nor read: a tombstone has no metadata. */
#define NVME_ITEM_MAX (96u + CHUNK_META_MAX + KEY_SIZE_MAX)
uint32_t nvme_item_size(const struct nvme_item *);
/* Writes at *at, moves it; false (nothing written) if it does not fit. */
bool nvme_write_item(const struct nvme_item *, uint8_t **at,
                     const uint8_t *end);
/* The next item; false at the end, or at what is no item (then *at != end). */
bool nvme_read_item(const uint8_t **at, const uint8_t *end,
                    struct nvme_item *out);

#endif

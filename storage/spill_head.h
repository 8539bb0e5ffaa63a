/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the spill tier keeps of a value beside its bytes, and the names under
 * which RocksDB has both.  Pure: memory in, memory out.  Numbers in values are
 * little endian; numbers in names big endian, so that they stand in order.
 *
 * heads, one database, written through a log:
 *   'h' sequence      a head, as below
 *   'g' group sequence  nothing: a value of that sequence was put into the
 *                     group; the head says whether it still lies there
 *   'f' space (2)     the flush sequence of a namespace
 *   'm'               marks: what was used so far, see struct spill_marks
 *
 * bodies, the other one, a family "group-N" for each group:
 *   number (8) piece (2) sequence (8) space (2) kind (1) key
 *                     a piece of SPILL_PIECE bytes of the value, the last one
 *                     shorter.  The number grows with each value that is put:
 *                     what comes later stands behind all that is there.
 *
 * head
 *     0   1  version
 *     1   1  form
 *     2   1  kind of the key: 0 plain, 1 object
 *     3   1  bytes of metadata
 *     4   2  bytes of the key, 1 to 4096
 *     6   2  namespace
 *     8   8  checksum (XXH3-64) of the head, these 8 bytes taken for zero
 *    16   8  sequence
 *    24   8  group
 *    32   8  number in the group
 *    40   8  expiry, Unix time in ms, 0 never
 *    48   8  checksum of the value's bytes
 *    56   4  bytes of the value
 *    60   4  zero
 *    64      metadata, key
 */
#ifndef STORAGE_SPILL_HEAD_H
#define STORAGE_SPILL_HEAD_H

#include "proto/key.h"
#include "proto/message.h"

#include <stdbool.h>
#include <stdint.h>

#define SPILL_HEAD_VERSION 1u
#define SPILL_HEAD_FIXED   64u
#define SPILL_HEAD_MAX     (SPILL_HEAD_FIXED + CHUNK_META_MAX + KEY_SIZE_MAX)
#define SPILL_PIECE        (1u << 20)
/* A place has so many bits for each. */
#define SPILL_GROUP_BITS  28u
#define SPILL_NUMBER_BITS 36u

struct spill_head {
    struct key key; /* lent: the encoder's input, or the bytes read */
    uint64_t sequence, group, number;
    uint64_t expires_unix_ms; /* 0: never */
    uint64_t checksum;        /* of the value */
    uint32_t size;            /* of the value */
    uint8_t form;
    struct chunk_meta meta;
};

/* Returns how many bytes it wrote. */
uint32_t spill_head_write(const struct spill_head *,
                          uint8_t bytes[SPILL_HEAD_MAX]);
/* Any bytes; false: they are no head of this version, or not whole. */
bool spill_head_read(const uint8_t *bytes, size_t size, struct spill_head *out);

struct spill_marks {
    uint64_t sequence; /* the highest that was seen */
    uint64_t number;   /* the next one */
    uint64_t group;    /* the next one */
};
#define SPILL_MARKS_SIZE 24u
void spill_head_write_marks(const struct spill_marks *,
                            uint8_t bytes[SPILL_MARKS_SIZE]);
bool spill_head_read_marks(const uint8_t *bytes, size_t size,
                           struct spill_marks *out);

/* A name, as long as it is. */
struct spill_name {
    uint32_t size;
    uint8_t bytes[32 + KEY_SIZE_MAX];
};
#define SPILL_NAME_HEAD  'h'
#define SPILL_NAME_GROUP 'g'
#define SPILL_NAME_FLUSH 'f'
#define SPILL_NAME_MARKS 'm'
void spill_head_name(struct spill_name *, uint64_t sequence);
void spill_head_group_name(struct spill_name *, uint64_t group,
                           uint64_t sequence);
void spill_head_flush_name(struct spill_name *, unsigned space);
void spill_head_marks_name(struct spill_name *);
/* Of the name of a head, or in a group. */
bool spill_head_parse_name(const uint8_t *bytes, size_t size,
                           uint64_t *sequence_out);
bool spill_head_parse_group_name(const uint8_t *bytes, size_t size,
                                 uint64_t *group_out, uint64_t *sequence_out);

/* Names of the pieces of one value differ in 2 bytes: the first is made with
 * all of it, others by their number alone. */
void spill_head_body_name(struct spill_name *, uint64_t number,
                          uint64_t sequence, const struct key *);
void spill_head_body_piece(struct spill_name *, unsigned piece);
static inline unsigned
spill_head_pieces(uint32_t size)
{
    return size == 0 ? 1 : (unsigned)((size - 1) / SPILL_PIECE + 1);
}

#define SPILL_FAMILY_MAX 32u
void spill_head_family(char name[SPILL_FAMILY_MAX], uint64_t group);
bool spill_head_parse_family(const char *name, uint64_t *group_out);

#endif

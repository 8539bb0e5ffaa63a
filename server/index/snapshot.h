/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file in which a catalog outlives its process, as pure functions over
 * memory.  Numbers are unsigned, least byte first, but for scores.
 *
 *   file     head, frames, one last frame that is empty
 *   head     64 bytes: "PCINDEX\n", version 4, 4 of zero, unix ms 8, 32 of zero,
 *            XXH3-64 of the 56 bytes before it 8
 *   frame    32 bytes: "PCFR" or, the last one, "PCFE"; size of the payload 4;
 *            keys in it 4; 4 of zero; XXH3-64 of the payload 8, of the 24 bytes
 *            before 8.  The last one says how many keys all frames have
 *   payload  keys one after the other:
 *            form 1 (kind 2 bits, 4 a set, 8 wide), namespace 1, age 2, items 4,
 *            the key: a number 8, or a text (size 2, bytes), then the items:
 *              hash           word
 *              hash, wide     word, word
 *              set            number 8, score 4 (signed)
 *              set, wide      1: 1 word, 0 number 8;  score 8 (IEEE 754)
 *   word     4: the number of a word that the payload had already, from 0 on;
 *            or the next such number and behind it a text: a new word
 *
 * Each payload stands for itself.  Anything that is not as above makes all of
 * the file good for nothing.
 */
#ifndef INDEX_SNAPSHOT_H
#define INDEX_SNAPSHOT_H

#include "proto/cursor.h"
#include "proto/message.h"

#define SNAPSHOT_VERSION     1u
#define SNAPSHOT_HEAD        64u
#define SNAPSHOT_FRAME_HEAD  32u
#define SNAPSHOT_PAYLOAD_MAX (16u << 20)
#define SNAPSHOT_WORDS_MAX   (SNAPSHOT_PAYLOAD_MAX / 6)

enum snapshot_verdict {
    SNAPSHOT_GOOD,
    SNAPSHOT_FOREIGN, /* no snapshot at all */
    SNAPSHOT_NEWER,   /* of a version that came later */
    SNAPSHOT_BROKEN
};

void snapshot_write_head(uint8_t into[SNAPSHOT_HEAD], uint64_t unix_ms);
enum snapshot_verdict snapshot_read_head(const uint8_t from[SNAPSHOT_HEAD],
                                         uint64_t *unix_ms_out);

struct snapshot_frame {
    uint32_t size, keys;
    bool is_last;
    uint64_t checksum; /* of the payload */
};
void snapshot_write_frame(uint8_t into[SNAPSHOT_FRAME_HEAD],
                          struct snapshot_frame *, const uint8_t *payload);
bool snapshot_read_frame(const uint8_t from[SNAPSHOT_FRAME_HEAD],
                         struct snapshot_frame *out);

enum { SNAPSHOT_KIND = 3, SNAPSHOT_SET = 4, SNAPSHOT_WIDE = 8 };

struct snapshot_key {
    uint8_t form, space;
    uint16_t age;
    uint32_t items;
    uint64_t number;   /* unless it is a text, kind CATALOG_TEXT */
    struct bytes text; /* when read: in the payload */
};

struct snapshot_item {
    struct bytes name,
        value; /* of a hash; or name of a member that is a word */
    bool is_word;
    uint64_t number;
    double score;
};

/* A payload that is being written, and the words it has: by numbers that the
 * writer knows them by, which are not 0. */
#define SNAPSHOT_SLOTS (1u << 18)
struct snapshot_slot {
    uint32_t known, number; /* known 0: free */
};
struct snapshot_writer {
    uint8_t payload[SNAPSHOT_PAYLOAD_MAX];
    struct cursor out;
    uint32_t keys, words;
    struct snapshot_slot slots[SNAPSHOT_SLOTS];
};
void snapshot_writer_start(struct snapshot_writer *);
/* Will a key fit whose items have so many bytes of text?  To be asked before it
 * is put; a key is put with as many items as it says. */
bool snapshot_writer_has_room(const struct snapshot_writer *, uint32_t items,
                              size_t text);
void snapshot_writer_key(struct snapshot_writer *, const struct snapshot_key *);
void snapshot_writer_word(struct snapshot_writer *, uint32_t known,
                          const struct bytes *text);
/* Members; the last two where the key is SNAPSHOT_WIDE. */
void snapshot_writer_short(struct snapshot_writer *, uint64_t number,
                           int32_t score);
void snapshot_writer_number(struct snapshot_writer *, uint64_t number,
                            double score);
void snapshot_writer_member(struct snapshot_writer *, uint32_t known,
                            const struct bytes *text, double score);

/* Reading a payload.  `words` has room for SNAPSHOT_WORDS_MAX. */
struct snapshot_reader {
    struct cursor in;
    struct bytes *words;
    uint32_t word_count;
    uint32_t keys_left, items_left;
    uint8_t form; /* of the key */
};
void snapshot_reader_start(struct snapshot_reader *, uint8_t *payload,
                           const struct snapshot_frame *, struct bytes *words);
/* False at the end, or where the payload is broken.  All items of a key are to
 * be read before the next one. */
bool snapshot_reader_key(struct snapshot_reader *, struct snapshot_key *out);
bool snapshot_reader_item(struct snapshot_reader *, struct snapshot_item *out);
/* All of it was read, and nothing was left over. */
bool snapshot_reader_is_good(const struct snapshot_reader *);

#endif

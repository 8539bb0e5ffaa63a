/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The native wire: frames, whose heads are the messages of native.proto.
 *
 *   offset  bytes
 *    0      1      magic, 0xc5
 *    1      1      version, 1
 *    2      2      size of the head
 *    4      4      size of the list
 *    8      8      size of the body
 *   16             head, list, body
 *
 * Integers have their least byte first.  Whoever knows no more than this can
 * skip a frame.  A list of keys is, for each, its size (2 bytes) and its bytes.
 * Replies say the id of their request and may overtake each other.
 *
 * Pure, any thread, no allocation.  Only native.c knows nanopb; what it reads
 * into are the structs below, which point into the buffer that was read.
 */
#ifndef PROTO_NATIVE_H
#define PROTO_NATIVE_H

#include "proto/key.h"
#include "proto/protocol.h"

#define NATIVE_MAGIC       0xc5u
#define NATIVE_VERSION     1u
#define NATIVE_PREFIX_SIZE 16u
#define NATIVE_HEAD_MAX    1024u      /* bytes of one message */
#define NATIVE_KEYS_MAX    8192u      /* in a list */
#define NATIVE_LIST_MAX    (4u << 20) /* bytes; limits.head may allow less */
#define NATIVE_BODY_MAX    (1ull << 40)
#define NATIVE_TIERS_MAX   4u
#define NATIVE_TEXT_MAX    159u /* bytes of `why`; longer ones are cut */

/* The numbers of the wire. */
enum native_verb {
    NATIVE_NONE, /* one that this version does not know */
    NATIVE_HELLO,
    NATIVE_GET,
    NATIVE_PUT,
    NATIVE_EXISTS,
    NATIVE_DROP,
    NATIVE_PREFIX,
    NATIVE_STATS,
    NATIVE_WALK
};

enum native_kind { NATIVE_ANY, NATIVE_PLAIN, NATIVE_OBJECT };
enum native_condition { NATIVE_ALWAYS, NATIVE_IF_ABSENT, NATIVE_IF_PRESENT };

/* The codes of the wire.  GONE, IO and BROKEN have none: as MISS. */
enum native_code {
    NATIVE_OK,
    NATIVE_MISS,
    NATIVE_UNMET,
    NATIVE_BUSY,
    NATIVE_TOO_BIG,
    NATIVE_NO_SPACE,
    NATIVE_BAD_REQUEST,
    NATIVE_CORRUPT,
    NATIVE_LATE,
    NATIVE_UNSUPPORTED
};

struct native_prefix {
    uint8_t version;
    uint16_t head_size;
    uint32_t list_size;
    uint64_t body_size;
};

/* Each field is that of native.proto. */
struct native_request {
    uint64_t id;
    enum native_verb verb;
    uint32_t space;
    enum native_kind kind;
    uint32_t count;
    uint32_t deadline_ms;
    bool wants_checksum, has_checksum, is_quiet, promote, wants_states;
    uint64_t checksum;
    struct chunk_meta meta;
    uint32_t form;
    uint64_t lifetime_ms;
    enum native_condition condition;
    uint32_t lease_ms, ranks;
    uint64_t cursor;
    uint32_t least;

    struct bytes list; /* read: where it stands; written: by the caller */
    uint64_t body_size;
};

struct native_tier {
    char name[12];
    uint32_t matched, unbroken;
    uint64_t bytes;
    bool has_get_us, has_bytes_per_second;
    uint64_t get_us, bytes_per_second;
};

struct native_reply {
    uint64_t id;
    enum native_code code;
    uint32_t index;
    char why[NATIVE_TEXT_MAX + 1];
    bool has_checksum, has_load_us;
    uint64_t checksum;
    struct chunk_meta meta;
    enum native_kind kind;
    uint32_t form;
    char tier[12];
    uint64_t lifetime_ms;
    uint32_t matched;
    uint64_t bytes, load_us;
    uint32_t lease_ms;
    unsigned tier_count;
    struct native_tier tiers[NATIVE_TIERS_MAX];
    uint64_t cursor;
    char server[40];
    uint32_t version;
    uint64_t value_max;
    uint32_t key_max, keys_max, list_max;
    uint64_t instance;

    struct bytes list; /* as in the request */
    uint64_t body_size;
};

/* Each sets *why_out: to a lasting English fragment that says what is wrong, or
 * to NULL.  `in` is as protocol.h says: MORE consumes nothing. */

/* One prefix; consumes it.  BROKEN, at the first byte where that is possible:
 * not the magic, or a size over its limit.  Another version is DONE: its frame
 * has the same prefix and limits, and can be skipped. */
enum parse native_read_prefix(struct cursor *in, struct native_prefix *out,
                              const char **why_out);

/* Prefix, head and list, whole; the body is what follows in->at, body_size
 * bytes, also where there should be none.  DONE with verb NATIVE_NONE, and the
 * id if it could be read (else 0), is what can only be answered and skipped:
 * - UNSUPPORTED where *why_out is NULL: another version, an unknown verb;
 * - BAD_REQUEST where it is not: a head that is no Request or has a field over
 *   its bound (meta over CHUNK_META_MAX), a space over 255, a form that is none
 *   of object_name.h, over NATIVE_KEYS_MAX keys, a list that is not exactly
 *   `count` keys.
 * Otherwise all of these hold.  What a verb needs of its fields and how many
 * keys is left to who answers it. */
enum parse native_read_request(struct cursor *in, struct native_request *out,
                               const char **why_out);
/* The same of a reply.  BROKEN: another version, a head that is no Reply or has
 * a field over its bound.  A code that is not known is MISS.  The list is not
 * looked into. */
enum parse native_read_reply(struct cursor *in, struct native_reply *out,
                             const char **why_out);

/* Prefix and head; the list's bytes (if any: its size is in the prefix, and
 * where list.at is not NULL they are copied behind the head) and the body are
 * the caller's to send.  False, with short_by and nothing written, where the
 * cursor was too short: NATIVE_FRAME_MAX does without a list.  Sizes and counts
 * within the limits above are the caller's duty (asserted); texts are cut. */
#define NATIVE_FRAME_MAX (NATIVE_PREFIX_SIZE + NATIVE_HEAD_MAX)
bool native_write_request(struct cursor *out, const struct native_request *);
bool native_write_reply(struct cursor *out, const struct native_reply *);

/* A list of keys, walked in the buffer it arrived in; false at its end, or
 * where it does not go on as a list must, with the list left as it was.  Sizes
 * are 1 to KEY_SIZE_MAX. */
bool native_next_key(struct bytes *list, struct bytes *key_out);
/* Exactly `count` keys, and nothing behind them? */
bool native_list_is_whole(struct bytes list, uint32_t count);
/* False, with short_by and nothing written, where the cursor was too short. */
bool native_put_key(struct cursor *out, const void *key, uint16_t size);

/* What a list that answers has: STATS a text; EXISTS and DROP a code a key, one
 * byte; PREFIX with wants_states a byte a key, in their order: */
#define NATIVE_STATE_TIERS  0x0fu /* bit t: in tier t of the reply's tiers */
#define NATIVE_STATE_LEASED 0x80u
/* WALK one such entry a key: a byte each of space, kind, form and tiers, 4 of
 * body_size, then the key as in a list of keys. */
struct native_entry {
    struct bytes key;
    uint8_t space, kind, form, tiers; /* tiers: bits of enum tier_kind */
    uint32_t body_size;
};
bool native_next_entry(struct bytes *list, struct native_entry *out);
bool native_put_entry(struct cursor *out, const struct native_entry *);

enum native_code native_code_of(enum status);
/* UNSUPPORTED: BAD_REQUEST.  Takes any number, such as a byte of EXISTS' list:
 * one that is none of the enum's is MISS. */
enum status native_status_of(enum native_code);

#endif

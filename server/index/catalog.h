/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The router's index: what routers of the llm-d kind keep in a Redis and may
 * keep here.  A key holds a hash (fields with values, in the order they came) or
 * a sorted set (members by score, then by their bytes).  Most keys are decimal
 * numbers, millions of them, and their fields the same few strings.  Nothing of
 * it is a chunk, and a chunk and a key of the catalog may have the same name.
 *
 * Memory is taken once, at catalog_open(), and all that is kept is in it; where
 * it is used up, the keys used least recently leave, each as a whole.  (Of
 * sixteen keys taken by chance the oldest one: an LRU as good as Redis's.)
 *
 * Keys are divided among parts with a lock each.  All functions may be called by
 * any thread.  Between catalog_look() and catalog_look_end(), and between
 * catalog_edit() and catalog_edit_end(), a part is locked: no call of the system
 * and no other call of the catalog's may stand between them.
 */
#ifndef INDEX_CATALOG_H
#define INDEX_CATALOG_H

#include "server/index/catalog_key.h"

#define CATALOG_ALL_SPACES UINT32_MAX

struct catalog;

/* size: bytes, at least 1 MiB.  NO_SPACE when they can not be had. */
enum status catalog_open(uint64_t size, struct catalog **catalog_out) MUST_USE;
void catalog_close(struct catalog **);

/* One item of a key. */
struct catalog_item {
    struct bytes name;  /* field or member; in `digits` or in the catalog */
    struct bytes value; /* of a hash */
    double score;       /* of a sorted set */
    char digits[CATALOG_KEY_DIGITS];
};

/*
 * Reading.  True: the key is there, is the one used last now, and its part is
 * locked until catalog_look_end().
 */
struct catalog_look {
    enum catalog_type type;
    uint32_t count;   /* of items, at least 1 */
    size_t reply_max; /* no list of them in RESP has more bytes */
    /* The catalog's own. */
    struct catalog_part *part;
    const void *card;
};
bool catalog_look(struct catalog *, const struct catalog_key *,
                  struct catalog_look *out);
/* number: below count.  The bytes are good until the end of the look, and of
 * *out. */
void catalog_look_item(const struct catalog_look *, uint32_t number,
                       struct catalog_item *out);
/* A hash's field, with its value. */
bool catalog_look_find(const struct catalog_look *, const struct bytes *field,
                       struct catalog_item *out);
void catalog_look_end(struct catalog_look *);

/* These keys will be looked at next: brings them nearer, and changes nothing.
 * Memory is slow for keys that stand anywhere in it, but not for many at a
 * time. */
void catalog_expect(struct catalog *, const struct catalog_key *keys,
                    unsigned count);

/*
 * Changing.  OK: the part is locked until catalog_edit_end(); the key comes to
 * be with its first item, and goes with its last.  UNMET: the key holds the
 * other type, and nothing is locked.
 */
struct catalog_edit {
    uint32_t evicted; /* keys that had to leave for this one, so far */
    /* The catalog's own. */
    struct catalog_part *part;
    const struct catalog_key *key;
    enum catalog_type type;
    uint32_t card; /* 0: none */
};
enum status catalog_edit(struct catalog *, const struct catalog_key *,
                         enum catalog_type, struct catalog_edit *out) MUST_USE;
/*
 * NO_SPACE: there is no room even with all other keys gone.  TOO_BIG: a text is
 * too long, or the key would hold more than a key may
 * (catalog_usage.key_size_max).  Nothing is changed then.
 */
enum status catalog_edit_field(struct catalog_edit *, const struct bytes *field,
                               const struct bytes *value,
                               bool *is_new_out) MUST_USE;
enum status catalog_edit_member(struct catalog_edit *,
                                const struct bytes *member,
                                double score) MUST_USE;
/* The member's score; false where it is not there. */
bool catalog_edit_score(struct catalog_edit *, const struct bytes *member,
                        double *score_out);
/* Takes a field out; false where it is not there. */
bool catalog_edit_take(struct catalog_edit *, const struct bytes *field);
/* The key is the one used last. */
void catalog_edit_end(struct catalog_edit *);
/* Its last use is as long ago as that of one whose age was saved. */
void catalog_edit_end_aged(struct catalog_edit *, uint16_t age);

/* What is known of a key without using it. */
struct catalog_view {
    enum catalog_type type;
    uint32_t count;
    size_t memory; /* bytes, those of words it shares with others included */
};
bool catalog_view(struct catalog *, const struct catalog_key *,
                  struct catalog_view *out);
bool catalog_drop(struct catalog *, const struct catalog_key *);

/*
 * Deletes `key` unless one of the others is a hash: all at one time, whatever
 * others do meanwhile.  OK: `key` is not there (any more).  UNMET: one of them
 * is a hash, and `key` was left alone.  BAD_REQUEST: a sorted set came first
 * among the others, and `key` was left alone.  key: NULL where it has a name that
 * can not be there.
 */
struct catalog_others {
    /* The next one; false at the end, and then from the first on again.  It is
     * called with locks held. */
    bool (*next)(void *arg, struct catalog_key *out);
    void *arg;
};
enum status catalog_prune(struct catalog *, const struct catalog_key *key,
                          const struct catalog_others *) MUST_USE;

/*
 * Walks keys from *cursor (0 at first), at least `least` of them, to the end, or
 * over as many empty buckets as take a millisecond; then *cursor is where to go
 * on, 0 at the end, and below 2^48 always.  seen() runs under a lock: it may
 * only copy.  A key there all the time is found at least once.
 */
struct catalog_seen {
    struct bytes name;
    enum catalog_type type;
    uint8_t space;
};
typedef void catalog_seen_fn(void *arg, const struct catalog_seen *);
void catalog_walk(struct catalog *, uint64_t *cursor, unsigned least,
                  catalog_seen_fn *seen, void *arg);
/* Deletes some keys of a namespace, or of all; false when there are no more. */
bool catalog_flush_some(struct catalog *, unsigned space, uint64_t *cursor);

struct catalog_usage {
    uint64_t size, used;   /* bytes: of memory, and of pages of it in use */
    uint64_t hashes, sets; /* keys */
    uint64_t items;        /* fields and members */
    uint64_t words;        /* different strings */
    uint64_t changes;      /* ever made */
    uint64_t key_size_max; /* bytes of the items of a key, 64 each at least */
};
void catalog_usage(struct catalog *, struct catalog_usage *out);
/* Keys of a namespace, or of all.  A recent value. */
uint64_t catalog_keys(struct catalog *, unsigned space);

#endif

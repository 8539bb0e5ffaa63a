/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One of the 2^k parts of a catalog, with a lock of its own: its memory, its
 * keys, and which of them leave when the memory is used up.  Nobody outside this
 * folder includes this.
 *
 * All functions are called with the part's lock held.
 */
#ifndef INDEX_CATALOG_PART_H
#define INDEX_CATALOG_PART_H

#include "server/index/catalog_key.h"
#include "server/index/words.h"

#include <pthread.h>
#include <stdatomic.h>

/*
 * The card that stands here for one key, with its items.
 *
 *   card   is there   catalog_part_add()
 *          moves      whenever a card of its size is freed, or it grows or
 *                     shrinks itself: a handle is good until then
 *          is gone    catalog_part_remove(), by request or by eviction
 *
 * Items stand in the card, or, when they are too many, in pages of their own.
 * Most keys have the short forms: a hash whose values are empty takes four bytes
 * an item, a set of numbers with small whole scores twelve.
 *
 * What returns a handle may have moved the card; what makes it larger needs
 * CARD_PAGES free pages.
 */
#define CARD_PAGES 4u
/* An item weighs one for each of so many bytes that it has in a reply. */
#define CARD_WEIGHT_UNIT 64u
#define CARD_WEIGHT_MAX  32768u
#define CARD_NOWHERE     UINT32_MAX

/* Bits of card.form; the lowest two are the key's kind. */
enum {
    CARD_KIND = 3,
    CARD_SORTED = 4,
    CARD_WIDE = 8, /* a hash with values; a set with more than numbers */
    CARD_LONG = 16 /* data[] are the numbers of pages that hold the items */
};

struct card {
    uint32_t number[2]; /* the key's; of a TEXT, that of the word it is */
    uint32_t next;      /* of its bucket */
    uint16_t tick;      /* of the part's clock, at its last use */
    uint16_t items;
    uint16_t weight;
    uint8_t space;
    uint8_t form;
    uint32_t data[];
};

/* Items as they are read and written: texts are numbers of words. */
struct card_field {
    uint32_t field, value; /* value 0: the empty one */
};
struct card_member {
    uint64_t number;
    bool is_word; /* the number is a word's */
    double score;
};

struct catalog_part {
    _Alignas(64) pthread_mutex_t lock;
    struct arena arena;
    struct words words;
    struct table by_key;
    uint64_t items, changes;
    uint32_t hand; /* the bucket eviction looks at next */
    uint32_t uses; /* since the clock's last tick */
    uint16_t clock;
    uint32_t weight_max;                      /* of a card */
    uint32_t sets;                            /* cards that are CARD_SORTED */
    _Atomic uint64_t *keys;                   /* the catalog's */
    _Atomic uint32_t keys_of[CATALOG_SPACES]; /* cards here */
};

struct catalog {
    unsigned part_count; /* a power of two */
    uint64_t size;
    _Atomic uint64_t keys; /* for those who need not look if there are none */
    struct catalog_part *parts;
};

static inline struct catalog_part *
catalog_part_of(const struct catalog *catalog, const struct catalog_key *key)
{
    return &catalog->parts[(key->hash >> 32) & (catalog->part_count - 1)];
}

static inline struct card *
catalog_part_card(const struct catalog_part *part, uint32_t handle)
{
    return arena_at(&part->arena, handle);
}

/* size: of its memory, all of it.  keys: counts those of all parts.  NO_SPACE as
 * catalog_open(). */
enum status catalog_part_open(struct catalog_part *, size_t size,
                              _Atomic uint64_t *keys) MUST_USE;
void catalog_part_close(struct catalog_part *);

/* 0 where it is not there. */
uint32_t catalog_part_find(const struct catalog_part *,
                           const struct catalog_key *);
void catalog_part_touch(struct catalog_part *, struct card *);
/* With no items yet.  Room was made. */
uint32_t catalog_part_add(struct catalog_part *, const struct catalog_key *,
                          enum catalog_type);
void catalog_part_remove(struct catalog_part *, uint32_t handle);
/* The card's bytes are at `to` now; so say what led to `from`. */
void catalog_part_relink(struct catalog_part *, uint32_t from, uint32_t to);
/* Frees the object of a card that nothing leads to any more.  Returns the former
 * handle of the card that has this one now; 0 where none has. */
uint32_t catalog_part_free(struct catalog_part *, uint32_t handle, size_t size);
/* Evicts until so many pages are free, and a little ahead of need; never `kept`.
 * False where that is not enough. */
bool catalog_part_make_room(struct catalog_part *, uint32_t pages,
                            const struct catalog_key *kept, uint32_t *evicted);
/* The name of a card's key, and the text of a member: in `digits` or in the
 * part's words. */
struct bytes catalog_part_name(const struct catalog_part *, const struct card *,
                               char digits[CATALOG_KEY_DIGITS]);
struct bytes catalog_part_member(const struct catalog_part *,
                                 const struct card_member *,
                                 char digits[CATALOG_KEY_DIGITS]);

/* --- Cards. --- */

uint64_t card_number(const struct card *);
void card_set_number(struct card *, uint64_t number);
/* Bytes of the object it is, and how many pages belong to it. */
size_t card_size(const struct card *);
uint32_t card_pages(const struct card *);
/* Of an item whose texts have so many bytes. */
uint32_t card_weight(size_t bytes);

/* A new item comes to be at `at`; it has to be written. */
uint32_t card_insert(struct catalog_part *, uint32_t handle, uint32_t at);
/* The item's words are not dropped. */
uint32_t card_remove(struct catalog_part *, uint32_t handle, uint32_t at);
/* Pages that card_widen() may need. */
uint32_t card_widen_pages(const struct card *);
uint32_t card_widen(struct catalog_part *, uint32_t handle);
/* Gives its pages and its object back; it is in no table any more. */
void card_free(struct catalog_part *, uint32_t handle);

/* Could a card that is not CARD_WIDE have it? */
bool card_is_short_member(const struct card_member *);

void card_read_field(const struct catalog_part *, const struct card *,
                     uint32_t at, struct card_field *out);
void card_write_field(struct catalog_part *, struct card *, uint32_t at,
                      const struct card_field *);
void card_read_member(const struct catalog_part *, const struct card *,
                      uint32_t at, struct card_member *out);
void card_write_member(struct catalog_part *, struct card *, uint32_t at,
                       const struct card_member *);
/* Where it is; CARD_NOWHERE if it is not. */
uint32_t card_find_field(const struct catalog_part *, const struct card *,
                         uint32_t field);
uint32_t card_find_member(const struct catalog_part *, const struct card *,
                          const struct card_member *);

#endif

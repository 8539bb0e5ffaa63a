/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which keys are stored, where, and in what order they may go.
 *
 * The index is cut into parts with a lock each, by the hash of the key.  Parts
 * divide locks and nothing else: memory is one pool (limits.index_memory) and
 * the oldest entry of all parts goes first.  The tables never grow: as many
 * buckets are made at start as entries can ever fit, which also lets a walk
 * resume at a bucket.
 *
 *   entry state   may be touched by           ends with
 *   LOOSE         the one owner               part_link() -> LINKED
 *                                             entry_free()
 *   LINKED        who holds its part's lock   part_unlink() -> LOOSE
 *
 * A part's lock is held for no I/O and no eviction; inside it only the pools'
 * and the lease account's own locks may be taken.
 */
#ifndef STORAGE_INDEX_H
#define STORAGE_INDEX_H

#include "proto/key.h"
#include "proto/message.h"
#include "storage/policy.h"
#include "storage/tier.h"

#include <stdbool.h>
#include <stdint.h>

struct index;
struct part;

struct entry {
    struct policy_node node; /* first: the policy knows entries by it */
    struct entry *chain;     /* the next of its bucket */
    uint64_t hash;
    struct tier_place place; /* of the body, in DRAM */
    uint64_t sequence;       /* of the PUT, global */
    uint64_t expires_ns;     /* monotonic; 0: never */
    uint64_t leased_until_ns;
    uint32_t body_size;
    uint16_t key_size, space;
    uint8_t kind; /* enum key_kind */
    uint8_t form; /* enum name_form, kept for who named it */
    uint8_t meta_size, meta_room;
    bool has_body, is_linked;
    bool is_body_moved; /* its place is another entry's now */
    bool is_parked; /* leased, and out of the policy's order till that ends */
    uint8_t tail[]; /* meta_room bytes of metadata, then the key */
};

/* memory: bytes for everything; parts: a power of two. */
enum status index_open(uint64_t memory, unsigned parts, const struct policy *,
                       struct index **out) MUST_USE;
void index_close(struct index **); /* all entries must be unlinked before */

/* A loose entry with a copy of the key; NULL when memory is short, and the
 * caller evicts and asks again.  Any thread. */
struct entry *entry_new(struct index *, const struct key *, uint8_t meta_room);
void entry_free(struct index *, struct entry *);
struct key entry_key(const struct entry *); /* lent while the entry lives */
const uint8_t *entry_meta(const struct entry *);
void entry_set_meta(struct entry *, const void *bytes, uint8_t size);
/* Bytes an entry takes of the index's memory. */
size_t entry_footprint(const struct entry *);

/* The part a hash falls into, locked. */
struct part *index_lock(struct index *, uint64_t hash);
void index_unlock(struct part *);

/* All with the part's lock held. */
struct entry *part_find(struct part *, const struct key *);
void part_link(struct part *, struct entry *); /* as the newest */
void part_unlink(struct part *, struct entry *);
void part_touch(struct part *, struct entry *); /* accessed now */

/*
 * The entry that is next to go, of all parts, with its part locked; NULL (and
 * nothing locked) when there is none that may.  Leased entries are passed over
 * until their lease has run out.
 */
struct part *index_lock_oldest(struct index *, uint64_t now_ns,
                               struct entry **entry_out);

/* Buckets, for walks: 0 .. index_buckets() - 1.  The lock is held during each
 * call of found(), which may unlink (and then free) the entry it is given. */
uint64_t index_buckets(const struct index *);
/* The first bucket of from .. end - 1 that is not empty, or end. */
uint64_t index_skip_empty(struct index *, uint64_t from, uint64_t end);
typedef void index_found_fn(void *arg, struct part *, struct entry *);
void index_walk_bucket(struct index *, uint64_t bucket, index_found_fn *found,
                       void *arg);

uint64_t index_entries(const struct index *);     /* a recent value */
uint64_t index_memory_used(const struct index *); /* bytes, a recent value */
uint64_t index_memory_size(const struct index *); /* bytes in all */

#endif

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
 * A part's lock is held for no I/O and no eviction; inside it only the pools',
 * the lease accounts', the mover's queue's and the tiers' own short locks may be
 * taken.
 */
#ifndef STORAGE_INDEX_H
#define STORAGE_INDEX_H

#include "proto/key.h"
#include "proto/message.h"
#include "storage/policy_curve.h"
#include "storage/policy_lower.h"
#include "storage/policy_run.h"
#include "storage/tier.h"

#include <stdbool.h>
#include <stdint.h>

struct flight;
struct index;
struct part;

/* Two orders in which entries may go: those that take room in DRAM (or are
 * metadata alone), and those whose bodies are in lower tiers only. */
enum index_rank { INDEX_WARM, INDEX_COLD, INDEX_RANKS };

enum index_standing {
    INDEX_OUT,   /* in no order */
    INDEX_IN,    /* in its rank's, by the policy */
    INDEX_PARKED /* out of the policy's order for a time: leased, or in use */
};

/* An access, and the run of its connection that it belongs to. */
struct index_access {
    struct policy_run *run; /* lent; NULL: it is of no run */
    enum policy_step step;
    struct policy_access policy; /* out */
    bool has_tail; /* out: the run before has ended, and put last what has */
    uint64_t tail; /* this hash: for index_end_run(), nothing locked */
};

struct entry {
    struct policy_node node; /* first: the policy knows entries by it */
    struct entry *chain;     /* the next of its bucket */
    uint64_t hash;
    uint64_t next; /* hash of what came after it in its last run; 0: nothing */
    struct tier_place places[TIER_COUNT]; /* of the body, where tiers says so */
    struct flight *flight; /* a read of its body that is under way, or NULL */
    uint64_t sequence;     /* of the PUT of its body, global */
    uint64_t checksum;     /* of its body */
    uint64_t expires_ns;   /* monotonic; 0: never */
    uint64_t leased_until_ns;
    uint32_t body_size;
    uint16_t key_size, space;
    uint8_t kind; /* enum key_kind */
    uint8_t form; /* enum name_form, kept for who named it */
    uint8_t meta_size, meta_room;
    uint8_t tiers;      /* bit t: its body is in tier t */
    uint8_t lease_tier; /* whose account its lease is on */
    bool is_promised;   /* and an EXISTS was answered with it */
    uint8_t rank;       /* enum index_rank */
    uint8_t
        ahead; /* the tier it was read from ahead of being asked for; or 0 */
    bool is_linked;
    bool is_body_moved; /* its places are another entry's now */
    uint8_t standing;   /* enum index_standing */
    bool is_moving;     /* the mover holds its chunk */
    bool is_told;       /* its key was told of as stored (store_event) */
    uint8_t noted; /* bit t: a record of it may be on tier t's device: its end
                      and its changes must be written there too */
    struct policy_lower lower; /* its hits, tier by tier */
    uint8_t tail[];            /* meta_room bytes of metadata, then the key */
};

static inline bool
entry_has_body(const struct entry *entry)
{
    return entry->tiers != 0;
}

static inline bool
entry_is_in(const struct entry *entry, enum tier_kind tier)
{
    return (entry->tiers & (1u << tier)) != 0;
}

struct index_plan {
    uint64_t memory;             /* bytes for everything */
    unsigned parts;              /* a power of two */
    const struct policy *policy; /* of the warm ones; the cold are LRU */
    uint64_t warm_most; /* entries: as many as will ever be warm, about */
    bool has_lower;     /* there are tiers below DRAM */
};

/* The policy's memory, of which 2 MiB are spent in any case, is taken from the
 * index's, as far as a quarter of it goes. */
enum status index_open(const struct index_plan *, struct index **out) MUST_USE;
void index_close(struct index **); /* all entries must be unlinked before */

/* A loose entry with a copy of the key; NULL when memory is short, and the
 * caller evicts and asks again.  Any thread. */
struct entry *entry_new(struct index *, const struct key *, uint8_t meta_room);
void entry_free(struct index *, struct entry *);
struct key entry_key(const struct entry *); /* lent while the entry lives */
const uint8_t *entry_meta(const struct entry *);
struct chunk_meta entry_meta_copy(const struct entry *);
void entry_set_meta(struct entry *, const void *bytes, uint8_t size);
/* Bytes an entry takes of the index's memory. */
size_t entry_footprint(const struct entry *);

/* Other small things that live by the index's memory: what is read or written
 * of an entry.  1 .. POOL_OBJECT_MAX bytes; NULL when memory is short.  Any
 * thread. */
void *index_object_new(struct index *, size_t size);
void index_object_free(struct index *, void *object, size_t size);

/* The part a hash falls into, locked. */
struct part *index_lock(struct index *, uint64_t hash);
void index_unlock(struct part *);

/* All with the part's lock held. */
struct entry *part_find(struct part *, const struct key *);
/* Any entry of that hash.  It identifies nothing: for guesses alone. */
struct entry *part_guess(struct part *, uint64_t hash);
/* access: NULL where it is none (an entry takes another's place, or comes back
 * from a device).  What is new is counted as used once all the same. */
void part_link(struct part *, struct entry *, struct index_access *);
void part_unlink(struct part *, struct entry *);
void part_touch(struct part *, struct entry *, struct index_access *);
/* Changes its rank.  access: the one for which, told before; NULL: for none. */
void part_rank(struct part *, struct entry *, enum index_rank,
               const struct policy_access *);
/* It is about to leave DRAM for lack of room: the policy may remember it. */
void part_evict(struct part *, struct entry *);
/* It can not go before then. */
void part_defer(struct part *, struct entry *, uint64_t until_ns);

/*
 * The entry of a rank that is next to go, of all parts, with its part locked;
 * NULL (and nothing locked) when there is none that may.  Leased entries are
 * passed over until their lease has run out, unless what goes is their place in
 * DRAM and a lower tier keeps the promise.
 */
struct part *index_lock_oldest(struct index *, enum index_rank, uint64_t now_ns,
                               struct entry **entry_out);

/* Where there is none: a warm one that was deferred, until then at most, and
 * breaks no promise. */
struct part *index_lock_deferred(struct index *, uint64_t until_ns,
                                 uint64_t now_ns, struct entry **entry_out);

/* Buckets, for walks: 0 .. index_buckets() - 1.  The lock is held during each
 * call of found(), which may unlink (and then free) the entry it is given. */
uint64_t index_buckets(const struct index *);
/* The first bucket of from .. end - 1 that is not empty, or end. */
uint64_t index_skip_empty(struct index *, uint64_t from, uint64_t end);
typedef void index_found_fn(void *arg, struct part *, struct entry *);
void index_walk_bucket(struct index *, uint64_t bucket, index_found_fn *found,
                       void *arg);

/* Any thread, nothing locked.  What was looked for is not there: a step of the
 * run.  And its end, where an access has a tail. */
void index_miss(struct index *, struct index_access *);
void index_end_run(struct index *, uint64_t tail);
/* In a run `hash` came after `previous`.  True: as it did the last time. */
bool index_follow(struct index *, uint64_t previous, uint64_t hash);
/* Any thread: see policy_curve.h; the policy's name. */
struct policy_curve *index_curve(const struct index *);
const char *index_policy_name(const struct index *);

uint64_t index_entries(const struct index *);     /* a recent value */
uint64_t index_memory_used(const struct index *); /* bytes, a recent value */
uint64_t index_memory_size(const struct index *); /* bytes in all */
/* Is so little left that entries should go, so that what is read and written of
 * the others finds some? */
bool index_is_short(const struct index *);

#endif

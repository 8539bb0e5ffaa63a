/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the store, for the store_*.c files and port.c alone. */
#ifndef STORAGE_STORE_STATE_H
#define STORAGE_STORE_STATE_H

#include "storage/index.h"
#include "storage/lease.h"
#include "storage/lower.h"
#include "storage/pool.h"
#include "storage/store.h"
#include "storage/tier_counters.h"

#include <pthread.h>
#include <stdatomic.h>

#define STORE_PORTS_MAX 1024u

struct mover;

/* What a lower tier is held to. */
struct store_lower {
    _Atomic uint64_t read_wait_ns, write_max; /* bytes a second; 0: no limit */
    _Atomic unsigned reinsert;                /* percent of a unit */
    uint64_t inflight; /* bytes on their way into it from the tier above */
};

struct store {
    struct pool *pool;
    struct index *index;
    struct tier *tiers[TIER_COUNT]; /* NULL: there is none */
    struct mover *mover;            /* NULL without a lower tier */
    struct lease_account *leases[TIER_COUNT];
    _Atomic uint64_t value_max, put_wait_ns, ttl_ns;
    _Atomic unsigned write; /* enum store_write */
    _Atomic uint64_t queue_size;
    struct store_lower lower[TIER_COUNT]; /* of DRAM: unused */
    pthread_mutex_t flight_lock; /* guards all flights' lists of waiters */
    uint64_t inflight_size;
    _Atomic uint64_t inflight_used;
    _Atomic unsigned waiting; /* PUTs that wait for the budget, all ports */
    _Atomic uint64_t sequence;
    _Atomic uint64_t names[STORE_SPACES];
    _Atomic uint64_t held[1u << TIER_COUNT]; /* bodies, by the tiers they are
                                                in */
    _Atomic uint64_t reading_bytes;          /* of lower tiers, all ports */
    _Atomic bool is_full;                    /* something had to be given up */
    _Atomic uint64_t census_ns;              /* when the next one is due */
    _Atomic bool has_expiry; /* some entry may expire: the next round of sweeps
                                is worth it */
    _Atomic bool is_round_due; /* and so is this one */
    _Atomic uint64_t sweep_bucket;
    store_event_fn *on_event; /* NULL: nobody wants to know */
    void *event_arg;
    unsigned port_count;
    struct store_port *ports[STORE_PORTS_MAX];
};

struct store_port {
    struct store *store;
    struct counters *counters;
    struct port *port;
    struct store_put *first_waiting, *last_waiting;
    /* GETs that wait for a read, in the order of their deadlines. */
    struct waiter *first_waiter, *last_waiter;
    struct flush_job *first_flush; /* those that somebody waits for */
    unsigned under_way; /* flights, waiters and flushes that end on it */
};

/* Takes the oldest entry that may go out of DRAM; false when there is none. */
bool store_evict(struct store_port *, enum counter_id reason);
/* Evicts until the pool has this many bytes of free blocks. */
bool store_make_room(struct store_port *, uint64_t bytes);
struct entry *store_new_entry(struct store_port *, const struct key *,
                              uint8_t meta_room);

/* --- Places of a body, in store_place.c; all with the part locked. --- */
/* Its body can be had: it is in DRAM, or in a tier that answers. */
bool store_is_readable(const struct store *, const struct entry *);
/* It is in that tier, which may be out of service, and has not lost it. */
bool store_is_held(const struct store *, const struct entry *, enum tier_kind);
/* Some tier has it that answers, and is not about to give it up. */
bool store_may_promise(const struct store *, const struct entry *);
/* The fastest tier that has it and answers; TIER_COUNT: none. */
enum tier_kind store_best_tier(const struct store *, const struct entry *);
/* Sets which tiers have its body, and counts it there. */
void store_set_tiers(struct store *, struct entry *, unsigned tiers);
/* Into DRAM, by reference; it becomes warm.  access: the one for which, if it is
 * linked; NULL: for none. */
void store_place_dram(struct store *, struct part *, struct entry *,
                      struct chunk *, const struct policy_access *);
/* Out of one tier, of several that it is in. */
void store_unplace(struct store *, struct part *, struct entry *,
                   enum tier_kind);
/* Out of one tier; where that was the only one, out of the index. */
void store_forget_place(struct store_port *, struct part *, struct entry *,
                        enum tier_kind);
/* The entry takes over the body of `old`, wherever it is. */
void store_take_body(struct entry *, struct entry *old);
/* The chunk an entry has in DRAM: lent while the part is locked; NULL. */
struct chunk *store_chunk(const struct entry *);
/* What of it was written, or may have been, is told of its end or its new
 * metadata, form and expiry. */
void store_note_gone(struct store *, struct entry *);
void store_note_change(struct store *, const struct entry *);
/* Monotonic ns to wall clock ms and back; 0 stays 0. */
uint64_t store_unix_ms(uint64_t expires_ns);
uint64_t store_expires_ns(uint64_t unix_ms);
/* On whose account a lease of it is. */
struct lease_account *store_lease_account(const struct store *,
                                          const struct entry *);

/* --- What is told of keys, in store_event.c --- */
/* With the part locked: it is linked and has its body, or had it and goes. */
void store_tell_stored(struct store *, struct entry *);
void store_tell_removed(struct store *, struct entry *);
/* The key of `old` is the entry's now, and what was told of it still holds. */
void store_tell_same(struct entry *, struct entry *old);
/* A namespace, or STORE_ALL_SPACES, is about to be emptied. */
void store_tell_cleared(struct store *, unsigned space);

/* --- Reads under way, in store_flight.c --- */
/* With the part locked, which is unlocked; `get` has its metadata. */
enum progress store_flight_join(struct store_port *, struct part *,
                                struct entry *, struct store_get *,
                                const struct policy_access *);
/* With the part locked, which is unlocked: begins a read that nobody waits for
 * yet. */
void store_flight_ahead(struct store_port *, struct part *, struct entry *);
/* Nothing locked: an access has been, and what followed on it in its last run is
 * `next`.  Where this run goes the same way, that is read ahead of being asked
 * for, and what follows on it. */
void store_flight_follow(struct store_port *, const struct policy_access *,
                         uint64_t next);
/* With the part locked: the entry is about to go, or to be another one. */
void store_flight_leave(struct entry *);
void store_flight_move(struct entry *entry, struct entry *old);
/* Ends the wait of GETs that have waited too long. */
void store_flight_expire(struct store_port *, uint64_t now_ns);
uint64_t store_flight_deadline_ns(const struct store_port *);

/* Ends the wait for a device that does not take a flush; in store_flush.c. */
void store_flush_expire(struct store_port *, uint64_t now_ns);
uint64_t store_flush_deadline_ns(const struct store_port *);

/* Tells the policy how many values there are, once a second; in
 * store_curve.c. */
void store_census(struct store *, uint64_t now_ns);

/* Brings back what the tiers have kept, in store_recover.c.  Main thread. */
enum status store_recover(struct store_port *) MUST_USE;

/* With the part locked: the entry under a key if it has not expired (else it
 * is removed here). */
struct entry *store_find(struct store_port *, struct part *, const struct key *,
                         uint64_t now_ns);
/* With the part locked: unlinks, drops its places, ends its lease, frees. */
void store_remove(struct store_port *, struct part *, struct entry *,
                  uint64_t now_ns);
/* With the part locked: promises it, on the account of the lowest tier that
 * has it.  OK, or BUSY. */
enum status store_lease(struct store *, struct entry *,
                        uint64_t now_ns) MUST_USE;
/* The same for a time of its own. */
enum status store_lease_for(struct store *, struct entry *, uint64_t now_ns,
                            uint64_t duration_ns) MUST_USE;
/* With the part locked: what EXISTS promised of a key goes on when a new entry
 * is about to take the place of the old one. */
void store_move_lease(struct store_port *, struct entry *entry,
                      struct entry *old, uint64_t now_ns);
/* With the part locked: links, counting its names. */
void store_link(struct store_port *, struct part *, struct entry *,
                struct index_access *);
/* Does the entry hold the part that a name means, in one of its forms? */
bool store_is_meant(const struct store *, const struct entry *,
                    const struct store_name *);
/* How many names SCAN and DBSIZE have for it. */
unsigned store_name_count(const struct entry *);
void store_count_names(struct store *, const struct entry *, int sign);

/* When an entry written under these terms expires, and whether their condition
 * holds for the part of `old` (NULL: nothing there) that is written. */
uint64_t store_expiry(const struct store *, const struct store_terms *,
                      const struct entry *old, uint64_t now_ns);
bool store_is_met(const struct store_terms *, const struct entry *old,
                  enum store_part);

/* The in-flight budget. */
bool store_budget_take(struct store *, uint64_t bytes);
void store_budget_give(struct store *, uint64_t bytes);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the store, for the store_*.c files and port.c alone. */
#ifndef STORAGE_STORE_STATE_H
#define STORAGE_STORE_STATE_H

#include "storage/index.h"
#include "storage/lease.h"
#include "storage/pool.h"
#include "storage/store.h"

#include <stdatomic.h>

#define STORE_PORTS_MAX 1024u

struct store {
    struct pool *pool;
    struct index *index;
    struct tier *dram;
    struct lease_account *leases;
    _Atomic uint64_t value_max, put_wait_ns, ttl_ns;
    uint64_t inflight_size;
    _Atomic uint64_t inflight_used;
    _Atomic unsigned waiting; /* PUTs that wait for the budget, all ports */
    _Atomic uint64_t sequence;
    _Atomic uint64_t names[STORE_SPACES];
    _Atomic bool has_expiry; /* some entry may expire: the next round of sweeps
                                is worth it */
    _Atomic bool is_round_due; /* and so is this one */
    _Atomic uint64_t sweep_bucket;
    unsigned port_count;
    struct store_port *ports[STORE_PORTS_MAX];
};

struct store_port {
    struct store *store;
    struct counters *counters;
    int fd; /* eventfd: budget was given back */
    struct store_put *first_waiting, *last_waiting;
};

/* Removes the oldest entry that may go; false when there is none. */
bool store_evict(struct store_port *, enum counter_id reason);
/* Evicts until the pool has this many bytes of free blocks. */
bool store_make_room(struct store_port *, size_t bytes);
struct entry *store_new_entry(struct store_port *, const struct key *,
                              uint8_t meta_room);

/* With the part locked: the entry under a key if it has not expired (else it
 * is removed here). */
struct entry *store_find(struct store_port *, struct part *, const struct key *,
                         uint64_t now_ns);
/* With the part locked: unlinks, drops its places, ends its lease, frees. */
void store_remove(struct store_port *, struct part *, struct entry *,
                  uint64_t now_ns);
/* With the part locked: what EXISTS promised of a key goes on when a new entry
 * is about to take the place of the old one. */
void store_move_lease(struct store_port *, struct entry *entry,
                      struct entry *old, uint64_t now_ns);
/* With the part locked: links, counting its names. */
void store_link(struct store_port *, struct part *, struct entry *);
/* Does the entry hold the part that a name means, in one of its forms? */
bool store_is_meant(const struct entry *, const struct store_name *);
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

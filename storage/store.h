/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The front door of storage: put, get, ask and drop chunks by name.  What a
 * worker needs of its own is in its port; a port and everything started on it
 * belong to one thread.
 *
 * A name is a key and what of the entry under it is meant.  An OBJECT entry
 * may be spelled in several forms (proto/object_name.h); a name says which of
 * them it stands for, and an entry written in another form is not its.
 */
#ifndef STORAGE_STORE_H
#define STORAGE_STORE_H

#include "base/counters.h"
#include "proto/key.h"
#include "proto/message.h"
#include "storage/chunk.h"
#include "storage/nvme.h"
#include "storage/spill.h"
#include "storage/tier.h"

#include <stdbool.h>
#include <stdint.h>

#define STORE_SPACES 256u /* namespaces: 0 .. 255 */

struct policy;
struct policy_curve_count;
struct policy_run;
struct store;
struct store_port;
struct store_put;
struct iovec;

/* What is written to the fastest lower tier, and when. */
enum store_write {
    STORE_WRITE_ALL,    /* each PUT, behind it */
    STORE_WRITE_REUSED, /* what is asked for again */
    STORE_WRITE_EVICTED /* what is about to leave DRAM */
};

struct store_nvme_limits {
    struct nvme_options device; /* path NULL: no such tier */
    enum store_write write;
    uint64_t write_max;    /* bytes a second; 0: as the device can */
    uint64_t queue;        /* bytes that wait to be written */
    uint64_t read_wait_ns; /* a GET that has waited so long is a miss */
    unsigned reinsert;     /* percent of a reclaimed segment that may be kept */
};

struct store_spill_limits {
    struct spill_options device;      /* path NULL: no such tier */
    uint64_t write_max, read_wait_ns; /* as of NVMe */
    unsigned reinsert;
};

/*
 * What becomes of a key as a whole: its body is here, in whatever tier, and was
 * not before; or it is in none any more.  A body that takes the place of another
 * is no event, nor is one that goes from tier to tier.
 */
enum store_event_kind {
    STORE_STORED,
    STORE_REMOVED, /* evicted, expired, deleted, given up */
    STORE_CLEARED  /* all keys of a namespace are about to be removed; each of
                      them has an event of its own besides */
};
struct store_event {
    enum store_event_kind kind;
    struct key key; /* lent.  CLEARED: its space alone, or STORE_ALL_SPACES */
};
/* On any thread, under a lock of the index (but for CLEARED): it may only copy.
 * Those of one key come in the order in which they are true. */
typedef void store_event_fn(void *arg, const struct store_event *);

struct store_limits {
    const struct policy *policy;                           /* who leaves DRAM */
    uint64_t dram_size, index_memory, inflight, value_max; /* bytes */
    uint64_t put_wait_ns, lease_ns, ttl_ns;                /* ttl 0: none */
    uint64_t lease_most_ns; /* the longest lease that is asked for */
    unsigned workers;
    bool prefault;
    struct store_nvme_limits nvme;
    struct store_spill_limits spill;
    struct counters *mover_counters; /* lent, the mover's thread's own; NULL
                                        without lower tiers */
    store_event_fn *on_event; /* also while a tier is recovered; NULL: nobody
                                 wants to know */
    void *event_arg;
};

/* Main thread.  Brings back what a lower tier has kept, and starts the mover.
 * NO_SPACE when the memory can not be had; another status when the NVMe tier
 * can not be opened, which has been logged. */
enum status store_open(const struct store_limits *,
                       struct store **store_out) MUST_USE;
void store_close(struct store **); /* after the last port */
/* Takes over what may change while serving: value_max, put_wait_ns, lease_ns,
 * lease_most_ns, ttl_ns, and of nvme and spill: write, write_max, read_wait_ns,
 * reinsert.  Any thread. */
void store_set_limits(struct store *, const struct store_limits *);

/* A worker's side.  Knows no event loop: when fd is readable, or deadline has
 * passed, call store_port_run(), which calls the done() of what has finished.
 * counters: the worker's own, lent.  Open all ports before use of any. */
enum status store_port_open(struct store *, struct counters *,
                            struct store_port **port_out) MUST_USE;
/* Main thread, when no thread runs any port of the store: what was started on
 * it must have been cancelled, reads that are still under way are waited for. */
void store_port_close(struct store_port **);
int store_port_fd(const struct store_port *);
void store_port_run(struct store_port *);
/* Passes on what was started for the disk: once per turn of the loop, after
 * its last request.  No system call if nothing was. */
void store_port_submit(struct store_port *);
/* When store_port_run() is due without the fd; 0: not. Monotonic ns. */
uint64_t store_port_deadline_ns(const struct store_port *);

/* What of an entry is meant. */
enum store_part { PART_BODY, PART_META };

#define STORE_ANY_FORM 0xffu
struct store_name {
    struct key key;
    uint8_t forms; /* bit f: entries of form f; STORE_ANY_FORM */
    enum store_part part;
};

/*
 * One PUT under way.  Lives in the caller's object.
 *
 *   start -> (PENDING -> done) -> OK: space/fill until nothing is missing,
 *   then store_put_finish(); or store_put_cancel() at any time after start.
 *   start ended with another status: nothing is held, drain the body; where
 *   done() brought it, the key is still held until store_put_cancel().
 */
struct store_put {
    struct chunk *chunk;
    struct entry *entry; /* loose, holds the key */
    uint64_t budget;     /* bytes taken of limits.inflight */
    uint64_t deadline_ns;
    enum status status;
    bool is_waiting;
    bool is_new; /* out, where it was stored: these bytes were not there */
    void (*done)(struct store_put *); /* set before start */
    struct store_put *next;
};

/* Takes the size from the in-flight budget and copies the key.  Outcomes: OK;
 * TOO_BIG; NO_SPACE; BUSY, after waiting for at most put_wait. */
enum progress store_put_start(struct store_port *, struct store_put *,
                              const struct key *, uint64_t size) MUST_USE;
/* Room for bytes to come, evicting for it: how many vectors, 0 when nothing
 * may be evicted (cancel, drain). */
unsigned store_put_space(struct store_port *, struct store_put *,
                         struct iovec *, unsigned max);
/* For bytes that arrived with the head; NO_SPACE as above.  Call it once after
 * start, with n 0 if none did: it makes the chunk, also that of an empty value.
 */
enum status store_put_copy(struct store_port *, struct store_put *,
                           const void *bytes, uint32_t n) MUST_USE;
/* Frees pages and budget: the value is not stored. */
void store_put_cancel(struct store_port *, struct store_put *);
/* All bytes are there: their XXH3-64, for who compares it before it finishes (or
 * cancels) the PUT. */
uint64_t store_put_checksum(struct store_put *);
/* The name the PUT was started with, until it ends. */
struct key store_put_key(const struct store_put *);

enum store_condition { STORE_ALWAYS, STORE_IF_ABSENT, STORE_IF_PRESENT };

struct store_terms {
    const struct chunk_meta *meta; /* NULL: none */
    struct policy_run *run;        /* the connection's, lent; NULL: of none */
    uint8_t form;
    bool is_half; /* the body half of an object whose metadata comes apart: a
                     metadata half that waits for it is kept, another is
                     withdrawn */
    bool keep_expiry;
    uint64_t expires_ns; /* monotonic, 0: never; limits.ttl holds anyway */
    enum store_condition condition;
    unsigned present_forms; /* which forms count as present for it */
};

/* Seals and stores what was filled, in place of what had that key.  OK; UNMET:
 * the condition does not hold; NO_SPACE, for metadata of over CHUNK_META_LM: no
 * room in the index.  Nothing was stored then.  Ends the PUT. */
enum status store_put_finish(struct store_port *, struct store_put *,
                             const struct store_terms *) MUST_USE;

/* Sets the metadata half of an object, with or without its body.  NO_SPACE
 * when there is no room in the index. */
enum status store_set_meta(struct store_port *, const struct key *,
                           const struct store_terms *) MUST_USE;
/* Takes the metadata half away; the entry goes too if it has no body. */
void store_withdraw_meta(struct store_port *, const struct store_name *);

/* One GET.  Lives in the caller's object until it is done or cancelled. */
struct store_get {
    struct chunk *chunk; /* out: one reference; NULL for an entry that is
                            metadata only */
    enum tier_kind tier; /* out: where it was */
    bool is_promised; /* out: an EXISTS has said that it is there, and its lease
                         runs still */
    struct chunk_meta meta;
    uint8_t form;
    uint64_t expires_ns; /* out, monotonic; 0: never */
    enum status status;
    void (*done)(struct store_get *); /* set before start */
    struct policy_run *run;           /* likewise: the connection's, lent during
                                         start; NULL: of none */
    struct waiter *waiter;            /* the store's own while PENDING */
};

/* OK, with what the entry has, if the part that was named is there; MISS.
 * Counts as a use, but for metadata that has a body: that will be asked for.  PENDING: the bytes are being read; done() comes, with OK or
 * MISS, within nvme.read_wait.  The name is not needed any more then.  Metadata
 * is had at once; `chunk` may be NULL with it. */
enum progress store_get_start(struct store_port *, struct store_get *,
                              const struct store_name *) MUST_USE;
/* What was asked for next in a run, by GET or EXISTS, is not there under any of
 * its names. */
void store_missed(struct store_port *, struct policy_run *);
/* Nobody wants a PENDING one any more: its done() will not be called. */
void store_get_cancel(struct store_port *, struct store_get *);

/* Is the part there, and (for its metadata) the body too?  OK means leased;
 * MISS if not there; BUSY if there, but no lease could be granted. */
enum status store_exists(struct store_port *,
                         const struct store_name *) MUST_USE;
/* The same; on OK also what a GET would find now. */
struct store_promise {
    enum tier_kind tier;
    uint32_t body_size;
};
enum status store_promise(struct store_port *, const struct store_name *,
                          struct store_promise *out) MUST_USE;
/* The same for lease_ns, or for the longest that may be asked for. */
enum status store_promise_for(struct store_port *, const struct store_name *,
                              uint64_t lease_ns,
                              struct store_promise *out) MUST_USE;

struct store_view {
    uint64_t expires_ns; /* 0: never */
    uint64_t memory;     /* bytes of pool and index */
    uint32_t body_size;
    bool has_body;
    struct chunk_meta meta;
    uint8_t form;
};
/* Looks without touching anything.  OK or MISS, as store_get_start(). */
enum status store_view(struct store_port *, const struct store_name *,
                       struct store_view *out) MUST_USE;
/* Deletes the whole entry, whichever part is named.  OK or MISS. */
enum status store_drop(struct store_port *, const struct store_name *);
/* 0: never.  OK or MISS. */
enum status store_expire(struct store_port *, const struct store_name *,
                         uint64_t expires_ns) MUST_USE;

/* Deletes everything, or everything in one namespace: first this, so that what
 * is there now does not come back after a restart, then store_flush_some() until
 * it is through.  OK, or IO: the device did not take it (the memory can be
 * flushed all the same).  PENDING: done() comes within some seconds. */
#define STORE_ALL_SPACES STORE_SPACES
struct store_flush {
    unsigned space;
    enum status status;
    void (*done)(struct store_flush *); /* set before start */
    struct flush_job *job;              /* the store's own while PENDING */
};
enum progress store_flush_start(struct store_port *,
                                struct store_flush *) MUST_USE;
void store_flush_cancel(struct store_port *, struct store_flush *);
/* A share of it that keeps nobody waiting, from *cursor (0 at first) on; true
 * when there is more to do.  What was there before the first call is gone after
 * the last. */
bool store_flush_some(struct store_port *, unsigned space, uint64_t *cursor);

/* Walks live entries from *cursor (0 at first), at least `least` entries, to
 * the end, or over as many empty buckets as take a millisecond; then *cursor is
 * where to go on, 0 at the end.  found() runs under a lock: it may only copy.
 * An entry there all the time is found at least once. */
struct store_seen {
    struct key key;
    uint8_t form;
    uint8_t tiers; /* bit t: its body is in tier t */
    bool has_body, has_meta;
    uint32_t body_size;
};
typedef void store_seen_fn(void *arg, const struct store_seen *);
void store_walk(struct store_port *, uint64_t *cursor, unsigned least,
                store_seen_fn *seen, void *arg);
/* The same by a thread without a port. */
void store_list(struct store *, uint64_t *cursor, unsigned least,
                store_seen_fn *seen, void *arg);

/* Frees expired entries in the next share of the index; call now and then. */
void store_sweep(struct store_port *);

struct store_usage {
    uint64_t dram_size, dram_used; /* bytes of the pool, in-flight included */
    uint64_t entries, index_size, index_used;
    uint64_t inflight_size, inflight_used;
    uint64_t leased_bytes; /* in all tiers */
    struct tier_usage tiers[TIER_COUNT];
    /* Waiting to be written to a lower tier, or being written: to each, and to
     * all of them. */
    uint64_t queues[TIER_COUNT], queue_bytes;
    bool has_nvme, has_spill;
    struct nvme_usage nvme;
    struct spill_usage spill;
};
void store_usage(struct store *, struct store_usage *out); /* any thread */
/* What the cache would hit with other sizes of its tiers (policy_curve.h); hits
 * and accesses (hits and PUTs) so far, as they were counted.  Any thread; false:
 * ask again. */
bool store_curve(struct store *, uint64_t accesses, uint64_t hits,
                 struct policy_curve_count *out);
const char *store_policy_name(const struct store *);
/* Names in a namespace: an object counts for each of its halves that were
 * written by themselves.  A recent value. */
uint64_t store_names(struct store *, unsigned space);
/* The largest value a PUT may have now. */
uint64_t store_value_max(const struct store *);

#endif

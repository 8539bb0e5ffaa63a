/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A tier below DRAM: it outlives the process, its device may fail, and it gives
 * its space back by whole units (segments, groups), the oldest first.  The store
 * and the mover know such tiers by this alone; nvme.h and spill.h say what is
 * particular to each.
 *
 * What was PUT, and what became of it later (its end, or a change of its
 * metadata and expiry), is brought back by tier_recover() as it was at most a
 * second before a stop of any kind.
 *
 * Threads: put() (tier.h), care, submit and victims: the one mover's.  Notes,
 * flush and questions: any thread.  put(), note() and flushed() may be called
 * under a lock of the index: they take no such lock, evict nothing, wait for no
 * device and call nobody back.
 */
#ifndef STORAGE_LOWER_H
#define STORAGE_LOWER_H

#include "storage/port.h"
#include "storage/tier.h"

#define LOWER_SPACES     256u /* namespaces */
#define LOWER_ALL_SPACES LOWER_SPACES

/* What was PUT in a namespace with at most `sequence` is gone after any stop. */
struct lower_flush {
    unsigned space; /* or LOWER_ALL_SPACES */
    uint64_t sequence;
    enum status status; /* OK, or IO: the device did not take it */
    struct port *port;  /* done() runs on its thread */
    void (*done)(struct lower_flush *);
    struct post post; /* the tier's own */
    struct lower_flush *next;
};

/* The oldest unit, on its way to be given back; first in each tier's own. */
struct lower_victim {
    struct tier *tier;
};

struct lower_ops {
    /* A device that errs or crawls takes its tier out of service, wholly or for
     * writes only: get() and put() finish at once with STATUS_IO.  It is
     * probed, and comes back by itself with what it had. */
    bool (*may_read)(const struct tier *);
    bool (*may_write)(const struct tier *);
    /* The largest value that it takes. */
    uint64_t (*value_max)(const struct tier *);
    /* Is what was put there still there, as far as that is known without asking
     * the device?  Its unit may be gone before the index has been told.  Also
     * under a lock of the index; cheap. */
    bool (*holds)(const struct tier *, const struct tier_place *);
    /* ... and it does not lie in a victim that is closed.  Likewise. */
    bool (*may_promise)(const struct tier *, const struct tier_place *);
    /* A read was given up after waited_ns.  Once for each read. */
    void (*report_late)(struct tier *, uint64_t waited_ns);

    /* A value that was put, or may have been, has ended (DROPPED: all with a
     * lower sequence) or is changed (CHANGED: the one of that sequence).  Of
     * `item`: kind, key, sequence, and for CHANGED meta, form, expiry.  Never
     * waits, never fails: if more wait than there is room for (the device is
     * sick), the tier gives up all that it holds at the next chance instead. */
    void (*note)(struct tier *, const struct tier_found *item);
    /* Always PENDING; done() within a second or two, with IO if the device
     * takes longer. */
    void (*flush)(struct tier *, struct lower_flush *);
    /* The flush sequence of a namespace now: at or below it nothing needs a
     * note. */
    uint64_t (*flushed)(const struct tier *, unsigned space);

    /* Grows when a unit has gone, and no victim has told all that it had: the
     * mover looks through the index then, and forgets the places that the tier
     * has lost.  No stop brings anything of those back. */
    uint64_t (*losses)(const struct tier *);
    bool (*has_lost)(const struct tier *, const struct tier_place *);

    /* At least every 50 ms, and when the mover's port was woken: whatever it
     * has to do for itself. */
    void (*care)(struct tier *, struct port *);
    /* What was put since the last call may go to the device now: nothing more
     * comes this turn, or of what comes together. */
    void (*submit)(struct tier *, struct port *);

    /* Too little is free, and there is a unit to give back. */
    bool (*wants_reclaim)(const struct tier *);
    /* So little that what is kept of a victim needs it all. */
    bool (*is_tight)(const struct tier *);
    /* One at a time.  MISS: there is none now.  What it holds may have to be
     * read here. */
    enum status (*victim_start)(struct tier *, struct port *,
                                struct lower_victim **out);
    /* Its values (key, sequence, place, size), one after the other; MISS at the
     * end, and begins anew; BUSY: not just now, ask again.  What can not be
     * known is not told.  A call may have to wait for the device, for as long
     * as some hundred of them take.  The key is lent until the next call. */
    enum status (*victim_next)(struct lower_victim *,
                               struct tier_found *item_out);
    /* Of its values, about. */
    uint64_t (*victim_bytes)(const struct lower_victim *);
    /* What is promised of it from now on is not kept, and lower_may_promise()
     * says so.  The caller goes through it once more, for what was promised
     * before; or it was promised by nobody. */
    void (*victim_close)(struct lower_victim *);
    /* It is to go.  From now on, and from the first one again, victim_next()
     * tells values that no stop brings back, which is waited for: the caller
     * forgets their places, and finishes at the end.  IO: it is as it was, the
     * victim has ended. */
    enum status (*victim_retire)(struct lower_victim *);
    /* Its space is free.  If not all could be told, either it stays for another
     * time, with what is left of it, or that counts as a loss. */
    void (*victim_finish)(struct lower_victim **);
    /* Without all that: its values stay where they are. */
    void (*victim_abandon)(struct lower_victim **);
};

/* The rest of the program calls these, never ops.  Of a tier that is not there
 * (NULL), or never survives, nothing may be read or written, and the questions
 * are answered with no. */
bool lower_may_read(const struct tier *);
bool lower_may_write(const struct tier *);
uint64_t lower_value_max(const struct tier *);
bool lower_holds(const struct tier *, const struct tier_place *);
bool lower_may_promise(const struct tier *, const struct tier_place *);
void lower_report_late(struct tier *, uint64_t waited_ns);
void lower_note(struct tier *, const struct tier_found *item);
void lower_flush(struct tier *, struct lower_flush *);
uint64_t lower_flushed(const struct tier *, unsigned space);
uint64_t lower_losses(const struct tier *);
bool lower_has_lost(const struct tier *, const struct tier_place *);
void lower_care(struct tier *, struct port *);
void lower_submit(struct tier *, struct port *);
bool lower_wants_reclaim(const struct tier *);
bool lower_is_tight(const struct tier *);

enum status lower_victim_start(struct tier *, struct port *,
                               struct lower_victim **out) MUST_USE;
enum status lower_victim_next(struct lower_victim *,
                              struct tier_found *item_out) MUST_USE;
uint64_t lower_victim_bytes(const struct lower_victim *);
void lower_victim_close(struct lower_victim *);
enum status lower_victim_retire(struct lower_victim *) MUST_USE;
void lower_victim_finish(struct lower_victim **);
void lower_victim_abandon(struct lower_victim **);

#endif

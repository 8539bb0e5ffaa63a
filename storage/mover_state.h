/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the mover, for the mover*.c files alone; all on its thread unless
 * another is named. */
#ifndef STORAGE_MOVER_STATE_H
#define STORAGE_MOVER_STATE_H

#include "storage/mover.h"
#include "storage/store_state.h"

#include <pthread.h>

/* Bytes handed to a tier and not written, at least: twice what a device has in
 * flight, so that it always finds the next ones. */
#define MOVER_WRITING_MOST (16u << 20)

enum mover_errand {
    MOVER_COPY,  /* a copy, DRAM keeps its own */
    MOVER_LEAVE, /* DRAM gives it up once it is written */
    MOVER_KEEP,  /* out of a unit that is reclaimed, into a new one */
    MOVER_SINK   /* out of such a unit, into the next tier */
};

/*
 *   made      mover_put(), evict-ahead, reclaim     holds a chunk, or reads it
 *   queued    until there is budget and rate
 *   writing   tier_put() is PENDING
 *   ends      mover_job_end(): the entry is told, if it is still that one
 */
struct mover_job {
    struct transfer transfer; /* first */
    struct mover_job *next;
    struct mover *mover;
    enum mover_errand errand;
    enum tier_kind from, to; /* from: KEEP, SINK: whose unit is reclaimed */
    struct chunk_meta meta;
    uint8_t key[];
};

/* Jobs in order. */
struct mover_queue {
    struct mover_job *first, *last;
};

/* One unit (segment, group) on its way to be given back. */
struct mover_reclaim {
    struct lower_victim *victim; /* NULL: none */
    bool is_through;             /* each of its values was considered */
    bool is_closed;              /* ... and once more, if it is leased */
    bool is_retired;             /* ... and is forgotten now */
    bool has_item;               /* `item` is still to be considered */
    unsigned keeping, sinking;   /* jobs under way */
    unsigned reading;            /* those of them that still need it */
    uint64_t moved_ns;           /* when one of them began or ended */
    uint64_t keeping_bytes, sinking_bytes; /* of those */
    struct tier_found item;
};

/* Looking through the index for what a tier has lost. */
struct mover_loss {
    bool is_under_way;
    uint64_t told, telling; /* losses of the tier: that the index knows of */
    uint64_t bucket;        /* the next one */
};

/* A lower tier, as the mover knows it. */
struct mover_lane {
    enum tier_kind kind;
    struct tier *tier;                    /* NULL: there is none */
    struct mover_queue due;               /* to be written to it, in order */
    uint64_t writing_bytes, writing_most; /* handed to it and not written */
    double credit; /* bytes that its write_max allows now */
    uint64_t credit_ns;
    struct mover_reclaim reclaim;
    struct mover_loss loss;
    struct policy_lower_room room;
    _Atomic uint32_t held_back; /* of what is to go to it, in thousandths; any
                                   thread reads it */
};

struct mover {
    struct store *store;
    struct store_port *port;
    struct counters *counters;
    pthread_t thread;
    bool is_started;
    _Atomic bool is_stopping, is_asleep, is_wanted;
    _Atomic uint64_t pinned_bytes; /* of memory that jobs hold */
    /* Of jobs made and not ended, by where they go. */
    _Atomic uint64_t queue_bytes[TIER_COUNT];
    _Atomic uint64_t skipped, skipped_bytes; /* not counted yet; any thread */
    pthread_mutex_t queue_lock;              /* guards the next; any thread */
    struct mover_queue queue;                /* not taken over yet */
    enum tier_kind top; /* what is put goes there: the fastest lower tier */
    struct mover_lane lanes[TIER_COUNT];
};

void mover_queue_append(struct mover_queue *, struct mover_job *);
struct mover_lane *mover_top(struct mover *);
/* The lane of the tier below, or NULL. */
struct mover_lane *mover_next_lane(struct mover *, const struct mover_lane *);

/* With the part locked, any thread: what the policy asks first of a value. */
struct policy_lower_facts mover_facts(const struct mover *,
                                      const struct entry *);
/* With the part locked, any thread: a job for the body of an entry, which holds
 * its chunk (NULL: to be read first).  NULL without memory. */
struct mover_job *mover_job_new(struct mover *, struct entry *,
                                enum mover_errand, enum tier_kind to);
/* Starts its write: OK.  BUSY: the tier can not take it now, the job is as it
 * was.  MISS: there was nothing to write, or it can not be; the job has ended. */
enum status mover_job_write(struct mover_job *) MUST_USE;
/* The same, but what the tier can not take now is given up. */
void mover_job_write_now(struct mover_job *);
void mover_job_end(struct mover_job *, enum status);

/* A step of reclaiming a tier's space: never waits for values, only for what
 * says which some of them are. */
void mover_reclaim_step(struct mover *, struct mover_lane *);
/* A job of errand KEEP or SINK is at its end. */
void mover_reclaim_done(struct mover *, const struct mover_job *);
/* Ends what reclaiming is under way, of which no job may be left. */
void mover_reclaim_end(struct mover_lane *);
/* With the part locked: no stop brings back what was at the entry's place in the
 * tier, which is forgotten without a note. */
void mover_reclaim_forget(struct mover *, const struct mover_lane *,
                          struct part *, struct entry *);
/* A step of forgetting what a tier has lost, in mover_loss.c. */
void mover_loss_step(struct mover *, struct mover_lane *);
/* May write_max bytes a second take one more value now?  It may overdraw that;
 * the next ones wait until it is made up for. */
bool mover_has_credit(const struct mover *, const struct mover_lane *);
/* What is kept of a unit must find room, or reclaiming would lose it: while
 * little is ready nothing else takes any. */
bool mover_must_hold_back(const struct mover_lane *);
/* Makes DRAM free ahead of need (nvme.write: evicted). */
void mover_evict_ahead(struct mover *);
/* Any thread: it has less than half of that free. */
bool mover_is_behind(const struct mover *);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of the spill tier, for tier_rocks.c and the spill_*.c files alone.
 *
 *   files      its directory: lock, format, marker, what a probe writes
 *   base       the two databases: opening, closing, opening again
 *   group      families of bodies, which are given back whole
 *   space      bytes on the device
 *   health     whether it may be used
 *   read       bodies on their way into chunks, and the threads that read
 *   write      bodies on their way into groups
 *   note       drops, changes and flushes that wait for the heads
 *   writer     the thread that does all writing
 *   victim     the oldest group, about to be given back
 *   recovery   what the last run has left
 *
 * Threads: get() is asked by any thread with a port and read by the readers.
 * put() is the mover's.  The writer alone writes, but for the mover's victims.
 * Whoever is in a database has entered the base; the writer, which alone closes
 * it, and the main thread before and after all others need not.
 *
 * Locks, outermost first: base; groups; queue or line; a port's.  None but
 * base is held while the device is waited for.
 */
#ifndef STORAGE_SPILL_STATE_H
#define STORAGE_SPILL_STATE_H

#include "storage/rocks.h"
#include "storage/spill.h"
#include "storage/spill_head.h"

#include <pthread.h>
#include <stdatomic.h>

#define SPILL_MAGIC 0x7370696cu
/* Puts that wait or are written at one time, and so values in one table. */
#define SPILL_PUTS        4096u
#define SPILL_THREADS_MAX 64u
#define SPILL_PATH_MAX    4096u

struct spill;

/* --- files: main thread, then the writer. --- */

#define SPILL_FORMAT 1u
struct spill_files {
    int directory_fd, lock_fd; /* -1: not open */
    bool is_direct;            /* the filesystem has O_DIRECT */
    char heads[SPILL_PATH_MAX], bodies[SPILL_PATH_MAX];
    char table[SPILL_PATH_MAX]; /* in the making */
};
enum spill_found {
    SPILL_EMPTY,   /* nothing that counts: begin anew */
    SPILL_THERE,   /* as it was left */
    SPILL_HELD,    /* another process has it */
    SPILL_NEWER,   /* of a version that this program does not know */
    SPILL_MISSING, /* there is no directory, and none can be made */
    SPILL_BROKEN   /* why says */
};
/* Takes the lock. */
enum spill_found spill_files_open(struct spill *, struct rocks_why *);
void spill_files_close(struct spill *);
/* Both databases are made: a start that finds this opens them, and without it
 * begins anew. */
enum status spill_files_uncommit(struct spill *, struct rocks_why *) MUST_USE;
enum status spill_files_commit(struct spill *, struct rocks_why *) MUST_USE;
/* What was told to nobody may not come back: the next start begins anew. */
bool spill_files_mark_stale(struct spill *);
/* It was told after all.  False: the mark may be there yet. */
bool spill_files_unmark(struct spill *);
/* Writes a little and reads it again, past the page cache where there is a
 * way. */
enum status spill_files_probe(struct spill *, struct rocks_why *) MUST_USE;

/* --- base --- */

struct spill_base {
    pthread_rwlock_t lock;
    struct rocks *heads, *bodies; /* NULL: closed */
    struct rocks_cache *cache;
    uint64_t buffer; /* bytes of heads in memory */
};
void spill_base_init(struct spill *);
void spill_base_end(struct spill *);
/* Any thread.  False: it is closed, and was not entered. */
bool spill_base_enter(struct spill *) MUST_USE;
void spill_base_leave(struct spill *);
/* Main thread before there are others, or the writer with the base locked. */
enum status spill_base_open(struct spill *, bool is_new,
                            struct rocks_why *) MUST_USE;
void spill_base_close(struct spill *);
/* Removes both databases, and makes new ones. */
enum status spill_base_recreate(struct spill *, struct rocks_why *) MUST_USE;

/* --- group: any thread that has entered the base. --- */

struct spill_group {
    struct spill_group *next; /* a newer one */
    uint64_t id;              /* grows */
    struct rocks_family *family;
    uint64_t bytes;  /* of its tables */
    unsigned refs;   /* those of readers, and one of the list */
    bool is_victim;  /* the mover is at it */
    bool has_values; /* recovery's */
    /* The writer's: small tables side by side at its end. */
    unsigned run_tables;
    uint64_t run_bytes, run_number;
};
struct spill_groups {
    pthread_mutex_t lock;
    struct spill_group *oldest, *newest;
    _Atomic unsigned count;
    uint64_t next_id;
    /* Those below are not to be read any more; those below the other one are
     * no more. */
    _Atomic uint64_t hidden, lost;
    _Atomic uint64_t losses; /* times that some of those had values */
    _Atomic uint64_t closed; /* the one before this is a victim, of which
                                nothing is promised; 0: there is none */
    /* The mover's: those below may have lost heads that no victim has told. */
    uint64_t doubted;
};
/* A reference, or NULL: there is no such group. */
struct spill_group *spill_group_hold(struct spill *, uint64_t id);
/* The oldest one, as a victim from now on, if there are at least two and it is
 * none yet. */
struct spill_group *spill_group_hold_oldest(struct spill *);
void spill_group_spare(struct spill *, uint64_t id); /* no victim after all */
unsigned spill_group_count(const struct spill *);
void spill_group_release(struct spill *, struct spill_group *);
/* The writer's: the newest one, without a reference, or NULL. */
struct spill_group *spill_group_newest(struct spill *);
enum status spill_group_new(struct spill *, struct rocks_why *) MUST_USE;
/* The writer's: its tables have changed by so much. */
void spill_group_resize(struct spill *, struct spill_group *, uint64_t bytes);
/* Nobody finds it any more; its space is free when the last one lets it go. */
void spill_group_forget(struct spill *, uint64_t id);
/* What was in those below is about to go: nobody is to be told that it is there.
 * Any thread. */
void spill_group_hide(struct spill *, uint64_t id);
bool spill_group_is_hidden(const struct spill *, uint64_t id);
/* Those below are gone, and no victim has told what they had.  Any thread. */
void spill_group_lose(struct spill *, uint64_t id);
bool spill_group_is_lost(const struct spill *, uint64_t id);
/* After opening: those that are there, and no others. */
enum status spill_group_adopt(struct spill *, struct rocks_why *) MUST_USE;
void spill_group_close_all(struct spill *); /* before closing */

/* --- space: any thread. --- */

/* A table's own, beside its values: properties, index, end. */
#define SPILL_TABLE_MORE (64u << 10)
struct spill_space {
    uint64_t group_size, run_max, slack; /* bytes; set once */
    uint64_t value_max;
    _Atomic uint64_t groups; /* bytes of bodies on the device */
    _Atomic uint64_t heads;  /* of heads in tables */
    _Atomic uint64_t queued; /* at most, of what is being put */
};
void spill_space_init(struct spill *);
/* On the device, at most, with its name and its pieces. */
uint64_t spill_space_of(uint32_t value_size, uint16_t key_size);
uint64_t spill_space_used(const struct spill *);
uint64_t spill_space_free(const struct spill *);

/* --- health: any thread. --- */

#define SPILL_STRIKES 5u
struct spill_strikes {
    uint64_t at_ns[SPILL_STRIKES]; /* a ring */
    unsigned next;
};
struct spill_health {
    pthread_mutex_t lock;
    struct spill_strikes reads, writes;
    bool is_off;  /* from the start, for good */
    bool is_void; /* off, and nothing that is there can come back */
    _Atomic bool has_reads, has_writes;
    _Atomic bool is_full;     /* what failed was room */
    _Atomic bool is_doubtful; /* a database has failed: it is opened again */
    _Atomic uint64_t read_errors, write_errors, late, corrupt, out_of_service;
    _Atomic uint64_t reopened, recreated;
    _Atomic uint64_t read_done_ns; /* when the last read ended */
    /* The writer's. */
    uint64_t retry_at_ns, distance_ns, back_ns;
    unsigned corrupt_count; /* times in a row that it could not be opened */
};
void spill_health_init(struct spill *);
void spill_health_end(struct spill *);
void spill_health_turn_off(struct spill *, bool is_void);
bool spill_health_may_read(const struct spill *);
bool spill_health_may_write(const struct spill *);
/* A read or a table failed: it counts as a strike. */
void spill_health_read_failed(struct spill *, const struct rocks_why *);
void spill_health_write_failed(struct spill *, const struct rocks_why *);
/* There is no room: nothing is written until a probe found some. */
void spill_health_stop_writes(struct spill *, enum status,
                              const struct rocks_why *);
/* A database failed: nothing is written until it was opened again. */
void spill_health_doubt(struct spill *, enum status, const struct rocks_why *);
void spill_health_late(struct spill *, uint64_t waited_ns);
/* The writer's, when it is due (0: never). */
uint64_t spill_health_due_ns(const struct spill *);
void spill_health_care(struct spill *, uint64_t now_ns);

/* --- read --- */

struct spill_read;
struct spill_line {
    struct spill_read *first, *last;
};
struct spill_reader {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct spill_line waiting; /* for their turn, without memory */
    struct spill_line ready;   /* for a thread */
    uint64_t admitted;         /* bytes of those that have had their turn */
    bool is_stopping;
    unsigned count; /* threads */
    pthread_t threads[SPILL_THREADS_MAX];
    _Atomic uint64_t bytes;
};
enum status spill_read_open(struct spill *) MUST_USE;
void spill_read_close(struct spill *);
enum progress spill_read_get(struct spill *, struct transfer *) MUST_USE;

/* --- queue: what waits for the writer --- */

struct spill_put {
    struct post post; /* first */
    struct spill *spill;
    struct transfer *transfer;
    struct spill_put *next;
    uint64_t space; /* on the device, at most */
    uint64_t asked_ns, expires_unix_ms, number;
    struct chunk_meta meta;
    uint8_t form;
};
struct spill_flushes {
    struct lower_flush *first;
    uint64_t since_ns; /* when the oldest of them came */
};
struct spill_queue {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool is_stopping, is_woken;
    /* Puts, in order. */
    struct spill_put *puts, *free_puts, *first, *last;
    uint64_t bytes; /* of those that are not done */
    uint64_t put_count, done_count;
    bool is_complete; /* nothing more comes for now: what there is may go */
    /* Notes: filled under the lock, written by the writer when all puts are
     * done that came before them. */
    uint8_t *filling, *writing;
    uint32_t filled, taken, written;
    uint64_t notes_ns, barrier;
    bool is_overflown;
    struct spill_flushes waiting, under_way;
};

/* --- note: any thread; care: the mover's --- */

struct spill_notes {
    _Atomic uint64_t count, lost;
    _Atomic uint64_t waiting; /* bytes of those the heads do not have yet */
    _Atomic uint64_t flushed[LOWER_SPACES];
    /* By the queue's lock. */
    uint64_t wanted[LOWER_SPACES];
    bool is_wanted;
    bool must_repeat; /* the writer's: the heads know of no flush */
    bool is_marked;   /* the writer's: ... nor of what was noted */
};
enum status spill_note_open(struct spill *) MUST_USE;
void spill_note_close(struct spill *);
void spill_note_item(struct spill *, const struct tier_found *);
void spill_note_flush(struct spill *, struct lower_flush *);
void spill_note_care(struct spill *, uint64_t now_ns);
/* The writer's.  When something is due (0: never), with the queue locked. */
uint64_t spill_note_due_ns(const struct spill *);
/* Is there something that the device has not been told?  Likewise. */
bool spill_note_has_some(const struct spill *);
void spill_note_write(struct spill *, uint64_t now_ns);
/* The writer's, now and then: while the heads can not be told, the directory is
 * marked, so that no kill brings back what was deleted. */
void spill_note_mark(struct spill *);
/* Any thread: more was lost than can be said. */
void spill_note_give_up(struct spill *);
/* The writer's: flush sequences have to be written again. */
void spill_note_repeat(struct spill *);

/* --- write --- */

struct spill_writer {
    pthread_t thread;
    bool is_started;
    struct spill_marks marks;
    uint64_t rate; /* bytes a second, of the last table */
    uint64_t poll_ns;
    uint8_t *piece; /* one that does not lie in one run */
    struct rocks_batch *batch;
    _Atomic uint64_t bytes;
    _Atomic uint64_t memory; /* RocksDB's, when it was last asked */
};
enum status spill_write_open(struct spill *) MUST_USE;
void spill_write_close(struct spill *);
enum progress spill_write_put(struct spill *, struct transfer *) MUST_USE;
void spill_write_submit(struct spill *);
/* The writer's: when the next puts are due (0: never), with the queue locked;
 * and those, as one table. */
uint64_t spill_write_due_ns(const struct spill *);
void spill_write_some(struct spill *, uint64_t now_ns);

/* --- writer --- */

enum status spill_writer_start(struct spill *) MUST_USE;
void spill_writer_stop(struct spill *);
void spill_writer_wake(struct spill *);
/* The writer's: adds the marks to the batch, if there is something in it, and
 * writes it.  It is empty then, in any case. */
enum status spill_writer_commit(struct spill *, struct rocks_why *) MUST_USE;

/* --- victim: the mover's. --- */

enum status spill_victim_start(struct tier *, struct port *,
                               struct lower_victim **out) MUST_USE;
enum status spill_victim_next(struct lower_victim *,
                              struct tier_found *item_out) MUST_USE;
uint64_t spill_victim_bytes(const struct lower_victim *);
void spill_victim_close(struct lower_victim *);
enum status spill_victim_retire(struct lower_victim *) MUST_USE;
void spill_victim_finish(struct lower_victim **);
void spill_victim_abandon(struct lower_victim **);
/* The writer's: the oldest group at once, with all it holds.  MISS: none may
 * go. */
enum status spill_victim_sacrifice(struct spill *, struct rocks_why *) MUST_USE;

/* --- recovery: main thread. --- */

enum status spill_recovery_run(struct spill *, tier_found_fn *found, void *arg,
                               uint64_t *sequence_out) MUST_USE;
/* Reads the marks and flush sequences of what was opened. */
enum status spill_recovery_load(struct spill *, struct rocks_why *) MUST_USE;

/* --- tier --- */

struct spill {
    struct tier tier;
    unsigned magic;
    struct spill_options options;
    struct pool *pool;
    bool (*make_room)(struct port *, uint64_t bytes);
    struct spill_files files;
    struct spill_base base;
    struct spill_groups groups;
    struct spill_space space;
    struct spill_health health;
    struct spill_reader reader;
    struct spill_queue queue;
    struct spill_notes notes;
    struct spill_writer writer;
    _Atomic uint64_t sequence_max;
    _Atomic uint64_t bytes_used, chunks; /* of values */
    uint64_t recovered, recovery_ns;
};

struct spill *spill_of(struct tier *);
const struct spill *spill_of_const(const struct tier *);
void spill_see_sequence(struct spill *, uint64_t sequence);

/* Places. */
struct spill_spot {
    uint64_t group, number, checksum;
};
static inline struct tier_place
spill_place(const struct spill_spot *spot)
{
    return (struct tier_place){
        {spot->group << SPILL_NUMBER_BITS | spot->number, spot->checksum}};
}
static inline struct spill_spot
spill_spot(const struct tier_place *place)
{
    return (struct spill_spot){
        .group = place->word[0] >> SPILL_NUMBER_BITS,
        .number = place->word[0] & ((UINT64_C(1) << SPILL_NUMBER_BITS) - 1),
        .checksum = place->word[1]};
}

#endif

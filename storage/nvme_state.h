/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of the NVMe tier, for tier_nvme.c and the nvme_*.c files alone.
 *
 *   file       where it lies: opening, its lock, its room, what may block
 *   super      superblocks, flushes
 *   budget     bytes in flight, and the line of those that wait for some
 *   health     whether the device may be used
 *   log        segments: which is next, who has which place in it
 *   write      records on their way into the active segment
 *   batch      ... and the writes they go in
 *   seal       the table and the trailer of a segment that is full
 *   notes      tombstones and changes that wait for their record
 *   read       records on their way into chunks
 *   victim     the oldest segment, about to be used again
 *   recovery   what the last run has left
 *
 * Whatever is not said to be for any thread belongs to the mover's, and to the
 * main thread before and after it.
 */
#ifndef STORAGE_NVME_STATE_H
#define STORAGE_NVME_STATE_H

#include "storage/nvme.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/uio.h>

#define NVME_MAGIC 0x6e766d65u
/* Bytes of items in one table, and so in memory for a segment that is open. */
#define NVME_TABLE_MAX (16u << 20)
/* Segments that are filled or being sealed at one time. */
#define NVME_LEDGERS 4u
/* Records reserved and not done; writes in flight or waiting for it. */
#define NVME_RECORDS    4096u
#define NVME_BATCHES    64u
#define NVME_NO_SEGMENT UINT32_MAX

static inline uint32_t
nvme_blocks_of(uint64_t bytes)
{
    return (uint32_t)((bytes + NVME_BLOCK - 1) / NVME_BLOCK);
}

/* Does it lie in whole blocks of its own, or behind its header? */
static inline bool
nvme_has_runs(const struct chunk *chunk)
{
    return chunk_footprint(chunk->size) != chunk->object_size;
}

/* --- budget: any thread. --- */

/* Who asks for bytes in flight; lives until granted.  One read and one write
 * may always be in flight; beyond that all of them together fit in the budget,
 * and writes stand behind all reads. */
struct nvme_wait {
    struct post post;
    uint64_t bytes;
    bool is_write;
    bool is_refused; /* out: the tier is out of service, nothing was taken */
    struct port *port;
    void (*granted)(struct nvme_wait *); /* on port's thread */
    struct nvme_wait *next;
};

struct nvme_line {
    struct nvme_wait *first, *last;
};

struct nvme_budget {
    pthread_mutex_t lock;
    uint64_t size, used;
    unsigned reads, writes; /* that have some */
    struct nvme_line read_line, write_line;
};

void nvme_budget_open(struct nvme_budget *, uint64_t size);
void nvme_budget_close(struct nvme_budget *);
/* True: taken.  False: granted() comes later. */
bool nvme_budget_take(struct nvme_budget *, struct nvme_wait *);
void nvme_budget_give(struct nvme_budget *, uint64_t bytes, bool is_write);
/* All reads that wait are granted nothing. */
void nvme_budget_refuse_reads(struct nvme_budget *);

/* --- health: any thread. --- */

#define NVME_STRIKES 5u
struct nvme_strikes {
    uint64_t at_ns[NVME_STRIKES]; /* a ring */
    unsigned next;
};

struct nvme_health {
    pthread_mutex_t lock;
    struct nvme_strikes reads, writes;
    _Atomic bool has_reads, has_writes; /* may be done */
    _Atomic bool is_full;               /* what failed was room */
    _Atomic uint64_t read_errors, write_errors, late, out_of_service;
    _Atomic uint64_t read_done_ns; /* when the last read ended */
    /* The mover's. */
    uint64_t probe_at_ns, probe_started_ns;
    bool is_probing;
    struct io io;
    struct iovec vector;
    uint8_t *block;
};

/* --- log --- */

enum nvme_use {
    NVME_FREE,    /* its header has to be written first */
    NVME_HEADED,  /* that is under way */
    NVME_READY,   /* nothing of its earlier life is believed */
    NVME_ACTIVE,  /* takes records */
    NVME_SEALING, /* full; its writes, then its table are under way */
    NVME_SEALED,
    NVME_VICTIM,
    NVME_USES
};

struct nvme_segment {
    _Atomic uint64_t generation; /* any thread reads it; 0: none yet */
    _Atomic bool is_closed;      /* a victim, of which nothing is promised */
    enum nvme_use use;
    uint32_t table_block, table_blocks; /* SEALED; 0: it has no table */
};

/* A range of items that are not on the device. */
struct nvme_hole {
    uint32_t offset, size;
};

/* A segment that is ACTIVE or SEALING, and what its table will say. */
struct nvme_ledger {
    struct nvme *nvme;
    uint32_t segment; /* or NVME_NO_SEGMENT: this one is not in use */
    uint64_t generation;
    uint32_t next_block;
    unsigned pending; /* records reserved and not done */
    uint8_t *table;   /* one block for its head, then items */
    uint32_t room;    /* bytes of items there is memory for */
    uint32_t items;   /* bytes */
    bool has_hole;    /* a record failed: a walk would end there */
    bool is_spoiled;  /* no memory to say what is missing: no table */
    struct nvme_hole *holes;
    uint32_t hole_count, hole_room;
    /* Sealing. */
    bool is_writing;
    unsigned failures;
    uint64_t retry_at_ns;
    uint32_t table_blocks, written; /* of them */
    uint8_t *trailer;
    struct io io;
    struct iovec vector;
};

/* One record on its way. */
struct nvme_append {
    struct nvme_append *next; /* in the order of the log */
    struct nvme_ledger *ledger;
    struct transfer *transfer; /* NULL: notes */
    enum nvme_record_kind kind;
    uint32_t head_blocks, payload_size;
    uint64_t payload_checksum;
    struct chunk_meta meta;
    uint32_t block;         /* the first one */
    uint32_t size, started; /* bytes, whole blocks; those in batches so far */
    uint32_t item_at, item_size;
    unsigned batches; /* planned or in flight, that it is in */
    bool has_failed;
};

/* One write of adjacent pieces of records. */
#define NVME_BATCH_BLOCKS (IO_SIZE_MAX / NVME_BLOCK)
struct nvme_batch {
    struct nvme_wait wait; /* first */
    struct nvme *nvme;
    struct nvme_batch *next;
    struct nvme_append *first, *last;
    struct io io;
    unsigned block_count; /* lent from the staging memory */
    uint8_t *blocks[NVME_BATCH_BLOCKS];
    struct iovec vectors[IO_VECTORS_MAX];
};

struct nvme_log {
    struct nvme_segment *segments;
    uint32_t count;  /* of them; set when the superblock is read */
    uint32_t blocks; /* of a segment */
    uint64_t next_generation, last_active; /* generations */
    uint64_t header_at_ns;                 /* not before */
    struct nvme_ledger ledgers[NVME_LEDGERS];
    struct nvme_ledger *active; /* or NULL */
    _Atomic uint32_t uses[NVME_USES];
    _Atomic uint64_t losses; /* segments whose values nobody could tell */
    /* The header that is being written. */
    uint32_t heading;
    uint64_t heading_generation;
    struct io io;
    struct iovec vector;
    uint8_t *block;
};

struct nvme_writer {
    struct nvme_append appends[NVME_RECORDS], *free_appends;
    unsigned append_count; /* that were ever used */
    struct nvme_batch batches[NVME_BATCHES], *free_batches;
    unsigned batch_count;             /* likewise */
    struct nvme_append *first, *last; /* with bytes that are in no batch yet */
    unsigned planned;                 /* batches that wait for the budget */
    unsigned in_flight;               /* batches, the planned one too */
    uint8_t *staging;                 /* blocks for heads and small values */
    uint8_t **free_blocks;
    uint32_t free_count;
    size_t staging_size;
};

/* --- notes --- */

/* Untouched but for a burst: some hundred thousand deletions. */
#define NVME_NOTES_SIZE   (16u << 20)
#define NVME_NOTES_RECORD (128u << 10) /* bytes of items in one */
struct nvme_notes {
    pthread_mutex_t lock;
    uint8_t *filling; /* by any thread, under the lock */
    uint32_t filled;
    uint64_t oldest_ns;
    bool is_overflown;
    _Atomic uint64_t count, lost;
    /* The mover's. */
    uint8_t *writing;
    uint32_t size, done; /* bytes */
    uint32_t under_way;  /* of a record that is being written */
    uint8_t *record;     /* it: a block and NVME_NOTES_RECORD bytes */
    uint8_t *payload;    /* of it, behind its head */
};

/* --- super --- */

struct nvme_supers {
    struct nvme_super super; /* the last one that the device took */
    unsigned which;          /* of the two it is */
    _Atomic uint64_t flushed[NVME_SPACES];
    pthread_mutex_t lock;
    struct lower_flush *first, *last; /* waiting */
    uint64_t waiting_ns;              /* since when, the first of them */
    /* The mover's. */
    uint64_t wanted[NVME_SPACES];
    bool is_wanted;
    uint64_t retry_at_ns;
    bool is_second; /* of the two copies, that is being written */
    struct lower_flush *under_way;
    uint64_t started_ns;
    bool is_writing, is_probe;
    struct nvme_super next; /* being written */
    struct io io;
    struct iovec vector;
    uint8_t *block;
};

struct nvme {
    struct tier tier; /* first */
    unsigned magic;
    struct nvme_options options;
    struct pool *pool;
    bool (*make_room)(struct port *, uint64_t bytes);
    int fd;
    char *path; /* of the file or device itself */
    bool is_direct, is_block_device;
    bool is_dead; /* could not be read at start: stays out of service */
    bool is_recovered;
    uint64_t size; /* bytes in use on the device */
    /* From the superblock; the same as long as it is open. */
    uint8_t identity[NVME_IDENTITY];
    uint64_t segment_size;
    uint32_t old_count; /* segments it had in the last run */
    struct io_engine *engine;
    struct port *_Atomic mover;
    struct nvme_budget budget;
    struct nvme_health health;
    struct nvme_supers supers;
    struct nvme_log log;
    struct nvme_writer writer;
    struct nvme_notes notes;
    _Atomic uint64_t sequence_max; /* of all that was seen */
    _Atomic uint64_t bytes_used, chunks;
    _Atomic uint64_t read_bytes, written_bytes, corrupt, stale;
    uint64_t recovered, recovery_ns;
};

struct nvme *nvme_of(struct tier *);
const struct nvme *nvme_of_const(const struct tier *);
void nvme_see_sequence(struct nvme *, uint64_t sequence); /* any thread */

/* --- file --- */

/* Opens, locks.  BUSY: another process has it; BAD_REQUEST: it can not be
 * opened.  Both were logged. */
enum status nvme_file_open(struct nvme *) MUST_USE;
void nvme_file_close(struct nvme *);
/* Bytes there may be: options.size, or what the block device has. */
uint64_t nvme_file_room(const struct nvme *);
/* Takes room for so many bytes; false (logged): no writes until a probe has
 * found some. */
bool nvme_file_reserve(struct nvme *, uint64_t size);
/* Gives back what is behind. */
void nvme_file_trim(struct nvme *, uint64_t size);
/* Is all before the first segment zero?  IO. */
enum status nvme_file_is_blank(struct nvme *, bool *is_blank_out) MUST_USE;
/* Blocking, whole blocks of aligned memory; failures are health's. */
enum status nvme_file_read(struct nvme *, uint64_t offset, void *into,
                           size_t size) MUST_USE;
enum status nvme_file_write(struct nvme *, uint64_t offset, const void *from,
                            size_t size) MUST_USE;
/* Aligned to blocks; NULL.  By free(). */
void *nvme_file_memory(size_t size);
/* One write or read of one vector, on the mover's port. */
void nvme_file_start(struct nvme *, struct io *, struct iovec *);

/* --- health --- */

enum status nvme_health_open(struct nvme *) MUST_USE;
void nvme_health_close(struct nvme *);
void nvme_health_read_failed(struct nvme *, int error); /* any thread */
void nvme_health_write_failed(struct nvme *, int error);
/* Reads or writes work again. */
void nvme_health_back(struct nvme *, bool is_write);
/* No more writes until a probe succeeds; logs. */
void nvme_health_stop_writes(struct nvme *, int error);
void nvme_health_care(struct nvme *, uint64_t now_ns);

/* --- super --- */

enum status nvme_super_open(struct nvme *) MUST_USE; /* memory */
void nvme_super_close(struct nvme *);
/* Reads what there is, or makes a new one: sets size and segments.  OK;
 * BAD_REQUEST (logged); IO: the device can not be read. */
enum status nvme_super_load(struct nvme *) MUST_USE;
/* Blocking: both of them, with these many segments. */
enum status nvme_super_write(struct nvme *, uint32_t segment_count) MUST_USE;
/* Blocking: writes what is wanted and was not written yet, if anything. */
enum status nvme_super_settle(struct nvme *) MUST_USE;
void nvme_super_care(struct nvme *, uint64_t now_ns);
/* Starts a write of it to see whether the device takes it. */
void nvme_super_probe(struct nvme *);
/* All that was PUT so far goes with the next one that is written. */
void nvme_super_raise(struct nvme *, uint64_t sequence);

/* --- log --- */

enum status nvme_log_open(struct nvme *) MUST_USE; /* all segments FREE */
void nvme_log_close(struct nvme *);
uint64_t nvme_log_offset(const struct nvme *, uint32_t segment, uint32_t block);
/* What a place means. */
struct nvme_spot {
    uint64_t generation;
    uint32_t segment, block, head_blocks;
};
struct tier_place nvme_log_place(const struct nvme_spot *);
struct nvme_spot nvme_log_spot(const struct tier_place *);
void nvme_log_use(struct nvme *, uint32_t segment, enum nvme_use);
uint32_t nvme_log_count(const struct nvme *, enum nvme_use); /* any thread */
/* The one of this use with the lowest generation, or NVME_NO_SEGMENT. */
uint32_t nvme_log_next(const struct nvme *, enum nvme_use);
/* Segments to have READY. */
uint32_t nvme_log_ready_least(const struct nvme *);
/* Blocking: writes the header of its next generation. */
enum status nvme_log_head(struct nvme *, uint32_t segment) MUST_USE;
/* Blocking, as many as should be READY; stops at a failure. */
void nvme_log_head_some(struct nvme *);
/* The first of `blocks` in the active segment, with room in its table for an
 * item of so many bytes, which the caller adds.  BUSY: no segment is READY;
 * NO_SPACE: no memory. */
enum status nvme_log_reserve(struct nvme *, uint32_t blocks, uint32_t item_size,
                             struct nvme_ledger **ledger_out) MUST_USE;
/* The same without a port, where no more follows: a segment that is full stays
 * without a table. */
enum status nvme_log_reserve_last(struct nvme *, uint32_t blocks,
                                  uint32_t item_size,
                                  struct nvme_ledger **ledger_out) MUST_USE;
void nvme_log_care(struct nvme *, uint64_t now_ns);

/* --- seal --- */

/* No more records: a table once all are done. */
void nvme_seal_start(struct nvme_ledger *);
/* A record of it is done; item: what to leave out, if it failed. */
void nvme_seal_done(struct nvme_ledger *, const struct nvme_append *);
void nvme_seal_care(struct nvme *, uint64_t now_ns);
/* Room for so many more bytes of items; false: no memory. */
bool nvme_seal_grow(struct nvme_ledger *, uint32_t size);
/* Blocking, for recovery: of items gathered by the caller. */
enum status nvme_seal_write(struct nvme_ledger *) MUST_USE;
void nvme_seal_clear(struct nvme_ledger *);

/* --- write --- */

enum status nvme_write_open(struct nvme *) MUST_USE;
void nvme_write_close(struct nvme *);
enum progress nvme_write_put(struct nvme *, struct transfer *) MUST_USE;
/* A record of notes: items, which lie in whole blocks.  BUSY, NO_SPACE. */
enum status nvme_write_notes(struct nvme *, const uint8_t *items,
                             uint32_t size) MUST_USE;
/* All of it is done: tells who wants to know. */
void nvme_write_finish(struct nvme *, struct nvme_append *);
struct nvme_item nvme_write_item_of(const struct nvme_append *);
/* Starts what can be started. */
void nvme_batch_pump(struct nvme *);

/* --- notes --- */

enum status nvme_notes_open(struct nvme *) MUST_USE;
void nvme_notes_close(struct nvme *);
void nvme_notes_care(struct nvme *, uint64_t now_ns);
void nvme_notes_done(struct nvme *, bool is_written);
/* Blocking: all that waits, when nothing else is under way. */
enum status nvme_notes_write_all(struct nvme *) MUST_USE;

/* --- read, recovery --- */

enum progress nvme_read_get(struct nvme *, struct transfer *) MUST_USE;
enum status nvme_recovery_run(struct nvme *, tier_found_fn *found, void *arg,
                              uint64_t *sequence_out) MUST_USE;

/* --- nvme_lower.c --- */
extern const struct lower_ops nvme_lower;

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The NVMe tier, beyond what every tier does (tier.h): what the mover and the
 * store need of a log of segments.  nvme_format.h draws how it lies on the
 * device.
 *
 * A value's place is (segment, generation, block).  Values are appended to the
 * one active segment; full segments are sealed with a table of their items;
 * space comes back by whole segments, oldest first:
 *
 *   segment    READY -> ACTIVE -> SEALED -> (VICTIM) -> READY
 *
 * A READY one already has its new generation on the device, so that nothing of
 * its earlier life is believed any more.  The order of generations is the order
 * of the log: what is said later of a key (a value, a tombstone, a change) holds.
 *
 * Most of what follows is what every lower tier does (lower.h, which says when
 * and on which threads), by names of its own: the tier's parts and its tests call
 * them, the store and the mover do not.  put() is called under a lock of the
 * index so that what is noted of a key later stands behind it in the log.
 */
#ifndef STORAGE_NVME_H
#define STORAGE_NVME_H

#include "storage/lower.h"
#include "storage/nvme_format.h"

struct nvme_options {
    const char *path; /* a block device, a file, or a directory, in which the
                         file is prefixcache.nvme */
    uint64_t size;    /* bytes on the device, all told */
    enum io_engine_kind engine;
    unsigned threads;   /* of the threads engine */
    uint64_t inflight;  /* bytes of reads and writes at one time */
    uint64_t value_max; /* bytes: segments are made to hold one, if size
                            allows at least 4 segments */
    uint64_t probe_ns;  /* between probes of a sick device */
};

/* For port_open(). */
struct io_engine *nvme_engine(struct tier *);
/* The largest value that fits in a segment. */
uint64_t nvme_value_max(const struct tier *);

/* --- Notes: tombstones and changes, on the device within a second. ---
 * Any thread, also under a lock of the index, which is what keeps them in
 * order: they never wait and never fail.  If more wait than there is room for
 * (the device is sick), the tier gives up all that it holds at the next chance
 * instead, by the flush sequence.  `item`: kind, key, sequence and for CHANGE
 * meta, form, expiry. */
void nvme_note(struct tier *, const struct nvme_item *item);

/* --- Flush: see struct lower_flush. --- */
/* Any thread with a port; always PENDING; done() within a second or two, with
 * IO if the device takes longer. */
void nvme_flush(struct tier *, struct lower_flush *);
/* The flush sequence of a namespace now: at or below it nothing needs a note. */
uint64_t nvme_flushed(const struct tier *, unsigned space);

/* --- The mover's thread. --- */
/* At least every 50 ms, and when its port was woken: appends the notes that
 * wait, seals what is full and written, writes headers and superblocks, probes.
 * All of that on the port, and passed on by port_submit(); of the writes none is
 * waited for. */
void nvme_care(struct tier *, struct port *);
/* Values gathered by put() since the last call go to the device (adjacent ones
 * in one write of up to 1 MiB).  After the puts of a turn, before
 * port_submit(). */
void nvme_submit(struct tier *, struct port *);
/* Too few segments are READY, and there is a sealed one. */
bool nvme_wants_reclaim(const struct tier *);
/* So few that what is kept of a victim needs them all. */
bool nvme_is_tight(const struct tier *);
/* Any thread.  Is it of the life that its segment has now? */
bool nvme_holds(const struct tier *, const struct tier_place *);
/* ... and is not a victim that is closed? */
bool nvme_may_promise(const struct tier *, const struct tier_place *);
/* Victims without items that have ended. */
uint64_t nvme_losses(const struct tier *);
struct nvme_victim;
/* The oldest sealed segment, and its table (read here, blocking); one at a
 * time.  MISS: there is none, or an older one still waits for its table.  If the
 * table can not be read the victim has no items, and is a loss at its end. */
enum status nvme_victim_start(struct tier *, struct port *,
                              struct nvme_victim **out) MUST_USE;
/* Its values, one after the other; false at the end (and begins anew). The
 * item's key is lent until the victim ends. */
bool nvme_victim_next(struct nvme_victim *, struct nvme_item *item_out,
                      struct tier_place *place_out);
uint64_t nvme_victim_bytes(const struct nvme_victim *); /* of its values */
/* nvme_may_promise() knows of it from now on. */
void nvme_victim_close(struct nvme_victim *);
/* Its next generation is written, which is waited for: no stop brings its values
 * back.  Then the caller forgets their places, and finishes.  IO: still sealed, victim ended. */
enum status nvme_victim_retire(struct nvme_victim *) MUST_USE;
void nvme_victim_finish(struct nvme_victim **); /* READY */
/* Without all that: still sealed, its values where they are. */
void nvme_victim_abandon(struct nvme_victim **);

/* --- The device's health.  Five errors (or late reads) within 10 s take the
 * tier out: get() and put() finish at once with STATUS_IO.  Five failed writes
 * stop writing only.  Probed every probe_ns, back by itself. --- */
bool nvme_may_read(const struct tier *);
bool nvme_may_write(const struct tier *);
/* A read was given up after waited_ns: a strike if the device has ended none
 * since.  Once for each read. */
void nvme_report_late(struct tier *, uint64_t waited_ns);

struct nvme_usage {
    const char *engine; /* "uring" or "threads" */
    bool is_direct;     /* O_DIRECT */
    bool may_read, may_write;
    uint64_t size; /* on the device */
    uint32_t segments, segments_ready, segments_sealed;
    uint64_t segment_size;
    uint64_t read_bytes, written_bytes; /* to and from the device, with heads */
    uint64_t read_errors, write_errors, corrupt, stale, late;
    uint64_t out_of_service; /* times that reads or writes were stopped */
    uint64_t notes, notes_lost;
    uint64_t recovered,
        recovery_ns; /* values found at start, how long it took */
};
void nvme_usage(const struct tier *, struct nvme_usage *out);

#endif

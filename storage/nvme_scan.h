/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads what a device holds, segment by segment: for recovery, which believes
 * the tables of sealed segments, and for prefixcache-fsck, which believes
 * nothing.  Blocking reads by the caller's thread; one buffer of a megabyte or
 * two, whatever the segments' size.
 */
#ifndef STORAGE_NVME_SCAN_H
#define STORAGE_NVME_SCAN_H

#include "storage/nvme_format.h"

struct nvme_scan;

enum nvme_segment_state {
    NVME_SEGMENT_BLANK, /* never used, or its header is not whole: no records */
    NVME_SEGMENT_OPEN,  /* no trailer, or a broken table: what there is has to
                           be found by walking the records */
    NVME_SEGMENT_SEALED
};

struct nvme_segment_seen {
    uint32_t number;
    enum nvme_segment_state state;
    uint64_t generation;         /* not of BLANK */
    struct nvme_trailer trailer; /* of SEALED */
};

/* What the walk over a segment tells.  Any may be NULL. */
struct nvme_scan_events {
    void *arg;
    /* Items in the order they were written; item->block is a value's place.
     * Lent during the call. */
    void (*item)(void *arg, const struct nvme_segment_seen *,
                 const struct nvme_item *);
    /* A whole record of values or notes, before its items. */
    void (*record)(void *arg, const struct nvme_segment_seen *, uint32_t block,
                   const struct nvme_record *);
    /* What can not be believed.  block: from the segment's start. */
    void (*broken)(void *arg, const struct nvme_segment_seen *, uint32_t block,
                   const char *why);
    void (*read)(void *arg, uint64_t bytes); /* so many more, for progress */
};

/* The superblock that holds (the one with the higher serial of those that are
 * whole).  OK; MISS: both blank, a new device; CORRUPT: neither is whole and
 * they are not blank; BAD_REQUEST: one is of a newer version, and only
 * newer_version is set; IO: none is whole and one could not be read.
 * which: 0 or 1; has_both: the other one is whole too; has_broken: it is there,
 * but not whole. */
struct nvme_super_seen {
    struct nvme_super super;
    unsigned which;
    bool has_both, has_broken;
    uint32_t newer_version; /* BAD_REQUEST */
};
enum status nvme_scan_super(int fd, struct nvme_super_seen *out) MUST_USE;

/* fd: lent; opened with O_DIRECT or without.  A file that ends early reads as
 * zeroes from there on.  The events are copied.  NO_SPACE: no memory. */
enum status nvme_scan_open(int fd, const struct nvme_super *,
                           const struct nvme_scan_events *,
                           struct nvme_scan **out) MUST_USE;
void nvme_scan_close(struct nvme_scan **);

/* Reads header and trailer; always sets *out.  IO: could not be read (then it
 * is BLANK).  broken() for a header that is not whole before records of this
 * device. */
enum status nvme_scan_look(struct nvme_scan *, uint32_t segment,
                           struct nvme_segment_seen *out) MUST_USE;
/* The items of a SEALED segment, from its table; CORRUPT (after broken()) when
 * the table is not whole, and then no item() was called; IO when it could not
 * be read. */
enum status nvme_scan_table(struct nvme_scan *,
                            const struct nvme_segment_seen *) MUST_USE;
/* The items of any segment that is not blank, found by walking its records and
 * comparing each payload with its checksum; broken() for each that differs (its
 * items are not told).
 *
 * OPEN: ends at the first head that is none.  That is the torn tail, and so are
 * the last records before it if their payloads differ: not broken().  broken()
 * for a trailer that is not whole behind a table.
 * SEALED: up to the table; broken() for what is not the head of a record, and
 * the walk goes on at the next one.  A write that failed leaves such a place
 * too: no item of the table is in it then.
 *
 * *end_out: the first block behind the last whole head's record; always set.
 * IO: some blocks could not be read (broken() too); the rest was told.
 * NO_SPACE: no memory. */
enum status nvme_scan_walk(struct nvme_scan *, const struct nvme_segment_seen *,
                           uint32_t *end_out) MUST_USE;

#endif

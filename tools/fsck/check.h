/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks at every segment of a device: compares each record with its checksum,
 * and each table with the records before it.
 */
#ifndef TOOLS_FSCK_CHECK_H
#define TOOLS_FSCK_CHECK_H

#include "storage/nvme_scan.h"
#include "tools/fsck/census.h"

#include <stddef.h>

/* So many are told one by one, all are counted. */
#define CHECK_BROKEN_MAX 1000u
/* No place in a segment: a superblock, or the end of the device. */
#define CHECK_NO_SEGMENT UINT32_MAX

struct check_broken {
    uint32_t segment, block; /* block: from the segment's start, or from the
                                device's where there is no segment */
    const char *why;
};

struct check_result {
    uint32_t segments, blank, open, sealed;
    uint64_t records, values, tombstones, changes;
    uint64_t bytes; /* of values */
    uint64_t gaps;  /* where a write failed, known to the segment's table */
    struct census_result census;
    uint64_t broken_count;
    struct check_broken broken[CHECK_BROKEN_MAX];
};

struct check_progress {
    void *arg;
    /* Segments done, bytes read so far. */
    void (*show)(void *arg, uint32_t done, uint64_t bytes);
};

/* fd: of a device of `size` bytes that this superblock was read from.  OK:
 * looked at, whatever was found; NO_SPACE: no memory. */
enum status check_run(int fd, uint64_t size, const struct nvme_super_seen *,
                      const struct check_progress *,
                      struct check_result *out) MUST_USE;

#endif

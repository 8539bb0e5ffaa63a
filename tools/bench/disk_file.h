/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `disk` reads and writes: a scratch file that this program made, or
 * anything else that may be read, and written only when that was asked for.  A
 * device of the server is never written.
 *
 * The first MiB is left alone, so that a scratch file keeps the mark by which
 * it is known again, with how much of it has ever been written: what has not is
 * no work for a disk to read.
 */
#ifndef TOOLS_BENCH_DISK_FILE_H
#define TOOLS_BENCH_DISK_FILE_H

#include "proto/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DISK_FILE_START (1u << 20) /* of what may be moved */

struct disk_file_plan {
    const char *path; /* a file, a block device, or a directory, in which the
                         file has no name and vanishes at the end */
    uint64_t size;    /* bytes, the first MiB included; 0: what there is, or
                         `fallback` for a new one */
    uint64_t fallback;
    bool is_written;
    bool is_filled;     /* a scratch file must be written once at least */
    bool may_overwrite; /* what this program did not make */
};

struct disk_file {
    int fd;           /* O_DIRECT where there is that */
    uint64_t size;    /* that may be used, whole MiB */
    uint64_t written; /* up to here it has been; of others' files: size */
    bool is_direct, is_scratch;
};

/* BAD_REQUEST: not this file, and why; IO and NO_SPACE as errno said.  Makes a
 * scratch file where there is none.  Locks what it will write. */
enum status disk_file_open(const struct disk_file_plan *, struct disk_file *out,
                           char *why, size_t room) MUST_USE;
void disk_file_close(struct disk_file *);

/* All of a scratch file has been written: keeps that in mind for other runs. */
enum status disk_file_set_written(struct disk_file *, char *why,
                                  size_t room) MUST_USE;

#endif

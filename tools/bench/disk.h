/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A raw reader or writer of a file or block device, by io_uring: the most that
 * the NVMe tier could do on this disk, as ceiling_server.h is the most of a TCP
 * server.  It asks as the server does: a fixed file, transfers cut into pieces
 * of at most 1 MiB that are under way together, and one system call for all
 * that can be started at a time.  One thread; the bytes that are read are not
 * looked at.
 */
#ifndef TOOLS_BENCH_DISK_H
#define TOOLS_BENCH_DISK_H

#include "proto/status.h"
#include "tools/bench/histogram.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DISK_BLOCK      4096u
#define DISK_PIECE      (1u << 20)
#define DISK_PIECES_MAX 8192u /* under way at one time */

enum disk_mode { DISK_READ, DISK_WRITE };

/* All in whole blocks.  Transfers lie at multiples of their size from `start`
 * on; what is left over before `end` is not touched. */
struct disk_plan {
    int fd; /* lent, open for the mode */
    enum disk_mode mode;
    uint64_t start, end; /* bytes of the file that are used */
    size_t size;         /* of a transfer; one at least fits */
    unsigned depth;      /* transfers under way at one time, 1 at least */
    bool is_sequential;  /* else in any order */
    double seconds;      /* 0: each once, in order */
};

struct disk_result {
    struct histogram latency; /* ns of a transfer, with all its pieces */
    uint64_t bytes, elapsed_ns;
    uint64_t cpu_ns; /* of this process, the kernel's work for it included */
};

/* Pieces that a plan has under way at one time; DISK_PIECES_MAX at most. */
uint64_t disk_pieces(const struct disk_plan *);

/* BAD_REQUEST: io_uring is refused here; IO: a transfer failed; NO_SPACE: no
 * memory for the buffers.  Each with a sentence in why[room]. */
enum status disk_run(const struct disk_plan *, struct disk_result *, char *why,
                     size_t room) MUST_USE;

#endif

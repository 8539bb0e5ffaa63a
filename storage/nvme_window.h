/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of scanning a device, for nvme_scan.c and nvme_walk.c alone: a window
 * of a megabyte over what is read by pread(), and what both make of it.
 */
#ifndef STORAGE_NVME_WINDOW_H
#define STORAGE_NVME_WINDOW_H

#include "proto/checksum.h"
#include "storage/nvme_scan.h"

#define NVME_WINDOW (1u << 20)

/* --- nvme_window.c --- */

struct nvme_window;

/* fd: lent.  read: NULL, or told of all bytes read.  NO_SPACE: no memory. */
enum status nvme_window_open(int fd, void (*read)(void *arg, uint64_t bytes),
                             void *arg, struct nvme_window **out) MUST_USE;
void nvme_window_close(struct nvme_window **);
/* `size` bytes at `offset`, whole blocks and at most NVME_WINDOW; lent until
 * the next call.  What it reads, it reads ahead, but not beyond offset + `left`
 * (>= size).  Behind the file's end stand zeroes.  NULL: it could not be read. */
const uint8_t *nvme_window_at(struct nvme_window *, uint64_t offset,
                              uint32_t size, uint64_t left);

/* --- nvme_scan.c --- */

struct nvme_scan {
    struct nvme_super super;
    uint32_t blocks; /* of a segment */
    uint32_t reach;  /* the block where reading ahead ends */
    struct nvme_scan_events events;
    struct nvme_window *window;
};

/* `count` blocks of a segment; as nvme_window_at(). */
const uint8_t *nvme_scan_at(struct nvme_scan *, uint32_t segment,
                            uint32_t block, uint32_t count);
void nvme_scan_broken(struct nvme_scan *, const struct nvme_segment_seen *,
                      uint32_t block, const char *why);

struct nvme_payload {
    uint32_t segment, block, size; /* bytes; all of it inside the segment */
    uint64_t checksum;
};

/* OK; CORRUPT: the bytes differ from the checksum; IO. */
enum status nvme_scan_verify(struct nvme_scan *,
                             const struct nvme_payload *) MUST_USE;
/* Gives each item of a payload to take(), which may refuse it.  CORRUPT: there
 * is something else, or it was refused; IO. */
typedef bool nvme_item_fn(void *arg, const struct nvme_item *);
enum status nvme_scan_items(struct nvme_scan *, const struct nvme_payload *,
                            nvme_item_fn *take, void *arg) MUST_USE;

#endif

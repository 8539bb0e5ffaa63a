/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a scan of an image tells, kept to be looked at, and a pread() that fails
 * where a test wants it to.  For tests of one file each: it defines pread(),
 * which the scan then calls.
 */
#ifndef LIB_NVME_SEEN_H
#define LIB_NVME_SEEN_H

#include "storage/nvme_scan.h"
#include "tests/lib/nvme_image.h"
#include "tests/lib/nvme_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>

#define SEEN_MAX 4096u

struct seen {
    const struct image *image;
    struct nvme_scan *scan;
    unsigned item_count, broken_count, record_count;
    struct {
        enum nvme_item_kind kind;
        uint32_t number, size, block;
        uint64_t sequence, checksum;
    } items[SEEN_MAX];
    uint32_t broken[SEEN_MAX];
    const char *why[SEEN_MAX];
    uint64_t read_bytes;
};

static uint64_t seen_fail_from, seen_fail_to;
static unsigned seen_interrupts; /* so many reads end with EINTR first ... */
static bool seen_is_short;       /* ... and give half of what was asked for */

static inline void
seen_fail(uint64_t offset, uint64_t size)
{
    seen_fail_from = offset;
    seen_fail_to = offset + size;
}

ssize_t
pread(int fd, void *into, size_t size, off_t offset)
{
    uint64_t from = (uint64_t)offset;

    if (from < seen_fail_to && from + size > seen_fail_from) {
        errno = EIO;
        return -1;
    }
    if (seen_interrupts > 0) {
        seen_interrupts--;
        errno = EINTR;
        return -1;
    }
    if (seen_is_short && size >= 2 * NVME_BLOCK)
        size = size / 2 + 100;
    return syscall(SYS_pread64, fd, into, size, offset);
}

/* A new file that is gone with its last descriptor. */
static inline int
seen_file(void)
{
    const char *folder = getenv("PREFIXCACHE_TMP");
    char path[4096];

    if (folder == NULL)
        folder = getenv("TMPDIR");
    snprintf(path, sizeof(path), "%s/image.XXXXXX",
             folder == NULL ? "/tmp" : folder);
    int fd = mkstemp(path);
    if (fd < 0 || unlink(path) != 0)
        abort();
    return fd;
}

static inline void
seen_item(void *arg, const struct nvme_segment_seen *segment,
          const struct nvme_item *item)
{
    struct seen *seen = arg;
    unsigned n = seen->item_count++;

    (void)segment;
    if (n >= SEEN_MAX)
        abort();
    seen->items[n].kind = item->kind;
    seen->items[n].number = image_number(&item->key);
    seen->items[n].size = item->size;
    seen->items[n].block = item->block;
    seen->items[n].sequence = item->sequence;
    seen->items[n].checksum = item->checksum;
}

static inline void
seen_record(void *arg, const struct nvme_segment_seen *segment, uint32_t block,
            const struct nvme_record *record)
{
    struct seen *seen = arg;

    (void)segment;
    if (block == 0 || record->kind == NVME_RECORD_TABLE)
        abort();
    seen->record_count++;
}

static inline void
seen_broken(void *arg, const struct nvme_segment_seen *segment, uint32_t block,
            const char *why)
{
    struct seen *seen = arg;
    unsigned n = seen->broken_count++;

    (void)segment;
    if (n >= SEEN_MAX)
        abort();
    seen->broken[n] = block;
    seen->why[n] = why;
}

static inline void
seen_read(void *arg, uint64_t bytes)
{
    struct seen *seen = arg;
    seen->read_bytes += bytes;
}

static inline void
seen_clear(struct seen *seen)
{
    seen->item_count = seen->broken_count = seen->record_count = 0;
    seen->read_bytes = 0;
}

static inline void
seen_open(struct seen *seen, const struct image *image)
{
    struct nvme_scan_events events = {.arg = seen,
                                      .item = seen_item,
                                      .record = seen_record,
                                      .broken = seen_broken,
                                      .read = seen_read};

    seen->image = image;
    seen_clear(seen);
    if (nvme_scan_open(image->fd, &image->super, &events, &seen->scan) !=
        STATUS_OK)
        abort();
}

static inline void
seen_close(struct seen *seen)
{
    nvme_scan_close(&seen->scan);
}

/* Forgets what was read and told. */
static inline void
seen_reopen(struct seen *seen)
{
    seen_close(seen);
    seen_open(seen, seen->image);
}

static inline bool
seen_is(const struct seen *seen, unsigned n, enum nvme_item_kind kind,
        uint32_t number, uint64_t sequence)
{
    return n < seen->item_count && seen->items[n].kind == kind &&
           seen->items[n].number == number &&
           seen->items[n].sequence == sequence;
}

#endif

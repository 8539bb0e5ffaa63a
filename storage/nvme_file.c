/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file or block device that the tier lies in: opened and locked for this
 * process alone, with all of its room taken at start, so that the disk is not
 * full later.  Also the few reads and writes that are waited for.
 */
#include "storage/nvme_state.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FILE_NAME    "/prefixcache.nvme"
#define READ_PIECE   (64u << 10)
#define LOCK_WAIT_NS (5 * NS_PER_SECOND)

void *
nvme_file_memory(size_t size)
{
    void *memory = aligned_alloc(NVME_BLOCK, size);

    if (memory != NULL)
        memset(memory, 0, size);
    return memory;
}

static enum status
name_file(struct nvme *nvme)
{
    const char *path = nvme->options.path;
    bool is_folder;
    struct stat seen;

    is_folder = stat(path, &seen) == 0 && S_ISDIR(seen.st_mode);
    if (asprintf(&nvme->path, "%s%s", path, is_folder ? FILE_NAME : "") < 0) {
        nvme->path = NULL;
        return STATUS_NO_SPACE;
    }
    return STATUS_OK;
}

/* Some filesystems (tmpfs, overlayfs) know no O_DIRECT. */
static int
open_any(struct nvme *nvme)
{
    int flags = O_RDWR | O_CREAT | O_CLOEXEC;
    int fd = open(nvme->path, flags | O_DIRECT, 0600);

    nvme->is_direct = true;
    if (fd >= 0 || errno != EINVAL)
        return fd;
    nvme->is_direct = false;
    fd = open(nvme->path, flags, 0600);
    if (fd >= 0)
        log_event(LOG_WARN, "nvme is buffered",
                  "%s: this filesystem has no O_DIRECT, so that values pass "
                  "through the kernel's cache",
                  nvme->path);
    return fd;
}

/* A process that was killed holds it until its last write has ended. */
static bool
take_lock(int fd)
{
    const struct timespec pause = {.tv_nsec = 10 * (long)NS_PER_MS};
    uint64_t end_ns = clock_now_ns() + LOCK_WAIT_NS;

    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if ((errno != EWOULDBLOCK && errno != EINTR) ||
            clock_now_ns() >= end_ns)
            return false;
        nanosleep(&pause, NULL);
    }
    return true;
}

static enum status
lock(struct nvme *nvme)
{
    struct stat seen;

    if (fstat(nvme->fd, &seen) != 0 ||
        (!S_ISREG(seen.st_mode) && !S_ISBLK(seen.st_mode))) {
        log_event(LOG_ERROR, "nvme.path is no place for values",
                  "%s is neither a block device, a file nor a directory",
                  nvme->path);
        return STATUS_BAD_REQUEST;
    }
    nvme->is_block_device = S_ISBLK(seen.st_mode);
    if (take_lock(nvme->fd))
        return STATUS_OK;
    log_event(LOG_ERROR, "nvme is in use", "%s: %s", nvme->path,
              errno == EWOULDBLOCK ? "another process holds its lock"
                                   : strerror(errno));
    return STATUS_BUSY;
}

enum status
nvme_file_open(struct nvme *nvme)
{
    enum status status = name_file(nvme);

    if (status != STATUS_OK)
        return status;
    nvme->fd = open_any(nvme);
    if (nvme->fd < 0) {
        log_event(LOG_ERROR, "can not open nvme.path", "%s: %s", nvme->path,
                  strerror(errno));
        return STATUS_BAD_REQUEST;
    }
    return lock(nvme);
}

void
nvme_file_close(struct nvme *nvme)
{
    if (nvme->fd >= 0)
        close(nvme->fd);
    nvme->fd = -1;
    free(nvme->path);
    nvme->path = NULL;
}

uint64_t
nvme_file_room(const struct nvme *nvme)
{
    uint64_t bytes = 0;

    if (!nvme->is_block_device || ioctl(nvme->fd, BLKGETSIZE64, &bytes) != 0)
        return nvme->options.size;
    if (bytes >= nvme->options.size)
        return nvme->options.size;
    log_event(LOG_WARN, "nvme.size lowered",
              "%s has %llu bytes, nvme.size is %llu", nvme->path,
              (unsigned long long)bytes,
              (unsigned long long)nvme->options.size);
    return bytes;
}

/* What the filesystem can not promise may be missing later. */
static bool
extend(struct nvme *nvme, uint64_t size)
{
    struct stat seen;

    if (fallocate(nvme->fd, 0, 0, (off_t)size) == 0)
        return true;
    if (errno != EOPNOTSUPP && errno != ENOSYS)
        return false;
    if (fstat(nvme->fd, &seen) == 0 && seen.st_size >= (off_t)size)
        return true;
    return ftruncate(nvme->fd, (off_t)size) == 0;
}

bool
nvme_file_reserve(struct nvme *nvme, uint64_t size)
{
    if (nvme->is_block_device || extend(nvme, size))
        return true;
    nvme_health_stop_writes(nvme, errno);
    return false;
}

void
nvme_file_trim(struct nvme *nvme, uint64_t size)
{
    struct stat seen;

    if (!nvme->is_block_device && fstat(nvme->fd, &seen) == 0 &&
        seen.st_size > (off_t)size && ftruncate(nvme->fd, (off_t)size) != 0)
        log_event(LOG_WARN, "nvme.size not given back", "%s: %s", nvme->path,
                  strerror(errno));
}

static bool
is_zero(const uint8_t *bytes, size_t size)
{
    return size == 0 ||
           (bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0);
}

/* Other systems leave their first blocks empty too. */
enum status
nvme_file_is_blank(struct nvme *nvme, bool *is_blank_out)
{
    uint8_t *piece = nvme_file_memory(READ_PIECE);
    enum status status = STATUS_OK;
    bool is_blank = true;
    uint64_t at = 0;

    if (piece == NULL)
        return STATUS_NO_SPACE;
    while (is_blank && at < NVME_DATA_START) {
        ssize_t n = pread(nvme->fd, piece, READ_PIECE, (off_t)at);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            status = STATUS_IO;
        if (n <= 0)
            break;
        is_blank = is_zero(piece, (size_t)n);
        at += (uint64_t)n;
    }
    free(piece);
    if (status == STATUS_OK)
        *is_blank_out = is_blank;
    return status;
}

enum status
nvme_file_read(struct nvme *nvme, uint64_t offset, void *into, size_t size)
{
    uint8_t *at = into;

    while (size != 0) {
        ssize_t n = pread(nvme->fd, at, size, (off_t)offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            nvme_health_read_failed(nvme, n == 0 ? EIO : errno);
            return STATUS_IO;
        }
        at += n;
        offset += (uint64_t)n;
        size -= (size_t)n;
    }
    return STATUS_OK;
}

enum status
nvme_file_write(struct nvme *nvme, uint64_t offset, const void *from,
                size_t size)
{
    const uint8_t *at = from;

    while (size != 0) {
        ssize_t n = pwrite(nvme->fd, at, size, (off_t)offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            nvme_health_write_failed(nvme, n == 0 ? EIO : errno);
            return STATUS_IO;
        }
        at += n;
        offset += (uint64_t)n;
        size -= (size_t)n;
        atomic_fetch_add_explicit(&nvme->written_bytes, (uint64_t)n,
                                  memory_order_relaxed);
    }
    return STATUS_OK;
}

void
nvme_file_start(struct nvme *nvme, struct io *io, struct iovec *vector)
{
    struct port *mover =
        atomic_load_explicit(&nvme->mover, memory_order_relaxed);

    io->vectors = vector;
    io->count = 1;
    io->size = (uint32_t)vector->iov_len;
    if (io->is_write)
        atomic_fetch_add_explicit(&nvme->written_bytes, io->size,
                                  memory_order_relaxed);
    port_start(mover, io);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Opening, recognizing and making of files.  Moving bytes is disk.c's. */
#include "tools/bench/disk_file.h"

#include "base/clock.h"
#include "tools/bench/disk.h"
#include "tools/bench/quantity.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define WHOLE        (1u << 20) /* files are used in units of it */
#define LOCK_WAIT_NS (2 * NS_PER_SECOND)

/* Of a superblock, a segment and a record: storage/nvme_format.h draws them. */
#define DEVICE_MAGIC "PREFIXC"
#define MARK         "prefixcache-bench scratch file\n"
#define MARK_FORMAT  MARK "written %" PRIu64 "\n"

enum content { CONTENT_SCRATCH, CONTENT_DEVICE, CONTENT_OTHER };

struct opening {
    const struct disk_file_plan *plan;
    struct disk_file *file;
    bool is_new, is_block_device, is_nameless;
    char *why;
    size_t room;
};

static enum status
fail(const struct opening *opening, enum status status, const char *what)
{
    snprintf(opening->why, opening->room, "%s", what);
    return status;
}

static enum status
fail_errno(const struct opening *opening, const char *what)
{
    int error = errno;

    snprintf(opening->why, opening->room, "%s: %s", what, strerror(error));
    return error == ENOSPC || error == EDQUOT ? STATUS_NO_SPACE : STATUS_IO;
}

/* Direct if the filesystem knows how.  One that does not may have made the file
 * all the same before it says so. */
static int
open_path(const struct opening *opening, int flags)
{
    const char *path = opening->plan->path;
    int fd = open(path, flags | O_DIRECT | O_CLOEXEC, 0600);

    opening->file->is_direct = fd >= 0;
    if (fd >= 0 || errno != EINVAL)
        return fd;
    if (opening->is_new)
        flags &= ~O_EXCL;
    return open(path, flags | O_CLOEXEC, 0600);
}

static enum status
open_nameless(struct opening *opening)
{
    char name[4096];
    int size = snprintf(name, sizeof name, "%s/prefixcache-bench.XXXXXX",
                        opening->plan->path);

    if (size >= (int)sizeof name)
        return fail(opening, STATUS_BAD_REQUEST, "the path is too long");
    opening->file->is_direct = true;
    opening->file->fd = mkostemp(name, O_DIRECT | O_CLOEXEC);
    if (opening->file->fd < 0 && errno == EINVAL) {
        opening->file->is_direct = false;
        opening->file->fd = mkostemp(name, O_CLOEXEC);
    }
    if (opening->file->fd < 0)
        return fail_errno(opening, "can not make a file there");
    unlink(name);
    opening->is_new = opening->is_nameless = true;
    return STATUS_OK;
}

static enum status
open_named(struct opening *opening, bool is_written)
{
    struct stat seen;
    int flags = is_written ? O_RDWR : O_RDONLY;
    bool is_there = stat(opening->plan->path, &seen) == 0;

    if (!is_there && errno != ENOENT)
        return fail_errno(opening, "can not be looked at");
    if (is_there && S_ISDIR(seen.st_mode))
        return open_nameless(opening);
    if (is_there && !S_ISREG(seen.st_mode) && !S_ISBLK(seen.st_mode))
        return fail(opening, STATUS_BAD_REQUEST,
                    "neither a file nor a block device");
    opening->is_new = !is_there;
    opening->is_block_device = is_there && S_ISBLK(seen.st_mode);
    if (opening->is_new)
        flags = O_RDWR | O_CREAT | O_EXCL;
    else if (opening->is_block_device && is_written)
        flags |= O_EXCL; /* refused while a filesystem is mounted from it */
    opening->file->fd = open_path(opening, flags);
    if (opening->file->fd < 0)
        return fail_errno(opening, "can not be opened");
    return STATUS_OK;
}

/* A buffer that a direct read or write takes; NULL: no memory. */
static uint8_t *
blocks_new(void)
{
    void *memory = NULL;

    if (posix_memalign(&memory, DISK_BLOCK, 2 * DISK_BLOCK) != 0)
        return NULL;
    memset(memory, 0, 2 * DISK_BLOCK);
    return memory;
}

static bool
is_device(const uint8_t *block)
{
    return memcmp(block, DEVICE_MAGIC, sizeof DEVICE_MAGIC - 1) == 0;
}

/* A device has its superblock twice: one may be spoilt. */
static enum content
recognize(uint8_t *blocks, uint64_t *written_out)
{
    if (is_device(blocks) || is_device(blocks + DISK_BLOCK))
        return CONTENT_DEVICE;
    blocks[DISK_BLOCK - 1] = '\0';
    if (sscanf((char *)blocks, MARK_FORMAT, written_out) != 1 ||
        memcmp(blocks, MARK, sizeof MARK - 1) != 0)
        return CONTENT_OTHER;
    return CONTENT_SCRATCH;
}

static enum status
look(const struct opening *opening, enum content *out)
{
    struct disk_file *file = opening->file;
    uint8_t *blocks = blocks_new();

    if (blocks == NULL)
        return fail(opening, STATUS_NO_SPACE, "no memory");
    ssize_t got = pread(file->fd, blocks, 2 * (size_t)DISK_BLOCK, 0);
    enum status status =
        got < 0 ? fail_errno(opening, "can not be read") : STATUS_OK;
    if (got >= 0)
        *out = recognize(blocks, &file->written);
    free(blocks);
    return status;
}

/* May the open file be written?  It is looked at under its lock, so that what
 * is seen is what will be overwritten. */
static enum status
claim(const struct opening *opening, enum content content)
{
    if (content == CONTENT_DEVICE)
        return fail(opening, STATUS_BAD_REQUEST,
                    "is a device of prefixcached, and is not written");
    if (content == CONTENT_OTHER && !opening->plan->may_overwrite)
        return fail(opening, STATUS_BAD_REQUEST,
                    "was not made by this program; --overwrite destroys what "
                    "is in it");
    return STATUS_OK;
}

/* The ring of a program that was killed lets go of its files a little after
 * the program has ended. */
static enum status
lock(const struct opening *opening)
{
    uint64_t deadline_ns = clock_now_ns() + LOCK_WAIT_NS;
    const struct timespec pause = {.tv_nsec = 10 * (long)NS_PER_MS};

    while (flock(opening->file->fd, LOCK_EX | LOCK_NB) != 0 &&
           errno == EWOULDBLOCK && clock_now_ns() < deadline_ns)
        nanosleep(&pause, NULL);
    if (flock(opening->file->fd, LOCK_EX | LOCK_NB) == 0)
        return STATUS_OK;
    if (errno == EWOULDBLOCK)
        return fail(opening, STATUS_BAD_REQUEST,
                    "is in use by another program");
    return fail_errno(opening, "can not be locked");
}

static uint64_t
end_of(const struct disk_file *file)
{
    off_t end = lseek(file->fd, 0, SEEK_END);

    return end < 0 ? 0 : (uint64_t)end;
}

static enum status
grow(const struct opening *opening, uint64_t size)
{
    int fd = opening->file->fd;

    if (fallocate(fd, 0, 0, (off_t)size) == 0)
        return STATUS_OK;
    if (errno == EOPNOTSUPP && ftruncate(fd, (off_t)size) == 0)
        return STATUS_OK;
    return fail_errno(opening, "can not be made large enough");
}

static enum status
write_mark(const struct opening *opening)
{
    uint8_t *blocks = blocks_new();

    if (blocks == NULL)
        return fail(opening, STATUS_NO_SPACE, "no memory");
    snprintf((char *)blocks, DISK_BLOCK, MARK_FORMAT, opening->file->written);
    ssize_t put = pwrite(opening->file->fd, blocks, DISK_BLOCK, 0);
    enum status status = put == (ssize_t)DISK_BLOCK
                             ? STATUS_OK
                             : fail_errno(opening, "can not be marked");
    free(blocks);
    return status;
}

/* Sets what is used of the file; a scratch file that may be written grows to
 * what was asked for. */
static enum status
measure(const struct opening *opening, bool is_written)
{
    struct disk_file *file = opening->file;
    uint64_t there = end_of(file);
    uint64_t wanted = opening->plan->size;

    if (wanted == 0)
        wanted = opening->is_new ? opening->plan->fallback : there;
    file->size = wanted / WHOLE * WHOLE;
    if (file->size > there && file->is_scratch)
        return is_written ? grow(opening, file->size) : STATUS_OK;
    if (file->size <= there && file->size > DISK_FILE_START)
        return STATUS_OK;
    char have[32];
    quantity_write_size(there, have, sizeof have);
    snprintf(opening->why, opening->room,
             "is too small: there is %s of it, and the first MiB is left alone",
             have);
    return STATUS_BAD_REQUEST;
}

static enum status
set_up_new(struct opening *opening)
{
    enum status status = lock(opening);

    opening->file->is_scratch = true;
    if (status == STATUS_OK)
        status = measure(opening, true);
    if (status == STATUS_OK)
        status = write_mark(opening);
    if (status != STATUS_OK && !opening->is_nameless)
        unlink(opening->plan->path);
    return status;
}

static enum status
set_up_found(struct opening *opening, bool is_written)
{
    enum content content = CONTENT_OTHER;
    struct disk_file *file = opening->file;
    enum status status = is_written ? lock(opening) : STATUS_OK;

    if (status == STATUS_OK)
        status = look(opening, &content);
    if (status == STATUS_OK && is_written)
        status = claim(opening, content);
    if (status != STATUS_OK)
        return status;
    file->is_scratch = content == CONTENT_SCRATCH;
    status = measure(opening, is_written);
    if (!file->is_scratch)
        file->written = file->size;
    return status;
}

static enum status
open_once(struct opening *opening, bool is_written)
{
    *opening->file = (struct disk_file){.fd = -1};
    enum status status = open_named(opening, is_written);

    if (status == STATUS_OK)
        status = opening->is_new ? set_up_new(opening)
                                 : set_up_found(opening, is_written);
    if (status != STATUS_OK)
        disk_file_close(opening->file);
    return status;
}

/* A scratch file may have to be written before it can be read. */
static bool
is_unfinished(const struct disk_file *file, const struct disk_file_plan *plan)
{
    if (!file->is_scratch)
        return false;
    return end_of(file) < file->size ||
           (plan->is_filled && file->written < file->size);
}

enum status
disk_file_open(const struct disk_file_plan *plan, struct disk_file *out,
               char *why, size_t room)
{
    struct opening opening = {
        .plan = plan, .file = out, .why = why, .room = room};
    enum status status = open_once(&opening, plan->is_written);

    if (status == STATUS_OK && !plan->is_written && !opening.is_new &&
        is_unfinished(out, plan)) {
        disk_file_close(out);
        status = open_once(&opening, true);
    }
    return status;
}

void
disk_file_close(struct disk_file *file)
{
    if (file->fd < 0)
        return;
    flock(file->fd, LOCK_UN); /* a ring that is closed holds it a while yet */
    close(file->fd);
    file->fd = -1;
}

enum status
disk_file_set_written(struct disk_file *file, char *why, size_t room)
{
    struct opening opening = {.file = file, .why = why, .room = room};

    if (file->written >= file->size)
        return STATUS_OK;
    file->written = file->size;
    return write_mark(&opening);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tier's directory, beside the databases in it:
 *
 *   LOCK        held for as long as the tier is open, also while the databases
 *               are closed to be opened again
 *   FORMAT      the version; there once both databases are
 *   STALE       what is here was not told what has been deleted since
 *   heads/ bodies/ incoming.sst probe
 */
#include "storage/spill_state.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FORMAT_NAME "FORMAT"
#define FORMAT_NEW  "FORMAT.new"
#define FORMAT_TEXT "prefixcache spill "
#define FORMAT_MAX  64u
#define STALE_NAME  "STALE"
#define LOCK_NAME   "LOCK"
#define PROBE_NAME  "probe"
#define PROBE_SIZE  (1u << 20)
#define PROBE_ALIGN 4096u
#define MODE        0640
#define MODE_FOLDER 0750
#define TABLE_NAME  "incoming.sst"
#define HEADS_NAME  "heads"
#define BODIES_NAME "bodies"

static void
explain(struct rocks_why *why, const char *what, int error)
{
    snprintf(why->text, sizeof(why->text), "%s: %s", what, strerror(error));
}

static bool
is_room(int error)
{
    return error == ENOSPC || error == EDQUOT || error == EFBIG;
}

static enum status
fail(struct rocks_why *why, const char *what)
{
    int error = errno;

    explain(why, what, error);
    return is_room(error) ? STATUS_NO_SPACE : STATUS_IO;
}

/* --- Opening. --- */

static enum spill_found
open_directory(struct spill *spill, struct rocks_why *why)
{
    struct spill_files *files = &spill->files;
    const char *path = spill->options.path;

    if (mkdir(path, MODE_FOLDER) != 0 && errno != EEXIST) {
        explain(why, "it can not be made", errno);
        return errno == ENOENT || errno == ENOTDIR ? SPILL_MISSING
                                                   : SPILL_BROKEN;
    }
    files->directory_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (files->directory_fd < 0) {
        explain(why, "it can not be opened", errno);
        return SPILL_BROKEN;
    }
    return SPILL_THERE;
}

static enum spill_found
take_lock(struct spill_files *files, struct rocks_why *why)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

    files->lock_fd = openat(files->directory_fd, LOCK_NAME,
                            O_RDWR | O_CREAT | O_CLOEXEC, MODE);
    if (files->lock_fd < 0) {
        explain(why, "its LOCK can not be opened", errno);
        return SPILL_BROKEN;
    }
    if (fcntl(files->lock_fd, F_OFD_SETLK, &lock) != 0) {
        explain(why, "its LOCK is held", errno);
        return errno == EAGAIN || errno == EACCES ? SPILL_HELD : SPILL_BROKEN;
    }
    return SPILL_THERE;
}

static enum spill_found
read_format(const struct spill_files *files, struct rocks_why *why)
{
    int fd = openat(files->directory_fd, FORMAT_NAME, O_RDONLY | O_CLOEXEC);
    char text[FORMAT_MAX] = "";
    ssize_t size;
    unsigned long version;

    if (fd < 0 && errno == ENOENT)
        return SPILL_EMPTY;
    size = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    if (size < 0)
        explain(why, "its FORMAT can not be read", errno);
    if (fd >= 0)
        close(fd);
    if (size < 0)
        return SPILL_BROKEN;
    version = strncmp(text, FORMAT_TEXT, strlen(FORMAT_TEXT)) == 0
                  ? strtoul(text + strlen(FORMAT_TEXT), NULL, 10)
                  : 0;
    if (version == SPILL_FORMAT)
        return SPILL_THERE;
    snprintf(why->text, sizeof(why->text), "its FORMAT is %s",
             version > SPILL_FORMAT ? "of a newer version" : "none of ours");
    return version > SPILL_FORMAT ? SPILL_NEWER : SPILL_BROKEN;
}

/* What a file on it says to O_DIRECT. */
static bool
has_direct(const struct spill_files *files)
{
    int fd =
        openat(files->directory_fd, LOCK_NAME, O_RDONLY | O_DIRECT | O_CLOEXEC);

    if (fd >= 0)
        close(fd);
    return fd >= 0 || errno != EINVAL;
}

static enum spill_found
look(struct spill *spill, struct rocks_why *why)
{
    struct spill_files *files = &spill->files;
    enum spill_found found = read_format(files, why);

    if (found == SPILL_NEWER)
        return found;
    (void)unlinkat(files->directory_fd, TABLE_NAME, 0);
    (void)unlinkat(files->directory_fd, PROBE_NAME, 0);
    files->is_direct = has_direct(files);
    if (!files->is_direct)
        log_event(LOG_INFO, "spill is read through the page cache",
                  "%s: the filesystem has no O_DIRECT", spill->options.path);
    if (faccessat(files->directory_fd, STALE_NAME, F_OK, 0) != 0)
        return found;
    log_event(LOG_WARN, "spill begins anew",
              "%s was out of use while values were deleted (its file STALE "
              "says so); what it holds is removed",
              spill->options.path);
    return SPILL_EMPTY;
}

enum spill_found
spill_files_open(struct spill *spill, struct rocks_why *why)
{
    struct spill_files *files = &spill->files;
    const char *path = spill->options.path;
    enum spill_found found;

    files->directory_fd = files->lock_fd = -1;
    if (strlen(path) + sizeof("/" TABLE_NAME) > SPILL_PATH_MAX) {
        explain(why, "its path", ENAMETOOLONG);
        return SPILL_MISSING;
    }
    snprintf(files->heads, SPILL_PATH_MAX, "%s/" HEADS_NAME, path);
    snprintf(files->bodies, SPILL_PATH_MAX, "%s/" BODIES_NAME, path);
    snprintf(files->table, SPILL_PATH_MAX, "%s/" TABLE_NAME, path);
    found = open_directory(spill, why);
    if (found == SPILL_THERE)
        found = take_lock(files, why);
    return found == SPILL_THERE ? look(spill, why) : found;
}

void
spill_files_close(struct spill *spill)
{
    struct spill_files *files = &spill->files;

    if (files->lock_fd >= 0)
        close(files->lock_fd);
    if (files->directory_fd >= 0)
        close(files->directory_fd);
    files->directory_fd = files->lock_fd = -1;
}

/* --- What it says. --- */

/* All of it, and on the device. */
static bool
write_all(int fd, const void *bytes, size_t size)
{
    const uint8_t *at = bytes;

    while (size != 0) {
        ssize_t written = write(fd, at, size);

        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        at += written;
        size -= (size_t)written;
    }
    return fsync(fd) == 0;
}

enum status
spill_files_uncommit(struct spill *spill, struct rocks_why *why)
{
    int fd = spill->files.directory_fd;

    if ((unlinkat(fd, FORMAT_NAME, 0) != 0 && errno != ENOENT) ||
        fsync(fd) != 0)
        return fail(why, "its FORMAT can not be removed");
    return STATUS_OK;
}

enum status
spill_files_commit(struct spill *spill, struct rocks_why *why)
{
    int folder = spill->files.directory_fd, fd;
    char text[FORMAT_MAX];
    int size = snprintf(text, sizeof(text), FORMAT_TEXT "%u\n", SPILL_FORMAT);
    bool is_written;

    fd = openat(folder, FORMAT_NEW, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
                MODE);
    if (fd < 0)
        return fail(why, "its FORMAT can not be written");
    is_written = write_all(fd, text, (size_t)size);
    close(fd);
    if (!is_written || renameat(folder, FORMAT_NEW, folder, FORMAT_NAME) != 0 ||
        fsync(folder) != 0)
        return fail(why, "its FORMAT can not be written");
    if ((unlinkat(folder, STALE_NAME, 0) != 0 && errno != ENOENT) ||
        fsync(folder) != 0)
        return fail(why, "its STALE can not be removed");
    return STATUS_OK;
}

bool
spill_files_mark_stale(struct spill *spill)
{
    int folder = spill->files.directory_fd, fd;
    bool is_marked;

    if (spill->files.lock_fd < 0)
        return false;
    fd = openat(folder, STALE_NAME, O_WRONLY | O_CREAT | O_CLOEXEC, MODE);
    if (fd < 0)
        return false;
    is_marked = fsync(fd) == 0 && fsync(folder) == 0;
    close(fd);
    return is_marked;
}

bool
spill_files_unmark(struct spill *spill)
{
    int folder = spill->files.directory_fd;

    return (unlinkat(folder, STALE_NAME, 0) == 0 || errno == ENOENT) &&
           fsync(folder) == 0;
}

/* --- Probes. --- */

static enum status
read_again(const struct spill_files *files, uint8_t *bytes,
           struct rocks_why *why)
{
    int flags = O_RDONLY | O_CLOEXEC | (files->is_direct ? O_DIRECT : 0);
    int fd = openat(files->directory_fd, PROBE_NAME, flags);
    ssize_t size = fd < 0 ? -1 : read(fd, bytes, PROBE_SIZE);
    enum status status = STATUS_OK;

    if (size != PROBE_SIZE)
        status = fail(why, "a probe could not be read");
    if (fd >= 0)
        close(fd);
    return status;
}

static enum status
write_probe(const struct spill_files *files, const uint8_t *bytes,
            struct rocks_why *why)
{
    int fd = openat(files->directory_fd, PROBE_NAME,
                    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, MODE);
    enum status status = STATUS_OK;

    if (fd < 0 || !write_all(fd, bytes, PROBE_SIZE))
        status = fail(why, "a probe could not be written");
    if (fd >= 0)
        close(fd);
    return status;
}

/* Databases are opened by their path, and that may lead elsewhere by now. */
static bool
is_there(const struct spill *spill)
{
    struct stat seen, ours;

    return stat(spill->options.path, &seen) == 0 &&
           fstat(spill->files.directory_fd, &ours) == 0 &&
           seen.st_dev == ours.st_dev && seen.st_ino == ours.st_ino;
}

enum status
spill_files_probe(struct spill *spill, struct rocks_why *why)
{
    const struct spill_files *files = &spill->files;
    uint8_t *bytes;
    enum status status;

    if (!is_there(spill)) {
        snprintf(why->text, sizeof(why->text),
                 "it is not the directory that was opened at the start");
        return STATUS_IO;
    }
    bytes = aligned_alloc(PROBE_ALIGN, PROBE_SIZE);
    if (bytes == NULL) {
        explain(why, "a probe", ENOMEM);
        return STATUS_IO;
    }
    memset(bytes, 'p', PROBE_SIZE);
    status = write_probe(files, bytes, why);
    if (status == STATUS_OK)
        status = read_again(files, bytes, why);
    (void)unlinkat(files->directory_fd, PROBE_NAME, 0);
    free(bytes);
    return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Opens what nvme.path names, and asks its lock whether a server has it. */
#include "tools/fsck/device.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_NAME "prefixcache.nvme"

static bool
complain(char *why, size_t room, const char *path, const char *what)
{
    snprintf(why, room, "%s: %s", path, what);
    return false;
}

/* As the server does. */
static bool
find(struct device *device, const char *path, struct stat *seen)
{
    int size = snprintf(device->path, sizeof device->path, "%s", path);

    if (stat(path, seen) != 0)
        return false;
    if (S_ISDIR(seen->st_mode)) {
        size =
            snprintf(device->path, sizeof device->path, "%s/" FILE_NAME, path);
        if (size < (int)sizeof device->path && stat(device->path, seen) != 0)
            return false;
    }
    errno = ENAMETOOLONG;
    return size < (int)sizeof device->path;
}

/* Past the kernel's cache where it can be: what is on the device counts, and
 * looking at all of it must not push out what others need. */
static int
open_any(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_DIRECT);

    if (fd < 0 && errno == EINVAL)
        fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd;
}

static bool
lock(const struct device *device, bool is_forced)
{
    return flock(device->fd, LOCK_SH | LOCK_NB) == 0 || is_forced;
}

bool
device_open(struct device *device, const char *path, bool is_forced, char *why,
            size_t room)
{
    struct stat seen;

    device->fd = -1;
    if (!find(device, path, &seen))
        return complain(why, room, device->path, strerror(errno));
    if (!S_ISREG(seen.st_mode) && !S_ISBLK(seen.st_mode))
        return complain(why, room, device->path,
                        "neither a block device, a file nor a directory");
    device->fd = open_any(device->path);
    if (device->fd < 0)
        return complain(why, room, device->path, strerror(errno));
    if (!lock(device, is_forced)) {
        complain(why, room, device->path,
                 errno == EWOULDBLOCK
                     ? "a server uses it; stop that first, or look with "
                       "--force at what is changing meanwhile"
                     : strerror(errno));
        device_close(device);
        return false;
    }
    off_t size = lseek(device->fd, 0, SEEK_END);
    if (size < 0) {
        complain(why, room, device->path, strerror(errno));
        device_close(device);
        return false;
    }
    device->size = (uint64_t)size;
    return true;
}

void
device_close(struct device *device)
{
    if (device->fd >= 0)
        close(device->fd);
    device->fd = -1;
}

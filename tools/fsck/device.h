/* SPDX-License-Identifier: Apache-2.0 */
/* The device that is looked at: found, opened for reading, and locked. */
#ifndef TOOLS_FSCK_DEVICE_H
#define TOOLS_FSCK_DEVICE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct device {
    int fd;
    uint64_t size; /* bytes */
    char path[PATH_MAX];
};

/* path: a block device, a file, or a directory with a prefixcache.nvme in it.
 * False, and *why says which: there is none, or (unless is_forced) a server
 * holds its lock.  While the device is open no server can take it. */
bool device_open(struct device *, const char *path, bool is_forced, char *why,
                 size_t room);
void device_close(struct device *);

#endif

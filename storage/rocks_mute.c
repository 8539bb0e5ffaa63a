/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RocksDB's own log, silenced.  It lies in the directory of its database, and
 * with the assertions that Debian's is built with, a line that can not be
 * written (no room, a sick device) ends the process at the next one.  The C API
 * of 7.8 knows no other logger and no place for it that always has room, but
 * whatever it writes to can be replaced behind its back.
 */
#include "storage/rocks_state.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define DESCRIPTORS "/proc/self/fd"
#define LOG_PATH    4200u

static void
replace(int fd)
{
    int sink = open("/dev/null", O_WRONLY | O_APPEND | O_CLOEXEC);

    if (sink < 0)
        return;
    (void)dup3(sink, fd, O_CLOEXEC);
    close(sink);
}

void
rocks_mute(const char *path)
{
    char name[LOG_PATH];
    struct stat log, seen;
    struct dirent *entry;
    DIR *descriptors;

    snprintf(name, sizeof(name), "%s/LOG", path);
    descriptors = opendir(DESCRIPTORS);
    if (descriptors == NULL)
        return;
    while (stat(name, &log) == 0 && (entry = readdir(descriptors)) != NULL) {
        int fd = (int)strtol(entry->d_name, NULL, 10);

        /* By its name: most are other threads'. */
        if (entry->d_name[0] != '.' &&
            fstatat(dirfd(descriptors), entry->d_name, &seen, 0) == 0 &&
            seen.st_dev == log.st_dev && seen.st_ino == log.st_ino)
            replace(fd);
    }
    closedir(descriptors);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values from and to files.  A file is read into memory whole, for its size
 * goes out before its bytes; pipes have none to ask for.
 */
#include "tools/cli/value.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIRST_ROOM 65536u

static bool
is_standard(const char *path)
{
    return strcmp(path, "-") == 0;
}

/* A regular file's size is asked for, so that its memory is not grown into.
 * One byte more finds the end of file without growing. */
static size_t
first_room(int fd)
{
    struct stat about;

    if (fstat(fd, &about) == 0 && S_ISREG(about.st_mode) &&
        about.st_size >= 0 && about.st_size < VALUE_SIZE_MAX)
        return (size_t)about.st_size + 1;
    return FIRST_ROOM;
}

/* 0, or an errno; EFBIG past VALUE_SIZE_MAX. */
static int
read_all(int fd, struct value *out)
{
    size_t room = first_room(fd);

    out->bytes = malloc(room);
    while (out->bytes != NULL) {
        ssize_t got = read(fd, out->bytes + out->size, room - out->size);
        uint8_t *grown;

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return errno;
        if (got == 0)
            return 0;
        out->size += (size_t)got;
        if (out->size > VALUE_SIZE_MAX)
            return EFBIG;
        if (out->size < room)
            continue;
        grown = realloc(out->bytes, room * 2);
        if (grown == NULL)
            return ENOMEM;
        out->bytes = grown;
        room *= 2;
    }
    return ENOMEM;
}

enum status
value_read(const char *path, struct value *out, char *why, size_t room)
{
    struct value value = {NULL, 0};
    int fd =
        is_standard(path) ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    int error = fd < 0 ? errno : read_all(fd, &value);

    if (fd >= 0 && !is_standard(path))
        close(fd);
    if (error == 0) {
        *out = value;
        return STATUS_OK;
    }
    value_drop(&value);
    path = is_standard(path) ? "standard input" : path;
    if (error == EFBIG)
        snprintf(why, room,
                 "%s holds more than %u bytes, the most a value "
                 "may have",
                 path, VALUE_SIZE_MAX);
    else
        snprintf(why, room, "cannot read %s: %s", path, strerror(error));
    return STATUS_BAD_REQUEST;
}

/* 0, or an errno. */
static int
write_all(int fd, struct bytes bytes)
{
    while (bytes.size > 0) {
        ssize_t written = write(fd, bytes.at, bytes.size);

        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return errno;
        bytes.at += written;
        bytes.size -= (size_t)written;
    }
    return 0;
}

enum status
value_write(const char *path, struct bytes bytes, char *why, size_t room)
{
    int fd = is_standard(path)
                 ? STDOUT_FILENO
                 : open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    int error = fd < 0 ? errno : write_all(fd, bytes);

    if (fd >= 0 && !is_standard(path) && close(fd) != 0 && error == 0)
        error = errno;
    if (error == 0)
        return STATUS_OK;
    snprintf(why, room, "cannot write %s: %s",
             is_standard(path) ? "standard output" : path, strerror(error));
    return STATUS_BAD_REQUEST;
}

void
value_drop(struct value *value)
{
    free(value->bytes);
    *value = (struct value){NULL, 0};
}

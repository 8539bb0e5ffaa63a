/* SPDX-License-Identifier: Apache-2.0 */
/* Reading and writing by plain system calls: a payload at a time, and nobody
 * waits for it. */
#include "server/index/saver_file.h"

#include "base/clock.h"
#include "proto/checksum.h"
#include "server/index/catalog_save.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define PATH_ROOM 1024u

static enum status
fail(struct saver_file *file, const char *what)
{
    snprintf(file->why, sizeof(file->why), "%s: %s", what, strerror(errno));
    return STATUS_IO;
}

static enum status
corrupt(struct saver_file *file, const char *why)
{
    snprintf(file->why, sizeof(file->why), "%s", why);
    return STATUS_CORRUPT;
}

static enum status
no_memory(struct saver_file *file)
{
    snprintf(file->why, sizeof(file->why), "out of memory");
    return STATUS_NO_SPACE;
}

/* --- Writing. --- */

static enum status
write_all(int fd, const void *bytes, size_t size, struct saver_file *file)
{
    const uint8_t *at = bytes;

    while (size != 0) {
        ssize_t n = write(fd, at, size);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail(file, "can not write");
        at += n;
        size -= (size_t)n;
        file->bytes += (size_t)n;
    }
    return STATUS_OK;
}

static enum status
write_frame(int fd, struct snapshot_frame *frame, const uint8_t *payload,
            struct saver_file *file)
{
    uint8_t head[SNAPSHOT_FRAME_HEAD];
    enum status status;

    snapshot_write_frame(head, frame, payload);
    status = write_all(fd, head, sizeof(head), file);
    if (status == STATUS_OK)
        status = write_all(fd, payload, frame->size, file);
    return status;
}

static enum status
write_payloads(struct catalog *catalog, int fd, struct saver_file *file)
{
    struct snapshot_writer *writer = malloc(sizeof(*writer));
    struct snapshot_frame frame = {.is_last = false};
    enum status status = STATUS_OK;
    uint64_t cursor = 0;

    if (writer == NULL)
        return no_memory(file);
    snapshot_writer_start(writer);
    while (status == STATUS_OK && catalog_save_some(catalog, &cursor, writer)) {
        frame.size = (uint32_t)(writer->out.at - writer->payload);
        frame.keys = writer->keys;
        file->keys += writer->keys;
        if (frame.size != 0)
            status = write_frame(fd, &frame, writer->payload, file);
        snapshot_writer_start(writer);
    }
    free(writer);
    frame.is_last = true;
    frame.size = 0;
    frame.keys = (uint32_t)file->keys;
    if (status == STATUS_OK)
        status = write_frame(fd, &frame, (const uint8_t *)"", file);
    return status;
}

static enum status
write_file(struct catalog *catalog, int fd, struct saver_file *file)
{
    uint8_t head[SNAPSHOT_HEAD];
    enum status status;

    file->unix_ms = clock_unix_ms();
    snapshot_write_head(head, file->unix_ms);
    status = write_all(fd, head, sizeof(head), file);
    if (status == STATUS_OK)
        status = write_payloads(catalog, fd, file);
    if (status == STATUS_OK && fsync(fd) != 0)
        status = fail(file, "can not sync");
    return status;
}

/* The new name outlives a power cut once its directory is written. */
static enum status
sync_directory(const char *path, struct saver_file *file)
{
    char copy[PATH_ROOM];
    enum status status = STATUS_OK;
    int fd;

    snprintf(copy, sizeof(copy), "%s", path);
    fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return fail(file, "can not open its directory");
    if (fsync(fd) != 0)
        status = fail(file, "can not sync its directory");
    close(fd);
    return status;
}

enum status
saver_file_write(struct catalog *catalog, const char *path, const char *part,
                 struct saver_file *out)
{
    uint64_t start_ns = clock_now_ns();
    enum status status;
    int fd;

    memset(out, 0, sizeof(*out));
    fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return fail(out, "can not create");
    status = write_file(catalog, fd, out);
    if (close(fd) != 0 && status == STATUS_OK)
        status = fail(out, "can not close");
    if (status == STATUS_OK && rename(part, path) != 0)
        status = fail(out, "can not rename");
    if (status == STATUS_OK)
        status = sync_directory(path, out);
    else
        unlink(part);
    out->took_ns = clock_now_ns() - start_ns;
    return status;
}

/* --- Reading. --- */

/* OK with *got < size at the end of the file. */
static enum status
read_all(int fd, void *into, size_t size, size_t *got_out,
         struct saver_file *file)
{
    uint8_t *at = into;
    size_t got = 0;

    while (got < size) {
        ssize_t n = read(fd, at + got, size - got);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail(file, "can not read");
        if (n == 0)
            break;
        got += (size_t)n;
    }
    file->bytes += got;
    *got_out = got;
    return STATUS_OK;
}

static enum status
read_exactly(int fd, void *into, size_t size, struct saver_file *file)
{
    size_t got;
    enum status status = read_all(fd, into, size, &got, file);

    if (status == STATUS_OK && got != size)
        status = corrupt(file, "it ends too early");
    return status;
}

static enum status
read_head(int fd, struct saver_file *file)
{
    uint8_t head[SNAPSHOT_HEAD];
    enum status status = read_exactly(fd, head, sizeof(head), file);

    if (status != STATUS_OK)
        return status;
    switch (snapshot_read_head(head, &file->unix_ms)) {
    case SNAPSHOT_GOOD:
        return STATUS_OK;
    case SNAPSHOT_FOREIGN:
        return corrupt(file, "it is no index of prefixcache");
    case SNAPSHOT_NEWER:
        return corrupt(file, "a later version has written it");
    case SNAPSHOT_BROKEN:
        break;
    }
    return corrupt(file, "its head is broken");
}

struct buffers {
    uint8_t payload[SNAPSHOT_PAYLOAD_MAX];
    struct bytes words[SNAPSHOT_WORDS_MAX];
};

static enum status
read_payload(struct catalog *catalog, int fd, struct buffers *buffers,
             const struct snapshot_frame *frame, struct saver_file *file)
{
    struct snapshot_reader reader;
    enum status status = read_exactly(fd, buffers->payload, frame->size, file);

    if (status != STATUS_OK)
        return status;
    if (checksum_of(buffers->payload, frame->size) != frame->checksum)
        return corrupt(file, "its bytes are not those that were written");
    snapshot_reader_start(&reader, buffers->payload, frame, buffers->words);
    if (!catalog_restore(catalog, &reader))
        return corrupt(file, "its keys are broken");
    file->keys += frame->keys;
    return STATUS_OK;
}

static enum status
read_payloads(struct catalog *catalog, int fd, struct buffers *buffers,
              struct saver_file *file)
{
    struct snapshot_frame frame = {.is_last = false};
    uint8_t head[SNAPSHOT_FRAME_HEAD];
    enum status status;
    size_t behind;

    for (;;) {
        status = read_exactly(fd, head, sizeof(head), file);
        if (status != STATUS_OK)
            return status;
        if (!snapshot_read_frame(head, &frame))
            return corrupt(file, "a frame of it is broken");
        if (frame.is_last)
            break;
        status = read_payload(catalog, fd, buffers, &frame, file);
        if (status != STATUS_OK)
            return status;
    }
    status = read_all(fd, head, 1, &behind, file);
    if (status == STATUS_OK &&
        (behind != 0 || frame.keys != (uint32_t)file->keys))
        status = corrupt(file, "it does not end where it should");
    return status;
}

enum status
saver_file_read(struct catalog *catalog, const char *path,
                struct saver_file *out)
{
    uint64_t start_ns = clock_now_ns();
    struct buffers *buffers;
    enum status status;
    int fd;

    memset(out, 0, sizeof(*out));
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? STATUS_MISS : fail(out, "can not open");
    buffers = malloc(sizeof(*buffers));
    status = buffers == NULL ? no_memory(out) : read_head(fd, out);
    if (status == STATUS_OK)
        status = read_payloads(catalog, fd, buffers, out);
    free(buffers);
    close(fd);
    out->took_ns = clock_now_ns() - start_ns;
    return status;
}

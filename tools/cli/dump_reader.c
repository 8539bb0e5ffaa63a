/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads dumps by read(2) in their order, so that pipes do as well as files.
 */
#include "tools/cli/dump_reader.h"

#include "proto/checksum.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE_SIZE 65536u

/* MISS: not one byte; BROKEN: not all of them. */
static enum status
read_bytes(struct dump_reader *reader, void *into, size_t size)
{
    uint8_t *at = into;
    size_t left = size;

    while (left > 0) {
        ssize_t got = read(reader->fd, at, left);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            snprintf(reader->why, sizeof reader->why, "cannot read: %s",
                     strerror(errno));
            return STATUS_IO;
        }
        if (got == 0) {
            snprintf(reader->why, sizeof reader->why,
                     "ends in the middle of a record");
            return left == size ? STATUS_MISS : STATUS_BROKEN;
        }
        at += got;
        left -= (size_t)got;
        reader->offset += (uint64_t)got;
    }
    return STATUS_OK;
}

static enum status
fail_version(struct dump_reader *reader, enum status status)
{
    if (status == STATUS_UNMET)
        snprintf(reader->why, sizeof reader->why,
                 "is a dump of version %" PRIu32 "; this program reads %u",
                 reader->head.version, DUMP_VERSION);
    else
        snprintf(reader->why, sizeof reader->why, "%s",
                 status == STATUS_CORRUPT
                     ? "is a dump whose first bytes are damaged"
                     : "is no dump of prefixcache-cli");
    return STATUS_BAD_REQUEST;
}

static enum status
start(struct dump_reader *reader)
{
    uint8_t head[DUMP_HEAD_SIZE];
    struct stat about;
    enum status status;

    reader->is_file = fstat(reader->fd, &about) == 0 && S_ISREG(about.st_mode);
    reader->size = reader->is_file ? (uint64_t)about.st_size : UINT64_MAX;
    status = read_bytes(reader, head, sizeof head);
    if (status == STATUS_IO)
        return STATUS_BAD_REQUEST;
    if (status == STATUS_OK)
        status = dump_head_read(head, &reader->head);
    return status == STATUS_OK ? STATUS_OK : fail_version(reader, status);
}

enum status
dump_reader_attach(struct dump_reader *reader, int fd)
{
    *reader = (struct dump_reader){.fd = fd};
    return start(reader);
}

enum status
dump_reader_open(struct dump_reader *reader, const char *path)
{
    bool is_standard = strcmp(path, "-") == 0;
    enum status status;

    *reader = (struct dump_reader){.fd = STDIN_FILENO};
    if (!is_standard)
        reader->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (reader->fd < 0) {
        snprintf(reader->why, sizeof reader->why, "cannot be read: %s",
                 strerror(errno));
        return STATUS_BAD_REQUEST;
    }
    status = start(reader);
    if (status != STATUS_OK)
        dump_reader_close(reader);
    return status;
}

void
dump_reader_close(struct dump_reader *reader)
{
    if (reader->fd > STDIN_FILENO)
        close(reader->fd);
    reader->fd = -1;
}

static enum status
fail_head(struct dump_reader *reader)
{
    reader->is_lost = true;
    snprintf(reader->why, sizeof reader->why,
             "the head of a record is damaged");
    return STATUS_CORRUPT;
}

/* A torn record is told before anything of it is used. */
static bool
is_whole(const struct dump_reader *reader)
{
    const struct dump_record *record = &reader->record;

    return record->is_end || reader->size >= reader->offset +
                                                 dump_record_names(record) +
                                                 record->body_size;
}

static enum status
fail_torn(struct dump_reader *reader)
{
    snprintf(reader->why, sizeof reader->why, "ends in the middle of a record");
    return STATUS_BROKEN;
}

enum status
dump_reader_next(struct dump_reader *reader)
{
    struct dump_record *record = &reader->record;
    uint8_t head[DUMP_HEAD_SIZE];
    enum status status;

    reader->record_at = reader->offset;
    reader->is_lost = false;
    status = read_bytes(reader, head, sizeof head);
    if (status != STATUS_OK)
        return status;
    if (dump_record_read(head, record) != STATUS_OK ||
        record->identity != reader->head.identity)
        return fail_head(reader);
    if (!is_whole(reader))
        return fail_torn(reader);
    if (record->is_end)
        return STATUS_OK;
    status = read_bytes(reader, record->names, dump_record_names(record));
    if (status != STATUS_OK)
        return status == STATUS_IO ? status : fail_torn(reader);
    if (!dump_record_is_named(record)) {
        snprintf(reader->why, sizeof reader->why,
                 "a key does not match its checksum");
        return STATUS_CORRUPT;
    }
    reader->records++;
    return STATUS_OK;
}

enum status
dump_reader_body(struct dump_reader *reader, void *into)
{
    size_t size = (size_t)reader->record.body_size;
    enum status status = read_bytes(reader, into, size);

    if (status != STATUS_OK)
        return status == STATUS_IO ? status : fail_torn(reader);
    if (checksum_of(into, size) == reader->record.body_checksum)
        return STATUS_OK;
    snprintf(reader->why, sizeof reader->why,
             "a value does not match its checksum");
    return STATUS_CORRUPT;
}

static enum status
read_over(struct dump_reader *reader, uint64_t size)
{
    uint8_t piece[PIECE_SIZE];

    while (size > 0) {
        size_t part = size < sizeof piece ? (size_t)size : sizeof piece;
        enum status status = read_bytes(reader, piece, part);

        if (status != STATUS_OK)
            return status == STATUS_IO ? status : fail_torn(reader);
        size -= part;
    }
    return STATUS_OK;
}

enum status
dump_reader_seek(struct dump_reader *reader, uint64_t offset)
{
    if (lseek(reader->fd, (off_t)offset, SEEK_SET) < 0) {
        snprintf(reader->why, sizeof reader->why, "cannot seek: %s",
                 strerror(errno));
        return STATUS_IO;
    }
    reader->offset = offset;
    return STATUS_OK;
}

enum status
dump_reader_skip(struct dump_reader *reader)
{
    uint64_t size = reader->record.body_size;

    if (reader->is_file)
        return dump_reader_seek(reader, reader->offset + size);
    return read_over(reader, size);
}

/* Does a record of this file begin there? */
static bool
is_head(const struct dump_reader *reader, const uint8_t *at)
{
    struct dump_record record;

    return (memcmp(at, DUMP_RECORD_WORD, DUMP_MAGIC_SIZE) == 0 ||
            memcmp(at, DUMP_END_WORD, DUMP_MAGIC_SIZE) == 0) &&
           dump_record_read(at, &record) == STATUS_OK &&
           record.identity == reader->head.identity;
}

/* Looks at each byte of a piece; the next piece begins where the last head that
 * might have been cut begins. */
static enum status
find_head(struct dump_reader *reader, uint64_t offset)
{
    uint8_t piece[PIECE_SIZE];

    for (;;) {
        ssize_t got = pread(reader->fd, piece, sizeof piece, (off_t)offset);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            snprintf(reader->why, sizeof reader->why, "cannot read: %s",
                     strerror(errno));
            return STATUS_IO;
        }
        if (got < (ssize_t)DUMP_HEAD_SIZE)
            return STATUS_MISS;
        for (size_t i = 0; i + DUMP_HEAD_SIZE <= (size_t)got; i++)
            if (is_head(reader, piece + i))
                return dump_reader_seek(reader, offset + i);
        offset += (uint64_t)got - (DUMP_HEAD_SIZE - 1);
    }
}

enum status
dump_reader_find(struct dump_reader *reader)
{
    if (!reader->is_lost)
        return dump_reader_skip(reader);
    if (!reader->is_file)
        return STATUS_MISS;
    return find_head(reader, reader->record_at + 1);
}

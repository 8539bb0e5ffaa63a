/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A dump that is there already is read through once: its keys are not written
 * again, and what is torn at its end is cut off.  Damage in its middle is not
 * ours to repair.
 */
#include "tools/cli/dump_writer.h"

#include "base/clock.h"
#include "proto/checksum.h"
#include "tools/cli/dump_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static enum status
fail_system(struct dump_writer *writer, const char *what)
{
    snprintf(writer->why, sizeof writer->why, "cannot %s it: %s", what,
             strerror(errno));
    return STATUS_BAD_REQUEST;
}

static enum status
write_parts(struct dump_writer *writer, struct iovec *parts, int count)
{
    uint64_t size = 0;

    for (int i = 0; i < count; i++)
        size += parts[i].iov_len;
    for (uint64_t left = size; left > 0;) {
        ssize_t written = writev(writer->fd, parts, count);

        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return fail_system(writer, "write");
        left -= (uint64_t)written;
        while (count > 0 && (size_t)written >= parts->iov_len) {
            written -= (ssize_t)parts->iov_len;
            parts++;
            count--;
        }
        if (count > 0) {
            parts->iov_base = (uint8_t *)parts->iov_base + written;
            parts->iov_len -= (size_t)written;
        }
    }
    writer->offset += size;
    return STATUS_OK;
}

static enum status
begin(struct dump_writer *writer)
{
    uint8_t head[DUMP_HEAD_SIZE];
    struct iovec part = {head, sizeof head};

    writer->head =
        (struct dump_head){.version = DUMP_VERSION, .unix_ms = clock_unix_ms()};
    if (getrandom(&writer->head.identity, sizeof writer->head.identity, 0) !=
        sizeof writer->head.identity)
        return fail_system(writer, "begin");
    dump_head_write(&writer->head, head);
    return write_parts(writer, &part, 1);
}

/* A machine that went down may have left zeroes where a record was to be. */
static bool
is_zero_from(int fd, uint64_t offset)
{
    uint8_t piece[4096];
    ssize_t got;

    while ((got = pread(fd, piece, sizeof piece, (off_t)offset)) > 0) {
        for (ssize_t i = 0; i < got; i++)
            if (piece[i] != 0)
                return false;
        offset += (uint64_t)got;
    }
    return got == 0;
}

/* The value of the last record: it was written last, and so is the one that a
 * machine's end may have taken. */
static enum status
check_last(struct dump_writer *writer, struct dump_reader *reader,
           uint64_t offset)
{
    uint8_t *body;
    enum status status = dump_reader_seek(reader, offset);

    if (status == STATUS_OK)
        status = dump_reader_next(reader);
    if (status != STATUS_OK)
        return status;
    body = malloc(reader->record.body_size + 1);
    if (body == NULL)
        return STATUS_NO_SPACE;
    status = dump_reader_body(reader, body);
    free(body);
    if (status == STATUS_CORRUPT || status == STATUS_BROKEN) {
        writer->offset = offset;
        writer->records--;
        return STATUS_OK;
    }
    return status;
}

static enum status
note_record(struct dump_writer *writer, const struct dump_reader *reader)
{
    const struct dump_record *record = &reader->record;
    struct key key = key_make(record->kind == 2 ? KEY_OBJECT : KEY_PLAIN,
                              record->space, record->names, record->key_size);

    return dump_index_add(&writer->index, &key, reader->record_at);
}

/* Where the last record begins is in *last_out; 0: there is none. */
static enum status
scan(struct dump_writer *writer, struct dump_reader *reader, uint64_t *last_out)
{
    enum status status;

    writer->offset = reader->offset;
    while ((status = dump_reader_next(reader)) == STATUS_OK) {
        if (reader->record.is_end)
            return STATUS_OK;
        status = note_record(writer, reader);
        if (status == STATUS_OK)
            status = dump_reader_skip(reader);
        if (status != STATUS_OK)
            return status;
        *last_out = reader->record_at;
        writer->offset = reader->offset;
        writer->records++;
    }
    if (status == STATUS_CORRUPT && is_zero_from(writer->fd, writer->offset))
        return STATUS_OK;
    return status == STATUS_MISS || status == STATUS_BROKEN ? STATUS_OK
                                                            : status;
}

static enum status
fail_scan(struct dump_writer *writer, const struct dump_reader *reader,
          enum status status)
{
    if (status == STATUS_NO_SPACE)
        return status;
    if (status == STATUS_CORRUPT)
        snprintf(writer->why, sizeof writer->why,
                 "is damaged at byte %" PRIu64 " (%s), so that nothing is "
                 "written behind it; \"verify\" says more, another FILE "
                 "begins anew",
                 reader->record_at, reader->why);
    else
        snprintf(writer->why, sizeof writer->why, "%s", reader->why);
    return STATUS_BAD_REQUEST;
}

static enum status
go_on(struct dump_writer *writer, uint64_t size)
{
    struct dump_reader reader;
    uint64_t last = 0;
    enum status status = dump_reader_attach(&reader, writer->fd);

    if (status == STATUS_OK)
        status = scan(writer, &reader, &last);
    if (status == STATUS_OK && last != 0)
        status = check_last(writer, &reader, last);
    if (status != STATUS_OK)
        return fail_scan(writer, &reader, status);
    writer->head = reader.head;
    writer->cut_size = size - writer->offset;
    if (ftruncate(writer->fd, (off_t)writer->offset) != 0)
        return fail_system(writer, "cut");
    if (lseek(writer->fd, (off_t)writer->offset, SEEK_SET) < 0)
        return fail_system(writer, "seek in");
    return STATUS_OK;
}

static enum status
open_file(struct dump_writer *writer, const char *path)
{
    struct stat about;

    writer->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (writer->fd < 0)
        return fail_system(writer, "open");
    if (fstat(writer->fd, &about) != 0)
        return fail_system(writer, "look at");
    writer->is_file = S_ISREG(about.st_mode);
    if (!writer->is_file)
        return begin(writer);
    if (flock(writer->fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK)
            return fail_system(writer, "lock");
        snprintf(writer->why, sizeof writer->why,
                 "another program is writing it");
        return STATUS_BAD_REQUEST;
    }
    return about.st_size == 0 ? begin(writer)
                              : go_on(writer, (uint64_t)about.st_size);
}

enum status
dump_writer_open(struct dump_writer *writer, const char *path)
{
    enum status status;

    *writer = (struct dump_writer){.fd = STDOUT_FILENO};
    status = strcmp(path, "-") == 0 ? begin(writer) : open_file(writer, path);
    if (status != STATUS_OK)
        dump_writer_close(writer);
    return status;
}

bool
dump_writer_has(const struct dump_writer *writer, const struct key *key)
{
    return writer->is_file && dump_index_has(&writer->index, writer->fd, key);
}

/* A pipe cannot be cut; its reader finds what is torn. */
static enum status
append(struct dump_writer *writer, struct iovec *parts, int count)
{
    uint64_t before = writer->offset;
    enum status status = write_parts(writer, parts, count);

    if (status != STATUS_OK && writer->is_file &&
        (ftruncate(writer->fd, (off_t)before) != 0 ||
         lseek(writer->fd, (off_t)before, SEEK_SET) < 0))
        snprintf(writer->why, sizeof writer->why,
                 "cannot write it, nor cut it back: %s", strerror(errno));
    return status;
}

enum status
dump_writer_add(struct dump_writer *writer, const void *body)
{
    struct dump_record *record = &writer->record;
    struct key key = key_make(record->kind == 2 ? KEY_OBJECT : KEY_PLAIN,
                              record->space, record->names, record->key_size);
    uint8_t head[DUMP_HEAD_SIZE];
    struct iovec parts[] = {
        {head, sizeof head},
        {record->names, dump_record_names(record)},
        {(void *)(uintptr_t)body, (size_t)record->body_size}};
    uint64_t offset = writer->offset;
    enum status status;

    record->is_end = false;
    record->identity = writer->head.identity;
    record->body_checksum = checksum_of(body, (size_t)record->body_size);
    dump_record_seal(record);
    dump_record_write(record, head);
    status = append(writer, parts, 3);
    if (status != STATUS_OK)
        return status;
    writer->records++;
    return writer->is_file ? dump_index_add(&writer->index, &key, offset)
                           : STATUS_OK;
}

enum status
dump_writer_finish(struct dump_writer *writer)
{
    struct dump_record *record = &writer->record;
    uint8_t head[DUMP_HEAD_SIZE];
    struct iovec part = {head, sizeof head};
    enum status status;

    record->is_end = true;
    record->identity = writer->head.identity;
    record->body_size = writer->records;
    dump_record_write(record, head);
    status = append(writer, &part, 1);
    if (status == STATUS_OK && writer->is_file && fsync(writer->fd) != 0)
        return fail_system(writer, "write");
    return status;
}

void
dump_writer_close(struct dump_writer *writer)
{
    dump_index_drop(&writer->index);
    if (writer->fd > STDERR_FILENO)
        close(writer->fd);
    writer->fd = -1;
}

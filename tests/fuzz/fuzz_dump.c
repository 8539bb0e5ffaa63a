/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arbitrary bytes as a dump.  The first byte says how: as a whole file, or as
 * what stands behind a good head, with the checksums of its record heads put
 * right, so that the parts behind them are reached.  Whatever is read keeps its
 * limits and is written as it was read; reading comes to an end; and a dump that
 * can be gone on with is whole afterwards.
 */
#include "proto/checksum.h"
#include "proto/number.h"
#include "tools/cli/dump_reader.h"
#include "tools/cli/dump_writer.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define IDENTITY 0x0123456789abcdefull

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool is_so)
{
    if (!is_so)
        abort();
}

/* Gives each head that has the magic of one the identity and checksum that a
 * writer would have given it. */
static void
seal_heads(uint8_t *bytes, size_t size)
{
    for (size_t i = DUMP_HEAD_SIZE; i + DUMP_HEAD_SIZE <= size; i++) {
        if (memcmp(bytes + i, DUMP_RECORD_WORD, DUMP_MAGIC_SIZE) != 0 &&
            memcmp(bytes + i, DUMP_END_WORD, DUMP_MAGIC_SIZE) != 0)
            continue;
        number_write(bytes + i + 48, IDENTITY, 8);
        number_write(bytes + i + 56, checksum_of(bytes + i, 56), 8);
        i += DUMP_HEAD_SIZE - 1;
    }
}

static uint8_t *
make_file(const uint8_t *data, size_t size, size_t *size_out)
{
    struct dump_head head = {DUMP_VERSION, IDENTITY, 1};
    size_t extra = (data[0] & 1) != 0 ? DUMP_HEAD_SIZE : 0;
    uint8_t *bytes = malloc(extra + size);

    require(bytes != NULL);
    if (extra > 0)
        dump_head_write(&head, bytes);
    memcpy(bytes + extra, data + 1, size - 1);
    *size_out = extra + size - 1;
    if ((data[0] & 2) != 0)
        seal_heads(bytes, *size_out);
    return bytes;
}

static int
open_memory(const uint8_t *bytes, size_t size)
{
    int fd = memfd_create("dump", MFD_CLOEXEC);

    require(fd >= 0);
    require(write(fd, bytes, size) == (ssize_t)size);
    require(lseek(fd, 0, SEEK_SET) == 0);
    return fd;
}

static void
check_record(const struct dump_reader *reader)
{
    const struct dump_record *record = &reader->record;
    uint8_t head[DUMP_HEAD_SIZE];
    struct dump_record again;

    dump_record_write(record, head);
    require(dump_record_read(head, &again) == STATUS_OK);
    require(again.is_end == record->is_end &&
            again.body_size == record->body_size);
    if (record->is_end)
        return;
    require(record->key_size >= 1 && record->key_size <= KEY_SIZE_MAX);
    require(dump_record_names(record) <= sizeof record->names);
    require(reader->offset + record->body_size <= reader->size);
}

static enum status
read_record(struct dump_reader *reader)
{
    uint64_t before = reader->offset;
    enum status status = dump_reader_next(reader);

    if (status == STATUS_CORRUPT)
        return dump_reader_find(reader);
    if (status != STATUS_OK)
        return status;
    check_record(reader);
    require(reader->offset > before);
    if (!reader->record.is_end) {
        void *body = malloc(reader->record.body_size + 1);

        require(body != NULL);
        status = dump_reader_body(reader, body);
        free(body);
    }
    return status == STATUS_CORRUPT ? STATUS_OK : status;
}

static void
read_all(int fd)
{
    struct dump_reader reader;
    enum status status = dump_reader_attach(&reader, fd);
    uint64_t before;

    if (status != STATUS_OK)
        return;
    do {
        before = reader.offset;
        status = read_record(&reader);
        require(status != STATUS_OK || reader.offset > before);
    } while (status == STATUS_OK);
    require(status == STATUS_MISS || status == STATUS_BROKEN);
}

/* Opens by a path, as the program does. */
static void
go_on(int fd)
{
    static struct dump_writer writer;
    struct dump_reader reader;
    char path[64];
    uint64_t records;
    enum status status;

    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (dump_writer_open(&writer, path) != STATUS_OK)
        return;
    memset(&writer.record, 0, sizeof writer.record);
    writer.record.key_size = 1;
    writer.record.kind = 1;
    writer.record.body_size = 4;
    require(dump_writer_add(&writer, "body") == STATUS_OK);
    require(dump_writer_finish(&writer) == STATUS_OK);
    records = writer.records;
    dump_writer_close(&writer);
    require(lseek(fd, 0, SEEK_SET) == 0);
    require(dump_reader_attach(&reader, fd) == STATUS_OK);
    while ((status = dump_reader_next(&reader)) == STATUS_OK &&
           !reader.record.is_end)
        require(dump_reader_skip(&reader) == STATUS_OK);
    require(status == STATUS_OK && reader.record.body_size == records &&
            reader.records == records);
    require(dump_reader_next(&reader) == STATUS_MISS);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *bytes;
    size_t file_size;
    int fd;

    if (size < 1)
        return 0;
    bytes = make_file(data, size, &file_size);
    fd = open_memory(bytes, file_size);
    read_all(fd);
    go_on(fd);
    close(fd);
    free(bytes);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads a dump from a file or a pipe, one record after the other, and finds its
 * way again behind a damaged one.
 *
 *     enum status status = dump_reader_open(&reader, path);
 *     while ((status = dump_reader_next(&reader)) == STATUS_OK)
 *         dump_reader_body(&reader, memory) or dump_reader_skip(&reader)
 *
 * One thread.  What a status other than OK was about stands in reader->why.
 */
#ifndef CLI_DUMP_READER_H
#define CLI_DUMP_READER_H

#include "tools/cli/dump_format.h"

struct dump_reader {
    int fd;
    bool is_file;    /* can be gone about in; else a pipe */
    bool is_lost;    /* a head was damaged: where the next is is not known */
    uint64_t size;   /* of a file, when it was opened */
    uint64_t offset; /* of what is read next */
    struct dump_head head;
    struct dump_record record; /* the one that was read last */
    uint64_t record_at;        /* where it begins */
    uint64_t records;          /* read so far, without ends */
    char why[256];
};

/* "-" is standard input.  OK or BAD_REQUEST: it cannot be read, is no dump, or
 * one of another version. */
enum status dump_reader_open(struct dump_reader *, const char *path) MUST_USE;
/* The same of a file that is open, from its beginning; closing the reader does
 * not close it then. */
enum status dump_reader_attach(struct dump_reader *, int fd) MUST_USE;
void dump_reader_close(struct dump_reader *);

/* The head and the names of the next record, or the end (record.is_end).
 * MISS: nothing stands here any more.  BROKEN: the file ends within it.
 * CORRUPT: it does not match its checksums: dump_reader_find().  IO. */
enum status dump_reader_next(struct dump_reader *) MUST_USE;
/* Its value, record.body_size bytes.  OK, BROKEN, CORRUPT (the next record can
 * be read) or IO. */
enum status dump_reader_body(struct dump_reader *, void *into) MUST_USE;
/* Not its value.  OK, BROKEN or IO. */
enum status dump_reader_skip(struct dump_reader *) MUST_USE;
/* Behind CORRUPT: goes to the next record whose head is whole.  OK; MISS: there
 * is none (nor ever in a pipe); IO. */
enum status dump_reader_find(struct dump_reader *) MUST_USE;
/* Goes where a record was seen to begin, of a file. */
enum status dump_reader_seek(struct dump_reader *, uint64_t offset) MUST_USE;

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes a dump, or goes on with one that was stopped, at its end and nowhere
 * else.  One thread; a file that another one writes is refused.
 */
#ifndef CLI_DUMP_WRITER_H
#define CLI_DUMP_WRITER_H

#include "tools/cli/dump_format.h"
#include "tools/cli/dump_index.h"

struct dump_writer {
    int fd;
    bool is_file;      /* else a pipe, which has no index */
    uint64_t offset;   /* bytes that are whole */
    uint64_t records;  /* in the file */
    uint64_t cut_size; /* bytes that were cut off, torn */
    struct dump_head head;
    struct dump_index index;
    struct dump_record record; /* the caller fills it for dump_writer_add() */
    char why[512];
};

/* "-" is standard output.  OK; BAD_REQUEST: it cannot be opened or is no dump
 * that can be gone on with; NO_SPACE: no memory.  What is wrong is in why. */
enum status dump_writer_open(struct dump_writer *, const char *path) MUST_USE;
bool dump_writer_has(const struct dump_writer *, const struct key *);
/* Appends writer->record, whose checksums and identity are set here, with its
 * value.  OK, BAD_REQUEST (why says; what was written of it is cut off again) or
 * NO_SPACE (no memory: the record is there). */
enum status dump_writer_add(struct dump_writer *, const void *body) MUST_USE;
/* Writes the end, and waits until all of it is on its device. */
enum status dump_writer_finish(struct dump_writer *) MUST_USE;
void dump_writer_close(struct dump_writer *);

#endif

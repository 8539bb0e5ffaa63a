/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How far a restore has come, in a small file beside the dump (its name and
 * ".position"), so that one that was stopped goes on.  It counts for the same
 * dump, server and pattern only.
 */
#ifndef CLI_DUMP_POSITION_H
#define CLI_DUMP_POSITION_H

#include <stdbool.h>
#include <stdint.h>

struct dump_position {
    char *path; /* NULL: none is kept */
    char *head; /* what must be in front of the offset */
    uint64_t saved_ns;
    bool is_written;
};

/* What the file says of this restore, 0 where it says nothing.  False: no
 * memory; close it all the same. */
bool dump_position_open(struct dump_position *, const char *dump_path,
                        const char *about, uint64_t *offset_out);
/* All before `offset` is done.  Writes it when it is time.  False, once, and
 * errno: it cannot be written, and is not tried again. */
bool dump_position_note(struct dump_position *, uint64_t offset);
/* All is done: nothing is left of the file. */
void dump_position_remove(struct dump_position *);
void dump_position_close(struct dump_position *);

#endif

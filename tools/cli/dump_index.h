/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which keys a dump file has: 16 bytes in memory for each, the key itself is
 * read in the file again when it matters.  One thread.
 */
#ifndef CLI_DUMP_INDEX_H
#define CLI_DUMP_INDEX_H

#include "proto/key.h"
#include "proto/status.h"

#include <stddef.h>

struct dump_index_slot {
    uint64_t hash, offset; /* offset 0: free */
};

struct dump_index {
    struct dump_index_slot *slots;
    size_t room, count; /* room: a power of two, or 0 */
};

/* Remembers that a record of the key begins at `offset`, which is not 0.  OK or
 * NO_SPACE. */
enum status dump_index_add(struct dump_index *, const struct key *,
                           uint64_t offset) MUST_USE;
/* Has fd a record of that key?  One that cannot be read has not. */
bool dump_index_has(const struct dump_index *, int fd, const struct key *);
void dump_index_drop(struct dump_index *);

#endif

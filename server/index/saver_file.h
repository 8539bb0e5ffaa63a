/* SPDX-License-Identifier: Apache-2.0 */
/* One snapshot file, read or written whole.  Nobody outside this folder includes
 * this. */
#ifndef INDEX_SAVER_FILE_H
#define INDEX_SAVER_FILE_H

#include "server/index/catalog.h"

struct saver_file {
    uint64_t bytes, keys, took_ns;
    uint64_t unix_ms; /* when it was written */
    char why[160];    /* what is wrong, unless it is OK or a MISS */
};

/* Writes `part`, syncs it, and renames it to `path`.  IO, NO_SPACE: the file of
 * before is as it was. */
enum status saver_file_write(struct catalog *, const char *path,
                             const char *part, struct saver_file *out) MUST_USE;

/* Puts what the file holds into the catalog.  MISS: there is none.  CORRUPT: it
 * is none of ours, of a later version, or broken; IO; NO_SPACE.  Then a part of
 * it may have been put. */
enum status saver_file_read(struct catalog *, const char *path,
                            struct saver_file *out) MUST_USE;

#endif

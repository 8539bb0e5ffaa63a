/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps a catalog in a file: reads it at start, and writes it anew on a thread of
 * its own, now and then and at the end.  A file is written under another name,
 * synced, and put in place of the one before, so that whatever happens there is
 * a whole one.  A file that can not be read is put aside and said in the log; it
 * never keeps the server from starting.
 */
#ifndef INDEX_SAVER_H
#define INDEX_SAVER_H

#include "server/index/catalog.h"

struct saver;

/*
 * path: a directory (then of the file "prefixcache.index" in it) or a file.
 * every_ns: 0 is only at the end.  Reads what is there and starts the thread.
 * NO_SPACE without memory or threads.  Main thread.
 */
enum status saver_open(struct catalog *, const char *path, uint64_t every_ns,
                       struct saver **saver_out) MUST_USE;
/* Writes what has changed.  Nobody changes the catalog meanwhile. */
void saver_close(struct saver **);

struct saver_usage {
    uint64_t saves, failures; /* ever */
    uint64_t bytes, keys;   /* of the file, when it was written or read last */
    uint64_t save_ns;       /* how long the last writing took */
    uint64_t saved_unix_ms; /* when the file was written; 0: there is none */
};
/* Any thread. */
void saver_usage(struct saver *, struct saver_usage *out);

#endif

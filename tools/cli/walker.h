/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goes through what all shards of a server hold, an entry at a time.  A key that
 * is there all the time comes at least once.  One thread.
 */
#ifndef CLI_WALKER_H
#define CLI_WALKER_H

#include "tools/cli/command.h"

struct walker {
    struct prefixcache *cache;
    int space;           /* only that one; -1: all */
    const char *pattern; /* a glob, or NULL for all */
    struct prefixcache_entry *page;
    size_t at, count;     /* in the page */
    size_t shard, shards; /* the one that is asked, and how many there are */
    uint64_t cursor;
    bool is_begun, is_over; /* the shard's walk; all of them */
    int status;             /* PREFIXCACHE_OK, or why it ended */
};

/* Begins one whose cache, space and pattern are set.  EXIT_USAGE: no memory. */
enum exit_code walker_open(struct walker *, const struct command *);
void walker_close(struct walker *);
/* From the beginning again. */
void walker_rewind(struct walker *);

/* The next entry, until the next call; NULL at the end, and where a shard does
 * not answer: walker->status. */
const struct prefixcache_entry *walker_next(struct walker *);
/* The same without asking for another page: NULL where there is none in it. */
const struct prefixcache_entry *walker_next_in_page(struct walker *);

/* Does a key match a glob (* ? [a-z] and backslash)?  NULL matches all. */
bool walker_matches(const char *pattern, const void *key, size_t size);

#endif

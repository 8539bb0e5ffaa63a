/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RocksDB as the spill tier uses it, and the only part that knows its C API: a
 * directory of families of keys, written either by batches, through a log, or
 * by whole tables that are made beside it and then taken in.
 *
 * Any thread, unless said otherwise.  What has no status can not fail.  Every
 * call may wait for the device.  RocksDB copies what it is given; what it gives
 * is lent until the value or the cursor is let go.
 */
#ifndef STORAGE_ROCKS_H
#define STORAGE_ROCKS_H

#include "proto/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rocks;
struct rocks_batch;
struct rocks_cache;
struct rocks_cursor;
struct rocks_table;

#define ROCKS_WHY_MAX 320u

/* In RocksDB's words.  Written with any status but OK and MISS, which is IO,
 * CORRUPT, NO_SPACE (on the device), or of opening also BUSY: another process
 * has it open. */
struct rocks_why {
    char text[ROCKS_WHY_MAX];
};

enum rocks_compression { ROCKS_PLAIN, ROCKS_LZ4, ROCKS_ZSTD };

struct rocks_options {
    const char *path; /* its directory; the parent is there */
    bool is_new;      /* makes it; else it must be there */
    bool is_lenient;  /* a table that is gone or broken loses its own keys
                            only.  For one that is written by tables alone: what
                            is broken in a log would be passed over */
    bool is_direct;   /* tables are read and merged past the page cache */
    uint64_t buffer;  /* bytes of batches in memory, before they are a table */
    uint64_t table_size; /* bytes of a table that is merged */
    unsigned tables_max; /* open at one time */
    enum rocks_compression compression;
    struct rocks_cache *cache; /* lent */
};

/* Of blocks and indexes; shared by all that are opened with it, and closed
 * after them. */
struct rocks_cache *rocks_cache_new(uint64_t bytes);
void rocks_cache_free(struct rocks_cache **);
uint64_t rocks_cache_used(const struct rocks_cache *);

/* A key space of its own, that is given back whole. */
struct rocks_family {
    struct rocks *rocks;
    void *handle;
    struct rocks_family *next;
    char name[40];
};

enum status rocks_open(const struct rocks_options *, struct rocks **rocks_out,
                       struct rocks_why *) MUST_USE;
/* After all families that were taken from it, or made. */
void rocks_close(struct rocks **);
/* Removes what is in the directory, and it.  OK also if there is none. */
enum status rocks_destroy(const char *path, struct rocks_why *) MUST_USE;
/* Bytes of memory, without the cache. */
uint64_t rocks_memory(const struct rocks *);

/* The one that is always there. */
struct rocks_family *rocks_default(struct rocks *);
/* One more of those that opening has found beside it; NULL: there is none.  One
 * thread, before others know of it. */
struct rocks_family *rocks_take_family(struct rocks *);
/* Of one that is dropped no stop brings anything back; its tables go when it is
 * closed. */
enum status rocks_family_new(struct rocks *, const char *name,
                             struct rocks_family **out,
                             struct rocks_why *) MUST_USE;
enum status rocks_family_drop(struct rocks_family *,
                              struct rocks_why *) MUST_USE;
void rocks_family_close(struct rocks_family **);
uint64_t rocks_family_bytes(const struct rocks_family *); /* its tables */

/* Bytes that somebody else owns. */
struct rocks_bytes {
    const void *at;
    size_t size;
};

/* One value, past the cache.  MISS: there is none. */
struct rocks_value {
    struct rocks_bytes bytes; /* lent until rocks_value_free() */
    void *pinned;
};
enum status rocks_read(const struct rocks_family *, struct rocks_bytes key,
                       struct rocks_value *out, struct rocks_why *) MUST_USE;
void rocks_value_free(struct rocks_value *);

/* Writes of the default family that are done together or not at all, and are on
 * the device when rocks_batch_write() says OK; it is empty then.  After any
 * other word nothing is written any more until it was opened again. */
struct rocks_batch *rocks_batch_new(void);
void rocks_batch_put(struct rocks_batch *, struct rocks_bytes key,
                     struct rocks_bytes value);
void rocks_batch_delete(struct rocks_batch *, struct rocks_bytes key);
unsigned rocks_batch_count(const struct rocks_batch *);
enum status rocks_batch_write(struct rocks_batch *, struct rocks *,
                              struct rocks_why *) MUST_USE;
void rocks_batch_clear(struct rocks_batch *);
void rocks_batch_free(struct rocks_batch **);

/* The default family's keys from `from` on, in order, as they are now. */
struct rocks_cursor *rocks_cursor_new(struct rocks *, struct rocks_bytes from);
/* The one it is at, lent until it advances.  MISS: it is behind the last one. */
enum status rocks_cursor_read(const struct rocks_cursor *,
                              struct rocks_bytes *key_out,
                              struct rocks_bytes *value_out,
                              struct rocks_why *) MUST_USE;
void rocks_cursor_advance(struct rocks_cursor *); /* not behind the last one */
void rocks_cursor_free(struct rocks_cursor **);

/* A table in the making, in a file of its own on the same filesystem.  Keys
 * come in order. */
enum status rocks_table_new(struct rocks *, const char *path,
                            struct rocks_table **out,
                            struct rocks_why *) MUST_USE;
enum status rocks_table_add(struct rocks_table *, struct rocks_bytes key,
                            struct rocks_bytes value,
                            struct rocks_why *) MUST_USE;
/* Its file is whole, and on the device. */
enum status rocks_table_finish(struct rocks_table *, uint64_t *bytes_out,
                               struct rocks_why *) MUST_USE;
void rocks_table_free(struct rocks_table **); /* the file stays */
/* The family has what is in the file, which is no more; on the device.  None of
 * its keys is there already. */
enum status rocks_take_in(struct rocks_family *, const char *path,
                          struct rocks_why *) MUST_USE;
/* The tables with keys from `first` to `last` become few. */
void rocks_merge(struct rocks_family *, struct rocks_bytes first,
                 struct rocks_bytes last);

#endif

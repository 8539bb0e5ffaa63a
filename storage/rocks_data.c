/* SPDX-License-Identifier: Apache-2.0 */
/* RocksDB's C API: what is read and written. */
#include "storage/rocks_state.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* As the API has it. */
#define MERGE_FORCE 2

/* Nothing of ours is around RocksDB's own objects. */
static rocksdb_writebatch_t *
batch_of(const struct rocks_batch *batch)
{
    return (rocksdb_writebatch_t *)(uintptr_t)batch;
}

static rocksdb_iterator_t *
iterator_of(const struct rocks_cursor *cursor)
{
    return (rocksdb_iterator_t *)(uintptr_t)cursor;
}

/*
 * A table is given to the device as it grows.  Left to its end, all of it would
 * be written at once, and reads would wait behind it.
 */
struct rocks_table {
    rocksdb_sstfilewriter_t *writer;
    int fd;          /* the same file; -1: not to be had */
    uint64_t added;  /* bytes in it */
    uint64_t begun;  /* of these, on their way to the device */
    uint64_t waited; /* of these, there */
};

/* --- Reading. --- */

/* A table that is gone is as good as broken. */
static enum status
read_status(char *error, struct rocks_why *why)
{
    bool is_gone = strstr(error, "No such file") != NULL;
    enum status status = rocks_status(error, why);

    return is_gone ? STATUS_CORRUPT : status;
}

enum status
rocks_read(const struct rocks_family *family, struct rocks_bytes key,
           struct rocks_value *out, struct rocks_why *why)
{
    const struct rocks *rocks = family->rocks;
    char *error = NULL;
    rocksdb_pinnableslice_t *pinned = rocksdb_get_pinned_cf(
        rocks->db, rocks->read, family->handle, key.at, key.size, &error);

    if (error != NULL)
        return read_status(error, why);
    if (pinned == NULL)
        return STATUS_MISS;
    out->pinned = pinned;
    out->bytes.at = rocksdb_pinnableslice_value(pinned, &out->bytes.size);
    return STATUS_OK;
}

void
rocks_value_free(struct rocks_value *value)
{
    rocksdb_pinnableslice_destroy(value->pinned);
    value->pinned = NULL;
}

struct rocks_cursor *
rocks_cursor_new(struct rocks *rocks, struct rocks_bytes from)
{
    rocksdb_iterator_t *iterator =
        rocksdb_create_iterator(rocks->db, rocks->read);

    rocksdb_iter_seek(iterator, from.at, from.size);
    return (struct rocks_cursor *)iterator;
}

enum status
rocks_cursor_read(const struct rocks_cursor *cursor,
                  struct rocks_bytes *key_out, struct rocks_bytes *value_out,
                  struct rocks_why *why)
{
    const rocksdb_iterator_t *iterator = iterator_of(cursor);
    char *error = NULL;

    if (!rocksdb_iter_valid(iterator)) {
        rocksdb_iter_get_error(iterator, &error);
        return error == NULL ? STATUS_MISS : rocks_status(error, why);
    }
    key_out->at = rocksdb_iter_key(iterator, &key_out->size);
    value_out->at = rocksdb_iter_value(iterator, &value_out->size);
    return STATUS_OK;
}

void
rocks_cursor_advance(struct rocks_cursor *cursor)
{
    rocksdb_iter_next(iterator_of(cursor));
}

void
rocks_cursor_free(struct rocks_cursor **cursor)
{
    rocksdb_iter_destroy(iterator_of(*cursor));
    *cursor = NULL;
}

/* --- Batches. --- */

struct rocks_batch *
rocks_batch_new(void)
{
    return (struct rocks_batch *)rocksdb_writebatch_create();
}

void
rocks_batch_put(struct rocks_batch *batch, struct rocks_bytes key,
                struct rocks_bytes value)
{
    rocksdb_writebatch_put(batch_of(batch), key.at, key.size, value.at,
                           value.size);
}

void
rocks_batch_delete(struct rocks_batch *batch, struct rocks_bytes key)
{
    rocksdb_writebatch_delete(batch_of(batch), key.at, key.size);
}

unsigned
rocks_batch_count(const struct rocks_batch *batch)
{
    return (unsigned)rocksdb_writebatch_count(batch_of(batch));
}

/* A log that has failed must not be written again: with its assertions on, as
 * Debian builds it, RocksDB ends the process. */
enum status
rocks_batch_write(struct rocks_batch *batch, struct rocks *rocks,
                  struct rocks_why *why)
{
    char *error = NULL;
    enum status status;

    pthread_mutex_lock(&rocks->write_lock);
    status = rocks->written;
    if (status != STATUS_OK) {
        snprintf(why->text, sizeof(why->text), "its log has failed before");
    } else {
        rocksdb_write(rocks->db, rocks->write, batch_of(batch), &error);
        status = rocks->written = rocks_status(error, why);
    }
    pthread_mutex_unlock(&rocks->write_lock);
    if (status == STATUS_OK)
        rocksdb_writebatch_clear(batch_of(batch));
    return status;
}

void
rocks_batch_clear(struct rocks_batch *batch)
{
    rocksdb_writebatch_clear(batch_of(batch));
}

void
rocks_batch_free(struct rocks_batch **batch)
{
    rocksdb_writebatch_destroy(batch_of(*batch));
    *batch = NULL;
}

/* --- Tables. --- */

#define STEP (1u << 20) /* bytes */

enum status
rocks_table_new(struct rocks *rocks, const char *path, struct rocks_table **out,
                struct rocks_why *why)
{
    struct rocks_table *table = calloc(1, sizeof(*table));
    enum status status;
    char *error = NULL;

    if (table == NULL) {
        /* It is no room on the volume that is missing. */
        snprintf(why->text, sizeof(why->text), "no memory for a table");
        return STATUS_IO;
    }
    table->writer = rocksdb_sstfilewriter_create(rocks->file, rocks->options);
    rocksdb_sstfilewriter_open(table->writer, path, &error);
    status = rocks_status(error, why);
    table->fd = status == STATUS_OK ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (status == STATUS_OK)
        *out = table;
    else
        rocks_table_free(&table);
    return status;
}

/* At most two steps are on their way.  What goes wrong here RocksDB finds when
 * it syncs the file. */
static void
push(struct rocks_table *table)
{
    if (table->fd < 0 || table->added - table->begun < STEP)
        return;
    (void)sync_file_range(table->fd, (off_t)table->begun, 0,
                          SYNC_FILE_RANGE_WRITE);
    if (table->begun != table->waited)
        (void)sync_file_range(table->fd, (off_t)table->waited,
                              (off_t)(table->begun - table->waited),
                              SYNC_FILE_RANGE_WAIT_BEFORE |
                                  SYNC_FILE_RANGE_WRITE |
                                  SYNC_FILE_RANGE_WAIT_AFTER);
    table->waited = table->begun;
    table->begun = table->added;
}

enum status
rocks_table_add(struct rocks_table *table, struct rocks_bytes key,
                struct rocks_bytes value, struct rocks_why *why)
{
    char *error = NULL;

    rocksdb_sstfilewriter_put(table->writer, key.at, key.size, value.at,
                              value.size, &error);
    table->added += value.size;
    if (error == NULL)
        push(table);
    return rocks_status(error, why);
}

enum status
rocks_table_finish(struct rocks_table *table, uint64_t *bytes_out,
                   struct rocks_why *why)
{
    enum status status;
    uint64_t bytes = 0;
    char *error = NULL;

    rocksdb_sstfilewriter_finish(table->writer, &error);
    status = rocks_status(error, why);
    if (status != STATUS_OK)
        return status;
    rocksdb_sstfilewriter_file_size(table->writer, &bytes);
    *bytes_out = bytes;
    return STATUS_OK;
}

void
rocks_table_free(struct rocks_table **table)
{
    rocksdb_sstfilewriter_destroy((*table)->writer);
    if ((*table)->fd >= 0)
        close((*table)->fd);
    free(*table);
    *table = NULL;
}

enum status
rocks_take_in(struct rocks_family *family, const char *path,
              struct rocks_why *why)
{
    char *error = NULL;

    rocksdb_ingest_external_file_cf(family->rocks->db, family->handle, &path, 1,
                                    family->rocks->ingest, &error);
    return rocks_status(error, why);
}

void
rocks_merge(struct rocks_family *family, struct rocks_bytes first,
            struct rocks_bytes last)
{
    rocksdb_compactoptions_t *options = rocksdb_compactoptions_create();

    rocksdb_compactoptions_set_exclusive_manual_compaction(options, 0);
    rocksdb_compactoptions_set_bottommost_level_compaction(options,
                                                           MERGE_FORCE);
    rocksdb_compact_range_cf_opt(family->rocks->db, family->handle, options,
                                 first.at, first.size, last.at, last.size);
    rocksdb_compactoptions_destroy(options);
}

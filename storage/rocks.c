/* SPDX-License-Identifier: Apache-2.0 */
/* RocksDB's C API: opening, families, and what its errors mean. */
#include "storage/rocks_state.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define DEFAULT_NAME  "default"
#define MANIFEST_SIZE (1u << 20)
#define BLOCK_SIZE    (16u << 10)
#define LOG_FILES     2u
#define LEVEL_WARN    2
#define CHECKSUM_XXH3 4
#define FORMAT        5
/* What is torn at the end of a log was never said to be written; what is broken
 * elsewhere is a reason not to open. */
#define RECOVER_TORN_TAIL 0
/* RocksDB's own attempts to go on after an error would race with ours; and
 * nobody reads its statistics. */
#define MORE_OPTIONS "max_bgerror_resume_count=0;stats_persist_period_sec=0"

#if defined(__SANITIZE_THREAD__)
/* RocksDB itself is not built with ThreadSanitizer, which then can not see what
 * orders its threads.  Nothing else here is C++. */
const char *__tsan_default_suppressions(void);
const char *
__tsan_default_suppressions(void)
{
    return "race:librocksdb.so\nrace:libstdc++.so\n"
           "deadlock:librocksdb.so\n";
}
#endif

/* --- Errors. --- */

static bool
has(const char *text, const char *word)
{
    return strstr(text, word) != NULL;
}

static enum status
status_of(const char *text)
{
    if (has(text, "No space left on device") ||
        has(text, "Disk quota exceeded") || has(text, "File too large"))
        return STATUS_NO_SPACE;
    if (has(text, "lock file") || has(text, "lock hold by current process"))
        return STATUS_BUSY;
    if (strncmp(text, "Corruption", strlen("Corruption")) == 0 ||
        strncmp(text, "Invalid argument", strlen("Invalid argument")) == 0 ||
        strncmp(text, "Not implemented", strlen("Not implemented")) == 0)
        return STATUS_CORRUPT;
    return STATUS_IO;
}

enum status
rocks_status(char *error, struct rocks_why *why)
{
    if (error == NULL)
        return STATUS_OK;
    snprintf(why->text, sizeof(why->text), "%s", error);
    rocksdb_free(error);
    return status_of(why->text);
}

/* --- What is shared. --- */

struct rocks_cache *
rocks_cache_new(uint64_t bytes)
{
    return (struct rocks_cache *)rocksdb_cache_create_lru(bytes);
}

void
rocks_cache_free(struct rocks_cache **cache)
{
    if (*cache != NULL)
        rocksdb_cache_destroy((rocksdb_cache_t *)*cache);
    *cache = NULL;
}

uint64_t
rocks_cache_used(const struct rocks_cache *cache)
{
    return rocksdb_cache_get_usage((rocksdb_cache_t *)(uintptr_t)cache);
}

/* --- Opening. --- */

static int
compression_of(enum rocks_compression compression)
{
    switch (compression) {
    case ROCKS_PLAIN:
        return rocksdb_no_compression;
    case ROCKS_LZ4:
        return rocksdb_lz4_compression;
    case ROCKS_ZSTD:
        return rocksdb_zstd_compression;
    }
    return rocksdb_no_compression;
}

static void
set_blocks(rocksdb_options_t *options, struct rocks_cache *cache)
{
    rocksdb_block_based_table_options_t *blocks =
        rocksdb_block_based_options_create();

    rocksdb_block_based_options_set_checksum(blocks, CHECKSUM_XXH3);
    rocksdb_block_based_options_set_format_version(blocks, FORMAT);
    rocksdb_block_based_options_set_block_size(blocks, BLOCK_SIZE);
    /* So that indexes count as the cache does, and are all it holds. */
    rocksdb_block_based_options_set_block_cache(blocks,
                                                (rocksdb_cache_t *)cache);
    rocksdb_block_based_options_set_cache_index_and_filter_blocks(blocks, 1);
    rocksdb_options_set_block_based_table_factory(options, blocks);
    rocksdb_block_based_options_destroy(blocks);
}

static void
set_sizes(rocksdb_options_t *options, const struct rocks_options *wanted)
{
    rocksdb_options_set_write_buffer_size(options, wanted->buffer);
    rocksdb_options_set_max_write_buffer_number(options, 2);
    rocksdb_options_set_arena_block_size(options, wanted->buffer / 8);
    rocksdb_options_set_max_total_wal_size(options, wanted->buffer);
    rocksdb_options_set_target_file_size_base(options, wanted->table_size);
    rocksdb_options_set_max_open_files(options, (int)wanted->tables_max);
    rocksdb_options_set_max_manifest_file_size(options, MANIFEST_SIZE);
    rocksdb_options_set_manifest_preallocation_size(options, BLOCK_SIZE);
    rocksdb_options_set_stats_dump_period_sec(options, 0);
    rocksdb_options_set_keep_log_file_num(options, LOG_FILES);
    rocksdb_options_set_info_log_level(options, LEVEL_WARN);
}

static rocksdb_options_t *
new_options(const struct rocks_options *wanted)
{
    rocksdb_options_t *options = rocksdb_options_create(), *all;
    char *error = NULL;

    set_blocks(options, wanted->cache);
    set_sizes(options, wanted);
    rocksdb_options_set_create_if_missing(options, wanted->is_new);
    rocksdb_options_set_error_if_exists(options, wanted->is_new);
    rocksdb_options_set_compression(options,
                                    compression_of(wanted->compression));
    rocksdb_options_set_use_direct_reads(options, wanted->is_direct);
    rocksdb_options_set_use_direct_io_for_flush_and_compaction(
        options, wanted->is_direct);
    rocksdb_options_set_wal_recovery_mode(options, RECOVER_TORN_TAIL);
    rocksdb_options_set_skip_stats_update_on_db_open(options, 1);
    if (wanted->is_lenient) {
        rocksdb_options_set_paranoid_checks(options, 0);
        rocksdb_options_set_skip_checking_sst_file_sizes_on_db_open(options, 1);
        rocksdb_options_set_disable_auto_compactions(options, 1);
    }
    all = rocksdb_options_create();
    rocksdb_get_options_from_string(options, MORE_OPTIONS, all, &error);
    assert(error == NULL);
    rocksdb_options_destroy(options);
    return all;
}

static struct rocks_family *
new_family(struct rocks *rocks, const char *name,
           rocksdb_column_family_handle_t *handle)
{
    struct rocks_family *family = calloc(1, sizeof(*family));

    if (family == NULL)
        return NULL;
    family->rocks = rocks;
    family->handle = handle;
    snprintf(family->name, sizeof(family->name), "%s", name);
    return family;
}

/* Takes over the handles. */
static bool
adopt(struct rocks *rocks, char **names, size_t count,
      rocksdb_column_family_handle_t **handles)
{
    bool is_whole = true;

    for (size_t i = count; i > 0; i--) {
        struct rocks_family *family =
            new_family(rocks, names[i - 1], handles[i - 1]);

        if (family == NULL) {
            rocksdb_column_family_handle_destroy(handles[i - 1]);
            is_whole = false;
        } else if (strcmp(family->name, DEFAULT_NAME) == 0) {
            rocks->home = family;
        } else {
            family->next = rocks->first;
            rocks->first = family;
        }
    }
    return is_whole && rocks->home != NULL;
}

static char *
open_families(struct rocks *rocks, const char *path, char **names, size_t count)
{
    rocksdb_column_family_handle_t **handles = calloc(count, sizeof(*handles));
    const rocksdb_options_t **options =
        calloc(count, sizeof(rocksdb_options_t *));
    char *error = NULL;

    if (handles != NULL && options != NULL) {
        for (size_t i = 0; i < count; i++)
            options[i] = rocks->options;
        rocks->db = rocksdb_open_column_families(
            rocks->options, path, (int)count, (const char *const *)names,
            options, handles, &error);
        rocks->is_whole = error == NULL && adopt(rocks, names, count, handles);
    }
    free(handles);
    free(options);
    return error;
}

static char *
open_all(struct rocks *rocks, const struct rocks_options *wanted)
{
    char home[] = DEFAULT_NAME, *error = NULL, **names, *only = home;
    size_t count = 0;

    if (wanted->is_new)
        return open_families(rocks, wanted->path, &only, 1);
    names = rocksdb_list_column_families(rocks->options, wanted->path, &count,
                                         &error);
    if (error == NULL)
        error = open_families(rocks, wanted->path, names, count);
    rocksdb_list_column_families_destroy(names, count);
    return error;
}

static void
make_settings(struct rocks *rocks)
{
    rocks->ingest = rocksdb_ingestexternalfileoptions_create();
    rocksdb_ingestexternalfileoptions_set_move_files(rocks->ingest, 1);
    rocks->read = rocksdb_readoptions_create();
    rocksdb_readoptions_set_fill_cache(rocks->read, 0);
    rocks->write = rocksdb_writeoptions_create();
    rocksdb_writeoptions_set_sync(rocks->write, 1);
    rocks->file = rocksdb_envoptions_create();
}

/* The threads that RocksDB starts take no signals, as all others. */
static enum status
open_quietly(struct rocks *rocks, const struct rocks_options *wanted,
             struct rocks_why *why)
{
    sigset_t all, before;
    enum status status;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    status = rocks_status(open_all(rocks, wanted), why);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return status;
}

enum status
rocks_open(const struct rocks_options *wanted, struct rocks **rocks_out,
           struct rocks_why *why)
{
    struct rocks *rocks = calloc(1, sizeof(*rocks));
    enum status status;

    if (rocks == NULL) {
        snprintf(why->text, sizeof(why->text), "no memory");
        return STATUS_IO;
    }
    pthread_mutex_init(&rocks->write_lock, NULL);
    rocks->options = new_options(wanted);
    make_settings(rocks);
    status = open_quietly(rocks, wanted, why);
    if (status == STATUS_OK)
        rocks_mute(wanted->path);
    if (status == STATUS_OK && !rocks->is_whole) {
        snprintf(why->text, sizeof(why->text), "no memory");
        status = STATUS_IO;
    }
    if (status != STATUS_OK)
        rocks_close(&rocks);
    else
        *rocks_out = rocks;
    return status;
}

void
rocks_close(struct rocks **rocks_in)
{
    struct rocks *rocks = *rocks_in;
    struct rocks_family *family;

    if (rocks == NULL)
        return;
    *rocks_in = NULL;
    while ((family = rocks_take_family(rocks)) != NULL)
        rocks_family_close(&family);
    if (rocks->home != NULL)
        rocks_family_close(&rocks->home);
    if (rocks->db != NULL)
        rocksdb_close(rocks->db);
    rocksdb_ingestexternalfileoptions_destroy(rocks->ingest);
    rocksdb_readoptions_destroy(rocks->read);
    rocksdb_writeoptions_destroy(rocks->write);
    rocksdb_envoptions_destroy(rocks->file);
    rocksdb_options_destroy(rocks->options);
    pthread_mutex_destroy(&rocks->write_lock);
    free(rocks);
}

enum status
rocks_destroy(const char *path, struct rocks_why *why)
{
    rocksdb_options_t *options;
    struct stat seen;
    char *error = NULL;

    /* It would make the directory, for its LOCK. */
    if (stat(path, &seen) != 0)
        return STATUS_OK;
    options = rocksdb_options_create();
    rocksdb_destroy_db(options, path, &error);
    rocksdb_options_destroy(options);
    return rocks_status(error, why);
}

static uint64_t
property(const struct rocks *rocks, const struct rocks_family *family,
         const char *name)
{
    uint64_t value = 0;

    if (rocksdb_property_int_cf(rocks->db, family->handle, name, &value) != 0)
        return 0;
    return value;
}

uint64_t
rocks_memory(const struct rocks *rocks)
{
    uint64_t bytes =
        property(rocks, rocks->home, "rocksdb.cur-size-all-mem-tables") +
        property(rocks, rocks->home, "rocksdb.estimate-table-readers-mem");

    return bytes;
}

/* --- Families. --- */

struct rocks_family *
rocks_default(struct rocks *rocks)
{
    return rocks->home;
}

struct rocks_family *
rocks_take_family(struct rocks *rocks)
{
    struct rocks_family *family = rocks->first;

    if (family != NULL)
        rocks->first = family->next;
    return family;
}

enum status
rocks_family_new(struct rocks *rocks, const char *name,
                 struct rocks_family **out, struct rocks_why *why)
{
    char *error = NULL;
    rocksdb_column_family_handle_t *handle =
        rocksdb_create_column_family(rocks->db, rocks->options, name, &error);
    enum status status = rocks_status(error, why);
    struct rocks_family *family;

    if (status != STATUS_OK)
        return status;
    family = new_family(rocks, name, handle);
    if (family == NULL) {
        rocksdb_column_family_handle_destroy(handle);
        snprintf(why->text, sizeof(why->text), "no memory");
        return STATUS_IO;
    }
    *out = family;
    return STATUS_OK;
}

enum status
rocks_family_drop(struct rocks_family *family, struct rocks_why *why)
{
    char *error = NULL;

    rocksdb_drop_column_family(family->rocks->db, family->handle, &error);
    return rocks_status(error, why);
}

void
rocks_family_close(struct rocks_family **family)
{
    rocksdb_column_family_handle_destroy((*family)->handle);
    free(*family);
    *family = NULL;
}

uint64_t
rocks_family_bytes(const struct rocks_family *family)
{
    return property(family->rocks, family, "rocksdb.live-sst-files-size");
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two databases.  Heads are few and small, are written through a log, and
 * RocksDB refuses them when anything in them is broken: what they say of
 * deletions has to be whole.  Bodies are written as whole tables, and a table
 * that is broken or gone takes only its own values with it.
 */
#include "storage/spill_state.h"

#define BUFFER_MIN   (64u << 10)
#define BUFFER_MAX   (4u << 20)
#define BUFFER_SHARE 128u /* of spill.size */
#define MEMORY_SHARE 16u  /* buffers, of spill.memory: there may be two */
#define CACHE_SHARE  2u
#define BODY_BUFFER  (64u << 10)
#define BODY_TABLE   (64u << 20)
#define HEAD_TABLES  64u
#define BODY_TABLES  1024u

static uint64_t
buffer_of(const struct spill_options *options)
{
    uint64_t buffer = options->size / BUFFER_SHARE;

    if (buffer > options->memory / MEMORY_SHARE)
        buffer = options->memory / MEMORY_SHARE;
    if (buffer > BUFFER_MAX)
        buffer = BUFFER_MAX;
    return buffer < BUFFER_MIN ? BUFFER_MIN : buffer;
}

void
spill_base_init(struct spill *spill)
{
    pthread_rwlockattr_t attributes;

    /* The writer that wants to close it does not wait for ever. */
    pthread_rwlockattr_init(&attributes);
    pthread_rwlockattr_setkind_np(&attributes,
                                  PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&spill->base.lock, &attributes);
    pthread_rwlockattr_destroy(&attributes);
    pthread_mutex_init(&spill->groups.lock, NULL);
    spill->base.buffer = buffer_of(&spill->options);
    spill->base.cache = rocks_cache_new(spill->options.memory / CACHE_SHARE);
}

void
spill_base_end(struct spill *spill)
{
    spill_base_close(spill);
    rocks_cache_free(&spill->base.cache);
    pthread_mutex_destroy(&spill->groups.lock);
    pthread_rwlock_destroy(&spill->base.lock);
}

bool
spill_base_enter(struct spill *spill)
{
    pthread_rwlock_rdlock(&spill->base.lock);
    if (spill->base.heads != NULL)
        return true;
    pthread_rwlock_unlock(&spill->base.lock);
    return false;
}

void
spill_base_leave(struct spill *spill)
{
    pthread_rwlock_unlock(&spill->base.lock);
}

static enum rocks_compression
compression_of(enum spill_compression compression)
{
    switch (compression) {
    case SPILL_NONE:
        return ROCKS_PLAIN;
    case SPILL_LZ4:
        return ROCKS_LZ4;
    case SPILL_ZSTD:
        return ROCKS_ZSTD;
    }
    return ROCKS_PLAIN;
}

enum status
spill_base_open(struct spill *spill, bool is_new, struct rocks_why *why)
{
    struct spill_base *base = &spill->base;
    const struct rocks_options heads = {.path = spill->files.heads,
                                        .is_new = is_new,
                                        .buffer = base->buffer,
                                        .table_size = base->buffer * 4,
                                        .tables_max = HEAD_TABLES,
                                        .cache = base->cache};
    const struct rocks_options bodies = {
        .path = spill->files.bodies,
        .is_new = is_new,
        .is_lenient = true,
        .is_direct = spill->files.is_direct,
        .buffer = BODY_BUFFER,
        .table_size = BODY_TABLE,
        .tables_max = BODY_TABLES,
        .compression = compression_of(spill->options.compression),
        .cache = base->cache};
    enum status status = rocks_open(&heads, &base->heads, why);

    if (status != STATUS_OK)
        return status;
    status = rocks_open(&bodies, &base->bodies, why);
    if (status != STATUS_OK) {
        rocks_close(&base->heads);
        return status;
    }
    status = spill_group_adopt(spill, why);
    if (status != STATUS_OK)
        spill_base_close(spill);
    return status;
}

void
spill_base_close(struct spill *spill)
{
    spill_group_close_all(spill);
    rocks_close(&spill->base.heads);
    rocks_close(&spill->base.bodies);
}

enum status
spill_base_recreate(struct spill *spill, struct rocks_why *why)
{
    enum status status = spill_files_uncommit(spill, why);

    if (status == STATUS_OK)
        status = rocks_destroy(spill->files.heads, why);
    if (status == STATUS_OK)
        status = rocks_destroy(spill->files.bodies, why);
    if (status == STATUS_OK)
        status = spill_base_open(spill, true, why);
    if (status != STATUS_OK)
        return status;
    status = spill_files_commit(spill, why);
    if (status != STATUS_OK)
        spill_base_close(spill);
    return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A spill tier in a directory of its own, with one port that plays both a
 * worker's and the mover's, and what it has told at recovery, kept by the rules
 * of the store.  Values follow from their key and sequence, so that any byte can
 * be checked.  Nothing here knows a test framework: what may fail gives a status
 * or a bool.
 */
#ifndef LIB_SPILL_TIER_H
#define LIB_SPILL_TIER_H

#include "base/log.h"
#include "storage/pool.h"
#include "storage/spill.h"
#include "tests/lib/store_values.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define SPILL_KEYS    512u
#define SPILL_PATH    160u
#define SPILL_WAIT_NS (20 * NS_PER_SECOND)

struct spill_kept {
    bool is_there;
    uint64_t sequence, expires_unix_ms;
    uint32_t size;
    uint8_t form;
    struct chunk_meta meta;
    struct tier_place place;
};

struct spill_tier {
    char parent[SPILL_PATH], directory[SPILL_PATH + 8];
    struct spill_options options;
    struct pool *pool;
    struct tier *tier;
    struct port *port;
    uint64_t sequence;    /* the highest that recovery has told */
    uint64_t last;        /* ... of the value that it told last */
    bool is_out_of_order; /* it told an older one behind a newer one */
    unsigned told;        /* values it has told */
    unsigned under_way;
    struct spill_kept kept[SPILL_KEYS];
};

struct spill_transfer {
    struct transfer transfer; /* first */
    struct spill_tier *of;
    bool is_done;
    uint8_t key[32];
};

static inline uint64_t
spill_seed(unsigned number, uint64_t sequence)
{
    return random_mix(number) ^ sequence;
}

/* The key of a number, in one of two namespaces. */
static inline struct key
spill_key(uint8_t *bytes, unsigned number)
{
    int size = snprintf((char *)bytes, 32, "%u.", number);

    return key_make(KEY_OBJECT, (uint16_t)(number % 2), bytes, (uint16_t)size);
}

static inline void
spill_on_found(void *arg, const struct tier_found *found)
{
    struct spill_tier *spill = arg;
    unsigned number =
        (unsigned)strtoul((const char *)found->key.bytes, NULL, 10);
    struct spill_kept *kept = &spill->kept[number];

    if (number >= SPILL_KEYS || found->kind != TIER_FOUND_VALUE)
        abort();
    spill->told++;
    if (found->sequence < spill->last)
        spill->is_out_of_order = true;
    spill->last = found->sequence;
    if (kept->is_there)
        tier_drop(spill->tier, &kept->place, kept->size);
    *kept = (struct spill_kept){.is_there = true,
                                .sequence = found->sequence,
                                .expires_unix_ms = found->expires_unix_ms,
                                .size = found->size,
                                .form = found->form,
                                .meta = *found->meta,
                                .place = found->place};
}

/* A directory of its own under PREFIXCACHE_TMP; nothing is opened yet. */
static inline bool
spill_tier_make(struct spill_tier *spill, uint64_t size)
{
    const char *parent = getenv("PREFIXCACHE_TMP");

    if (parent == NULL)
        parent = getenv("TMPDIR");
    memset(spill, 0, sizeof(*spill));
    snprintf(spill->parent, SPILL_PATH, "%s/spill-XXXXXX",
             parent == NULL ? "/tmp" : parent);
    if (mkdtemp(spill->parent) == NULL)
        return false;
    snprintf(spill->directory, sizeof(spill->directory), "%s/spill",
             spill->parent);
    spill->options = (struct spill_options){.path = spill->directory,
                                            .size = size,
                                            .memory = 16u << 20,
                                            .value_max = 1u << 20,
                                            .inflight = 8u << 20,
                                            .probe_ns = 20 * NS_PER_MS,
                                            .threads = 2};
    log_setup(getenv("PREFIXCACHE_LOG") == NULL ? LOG_ERROR : LOG_DEBUG,
              LOG_LOGFMT);
    return pool_open(32u << 20, false, &spill->pool) == STATUS_OK;
}

/* Opens and recovers. */
static inline enum status
spill_tier_open(struct spill_tier *spill)
{
    struct tier_env env = {.spill = &spill->options, .pool = spill->pool};
    enum status status = tier_open(TIER_SPILL, &env, &spill->tier);

    memset(spill->kept, 0, sizeof(spill->kept));
    spill->told = 0;
    spill->last = 0;
    if (status != STATUS_OK)
        return status;
    status = tier_recover(spill->tier, spill_on_found, spill, &spill->sequence);
    if (status != STATUS_OK)
        return status;
    return port_open(NULL, NULL, &spill->port);
}

static inline void
spill_turn(struct spill_tier *spill)
{
    struct pollfd ready = {.fd = port_fd(spill->port), .events = POLLIN};

    lower_care(spill->tier, spill->port);
    lower_submit(spill->tier, spill->port);
    port_submit(spill->port);
    (void)poll(&ready, 1, 2);
    port_run(spill->port);
}

/* Until nothing is under way; false: it takes too long. */
static inline bool
spill_settle(struct spill_tier *spill)
{
    uint64_t end_ns = clock_now_ns() + SPILL_WAIT_NS;

    do {
        spill_turn(spill);
        if (clock_now_ns() > end_ns)
            return false;
    } while (spill->under_way != 0);
    return true;
}

static inline void
spill_tier_close(struct spill_tier *spill)
{
    port_close(&spill->port);
    tier_close(&spill->tier);
}

static inline int
spill_remove_entry(const char *path, const struct stat *seen, int kind,
                   struct FTW *walk)
{
    (void)seen;
    (void)kind;
    (void)walk;
    return remove(path);
}

/* False: something of the pool is still held. */
static inline bool
spill_tier_remove(struct spill_tier *spill)
{
    bool is_empty = pool_free_bytes(spill->pool) == pool_size(spill->pool);

    pool_close(&spill->pool);
    (void)nftw(spill->parent, spill_remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    return is_empty;
}

static inline struct chunk *
spill_sealed(struct spill_tier *spill, uint32_t size, uint64_t seed)
{
    struct chunk *chunk;

    if (chunk_new(spill->pool, size, &chunk) != STATUS_OK)
        abort();
    while (chunk_missing(chunk) != 0) {
        struct iovec piece;

        if (chunk_room(chunk) == 0 &&
            chunk_grow(chunk, chunk_missing(chunk)) != STATUS_OK)
            abort();
        chunk_space(chunk, &piece, 1);
        value_write(piece.iov_base, seed, chunk->filled,
                    (uint32_t)piece.iov_len);
        chunk_fill(chunk, (uint32_t)piece.iov_len);
    }
    chunk_seal(chunk);
    return chunk;
}

static inline void
spill_on_done(struct transfer *transfer)
{
    struct spill_transfer *its = (struct spill_transfer *)transfer;

    its->is_done = true;
    its->of->under_way--;
}

static inline void
spill_prepare(struct spill_tier *spill, struct spill_transfer *its,
              unsigned number, uint64_t sequence, uint32_t size)
{
    *its = (struct spill_transfer){.of = spill};
    its->transfer.key = spill_key(its->key, number);
    its->transfer.sequence = sequence;
    its->transfer.size = size;
    its->transfer.port = spill->port;
    its->transfer.done = spill_on_done;
}

/* True: its status is there.  False: it takes too long. */
static inline bool
spill_await(struct spill_tier *spill, struct spill_transfer *its)
{
    uint64_t end_ns = clock_now_ns() + SPILL_WAIT_NS;

    while (!its->is_done) {
        if (clock_now_ns() > end_ns)
            return false;
        spill_turn(spill);
    }
    return true;
}

/* Begins; spill_put_end() ends it. */
static inline enum progress
spill_put_begin(struct spill_tier *spill, struct spill_transfer *its)
{
    enum progress progress = tier_put(spill->tier, &its->transfer);

    its->is_done = progress == FINISHED;
    spill->under_way += progress == PENDING;
    return progress;
}

/* What is stored is kept, in place of what was. */
static inline enum status
spill_put_end(struct spill_tier *spill, struct spill_transfer *its,
              unsigned number)
{
    struct spill_kept *kept = &spill->kept[number];
    const struct transfer *transfer = &its->transfer;

    if (transfer->status == STATUS_OK) {
        if (kept->is_there)
            tier_drop(spill->tier, &kept->place, kept->size);
        *kept =
            (struct spill_kept){.is_there = true,
                                .sequence = transfer->sequence,
                                .expires_unix_ms = transfer->expires_unix_ms,
                                .size = transfer->size,
                                .form = transfer->form,
                                .place = transfer->place};
    }
    chunk_drop(&its->transfer.chunk);
    return transfer->status;
}

/* A whole one; LATE: it takes too long.  No second try when BUSY. */
static inline enum status
spill_put(struct spill_tier *spill, unsigned number, uint64_t sequence,
          uint32_t size)
{
    struct spill_transfer its;

    spill_prepare(spill, &its, number, sequence, size);
    its.transfer.chunk =
        spill_sealed(spill, size, spill_seed(number, sequence));
    if (spill_put_begin(spill, &its) == PENDING && !spill_await(spill, &its))
        return STATUS_LATE;
    return spill_put_end(spill, &its, number);
}

/* Of a place; CORRUPT is the tier's word, BROKEN: the bytes are not those. */
static inline enum status
spill_get_at(struct spill_tier *spill, unsigned number,
             const struct spill_kept *kept)
{
    struct spill_transfer its;
    enum status status;

    spill_prepare(spill, &its, number, kept->sequence, kept->size);
    its.transfer.place = kept->place;
    if (tier_get(spill->tier, &its.transfer) == PENDING) {
        spill->under_way++;
        if (!spill_await(spill, &its))
            return STATUS_LATE;
    }
    status = its.transfer.status;
    if (status != STATUS_OK)
        return its.transfer.chunk == NULL ? status : STATUS_BROKEN;
    if (its.transfer.chunk->size != kept->size ||
        !value_fills(its.transfer.chunk, spill_seed(number, kept->sequence)))
        status = STATUS_BROKEN;
    chunk_drop(&its.transfer.chunk);
    return status;
}

/* MISS: it was dropped, or never put. */
static inline enum status
spill_get(struct spill_tier *spill, unsigned number)
{
    if (!spill->kept[number].is_there)
        return STATUS_MISS;
    return spill_get_at(spill, number, &spill->kept[number]);
}

static inline void
spill_forget(struct spill_tier *spill, unsigned number)
{
    struct spill_kept *kept = &spill->kept[number];

    if (kept->is_there)
        tier_drop(spill->tier, &kept->place, kept->size);
    kept->is_there = false;
}

/* Notes that a value is gone. */
static inline void
spill_note_dropped(struct spill_tier *spill, unsigned number, uint64_t sequence)
{
    uint8_t bytes[32];
    const struct tier_found item = {.kind = TIER_FOUND_DROPPED,
                                    .key = spill_key(bytes, number),
                                    .sequence = sequence + 1};

    lower_note(spill->tier, &item);
}

/* Deletes it, with a note. */
static inline void
spill_delete(struct spill_tier *spill, unsigned number)
{
    spill_note_dropped(spill, number, spill->kept[number].sequence);
    spill_forget(spill, number);
}

/* False: it has told all. */
static inline bool
spill_victim_tells(struct lower_victim *victim, struct tier_found *item_out)
{
    enum status status;

    do
        status = lower_victim_next(victim, item_out);
    while (status == STATUS_BUSY);
    return status == STATUS_OK;
}

static inline unsigned
spill_number_of(const struct tier_found *item)
{
    return (unsigned)strtoul((const char *)item->key.bytes, NULL, 10);
}

/* Is what is kept what the victim has told? */
static inline bool
spill_is_item(const struct spill_tier *spill, const struct tier_found *item)
{
    const struct spill_kept *kept = &spill->kept[spill_number_of(item)];

    return kept->is_there &&
           memcmp(&kept->place, &item->place, sizeof(item->place)) == 0;
}

/* Forgets what a victim holds that has been retired, which ends. */
static inline void
spill_give_back(struct spill_tier *spill, struct lower_victim **victim)
{
    struct tier_found item;

    while (spill_victim_tells(*victim, &item))
        if (spill_is_item(spill, &item))
            spill_forget(spill, spill_number_of(&item));
    lower_victim_finish(victim);
}

/* Gives the oldest group back, forgetting what it holds.  MISS: none is. */
static inline enum status
spill_reclaim(struct spill_tier *spill)
{
    struct lower_victim *victim;
    enum status status = lower_victim_start(spill->tier, spill->port, &victim);

    if (status != STATUS_OK)
        return status;
    status = lower_victim_retire(victim);
    if (status != STATUS_OK)
        return status;
    spill_give_back(spill, &victim);
    return STATUS_OK;
}

/* Forgets what was lost without a victim that told of it. */
static inline void
spill_forget_lost(struct spill_tier *spill)
{
    for (unsigned i = 0; i < SPILL_KEYS; i++)
        if (spill->kept[i].is_there &&
            lower_has_lost(spill->tier, &spill->kept[i].place))
            spill_forget(spill, i);
}

static inline struct spill_usage
spill_used(const struct spill_tier *spill)
{
    struct spill_usage usage;

    spill_usage(spill->tier, &usage);
    return usage;
}

/* Of a directory's files and their directories' files; its descriptor goes. */
static inline uint64_t
spill_bytes_in(int fd)
{
    struct dirent *entry;
    uint64_t bytes = 0;
    DIR *folder = fdopendir(fd);

    while (folder != NULL && (entry = readdir(folder)) != NULL) {
        struct stat seen;

        if (entry->d_name[0] == '.' ||
            fstatat(fd, entry->d_name, &seen, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        if (S_ISDIR(seen.st_mode))
            bytes += spill_bytes_in(openat(fd, entry->d_name, O_RDONLY));
        else
            bytes += (uint64_t)seen.st_blocks * 512;
    }
    if (folder != NULL)
        closedir(folder);
    return bytes;
}

/* What the directory takes on the device, now. */
static inline uint64_t
spill_bytes(const struct spill_tier *spill)
{
    return spill_bytes_in(open(spill->directory, O_RDONLY));
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An NVMe tier in a file of its own, with one port that plays both a worker's
 * and the mover's, and what it has told at recovery, kept by the rules of the
 * store: what is told later of a key holds.  Values follow from their key and
 * sequence, so that any byte can be checked.  Nothing here knows a test
 * framework: what may fail gives a status or a bool.
 */
#ifndef LIB_NVME_TIER_H
#define LIB_NVME_TIER_H

#include "base/log.h"
#include "storage/nvme.h"
#include "storage/pool.h"
#include "tests/lib/store_values.h"

#include <stdlib.h>
#include <unistd.h>

#define NVME_KEYS    512u
#define NVME_PATH    160u
#define NVME_WAIT_NS (20 * NS_PER_SECOND)

struct nvme_kept {
    bool is_there;
    uint64_t sequence, expires_unix_ms;
    uint32_t size;
    uint8_t form;
    struct chunk_meta meta;
    struct tier_place place;
};

struct nvme_tier {
    char directory[NVME_PATH], path[NVME_PATH + 20];
    struct nvme_options options;
    struct pool *pool;
    struct tier *tier;
    struct port *port;
    uint16_t key_size; /* 0: as short as they are */
    uint64_t sequence; /* the highest that recovery has told */
    unsigned told;     /* values it has told */
    unsigned under_way;
    struct nvme_kept kept[NVME_KEYS];
};

struct nvme_transfer {
    struct transfer transfer; /* first */
    struct nvme_tier *of;
    bool is_done;
    uint8_t key[KEY_SIZE_MAX];
};

static inline uint64_t
nvme_seed(unsigned number, uint64_t sequence)
{
    return random_mix(number) ^ sequence;
}

/* The key of a number: its digits, then padding. */
static inline struct key
nvme_key(const struct nvme_tier *nvme, uint8_t *bytes, unsigned number)
{
    int size = snprintf((char *)bytes, 32, "%u.", number);

    if (nvme->key_size > size) {
        memset(bytes + size, 'x', nvme->key_size - (size_t)size);
        size = nvme->key_size;
    }
    return key_make(KEY_OBJECT, (uint16_t)(number % 2), bytes, (uint16_t)size);
}

static inline void
nvme_on_found(void *arg, const struct tier_found *found)
{
    struct nvme_tier *nvme = arg;
    unsigned number =
        (unsigned)strtoul((const char *)found->key.bytes, NULL, 10);
    struct nvme_kept *kept = &nvme->kept[number];

    if (number >= NVME_KEYS)
        abort();
    switch (found->kind) {
    case TIER_FOUND_VALUE:
        nvme->told++;
        if (kept->is_there && kept->sequence > found->sequence) {
            tier_drop(nvme->tier, &found->place, found->size);
            return;
        }
        if (kept->is_there)
            tier_drop(nvme->tier, &kept->place, kept->size);
        *kept = (struct nvme_kept){.is_there = true,
                                   .sequence = found->sequence,
                                   .size = found->size,
                                   .place = found->place};
        break;
    case TIER_FOUND_DROPPED:
        if (kept->is_there && kept->sequence < found->sequence) {
            tier_drop(nvme->tier, &kept->place, kept->size);
            kept->is_there = false;
        }
        return;
    case TIER_FOUND_CHANGED:
        if (!kept->is_there || kept->sequence != found->sequence)
            return;
        break;
    }
    kept->form = found->form;
    kept->meta = *found->meta;
    kept->expires_unix_ms = found->expires_unix_ms;
}

/* A directory of its own under PREFIXCACHE_TMP; nothing is opened yet. */
static inline bool
nvme_tier_make(struct nvme_tier *nvme, enum io_engine_kind engine,
               uint64_t size)
{
    const char *parent = getenv("PREFIXCACHE_TMP");

    if (parent == NULL)
        parent = getenv("TMPDIR");
    memset(nvme, 0, sizeof(*nvme));
    snprintf(nvme->directory, NVME_PATH, "%s/tier-XXXXXX",
             parent == NULL ? "/tmp" : parent);
    if (mkdtemp(nvme->directory) == NULL)
        return false;
    snprintf(nvme->path, sizeof(nvme->path), "%s/prefixcache.nvme",
             nvme->directory);
    nvme->options = (struct nvme_options){.path = nvme->directory,
                                          .size = size,
                                          .engine = engine,
                                          .threads = 2,
                                          .inflight = 2u << 20,
                                          .value_max = 1u << 20,
                                          .probe_ns = 20 * NS_PER_MS};
    log_setup(getenv("PREFIXCACHE_LOG") == NULL ? LOG_ERROR : LOG_DEBUG,
              LOG_LOGFMT);
    return pool_open(32u << 20, false, &nvme->pool) == STATUS_OK;
}

/* Opens and recovers. */
static inline enum status
nvme_tier_open(struct nvme_tier *nvme)
{
    struct tier_env env = {.nvme = &nvme->options, .pool = nvme->pool};
    enum status status = tier_open(TIER_NVME, &env, &nvme->tier);

    memset(nvme->kept, 0, sizeof(nvme->kept));
    nvme->told = 0;
    if (status != STATUS_OK)
        return status;
    status = tier_recover(nvme->tier, nvme_on_found, nvme, &nvme->sequence);
    if (status != STATUS_OK)
        return status;
    return port_open(nvme_engine(nvme->tier), NULL, &nvme->port);
}

static inline void
nvme_turn(struct nvme_tier *nvme)
{
    struct pollfd ready = {.fd = port_fd(nvme->port), .events = POLLIN};

    nvme_care(nvme->tier, nvme->port);
    nvme_submit(nvme->tier, nvme->port);
    port_submit(nvme->port);
    (void)poll(&ready, 1, 2);
    port_run(nvme->port);
}

/* Until nothing is under way; false: it takes too long. */
static inline bool
nvme_settle(struct nvme_tier *nvme)
{
    uint64_t end_ns = clock_now_ns() + NVME_WAIT_NS;

    do {
        nvme_turn(nvme);
        if (clock_now_ns() > end_ns)
            return false;
    } while (nvme->under_way != 0 || port_pending(nvme->port) != 0);
    return true;
}

static inline void
nvme_tier_close(struct nvme_tier *nvme)
{
    if (nvme->port != NULL)
        while (port_pending(nvme->port) != 0)
            port_run(nvme->port);
    port_close(&nvme->port);
    tier_close(&nvme->tier);
}

/* False: something of the pool is still held. */
static inline bool
nvme_tier_remove(struct nvme_tier *nvme)
{
    bool is_empty = pool_free_bytes(nvme->pool) == pool_size(nvme->pool);

    pool_close(&nvme->pool);
    unlink(nvme->path);
    rmdir(nvme->directory);
    return is_empty;
}

static inline struct chunk *
nvme_sealed(struct nvme_tier *nvme, uint32_t size, uint64_t seed)
{
    struct chunk *chunk;

    if (chunk_new(nvme->pool, size, &chunk) != STATUS_OK)
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
nvme_on_done(struct transfer *transfer)
{
    struct nvme_transfer *its = (struct nvme_transfer *)transfer;

    its->is_done = true;
    its->of->under_way--;
}

static inline void
nvme_prepare(struct nvme_tier *nvme, struct nvme_transfer *its, unsigned number,
             uint64_t sequence, uint32_t size)
{
    *its = (struct nvme_transfer){.of = nvme};
    its->transfer.key = nvme_key(nvme, its->key, number);
    its->transfer.sequence = sequence;
    its->transfer.size = size;
    its->transfer.port = nvme->port;
    its->transfer.done = nvme_on_done;
}

/* True: its status is there.  False: it takes too long. */
static inline bool
nvme_await(struct nvme_tier *nvme, struct nvme_transfer *its)
{
    uint64_t end_ns = clock_now_ns() + NVME_WAIT_NS;

    while (!its->is_done) {
        if (clock_now_ns() > end_ns)
            return false;
        nvme_turn(nvme);
    }
    return true;
}

/* Begins; nvme_put_end() ends it. */
static inline enum progress
nvme_put_begin(struct nvme_tier *nvme, struct nvme_transfer *its)
{
    enum progress progress = tier_put(nvme->tier, &its->transfer);

    its->is_done = progress == FINISHED;
    nvme->under_way += progress == PENDING;
    return progress;
}

/* What is stored is kept, in place of what was. */
static inline enum status
nvme_put_end(struct nvme_tier *nvme, struct nvme_transfer *its, unsigned number)
{
    struct nvme_kept *kept = &nvme->kept[number];
    const struct transfer *transfer = &its->transfer;

    if (transfer->status == STATUS_OK) {
        if (kept->is_there)
            tier_drop(nvme->tier, &kept->place, kept->size);
        *kept = (struct nvme_kept){.is_there = true,
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
nvme_put(struct nvme_tier *nvme, unsigned number, uint64_t sequence,
         uint32_t size)
{
    struct nvme_transfer its;

    nvme_prepare(nvme, &its, number, sequence, size);
    its.transfer.chunk = nvme_sealed(nvme, size, nvme_seed(number, sequence));
    if (nvme_put_begin(nvme, &its) == PENDING && !nvme_await(nvme, &its))
        return STATUS_LATE;
    return nvme_put_end(nvme, &its, number);
}

/* Of a place; CORRUPT is the tier's word, BROKEN: the bytes are not those. */
static inline enum status
nvme_get_at(struct nvme_tier *nvme, unsigned number,
            const struct nvme_kept *kept)
{
    struct nvme_transfer its;
    enum status status;

    nvme_prepare(nvme, &its, number, kept->sequence, kept->size);
    its.transfer.place = kept->place;
    if (tier_get(nvme->tier, &its.transfer) == PENDING) {
        nvme->under_way++;
        if (!nvme_await(nvme, &its))
            return STATUS_LATE;
    }
    status = its.transfer.status;
    if (status != STATUS_OK)
        return its.transfer.chunk == NULL ? status : STATUS_BROKEN;
    if (its.transfer.chunk->size != kept->size ||
        !value_fills(its.transfer.chunk, nvme_seed(number, kept->sequence)))
        status = STATUS_BROKEN;
    chunk_drop(&its.transfer.chunk);
    return status;
}

/* MISS: it was dropped, or never put. */
static inline enum status
nvme_get(struct nvme_tier *nvme, unsigned number)
{
    if (!nvme->kept[number].is_there)
        return STATUS_MISS;
    return nvme_get_at(nvme, number, &nvme->kept[number]);
}

static inline void
nvme_forget(struct nvme_tier *nvme, unsigned number)
{
    struct nvme_kept *kept = &nvme->kept[number];

    if (kept->is_there)
        tier_drop(nvme->tier, &kept->place, kept->size);
    kept->is_there = false;
}

/* Deletes it, with a tombstone. */
static inline void
nvme_delete(struct nvme_tier *nvme, unsigned number, uint64_t sequence)
{
    uint8_t bytes[KEY_SIZE_MAX];
    struct nvme_item item = {.kind = NVME_TOMBSTONE, .sequence = sequence};

    item.key = nvme_key(nvme, bytes, number);
    nvme_forget(nvme, number);
    nvme_note(nvme->tier, &item);
}

/* Gives the oldest segment back, forgetting what it holds.  MISS: none is. */
static inline enum status
nvme_reclaim(struct nvme_tier *nvme)
{
    struct nvme_victim *victim;
    enum status status = nvme_victim_start(nvme->tier, nvme->port, &victim);

    if (status != STATUS_OK)
        return status;
    status = nvme_victim_retire(victim);
    if (status != STATUS_OK)
        return status;
    for (unsigned i = 0; i < NVME_KEYS; i++)
        if (nvme->kept[i].is_there &&
            !nvme_holds(nvme->tier, &nvme->kept[i].place))
            nvme_forget(nvme, i);
    nvme_victim_finish(&victim);
    return STATUS_OK;
}

static inline struct nvme_usage
nvme_used(const struct nvme_tier *nvme)
{
    struct nvme_usage usage;

    nvme_usage(nvme->tier, &usage);
    return usage;
}

#endif

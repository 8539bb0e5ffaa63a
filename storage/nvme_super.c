/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two superblocks: read or made at start, and written in turns afterwards,
 * each time with the flush sequences that are wanted by then.
 */
#include "storage/nvme_state.h"

#include "base/clock.h"
#include "base/log.h"
#include "storage/nvme_scan.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define MIB               (1ull << 20)
#define SEGMENTS_LEAST    4u
#define SEGMENTS_LIKED    64u
#define SEGMENT_LIKED_MIN (4 * MIB)
#define SEGMENT_LIKED_MAX (256 * MIB)
/* A flush whose superblock has not been written by then has failed. */
#define FLUSH_MOST_NS (2 * NS_PER_SECOND)
#define RETRY_NS      NS_PER_SECOND

enum status
nvme_super_open(struct nvme *nvme)
{
    pthread_mutex_init(&nvme->supers.lock, NULL);
    nvme->supers.block = nvme_file_memory(NVME_BLOCK);
    return nvme->supers.block != NULL ? STATUS_OK : STATUS_NO_SPACE;
}

void
nvme_super_close(struct nvme *nvme)
{
    assert(nvme->supers.first == NULL && nvme->supers.under_way == NULL);
    free(nvme->supers.block);
    pthread_mutex_destroy(&nvme->supers.lock);
}

/* --- Reading and making. --- */

/* Bytes of a segment that holds one value of this size, and its table. */
static uint64_t
segment_for(uint64_t value_max)
{
    uint64_t blocks = 1 + NVME_HEAD_BLOCKS_MAX + nvme_blocks_of(value_max) + 1 +
                      nvme_blocks_of(NVME_ITEM_MAX) + 1;

    return (blocks * NVME_BLOCK + MIB - 1) / MIB * MIB;
}

/* 0: there is no room for the least of segments. */
static uint64_t
choose_segment_size(const struct nvme *nvme, uint64_t room)
{
    uint64_t size = SEGMENT_LIKED_MIN;
    uint64_t least = segment_for(nvme->options.value_max);

    if (room < NVME_DATA_START + SEGMENTS_LEAST * MIB)
        return 0;
    room -= NVME_DATA_START;
    while (size < SEGMENT_LIKED_MAX && size * 2 <= room / SEGMENTS_LIKED)
        size *= 2;
    if (size < least)
        size = least;
    if (size > NVME_SEGMENT_MAX)
        size = NVME_SEGMENT_MAX;
    if (size > room / SEGMENTS_LEAST)
        size = room / SEGMENTS_LEAST / MIB * MIB;
    return size;
}

static uint32_t
count_for(uint64_t room, uint64_t segment_size)
{
    uint64_t count =
        room < NVME_DATA_START ? 0 : (room - NVME_DATA_START) / segment_size;

    return count < NVME_NO_SEGMENT ? (uint32_t)count : NVME_NO_SEGMENT - 1;
}

/* A device that shrinks has its old ones until what they said of others has
 * been said again (nvme_recovery.c). */
static void
set_size(struct nvme *nvme, uint32_t count)
{
    struct nvme_super *super = &nvme->supers.super;

    memcpy(nvme->identity, super->identity, NVME_IDENTITY);
    nvme->segment_size = super->segment_size;
    nvme->log.count = count;
    nvme->size = NVME_DATA_START + count * super->segment_size;
    if (super->segment_count < count)
        super->segment_count = count;
}

static enum status
format(struct nvme *nvme, uint64_t room, uint64_t serial)
{
    struct nvme_super *super = &nvme->supers.super;
    uint64_t segment_size = choose_segment_size(nvme, room);

    if (segment_size == 0) {
        log_event(LOG_ERROR, "nvme.size too small",
                  "%llu bytes, at least %llu are needed",
                  (unsigned long long)room,
                  (unsigned long long)(NVME_DATA_START + SEGMENTS_LEAST * MIB));
        return STATUS_BAD_REQUEST;
    }
    *super = (struct nvme_super){.version = NVME_VERSION,
                                 .serial = serial,
                                 .segment_size = segment_size};
    if (getrandom(super->identity, NVME_IDENTITY, 0) != NVME_IDENTITY) {
        log_event(LOG_ERROR, "no random bytes", "%s", strerror(errno));
        return STATUS_BAD_REQUEST;
    }
    set_size(nvme, count_for(room, segment_size));
    nvme->old_count = 0;
    /* What can not be written now is written by a probe. */
    if (nvme_file_reserve(nvme, nvme->size)) {
        if (nvme_super_write(nvme, super->segment_count) == STATUS_OK)
            nvme_file_trim(nvme, nvme->size);
        else
            nvme_health_stop_writes(nvme, EIO);
    }
    log_event(LOG_INFO, "nvme is new", "%s: %u segments of %llu MiB",
              nvme->path, super->segment_count,
              (unsigned long long)(segment_size / MIB));
    return STATUS_OK;
}

static enum status
format_blank(struct nvme *nvme, uint64_t room)
{
    bool is_blank;
    enum status status = nvme_file_is_blank(nvme, &is_blank);

    if (status != STATUS_OK)
        return status;
    if (is_blank)
        return format(nvme, room, 1);
    log_event(LOG_ERROR, "not a prefixcache device",
              "%s holds something else; empty it yourself if it may go",
              nvme->path);
    return STATUS_BAD_REQUEST;
}

static enum status
adopt(struct nvme *nvme, uint64_t room, const struct nvme_super_seen *seen)
{
    uint64_t segment_size = seen->super.segment_size;
    uint32_t count = count_for(room, segment_size);

    if (count < SEGMENTS_LEAST) {
        log_event(LOG_WARN, "nvme is made anew",
                  "%s: fewer than %u of its segments of %llu MiB fit in "
                  "nvme.size",
                  nvme->path, SEGMENTS_LEAST,
                  (unsigned long long)(segment_size / MIB));
        return format(nvme, room, seen->super.serial + 1);
    }
    nvme->supers.super = seen->super;
    nvme->supers.which = seen->which;
    for (unsigned i = 0; i < NVME_SPACES; i++) {
        nvme->supers.wanted[i] = seen->super.flushed[i];
        atomic_store(&nvme->supers.flushed[i], seen->super.flushed[i]);
    }
    nvme->old_count = seen->super.segment_count;
    set_size(nvme, count);
    /* What does not fit any more is read before it is given up; and without
     * room for more, what is there is served. */
    (void)nvme_file_reserve(nvme, nvme->size);
    return STATUS_OK;
}

enum status
nvme_super_load(struct nvme *nvme)
{
    uint64_t room = nvme_file_room(nvme);
    struct nvme_super_seen seen;

    switch (nvme_scan_super(nvme->fd, &seen)) {
    case STATUS_OK:
        return adopt(nvme, room, &seen);
    case STATUS_MISS:
        return format_blank(nvme, room);
    case STATUS_BAD_REQUEST:
        log_event(LOG_ERROR, "nvme is of a newer version",
                  "%s: version %u, this program knows %u; it is left as it is",
                  nvme->path, seen.newer_version, NVME_VERSION);
        return STATUS_BAD_REQUEST;
    case STATUS_IO:
        return STATUS_IO;
    case STATUS_NO_SPACE:
        return STATUS_NO_SPACE;
    default:
        log_event(LOG_ERROR, "not a prefixcache device",
                  "%s has no superblock that is whole; empty it yourself if "
                  "it may go",
                  nvme->path);
        return STATUS_BAD_REQUEST;
    }
}

enum status
nvme_super_write(struct nvme *nvme, uint32_t segment_count)
{
    struct nvme_supers *supers = &nvme->supers;
    struct nvme_super next = supers->super;
    enum status status = STATUS_OK;

    next.segment_count = segment_count;
    memcpy(next.flushed, supers->wanted, sizeof(next.flushed));
    for (unsigned i = 0; i < 2 && status == STATUS_OK; i++) {
        unsigned which = 1 - supers->which;

        next.serial = supers->super.serial + 1;
        nvme_write_super(&next, supers->block);
        status = nvme_file_write(nvme, which * (uint64_t)NVME_BLOCK,
                                 supers->block, NVME_BLOCK);
        if (status != STATUS_OK)
            break;
        supers->super = next;
        supers->which = which;
        for (unsigned k = 0; k < NVME_SPACES; k++)
            atomic_store(&supers->flushed[k], next.flushed[k]);
    }
    return status;
}

enum status
nvme_super_settle(struct nvme *nvme)
{
    if (!nvme->supers.is_wanted)
        return STATUS_OK;
    nvme->supers.is_wanted = false;
    return nvme_super_write(nvme, nvme->supers.super.segment_count);
}

/* --- Flushes. --- */

static void
on_post(struct post *post)
{
    struct lower_flush *flush =
        (struct lower_flush *)((char *)post -
                               offsetof(struct lower_flush, post));

    flush->done(flush);
}

static void
answer(struct lower_flush **list, enum status status)
{
    while (*list != NULL) {
        struct lower_flush *flush = *list;

        *list = flush->next;
        flush->status = status;
        flush->post.run = on_post;
        port_post(flush->port, &flush->post);
    }
}

static void
want(struct nvme_supers *supers, unsigned space, uint64_t sequence)
{
    if (supers->wanted[space] >= sequence)
        return;
    supers->wanted[space] = sequence;
    supers->is_wanted = true;
}

void
nvme_super_raise(struct nvme *nvme, uint64_t sequence)
{
    for (unsigned i = 0; i < NVME_SPACES; i++)
        want(&nvme->supers, i, sequence);
}

void
nvme_flush(struct tier *tier, struct lower_flush *flush)
{
    struct nvme *nvme = nvme_of(tier);
    struct nvme_supers *supers = &nvme->supers;
    struct port *mover;

    assert(flush->space <= LOWER_ALL_SPACES);
    nvme_see_sequence(nvme, flush->sequence);
    flush->next = NULL;
    pthread_mutex_lock(&supers->lock);
    if (supers->last != NULL) {
        supers->last->next = flush;
    } else {
        supers->first = flush;
        supers->waiting_ns = clock_now_ns();
    }
    supers->last = flush;
    pthread_mutex_unlock(&supers->lock);
    mover = atomic_load(&nvme->mover);
    if (mover != NULL)
        port_wake(mover);
}

uint64_t
nvme_flushed(const struct tier *tier, unsigned space)
{
    const struct nvme *nvme = nvme_of_const(tier);

    return atomic_load_explicit(&nvme->supers.flushed[space],
                                memory_order_relaxed);
}

static struct nvme *
nvme_of_super(struct io *io)
{
    return (struct nvme *)((char *)io - offsetof(struct nvme, supers.io));
}

static void start_copy(struct nvme *);

static void
on_written(struct io *io)
{
    struct nvme *nvme = nvme_of_super(io);
    struct nvme_supers *supers = &nvme->supers;
    bool is_written = io->result == (int32_t)io->size;

    supers->is_writing = false;
    if (is_written) {
        bool is_first = !supers->is_second;

        supers->super = supers->next;
        supers->which = 1 - supers->which;
        for (unsigned i = 0; i < NVME_SPACES; i++)
            atomic_store_explicit(&supers->flushed[i], supers->super.flushed[i],
                                  memory_order_relaxed);
        if (is_first) {
            start_copy(nvme);
            return;
        }
        if (supers->is_probe)
            nvme_health_back(nvme, true);
    } else {
        /* Whoever waits is told; it is tried again all the same. */
        supers->is_wanted = true;
        supers->retry_at_ns = clock_now_ns() + RETRY_NS;
        nvme_health_write_failed(nvme, -io->result);
    }
    supers->is_probe = false;
    answer(&supers->under_way, is_written ? STATUS_OK : STATUS_IO);
}

static void
want_all(struct nvme_supers *supers, const struct lower_flush *list)
{
    for (; list != NULL; list = list->next) {
        unsigned space = list->space, end = list->space + 1;

        if (list->space == LOWER_ALL_SPACES) {
            space = 0;
            end = NVME_SPACES;
        }
        for (; space < end; space++)
            want(supers, space, list->sequence);
    }
}

/* The queue is under way from here on. */
static void
take_queue(struct nvme_supers *supers, uint64_t now_ns)
{
    pthread_mutex_lock(&supers->lock);
    supers->under_way = supers->first;
    supers->first = supers->last = NULL;
    supers->started_ns = now_ns;
    pthread_mutex_unlock(&supers->lock);
    want_all(supers, supers->under_way);
}

/* In place of the older copy. */
static void
start_one(struct nvme *nvme)
{
    struct nvme_supers *supers = &nvme->supers;

    supers->next.serial++;
    nvme_write_super(&supers->next, supers->block);
    supers->is_writing = true;
    supers->vector = (struct iovec){supers->block, NVME_BLOCK};
    supers->io =
        (struct io){.is_write = true,
                    .offset = (1 - supers->which) * (uint64_t)NVME_BLOCK,
                    .done = on_written};
    nvme_file_start(nvme, &supers->io, &supers->vector);
}

static void
start_write(struct nvme *nvme)
{
    struct nvme_supers *supers = &nvme->supers;

    supers->next = supers->super;
    memcpy(supers->next.flushed, supers->wanted, sizeof(supers->wanted));
    supers->is_wanted = false;
    supers->is_second = false;
    start_one(nvme);
}

/* One copy may rot: nobody is told that it is written before both are. */
static void
start_copy(struct nvme *nvme)
{
    nvme->supers.is_second = true;
    start_one(nvme);
}

void
nvme_super_probe(struct nvme *nvme)
{
    if (nvme->supers.is_writing)
        return;
    nvme->supers.is_probe = true;
    start_write(nvme);
}

/* Nobody waits for a device that does not answer. */
static void
end_late(struct nvme *nvme, uint64_t now_ns)
{
    struct nvme_supers *supers = &nvme->supers;
    struct lower_flush *late = NULL;

    if (supers->under_way != NULL &&
        now_ns > supers->started_ns + FLUSH_MOST_NS)
        answer(&supers->under_way, STATUS_IO);
    pthread_mutex_lock(&supers->lock);
    if (supers->first != NULL &&
        (nvme->is_dead || now_ns > supers->waiting_ns + FLUSH_MOST_NS)) {
        late = supers->first;
        supers->first = supers->last = NULL;
    }
    pthread_mutex_unlock(&supers->lock);
    want_all(supers, late);
    answer(&late, STATUS_IO);
}

void
nvme_super_care(struct nvme *nvme, uint64_t now_ns)
{
    struct nvme_supers *supers = &nvme->supers;

    if (supers->is_writing || nvme->is_dead) {
        end_late(nvme, now_ns);
        return;
    }
    take_queue(supers, now_ns);
    if (supers->under_way != NULL ||
        (supers->is_wanted && now_ns >= supers->retry_at_ns &&
         nvme_may_write(&nvme->tier)))
        start_write(nvme);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bodies read into chunks, by threads of their own.
 *
 *   asked -> waits for its turn -> has memory, waits for a thread -> read
 *   -> done(), on the port that asked
 *
 * A turn is a share of the bytes that may be under way.  Memory is taken when it
 * comes, on the asker's thread, so that what waits for the disk holds none.
 *
 * Nothing is believed: the name that RocksDB looks up is the whole key with the
 * PUT and the place, and the bytes must be those of the place's checksum.
 */
#include "storage/spill_state.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"
#include "storage/pool.h"

#include <assert.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Under way at one time, for each thread. */
#define TURN_BYTES (4u << 20)
#define HUGE_PAGE  ((size_t)2 << 20)
/* glibc keeps pieces of up to so many bytes on a heap; and of a heap, what fits. */
#define HEAP_PIECE (32 << 20)
#define HEAP_BYTES ((size_t)28 << 20)
/* Others may take what was made free. */
#define ROOM_TRIES 8u

struct spill_read {
    struct post post; /* first */
    struct spill *spill;
    struct transfer *transfer;
    struct spill_read *next;
    struct spill_spot spot;
    enum status status;
};

/* --- Lines. --- */

static void
append(struct spill_line *line, struct spill_read *read)
{
    read->next = NULL;
    if (line->first != NULL)
        line->last->next = read;
    else
        line->first = read;
    line->last = read;
}

static struct spill_read *
take(struct spill_line *line)
{
    struct spill_read *read = line->first;

    line->first = read->next;
    return read;
}

/* With the lock held. */
static bool
is_admitted(struct spill_reader *reader, const struct spill_read *read)
{
    uint64_t size = read->transfer->size;

    if (reader->admitted != 0 &&
        reader->admitted + size > (uint64_t)TURN_BYTES * reader->count)
        return false;
    /* So that an empty value is one of them, too. */
    reader->admitted += size + 1;
    return true;
}

static void on_turn(struct post *post);

/* A read has had its turn: those behind it have theirs. */
static void
leave(struct spill_reader *reader, const struct spill_read *read)
{
    pthread_mutex_lock(&reader->lock);
    reader->admitted -= read->transfer->size + 1;
    while (reader->waiting.first != NULL &&
           is_admitted(reader, reader->waiting.first)) {
        struct spill_read *next = take(&reader->waiting);

        next->post.run = on_turn;
        port_post(next->transfer->port, &next->post);
    }
    pthread_mutex_unlock(&reader->lock);
}

/* --- Memory, on the asker's thread. --- */

static bool
make_room(const struct spill_read *read, uint64_t bytes)
{
    const struct spill *spill = read->spill;

    return spill->make_room != NULL &&
           spill->make_room(read->transfer->port, bytes);
}

static struct spill_read *
new_read(const struct spill_read *need)
{
    struct pool *pool = need->spill->pool;
    struct spill_read *read = pool_object_new(pool, sizeof(*read));

    for (unsigned i = 0; read == NULL && i < ROOM_TRIES; i++) {
        if (!make_room(need, POOL_OBJECT_MAX))
            return NULL;
        read = pool_object_new(pool, sizeof(*read));
    }
    if (read != NULL)
        *read = *need;
    return read;
}

static enum status
take_chunk(const struct spill_read *read)
{
    struct transfer *transfer = read->transfer;
    struct pool *pool = read->spill->pool;
    uint32_t size = transfer->size, before;
    struct chunk *chunk;

    (void)make_room(read, chunk_footprint(size));
    if (chunk_new(pool, size, &transfer->chunk) != STATUS_OK &&
        (!make_room(read, POOL_OBJECT_MAX) ||
         chunk_new(pool, size, &transfer->chunk) != STATUS_OK))
        return STATUS_NO_SPACE;
    chunk = transfer->chunk;
    for (unsigned tries = 0; chunk->taken < size; tries++) {
        before = chunk->taken;
        if (chunk_grow(chunk, size - before) == STATUS_OK &&
            chunk->taken != before)
            tries = 0;
        else if (tries == ROOM_TRIES || !make_room(read, size - before))
            return STATUS_NO_SPACE;
    }
    return STATUS_OK;
}

/* Ends it with a status; the caller tells. */
static void
end(struct spill_read *read, enum status status)
{
    struct transfer *transfer = read->transfer;

    transfer->status = status;
    if (status != STATUS_OK)
        chunk_drop(&transfer->chunk);
    pool_object_free(read->spill->pool, read, sizeof(*read));
}

static void
on_read(struct post *post)
{
    struct spill_read *read = (struct spill_read *)post;
    struct transfer *transfer = read->transfer;

    end(read, read->status);
    transfer->done(transfer);
}

/* It has its turn: memory, and off to a thread. */
static enum status
begin(struct spill_read *read)
{
    struct spill_reader *reader = &read->spill->reader;
    enum status status = STATUS_IO;

    if (spill_health_may_read(read->spill))
        status = take_chunk(read);
    if (status != STATUS_OK) {
        leave(reader, read);
        return status;
    }
    pthread_mutex_lock(&reader->lock);
    append(&reader->ready, read);
    pthread_cond_signal(&reader->wake);
    pthread_mutex_unlock(&reader->lock);
    return STATUS_OK;
}

static void
on_turn(struct post *post)
{
    struct spill_read *read = (struct spill_read *)post;
    struct transfer *transfer = read->transfer;
    enum status status = begin(read);

    if (status == STATUS_OK)
        return;
    end(read, status);
    transfer->done(transfer);
}

static enum status
start(struct spill *spill, struct transfer *transfer)
{
    const struct spill_read need = {.spill = spill,
                                    .transfer = transfer,
                                    .spot = spill_spot(&transfer->place)};
    struct spill_reader *reader = &spill->reader;
    struct spill_read *read;
    enum status status;
    bool has_turn;

    if (!spill_health_may_read(spill))
        return STATUS_IO;
    read = new_read(&need);
    if (read == NULL)
        return STATUS_NO_SPACE;
    pthread_mutex_lock(&reader->lock);
    has_turn = reader->waiting.first == NULL && is_admitted(reader, read);
    if (!has_turn)
        append(&reader->waiting, read);
    pthread_mutex_unlock(&reader->lock);
    if (!has_turn)
        return STATUS_OK;
    status = begin(read);
    if (status != STATUS_OK)
        end(read, status);
    return status;
}

enum progress
spill_read_get(struct spill *spill, struct transfer *transfer)
{
    enum status status = start(spill, transfer);

    if (status == STATUS_OK)
        return PENDING;
    transfer->status = status;
    return FINISHED;
}

/* --- Reading, on a thread of the tier. --- */

static enum status
read_piece(const struct spill_group *group, const struct spill_name *name,
           struct chunk *chunk, struct rocks_why *why)
{
    uint32_t expected = chunk_missing(chunk);
    struct rocks_value value;
    enum status status =
        rocks_read(group->family, (struct rocks_bytes){name->bytes, name->size},
                   &value, why);

    if (status != STATUS_OK)
        return status;
    if (expected > SPILL_PIECE)
        expected = SPILL_PIECE;
    if (value.bytes.size == expected) {
        chunk_copy_in(chunk, value.bytes.at, expected);
    } else {
        snprintf(why->text, sizeof(why->text), "a piece has another size");
        status = STATUS_CORRUPT;
    }
    rocks_value_free(&value);
    return status;
}

static enum status
read_body(const struct spill_read *read, const struct spill_group *group,
          struct rocks_why *why)
{
    const struct transfer *transfer = read->transfer;
    struct chunk *chunk = transfer->chunk;
    unsigned pieces = spill_head_pieces(transfer->size);
    struct spill_name name;
    enum status status = STATUS_OK;

    spill_head_body_name(&name, read->spot.number, transfer->sequence,
                         &transfer->key);
    for (unsigned i = 0; i < pieces && status == STATUS_OK; i++) {
        spill_head_body_piece(&name, i);
        status = read_piece(group, &name, chunk, why);
    }
    if (status != STATUS_OK)
        return status;
    chunk_seal(chunk);
    if (chunk->checksum == read->spot.checksum)
        return STATUS_OK;
    snprintf(why->text, sizeof(why->text), "its bytes are others");
    return STATUS_CORRUPT;
}

static enum status
read_from_base(const struct spill_read *read, struct rocks_why *why)
{
    struct spill *spill = read->spill;
    struct spill_group *group;
    enum status status = STATUS_MISS;

    if (!spill_base_enter(spill))
        return STATUS_LATE;
    group = spill_group_hold(spill, read->spot.group);
    if (group != NULL) {
        status = read_body(read, group, why);
        spill_group_release(spill, group);
    }
    spill_base_leave(spill);
    return status;
}

static void
report(const struct spill_read *read, enum status status,
       const struct rocks_why *why)
{
    static struct log_limiter limiter;
    struct spill *spill = read->spill;

    atomic_store_explicit(&spill->health.read_done_ns, clock_now_ns(),
                          memory_order_relaxed);
    if (status == STATUS_OK)
        atomic_fetch_add_explicit(&spill->reader.bytes, read->transfer->size,
                                  memory_order_relaxed);
    if (status == STATUS_IO)
        spill_health_read_failed(spill, why);
    if (status != STATUS_CORRUPT)
        return;
    atomic_fetch_add_explicit(&spill->health.corrupt, 1, memory_order_relaxed);
    log_limited(&limiter, LOG_WARN, "spill value corrupt",
                "group %llu, number %llu: %s; it is a miss",
                (unsigned long long)read->spot.group,
                (unsigned long long)read->spot.number, why->text);
}

static void
read_one(struct spill_read *read)
{
    struct rocks_why why = {""};
    enum status status = read_from_base(read, &why);

    report(read, status, &why);
    /* It was closed meanwhile, which is known already. */
    read->status = status;
    leave(&read->spill->reader, read);
    read->post.run = on_read;
    port_post(read->transfer->port, &read->post);
}

/*
 * RocksDB reads into memory that it takes from the heap.  A megabyte in pages of
 * 4 KiB is more pieces than a disk takes in one request, and comes at half its
 * speed; so the heap that these threads share is huge pages, where those are
 * given to who asks.  What is freed stays there for the next read.
 */
static void
widen_heap(void)
{
    void *heap;

    if (posix_memalign(&heap, HUGE_PAGE, HEAP_BYTES) != 0)
        return;
    (void)madvise(heap, HEAP_BYTES, MADV_HUGEPAGE);
    free(heap);
}

static void *
run(void *arg)
{
    struct spill *spill = arg;
    struct spill_reader *reader = &spill->reader;

    widen_heap();
    pthread_mutex_lock(&reader->lock);
    for (;;) {
        struct spill_read *read;

        while (reader->ready.first == NULL && !reader->is_stopping)
            pthread_cond_wait(&reader->wake, &reader->lock);
        if (reader->ready.first == NULL)
            break;
        read = take(&reader->ready);
        pthread_mutex_unlock(&reader->lock);
        read_one(read);
        pthread_mutex_lock(&reader->lock);
    }
    pthread_mutex_unlock(&reader->lock);
    return NULL;
}

enum status
spill_read_open(struct spill *spill)
{
    struct spill_reader *reader = &spill->reader;
    unsigned wanted = spill->health.is_off ? 0 : spill->options.threads;
    enum status status = STATUS_OK;

    (void)mallopt(M_MMAP_THRESHOLD, HEAP_PIECE);
    (void)mallopt(M_TRIM_THRESHOLD, HEAP_PIECE);
    pthread_mutex_init(&reader->lock, NULL);
    pthread_cond_init(&reader->wake, NULL);
    if (wanted > SPILL_THREADS_MAX)
        wanted = SPILL_THREADS_MAX;
    while (reader->count < wanted && status == STATUS_OK) {
        char name[16];

        snprintf(name, sizeof(name), "spill-%u", reader->count);
        status =
            thread_start(&reader->threads[reader->count], name, run, spill);
        reader->count += status == STATUS_OK;
    }
    return status;
}

void
spill_read_close(struct spill *spill)
{
    struct spill_reader *reader = &spill->reader;

    pthread_mutex_lock(&reader->lock);
    reader->is_stopping = true;
    pthread_cond_broadcast(&reader->wake);
    pthread_mutex_unlock(&reader->lock);
    for (unsigned i = 0; i < reader->count; i++)
        pthread_join(reader->threads[i], NULL);
    assert(reader->waiting.first == NULL && reader->ready.first == NULL);
    pthread_cond_destroy(&reader->wake);
    pthread_mutex_destroy(&reader->lock);
}

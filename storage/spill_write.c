/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bodies on their way into groups.  What is put waits until there is enough for
 * a table of some size, or for a moment; the table is made in a file, taken into
 * the newest group, and then the heads say that its values are there.  All of
 * that is on the device before any of them is done.
 */
#include "storage/spill_state.h"

#include "base/clock.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#define START_BYTES (4u << 20)
#define WAIT_NS     (50 * NS_PER_MS)
#define TABLE_MIN   (1u << 20)
#define TABLE_MAX   (32u << 20)
/* What is noted waits for the table that is being made. */
#define TABLE_SECONDS 0.25
#define RATE_AT_FIRST (64u << 20)
/* Small tables become one. */
#define SMALL_SHARE 8u /* of a group */
#define SMALL_MAX   (4u << 20)
#define RUN_TABLES  32u
#define RUN_LEAST   8u

enum status
spill_write_open(struct spill *spill)
{
    struct spill_queue *queue = &spill->queue;
    pthread_condattr_t attributes;

    pthread_mutex_init(&queue->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&queue->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    spill->writer.batch = rocks_batch_new();
    spill->writer.rate = RATE_AT_FIRST;
    spill->writer.piece = malloc(SPILL_PIECE);
    queue->puts = calloc(SPILL_PUTS, sizeof(*queue->puts));
    if (spill->writer.piece == NULL || queue->puts == NULL)
        return STATUS_NO_SPACE;
    for (unsigned i = SPILL_PUTS; i > 0; i--) {
        queue->puts[i - 1].next = queue->free_puts;
        queue->free_puts = &queue->puts[i - 1];
    }
    return STATUS_OK;
}

void
spill_write_close(struct spill *spill)
{
    assert(spill->queue.first == NULL);
    free(spill->queue.puts);
    free(spill->writer.piece);
    rocks_batch_free(&spill->writer.batch);
    pthread_cond_destroy(&spill->queue.wake);
    pthread_mutex_destroy(&spill->queue.lock);
}

/* --- Into the queue, on the mover's thread. --- */

static bool
has_room(const struct spill *spill, const struct transfer *transfer,
         uint64_t space)
{
    const struct spill_queue *queue = &spill->queue;

    return queue->free_puts != NULL &&
           (queue->bytes == 0 ||
            queue->bytes + transfer->chunk->size <= spill->options.inflight) &&
           space <= spill_space_free(spill);
}

static void
enqueue(struct spill *spill, struct transfer *transfer, uint64_t space)
{
    struct spill_queue *queue = &spill->queue;
    struct spill_put *put = queue->free_puts;
    uint64_t before = queue->bytes;

    queue->free_puts = put->next;
    *put = (struct spill_put){.spill = spill,
                              .transfer = transfer,
                              .space = space,
                              .asked_ns = clock_now_ns(),
                              .expires_unix_ms = transfer->expires_unix_ms,
                              .form = transfer->form};
    if (transfer->meta != NULL)
        put->meta = *transfer->meta;
    if (queue->first != NULL)
        queue->last->next = put;
    else
        queue->first = put;
    queue->last = put;
    queue->put_count++;
    /* An empty value is one of them, too. */
    queue->bytes += transfer->chunk->size + 1;
    atomic_fetch_add(&spill->space.queued, space);
    if (queue->first == put ||
        (before < START_BYTES && queue->bytes >= START_BYTES))
        pthread_cond_signal(&queue->wake);
}

static enum status
put(struct spill *spill, struct transfer *transfer)
{
    uint32_t size = transfer->chunk->size;
    uint64_t space = spill_space_of(size, transfer->key.size);
    bool is_taken;

    if (!spill_health_may_write(spill))
        return STATUS_IO;
    if (size > spill->space.value_max)
        return STATUS_TOO_BIG;
    pthread_mutex_lock(&spill->queue.lock);
    is_taken = has_room(spill, transfer, space);
    if (is_taken)
        enqueue(spill, transfer, space);
    pthread_mutex_unlock(&spill->queue.lock);
    return is_taken ? STATUS_OK : STATUS_BUSY;
}

enum progress
spill_write_put(struct spill *spill, struct transfer *transfer)
{
    enum status status;

    spill_see_sequence(spill, transfer->sequence);
    status = put(spill, transfer);
    if (status == STATUS_OK)
        return PENDING;
    transfer->status = status;
    return FINISHED;
}

void
spill_write_submit(struct spill *spill)
{
    struct spill_queue *queue = &spill->queue;

    pthread_mutex_lock(&queue->lock);
    if (queue->first != NULL && !queue->is_complete) {
        queue->is_complete = true;
        pthread_cond_signal(&queue->wake);
    }
    pthread_mutex_unlock(&queue->lock);
}

/* --- Out of it. --- */

static void
on_written(struct post *post)
{
    struct spill_put *its = (struct spill_put *)post;
    struct spill_queue *queue = &its->spill->queue;
    struct transfer *transfer = its->transfer;

    pthread_mutex_lock(&queue->lock);
    its->next = queue->free_puts;
    queue->free_puts = its;
    pthread_mutex_unlock(&queue->lock);
    transfer->done(transfer);
}

static struct tier_place
place_of(const struct spill_put *its, uint64_t group)
{
    const struct spill_spot spot = {.group = group,
                                    .number = its->number,
                                    .checksum = its->transfer->chunk->checksum};

    return spill_place(&spot);
}

/* The writer's, of all that it has taken. */
static void
finish(struct spill *spill, struct spill_put *first, uint64_t group,
       enum status status)
{
    struct spill_queue *queue = &spill->queue;

    while (first != NULL) {
        struct spill_put *its = first;
        struct transfer *transfer = its->transfer;
        uint32_t size = transfer->chunk->size;

        first = its->next;
        transfer->status = status;
        if (status == STATUS_OK) {
            transfer->place = place_of(its, group);
            atomic_fetch_add_explicit(&spill->bytes_used, size,
                                      memory_order_relaxed);
            atomic_fetch_add_explicit(&spill->chunks, 1, memory_order_relaxed);
            atomic_fetch_add_explicit(&spill->writer.bytes, size,
                                      memory_order_relaxed);
        }
        atomic_fetch_sub(&spill->space.queued, its->space);
        pthread_mutex_lock(&queue->lock);
        queue->bytes -= size + 1;
        queue->done_count++;
        pthread_mutex_unlock(&queue->lock);
        its->post.run = on_written;
        port_post(transfer->port, &its->post);
    }
}

uint64_t
spill_write_due_ns(const struct spill *spill)
{
    const struct spill_queue *queue = &spill->queue;

    if (queue->first == NULL)
        return 0;
    if (queue->is_complete || queue->bytes >= START_BYTES ||
        queue->free_puts == NULL || queue->taken != 0 || queue->is_stopping ||
        !spill_health_may_write(spill))
        return 1;
    return queue->first->asked_ns + WAIT_NS;
}

/* As many as make a table of that size, and one at least. */
static struct spill_put *
take(struct spill *spill, uint64_t most)
{
    struct spill_queue *queue = &spill->queue;
    struct spill_put *first, *last;
    uint64_t bytes;

    pthread_mutex_lock(&queue->lock);
    first = last = queue->first;
    bytes = first->space;
    while (last->next != NULL && bytes + last->next->space <= most) {
        last = last->next;
        bytes += last->space;
    }
    queue->first = last->next;
    if (queue->first == NULL)
        queue->is_complete = false;
    pthread_mutex_unlock(&queue->lock);
    last->next = NULL;
    return first;
}

/* --- Tables. --- */

static struct rocks_bytes
piece_at(const struct spill *spill, const struct chunk *chunk, uint32_t offset)
{
    uint32_t size = chunk->size - offset;
    struct chunk_cursor cursor = chunk_cursor_at(chunk, offset);
    struct iovec run;

    if (size > SPILL_PIECE)
        size = SPILL_PIECE;
    if (size == 0)
        return (struct rocks_bytes){spill->writer.piece, 0};
    (void)chunk_cursor_vectors(&cursor, &run, 1, size);
    if (run.iov_len == size)
        return (struct rocks_bytes){run.iov_base, size};
    chunk_copy_out(chunk, offset, spill->writer.piece, size);
    return (struct rocks_bytes){spill->writer.piece, size};
}

static enum status
add(const struct spill *spill, struct rocks_table *table,
    const struct spill_put *its, struct rocks_why *why)
{
    const struct transfer *transfer = its->transfer;
    unsigned pieces = spill_head_pieces(transfer->chunk->size);
    struct spill_name name;
    enum status status = STATUS_OK;

    spill_head_body_name(&name, its->number, transfer->sequence,
                         &transfer->key);
    for (unsigned i = 0; i < pieces && status == STATUS_OK; i++) {
        spill_head_body_piece(&name, i);
        status = rocks_table_add(
            table, (struct rocks_bytes){name.bytes, name.size},
            piece_at(spill, transfer->chunk, i * SPILL_PIECE), why);
    }
    return status;
}

static enum status
make_table(struct spill *spill, const struct spill_put *first,
           uint64_t *bytes_out, struct rocks_why *why)
{
    struct rocks_table *table;
    enum status status =
        rocks_table_new(spill->base.bodies, spill->files.table, &table, why);

    if (status != STATUS_OK)
        return status;
    for (const struct spill_put *its = first;
         its != NULL && status == STATUS_OK; its = its->next)
        status = add(spill, table, its, why);
    if (status == STATUS_OK)
        status = rocks_table_finish(table, bytes_out, why);
    rocks_table_free(&table);
    if (status != STATUS_OK)
        (void)unlink(spill->files.table);
    return status;
}

/* Where there is no room, the oldest group makes some, once. */
static enum status
make_table_somehow(struct spill *spill, const struct spill_put *first,
                   uint64_t *bytes_out)
{
    struct rocks_why why;
    enum status status = make_table(spill, first, bytes_out, &why);

    if (status == STATUS_NO_SPACE &&
        spill_victim_sacrifice(spill, &why) == STATUS_OK)
        status = make_table(spill, first, bytes_out, &why);
    if (status == STATUS_NO_SPACE)
        spill_health_stop_writes(spill, status, &why);
    else if (status != STATUS_OK)
        spill_health_write_failed(spill, &why);
    return status;
}

static void
write_head(struct rocks_batch *batch, const struct spill_put *its,
           uint64_t group)
{
    const struct transfer *transfer = its->transfer;
    const struct spill_head head = {.key = transfer->key,
                                    .sequence = transfer->sequence,
                                    .group = group,
                                    .number = its->number,
                                    .expires_unix_ms = its->expires_unix_ms,
                                    .checksum = transfer->chunk->checksum,
                                    .size = transfer->chunk->size,
                                    .form = its->form,
                                    .meta = its->meta};
    uint8_t bytes[SPILL_HEAD_MAX];
    uint32_t size = spill_head_write(&head, bytes);
    struct spill_name name;

    spill_head_name(&name, head.sequence);
    rocks_batch_put(batch, (struct rocks_bytes){name.bytes, name.size},
                    (struct rocks_bytes){bytes, size});
    spill_head_group_name(&name, group, head.sequence);
    rocks_batch_put(batch, (struct rocks_bytes){name.bytes, name.size},
                    (struct rocks_bytes){bytes, 0});
}

static void
number_name(struct spill_name *name, uint64_t number)
{
    static const uint8_t none[1];
    const struct key key = {.bytes = none};

    spill_head_body_name(name, number, 0, &key);
}

/* Many small tables cost a descriptor and an index each: those at the end of
 * the group become one. */
static void
merge_small(struct spill *spill, struct spill_group *group, uint64_t bytes,
            uint64_t number)
{
    uint64_t small = spill->space.group_size / SMALL_SHARE;
    struct spill_name first, last;

    if (small > SMALL_MAX)
        small = SMALL_MAX;
    if (group->run_tables == 0)
        group->run_number = number;
    group->run_tables++;
    group->run_bytes += bytes;
    if (bytes < small && group->run_tables < RUN_TABLES &&
        group->run_bytes < spill->space.run_max)
        return;
    if (bytes < small && group->run_tables >= RUN_LEAST &&
        group->run_bytes <= spill->space.run_max) {
        number_name(&first, group->run_number);
        number_name(&last, spill->writer.marks.number);
        rocks_merge(group->family,
                    (struct rocks_bytes){first.bytes, first.size},
                    (struct rocks_bytes){last.bytes, last.size});
        spill_group_resize(spill, group, rocks_family_bytes(group->family));
    }
    group->run_tables = 0;
    group->run_bytes = 0;
}

static enum status
write_batch(struct spill *spill, struct spill_group *group,
            struct spill_put *first, uint64_t *bytes_out)
{
    struct spill_writer *writer = &spill->writer;
    struct rocks_why why;
    enum status status;

    for (struct spill_put *its = first; its != NULL; its = its->next)
        its->number = writer->marks.number++;
    assert(writer->marks.number >> SPILL_NUMBER_BITS == 0);
    status = make_table_somehow(spill, first, bytes_out);
    if (status != STATUS_OK)
        return STATUS_IO;
    status = rocks_take_in(group->family, spill->files.table, &why);
    if (status == STATUS_OK) {
        spill_group_resize(spill, group, group->bytes + *bytes_out);
        for (struct spill_put *its = first; its != NULL; its = its->next)
            write_head(writer->batch, its, group->id);
        status = spill_writer_commit(spill, &why);
    } else {
        (void)unlink(spill->files.table);
    }
    if (status != STATUS_OK) {
        spill_health_doubt(spill, status, &why);
        return STATUS_IO;
    }
    return STATUS_OK;
}

/* --- The next ones. --- */

static uint64_t
table_size(const struct spill *spill)
{
    double bytes = (double)spill->writer.rate * TABLE_SECONDS;

    if (bytes < TABLE_MIN)
        return TABLE_MIN;
    return bytes > TABLE_MAX ? TABLE_MAX : (uint64_t)bytes;
}

/* One that has room for the first of the puts. */
static struct spill_group *
find_group(struct spill *spill, const struct spill_put *first)
{
    struct spill_group *group = spill_group_newest(spill);
    struct rocks_why why;
    enum status status;

    if (group != NULL && group->bytes + SPILL_TABLE_MORE + first->space <=
                             spill->space.group_size)
        return group;
    status = spill_group_new(spill, &why);
    if (status != STATUS_OK) {
        spill_health_doubt(spill, status, &why);
        return NULL;
    }
    return spill_group_newest(spill);
}

static void
measure(struct spill *spill, uint64_t before, uint64_t started_ns)
{
    uint64_t bytes = atomic_load(&spill->writer.bytes) - before;
    uint64_t took_ns = clock_now_ns() - started_ns;

    /* A small one says nothing: what it waits for is not its bytes. */
    if (bytes >= TABLE_MIN && took_ns != 0)
        spill->writer.rate =
            (uint64_t)((double)bytes * NS_PER_SECOND / (double)took_ns);
}

void
spill_write_some(struct spill *spill, uint64_t now_ns)
{
    uint64_t before = atomic_load(&spill->writer.bytes), most, due_ns;
    uint64_t number = spill->writer.marks.number, bytes = 0;
    struct spill_group *group = NULL;
    const struct spill_put *next;
    struct spill_put *first;
    enum status status = STATUS_IO;

    pthread_mutex_lock(&spill->queue.lock);
    due_ns = spill_write_due_ns(spill);
    next = spill->queue.first;
    pthread_mutex_unlock(&spill->queue.lock);
    if (due_ns == 0 || due_ns > now_ns)
        return;
    if (spill_health_may_write(spill))
        group = find_group(spill, next);
    if (group == NULL) {
        finish(spill, take(spill, UINT64_MAX), 0, STATUS_IO);
        return;
    }
    most = spill->space.group_size - group->bytes - SPILL_TABLE_MORE;
    if (group->bytes + SPILL_TABLE_MORE > spill->space.group_size)
        most = 0;
    first = take(spill, most < table_size(spill) ? most : table_size(spill));
    status = write_batch(spill, group, first, &bytes);
    finish(spill, first, group->id, status);
    measure(spill, before, now_ns);
    if (status == STATUS_OK)
        merge_small(spill, group, bytes, number);
}

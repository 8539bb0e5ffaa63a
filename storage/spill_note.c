/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Drops, changes and flushes between those who tell of them, under a lock of
 * the index, and the heads.  Notes have two buffers: one is filled by anybody
 * while the other is written, once all is done that was put before them.  So a
 * drop finds the head of what it drops.
 */
#include "storage/spill_state.h"

#include "base/clock.h"
#include "storage/nvme_field.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* Untouched but for a burst: some hundred thousand deletions. */
#define NOTES_SIZE (8u << 20)
/* A batch of them. */
#define BATCH_NOTES 16384u
#define WAIT_NS     (200 * NS_PER_MS)
/* A flush that takes longer has failed, as far as its client is told. */
#define FLUSH_NS (2 * NS_PER_SECOND)

/* A note: letter, sequence; of a change also expiry, form, metadata. */
#define DROPPED      'd'
#define CHANGED      'c'
#define DROPPED_SIZE 9u
#define CHANGED_SIZE 19u /* and the metadata */
#define SEQUENCE_AT  1u
#define EXPIRES_AT   9u
#define FORM_AT      17u
#define META_SIZE_AT 18u

enum status
spill_note_open(struct spill *spill)
{
    spill->queue.filling = malloc(NOTES_SIZE);
    spill->queue.writing = malloc(NOTES_SIZE);
    return spill->queue.filling != NULL && spill->queue.writing != NULL
               ? STATUS_OK
               : STATUS_NO_SPACE;
}

void
spill_note_close(struct spill *spill)
{
    free(spill->queue.filling);
    free(spill->queue.writing);
}

/* --- Notes, by any thread. --- */

static uint32_t
size_at(const uint8_t *at)
{
    return at[0] == DROPPED ? DROPPED_SIZE : CHANGED_SIZE + at[META_SIZE_AT];
}

static uint32_t
size_of(const struct tier_found *item)
{
    return item->kind == TIER_FOUND_DROPPED ? DROPPED_SIZE
                                            : CHANGED_SIZE + item->meta->size;
}

static void
write_item(const struct tier_found *item, uint8_t *at)
{
    at[0] = item->kind == TIER_FOUND_DROPPED ? DROPPED : CHANGED;
    field_write64(at + SEQUENCE_AT, item->sequence);
    if (at[0] == DROPPED)
        return;
    field_write64(at + EXPIRES_AT, item->expires_unix_ms);
    at[FORM_AT] = item->form;
    at[META_SIZE_AT] = item->meta->size;
    memcpy(at + CHANGED_SIZE, item->meta->bytes, item->meta->size);
}

/* With the lock held. */
static void
count_waiting(struct spill *spill)
{
    const struct spill_queue *queue = &spill->queue;

    atomic_store_explicit(&spill->notes.waiting,
                          queue->filled + queue->taken - queue->written,
                          memory_order_relaxed);
}

void
spill_note_item(struct spill *spill, const struct tier_found *item)
{
    struct spill_queue *queue = &spill->queue;
    uint32_t size = size_of(item);

    if (spill->health.is_off)
        return;
    spill_see_sequence(spill, item->sequence);
    atomic_fetch_add_explicit(&spill->notes.count, 1, memory_order_relaxed);
    pthread_mutex_lock(&queue->lock);
    if (queue->filled == 0) {
        queue->notes_ns = clock_now_ns();
        pthread_cond_signal(&queue->wake);
    }
    if (!queue->is_overflown && NOTES_SIZE - queue->filled >= size) {
        write_item(item, queue->filling + queue->filled);
        queue->filled += size;
    } else {
        queue->is_overflown = true;
        atomic_fetch_add_explicit(&spill->notes.lost, 1, memory_order_relaxed);
    }
    count_waiting(spill);
    pthread_mutex_unlock(&queue->lock);
}

void
spill_note_give_up(struct spill *spill)
{
    pthread_mutex_lock(&spill->queue.lock);
    spill->queue.is_overflown = true;
    pthread_cond_signal(&spill->queue.wake);
    pthread_mutex_unlock(&spill->queue.lock);
}

/* --- Flushes. --- */

static void
on_flushed(struct post *post)
{
    struct lower_flush *flush =
        (struct lower_flush *)((char *)post -
                               offsetof(struct lower_flush, post));

    flush->done(flush);
}

static void
answer(struct lower_flush *first, enum status status)
{
    while (first != NULL) {
        struct lower_flush *flush = first;

        first = flush->next;
        flush->status = status;
        flush->post.run = on_flushed;
        port_post(flush->port, &flush->post);
    }
}

/* With the lock held. */
static struct lower_flush *
take_all(struct spill_flushes *flushes)
{
    struct lower_flush *first = flushes->first;

    flushes->first = NULL;
    return first;
}

static void
want(struct spill_notes *notes, unsigned space, uint64_t sequence)
{
    unsigned from = space == LOWER_ALL_SPACES ? 0 : space;
    unsigned end = space == LOWER_ALL_SPACES ? LOWER_SPACES : space + 1;

    for (unsigned i = from; i < end; i++)
        if (notes->wanted[i] < sequence)
            notes->wanted[i] = sequence;
    notes->is_wanted = true;
}

void
spill_note_flush(struct spill *spill, struct lower_flush *flush)
{
    struct spill_queue *queue = &spill->queue;

    flush->next = NULL;
    if (spill->health.is_off) {
        answer(flush, spill->health.is_void ? STATUS_OK : STATUS_IO);
        return;
    }
    spill_see_sequence(spill, flush->sequence);
    pthread_mutex_lock(&queue->lock);
    want(&spill->notes, flush->space, flush->sequence);
    if (queue->waiting.first == NULL)
        queue->waiting.since_ns = clock_now_ns();
    flush->next = queue->waiting.first;
    queue->waiting.first = flush;
    pthread_cond_signal(&queue->wake);
    pthread_mutex_unlock(&queue->lock);
}

static struct lower_flush *
take_late(struct spill_flushes *flushes, uint64_t now_ns)
{
    if (flushes->first == NULL || now_ns < flushes->since_ns + FLUSH_NS)
        return NULL;
    return take_all(flushes);
}

void
spill_note_care(struct spill *spill, uint64_t now_ns)
{
    struct spill_queue *queue = &spill->queue;
    struct lower_flush *waiting, *under_way;

    pthread_mutex_lock(&queue->lock);
    waiting = take_late(&queue->waiting, now_ns);
    under_way = take_late(&queue->under_way, now_ns);
    pthread_mutex_unlock(&queue->lock);
    answer(waiting, STATUS_IO);
    answer(under_way, STATUS_IO);
}

/* --- The writer's. --- */

/* Can the heads be written? */
static bool
is_open(const struct spill *spill)
{
    return spill->base.heads != NULL &&
           !atomic_load(&spill->health.is_doubtful);
}

bool
spill_note_has_some(const struct spill *spill)
{
    return spill->notes.is_wanted || spill->queue.filled != 0 ||
           spill->queue.taken != 0 || spill->queue.is_overflown;
}

uint64_t
spill_note_due_ns(const struct spill *spill)
{
    const struct spill_queue *queue = &spill->queue;

    if (!is_open(spill) || !spill_note_has_some(spill))
        return 0;
    if (spill->notes.is_wanted || queue->is_overflown || queue->is_stopping)
        return 1;
    if (queue->taken != 0)
        return queue->done_count >= queue->barrier ? 1 : 0;
    return queue->notes_ns + WAIT_NS;
}

void
spill_note_repeat(struct spill *spill)
{
    pthread_mutex_lock(&spill->queue.lock);
    spill->notes.must_repeat = true;
    spill->notes.is_wanted = true;
    pthread_mutex_unlock(&spill->queue.lock);
}

/* More was noted than there is room for: all that was PUT so far goes, by a
 * flush. */
static void
give_up(struct spill *spill)
{
    struct spill_queue *queue = &spill->queue;

    if (!queue->is_overflown)
        return;
    want(&spill->notes, LOWER_ALL_SPACES, atomic_load(&spill->sequence_max));
    queue->is_overflown = false;
    queue->filled = queue->taken = queue->written = 0;
    count_waiting(spill);
}

static void
batch_flushes(struct spill *spill, const uint64_t *wanted, bool is_all)
{
    for (unsigned i = 0; i < LOWER_SPACES; i++) {
        struct spill_name name;
        uint8_t bytes[8];

        if (wanted[i] == 0 ||
            (!is_all && wanted[i] <= atomic_load(&spill->notes.flushed[i])))
            continue;
        spill_head_flush_name(&name, i);
        field_write64(bytes, wanted[i]);
        rocks_batch_put(spill->writer.batch,
                        (struct rocks_bytes){name.bytes, name.size},
                        (struct rocks_bytes){bytes, sizeof(bytes)});
    }
}

/* The device has them, or not. */
static void
end_flushes(struct spill *spill, const uint64_t *wanted, enum status status)
{
    struct spill_queue *queue = &spill->queue;
    struct lower_flush *first;

    for (unsigned i = 0; status == STATUS_OK && i < LOWER_SPACES; i++)
        if (wanted[i] > atomic_load(&spill->notes.flushed[i]))
            atomic_store(&spill->notes.flushed[i], wanted[i]);
    pthread_mutex_lock(&queue->lock);
    first = take_all(&queue->under_way);
    if (status != STATUS_OK)
        spill->notes.is_wanted = true;
    pthread_mutex_unlock(&queue->lock);
    answer(first, status == STATUS_OK ? STATUS_OK : STATUS_IO);
}

static void
write_flushes(struct spill *spill)
{
    struct spill_queue *queue = &spill->queue;
    struct spill_notes *notes = &spill->notes;
    uint64_t wanted[LOWER_SPACES];
    struct rocks_why why;
    enum status status;
    bool is_wanted;

    pthread_mutex_lock(&queue->lock);
    give_up(spill);
    is_wanted = notes->is_wanted;
    memcpy(wanted, notes->wanted, sizeof(wanted));
    queue->under_way = queue->waiting;
    queue->waiting.first = NULL;
    notes->is_wanted = false;
    pthread_mutex_unlock(&queue->lock);
    if (!is_wanted)
        return;
    batch_flushes(spill, wanted, notes->must_repeat);
    status = spill_writer_commit(spill, &why);
    if (status == STATUS_OK)
        notes->must_repeat = false;
    else
        spill_health_doubt(spill, status, &why);
    end_flushes(spill, wanted, status);
}

/* The other buffer is written from here on. */
static void
turn(struct spill_queue *queue, uint64_t now_ns)
{
    bool is_due = queue->is_stopping || now_ns >= queue->notes_ns + WAIT_NS;

    if (queue->taken == 0 && queue->filled != 0 && is_due) {
        uint8_t *filling = queue->writing;

        queue->writing = queue->filling;
        queue->taken = queue->filled;
        queue->written = 0;
        queue->filling = filling;
        queue->filled = 0;
        queue->barrier = queue->put_count;
    }
}

static enum status
change(struct spill *spill, const uint8_t *note, struct rocks_why *why)
{
    uint8_t bytes[SPILL_HEAD_MAX];
    struct spill_name name;
    struct spill_head head;
    struct rocks_value value;
    struct rocks_bytes key;
    enum status status;

    spill_head_name(&name, field_read64(note + SEQUENCE_AT));
    key = (struct rocks_bytes){name.bytes, name.size};
    status = rocks_read(rocks_default(spill->base.heads), key, &value, why);
    if (status == STATUS_MISS)
        return STATUS_OK;
    if (status != STATUS_OK)
        return status;
    if (spill_head_read(value.bytes.at, value.bytes.size, &head)) {
        head.expires_unix_ms = field_read64(note + EXPIRES_AT);
        head.form = note[FORM_AT];
        head.meta.size = note[META_SIZE_AT];
        memcpy(head.meta.bytes, note + CHANGED_SIZE, head.meta.size);
        rocks_batch_put(
            spill->writer.batch, key,
            (struct rocks_bytes){bytes, spill_head_write(&head, bytes)});
    }
    rocks_value_free(&value);
    return STATUS_OK;
}

static void
drop(struct spill *spill, const uint8_t *note)
{
    struct spill_name name;

    spill_head_name(&name, field_read64(note + SEQUENCE_AT) - 1);
    rocks_batch_delete(spill->writer.batch,
                       (struct rocks_bytes){name.bytes, name.size});
}

/* What is dropped stays so: drops come after the changes of their batch. */
static enum status
batch_notes(struct spill *spill, const uint8_t *at, const uint8_t *end,
            struct rocks_why *why)
{
    enum status status = STATUS_OK;

    for (const uint8_t *note = at; note < end && status == STATUS_OK;
         note += size_at(note))
        if (note[0] == CHANGED)
            status = change(spill, note, why);
    for (const uint8_t *note = at; note < end; note += size_at(note))
        if (note[0] == DROPPED)
            drop(spill, note);
    return status;
}

/* False: no more for now. */
static bool
write_some(struct spill *spill)
{
    struct spill_queue *queue = &spill->queue;
    const uint8_t *from = queue->writing + queue->written, *to = from;
    const uint8_t *end = queue->writing + queue->taken;
    struct rocks_why why;
    enum status status;

    for (unsigned i = 0; i < BATCH_NOTES && to < end; i++)
        to += size_at(to);
    status = batch_notes(spill, from, to, &why);
    if (status == STATUS_OK)
        status = spill_writer_commit(spill, &why);
    else
        rocks_batch_clear(spill->writer.batch);
    if (status != STATUS_OK) {
        spill_health_doubt(spill, status, &why);
        return false;
    }
    pthread_mutex_lock(&queue->lock);
    queue->written += (uint32_t)(to - from);
    if (queue->written == queue->taken)
        queue->taken = queue->written = 0;
    count_waiting(spill);
    pthread_mutex_unlock(&queue->lock);
    return to < end;
}

void
spill_note_write(struct spill *spill, uint64_t now_ns)
{
    struct spill_queue *queue = &spill->queue;
    bool is_due;

    if (is_open(spill))
        write_flushes(spill);
    pthread_mutex_lock(&queue->lock);
    turn(queue, now_ns);
    is_due = queue->taken != 0 && queue->done_count >= queue->barrier;
    pthread_mutex_unlock(&queue->lock);
    while (is_due && is_open(spill))
        is_due = write_some(spill);
}

void
spill_note_mark(struct spill *spill)
{
    struct spill_notes *notes = &spill->notes;
    bool is_behind;

    pthread_mutex_lock(&spill->queue.lock);
    is_behind = spill_note_has_some(spill);
    pthread_mutex_unlock(&spill->queue.lock);
    if (!notes->is_marked && is_behind && !is_open(spill))
        notes->is_marked = spill_files_mark_stale(spill);
    else if (notes->is_marked && !is_behind)
        notes->is_marked = !spill_files_unmark(spill);
}

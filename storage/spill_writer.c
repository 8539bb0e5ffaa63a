/* SPDX-License-Identifier: Apache-2.0 */
/* The thread that writes: flushes first, then what was put, then notes. */
#include "storage/spill_state.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"

#include <time.h>

#define POLL_NS NS_PER_SECOND

void
spill_writer_wake(struct spill *spill)
{
    pthread_mutex_lock(&spill->queue.lock);
    spill->queue.is_woken = true;
    pthread_cond_signal(&spill->queue.wake);
    pthread_mutex_unlock(&spill->queue.lock);
}

enum status
spill_writer_commit(struct spill *spill, struct rocks_why *why)
{
    struct spill_writer *writer = &spill->writer;
    uint8_t bytes[SPILL_MARKS_SIZE];
    struct spill_name name;
    enum status status;

    if (rocks_batch_count(writer->batch) == 0)
        return STATUS_OK;
    writer->marks.sequence = atomic_load(&spill->sequence_max);
    writer->marks.group = spill->groups.next_id;
    spill_head_marks_name(&name);
    spill_head_write_marks(&writer->marks, bytes);
    rocks_batch_put(writer->batch, (struct rocks_bytes){name.bytes, name.size},
                    (struct rocks_bytes){bytes, sizeof(bytes)});
    status = rocks_batch_write(writer->batch, spill->base.heads, why);
    rocks_batch_clear(writer->batch);
    return status;
}

/* What RocksDB has to be asked for. */
static void
poll_base(struct spill *spill, uint64_t now_ns)
{
    struct spill_writer *writer = &spill->writer;
    struct spill_base *base = &spill->base;

    if (now_ns < writer->poll_ns)
        return;
    writer->poll_ns = now_ns + POLL_NS;
    if (base->heads == NULL)
        return;
    atomic_store(&spill->space.heads,
                 rocks_family_bytes(rocks_default(base->heads)));
    atomic_store(&writer->memory, rocks_memory(base->heads) +
                                      rocks_memory(base->bodies) +
                                      rocks_cache_used(base->cache));
}

static uint64_t
earlier(uint64_t a_ns, uint64_t b_ns)
{
    if (a_ns == 0 || b_ns == 0)
        return a_ns == 0 ? b_ns : a_ns;
    return a_ns < b_ns ? a_ns : b_ns;
}

/* With the queue locked. */
static uint64_t
due_ns(const struct spill *spill)
{
    uint64_t due = earlier(spill_note_due_ns(spill), spill_write_due_ns(spill));

    due = earlier(due, spill_health_due_ns(spill));
    return earlier(due, spill->writer.poll_ns);
}

/* Is there nothing left that could be done? */
static bool
is_over(const struct spill *spill)
{
    return spill->queue.is_stopping && spill->queue.first == NULL &&
           spill_note_due_ns(spill) == 0;
}

/* Until something is due; false: no more. */
static bool
wait(struct spill *spill)
{
    struct spill_queue *queue = &spill->queue;
    bool goes_on;

    pthread_mutex_lock(&queue->lock);
    while (!queue->is_woken && !is_over(spill)) {
        uint64_t due = due_ns(spill);
        struct timespec until = {.tv_sec = (time_t)(due / NS_PER_SECOND),
                                 .tv_nsec = (long)(due % NS_PER_SECOND)};

        if (due != 0 && due <= clock_now_ns())
            break;
        pthread_cond_timedwait(&queue->wake, &queue->lock, &until);
    }
    queue->is_woken = false;
    goes_on = !is_over(spill);
    pthread_mutex_unlock(&queue->lock);
    return goes_on;
}

static void *
run(void *arg)
{
    struct spill *spill = arg;

    /* Nobody waits for it, and it holds no lock that others need while it copies
     * and sums. */
    thread_stand_back();
    while (wait(spill)) {
        uint64_t now_ns = clock_now_ns();

        spill_health_care(spill, now_ns);
        poll_base(spill, now_ns);
        spill_note_write(spill, now_ns);
        spill_write_some(spill, now_ns);
        spill_note_mark(spill);
    }
    return NULL;
}

enum status
spill_writer_start(struct spill *spill)
{
    enum status status;

    spill->writer.poll_ns = clock_now_ns();
    status = thread_start(&spill->writer.thread, "spill-write", run, spill);
    spill->writer.is_started = status == STATUS_OK;
    return status;
}

void
spill_writer_stop(struct spill *spill)
{
    if (!spill->writer.is_started)
        return;
    pthread_mutex_lock(&spill->queue.lock);
    spill->queue.is_stopping = true;
    pthread_mutex_unlock(&spill->queue.lock);
    spill_writer_wake(spill);
    pthread_join(spill->writer.thread, NULL);
    spill->writer.is_started = false;
    if (!spill_note_has_some(spill))
        return;
    log_event(LOG_WARN, "spill notes lost", "%s: %s", spill->options.path,
              spill_files_mark_stale(spill)
                  ? "it begins anew at the next start"
                  : "what was deleted last may be back after the restart");
}

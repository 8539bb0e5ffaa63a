/* SPDX-License-Identifier: Apache-2.0 */
/* A flush that outlives a restart: the devices are told first, up to which PUT
 * nothing may come back.  The walk over the index follows (store_walk.c). */
#include "storage/store_state.h"

#include "base/clock.h"

#include <assert.h>
#include <stdlib.h>

/* A device that takes longer has not taken it, as far as the client is told. */
#define WAIT_NS (2 * NS_PER_SECOND)

struct flush_job {
    struct flush_tier {
        struct lower_flush inner; /* first */
        struct flush_job *job;
    } tiers[TIER_COUNT];
    unsigned under_way; /* of those */
    enum status status; /* of all that have ended */
    struct store_port *home;
    struct store_flush *flush; /* NULL: nobody waits any more */
    uint64_t deadline_ns;
    struct flush_job *next; /* at home, while flush != NULL */
};

/* The oldest comes first, so that its deadline does. */
static void
stand_in_line(struct flush_job *job)
{
    struct flush_job **at = &job->home->first_flush;

    while (*at != NULL)
        at = &(*at)->next;
    *at = job;
}

static void
leave_line(struct flush_job *job)
{
    struct flush_job **at = &job->home->first_flush;

    assert(job->flush != NULL);
    while (*at != job)
        at = &(*at)->next;
    *at = job->next;
    job->flush->job = NULL;
    job->flush = NULL;
}

static void
answer(struct flush_job *job, enum status status)
{
    struct store_flush *flush = job->flush;

    assert(flush != NULL);
    leave_line(job);
    flush->status = status;
    flush->done(flush);
}

static void
on_flushed(struct lower_flush *inner)
{
    struct flush_job *job = ((struct flush_tier *)inner)->job;

    if (inner->status != STATUS_OK)
        job->status = inner->status;
    if (--job->under_way != 0)
        return;
    job->home->under_way--;
    if (job->flush != NULL)
        answer(job, job->status);
    free(job);
}

/* All tiers are asked before any can have answered: done() runs on this thread. */
static void
ask(struct flush_job *job, unsigned space)
{
    struct store *store = job->home->store;

    for (unsigned i = TIER_DRAM + 1; i < TIER_COUNT; i++) {
        struct flush_tier *tier = &job->tiers[i];

        if (store->tiers[i] == NULL)
            continue;
        tier->job = job;
        tier->inner.space =
            space == STORE_ALL_SPACES ? LOWER_ALL_SPACES : space;
        tier->inner.sequence = atomic_load(&store->sequence);
        tier->inner.port = job->home->port;
        tier->inner.done = on_flushed;
        job->under_way++;
        lower_flush(store->tiers[i], &tier->inner);
    }
}

enum progress
store_flush_start(struct store_port *port, struct store_flush *flush)
{
    struct flush_job *job;

    flush->job = NULL;
    flush->status = STATUS_OK;
    if (port->store->mover == NULL)
        return FINISHED;
    flush->status = STATUS_IO;
    job = calloc(1, sizeof(*job));
    if (job == NULL)
        return FINISHED;
    job->home = port;
    job->flush = flush;
    job->deadline_ns = clock_now_ns() + WAIT_NS;
    job->status = STATUS_OK;
    flush->job = job;
    stand_in_line(job);
    port->under_way++;
    ask(job, flush->space);
    return PENDING;
}

void
store_flush_cancel(struct store_port *port, struct store_flush *flush)
{
    (void)port;
    if (flush->job != NULL)
        leave_line(flush->job);
}

void
store_flush_expire(struct store_port *port, uint64_t now_ns)
{
    while (port->first_flush != NULL &&
           port->first_flush->deadline_ns <= now_ns)
        answer(port->first_flush, STATUS_IO);
}

uint64_t
store_flush_deadline_ns(const struct store_port *port)
{
    return port->first_flush == NULL ? 0 : port->first_flush->deadline_ns;
}

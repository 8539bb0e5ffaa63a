/* SPDX-License-Identifier: Apache-2.0 */
/* A flush that outlives a restart: the device is told first, up to which PUT
 * nothing may come back.  The walk over the index follows (store_walk.c). */
#include "storage/store_state.h"

#include <stdlib.h>

struct flush_job {
    struct nvme_flush inner;
    struct store_port *home;
    struct store_flush *flush; /* NULL: nobody waits any more */
};

static void
on_flushed(struct nvme_flush *inner)
{
    struct flush_job *job = (struct flush_job *)inner;
    struct store_flush *flush = job->flush;
    enum status status = inner->status;

    job->home->under_way--;
    free(job);
    if (flush == NULL)
        return;
    flush->job = NULL;
    flush->status = status;
    flush->done(flush);
}

enum progress
store_flush_start(struct store_port *port, struct store_flush *flush)
{
    struct store *store = port->store;
    struct flush_job *job;

    flush->job = NULL;
    flush->status = STATUS_OK;
    if (store->tiers[TIER_NVME] == NULL)
        return FINISHED;
    flush->status = STATUS_IO;
    job = calloc(1, sizeof(*job));
    if (job == NULL)
        return FINISHED;
    job->home = port;
    job->flush = flush;
    job->inner.space =
        flush->space == STORE_ALL_SPACES ? NVME_ALL_SPACES : flush->space;
    job->inner.sequence = atomic_load(&store->sequence);
    job->inner.port = port->port;
    job->inner.done = on_flushed;
    flush->job = job;
    port->under_way++;
    nvme_flush(store->tiers[TIER_NVME], &job->inner);
    return PENDING;
}

void
store_flush_cancel(struct store_port *port, struct store_flush *flush)
{
    (void)port;
    if (flush->job != NULL)
        flush->job->flush = NULL;
    flush->job = NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether the device may be used.  Five failures of one kind within ten
 * seconds take it out; a probe that succeeds takes it back in.
 *
 *   has_reads     has_writes
 *   yes           yes           in service
 *   yes           no            full, read-only or failing writes: what is
 *                               there is served, nothing is added
 *   no            (either)      out of service: all is a miss
 */
#include "storage/nvme_state.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define STRIKES_WITHIN_NS (10 * NS_PER_SECOND)
#define PROBE_MOST_NS     NS_PER_SECOND
/* Room comes back by a hand of an operator, who looks whether it helps. */
#define PROBE_FULL_NS (5 * NS_PER_SECOND)

enum status
nvme_health_open(struct nvme *nvme)
{
    struct nvme_health *health = &nvme->health;

    pthread_mutex_init(&health->lock, NULL);
    atomic_store(&health->has_reads, true);
    atomic_store(&health->has_writes, true);
    health->block = nvme_file_memory(NVME_BLOCK);
    return health->block != NULL ? STATUS_OK : STATUS_NO_SPACE;
}

void
nvme_health_close(struct nvme *nvme)
{
    free(nvme->health.block);
    pthread_mutex_destroy(&nvme->health.lock);
}

static uint64_t
probe_distance(const struct nvme *nvme)
{
    uint64_t distance = nvme->options.probe_ns;

    if (atomic_load(&nvme->health.is_full) && distance > PROBE_FULL_NS)
        distance = PROBE_FULL_NS;
    return distance;
}

/* Is it one too many? */
static bool
strike(struct nvme_health *health, struct nvme_strikes *strikes)
{
    uint64_t now_ns = clock_now_ns(), oldest_ns;
    bool is_out;

    pthread_mutex_lock(&health->lock);
    strikes->at_ns[strikes->next] = now_ns;
    strikes->next = (strikes->next + 1) % NVME_STRIKES;
    oldest_ns = strikes->at_ns[strikes->next];
    is_out = oldest_ns != 0 && now_ns - oldest_ns <= STRIKES_WITHIN_NS;
    if (is_out)
        memset(strikes, 0, sizeof(*strikes));
    pthread_mutex_unlock(&health->lock);
    return is_out;
}

static void
take_out(struct nvme *nvme, const char *why)
{
    if (!atomic_exchange(&nvme->health.has_reads, false))
        return;
    atomic_fetch_add_explicit(&nvme->health.out_of_service, 1,
                              memory_order_relaxed);
    log_event(LOG_WARN, "nvme is out of service",
              "%s: %s; all that is there is a miss, probed every %llu s",
              nvme->path, why,
              (unsigned long long)(probe_distance(nvme) / NS_PER_SECOND));
    nvme_budget_refuse_reads(&nvme->budget);
}

void
nvme_health_read_failed(struct nvme *nvme, int error)
{
    static struct log_limiter limiter;

    atomic_fetch_add_explicit(&nvme->health.read_errors, 1,
                              memory_order_relaxed);
    log_limited(&limiter, LOG_WARN, "nvme read failed", "%s: %s", nvme->path,
                strerror(error));
    if (strike(&nvme->health, &nvme->health.reads))
        take_out(nvme, strerror(error));
}

void
nvme_report_late(struct tier *tier, uint64_t waited_ns)
{
    struct nvme *nvme = nvme_of(tier);
    uint64_t done_ns =
        atomic_load_explicit(&nvme->health.read_done_ns, memory_order_relaxed);

    atomic_fetch_add_explicit(&nvme->health.late, 1, memory_order_relaxed);
    /* What stood in our own line while others were read is no fault of the
     * device. */
    if (clock_now_ns() - done_ns >= waited_ns &&
        strike(&nvme->health, &nvme->health.reads))
        take_out(nvme, "reads take too long");
}

void
nvme_health_stop_writes(struct nvme *nvme, int error)
{
    bool is_full = error == ENOSPC || error == EDQUOT || error == EFBIG;

    atomic_store(&nvme->health.is_full, is_full);
    if (!atomic_exchange(&nvme->health.has_writes, false))
        return;
    atomic_fetch_add_explicit(&nvme->health.out_of_service, 1,
                              memory_order_relaxed);
    log_event(LOG_WARN, "nvme is not written",
              "%s: %s; what is there is served, probed every %llu s",
              nvme->path, strerror(error),
              (unsigned long long)(probe_distance(nvme) / NS_PER_SECOND));
}

void
nvme_health_write_failed(struct nvme *nvme, int error)
{
    static struct log_limiter limiter;

    atomic_fetch_add_explicit(&nvme->health.write_errors, 1,
                              memory_order_relaxed);
    log_limited(&limiter, LOG_WARN, "nvme write failed", "%s: %s", nvme->path,
                strerror(error));
    if (strike(&nvme->health, &nvme->health.writes))
        nvme_health_stop_writes(nvme, error);
}

void
nvme_health_back(struct nvme *nvme, bool is_write)
{
    struct nvme_health *health = &nvme->health;

    if (!atomic_exchange(is_write ? &health->has_writes : &health->has_reads,
                         true))
        log_event(LOG_INFO,
                  is_write ? "nvme is written again"
                           : "nvme is back in service",
                  "%s", nvme->path);
    if (is_write)
        atomic_store(&health->is_full, false);
}

static struct nvme *
nvme_of_probe(struct io *io)
{
    return (struct nvme *)((char *)io - offsetof(struct nvme, health.io));
}

static void
on_read(struct io *io)
{
    struct nvme *nvme = nvme_of_probe(io);
    uint64_t took_ns = clock_now_ns() - nvme->health.probe_started_ns;

    nvme->health.is_probing = false;
    if (io->result == (int32_t)io->size && took_ns <= PROBE_MOST_NS)
        nvme_health_back(nvme, false);
}

static void
probe_reads(struct nvme *nvme, uint64_t now_ns)
{
    struct nvme_health *health = &nvme->health;

    health->is_probing = true;
    health->probe_started_ns = now_ns;
    health->vector = (struct iovec){health->block, NVME_BLOCK};
    health->io =
        (struct io){.offset = nvme->supers.which * NVME_BLOCK, .done = on_read};
    nvme_file_start(nvme, &health->io, &health->vector);
}

void
nvme_health_care(struct nvme *nvme, uint64_t now_ns)
{
    struct nvme_health *health = &nvme->health;
    bool has_reads = atomic_load(&health->has_reads);

    if (nvme->is_dead || (has_reads && atomic_load(&health->has_writes))) {
        health->probe_at_ns = 0;
        return;
    }
    if (health->probe_at_ns == 0)
        health->probe_at_ns = now_ns + probe_distance(nvme);
    if (now_ns < health->probe_at_ns || health->is_probing)
        return;
    health->probe_at_ns = now_ns + probe_distance(nvme);
    if (!has_reads)
        probe_reads(nvme, now_ns);
    else if (!atomic_load(&health->is_full) ||
             nvme_file_reserve(nvme, nvme->size))
        nvme_super_probe(nvme);
}

bool
nvme_may_read(const struct tier *tier)
{
    const struct nvme *nvme = nvme_of_const(tier);

    return atomic_load_explicit(&nvme->health.has_reads, memory_order_relaxed);
}

bool
nvme_may_write(const struct tier *tier)
{
    const struct nvme *nvme = nvme_of_const(tier);

    return nvme_may_read(tier) &&
           atomic_load_explicit(&nvme->health.has_writes, memory_order_relaxed);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The NVMe tier: opening and closing, what is asked of it from outside, and the
 * mover's round.  The work is in the nvme_*.c files; nvme_state.h lists them.
 */
#include "storage/nvme_state.h"

#include "base/clock.h"
#include "base/log.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/mman.h>

struct nvme *
nvme_of(struct tier *tier)
{
    struct nvme *nvme = (struct nvme *)tier;

    assert(nvme->magic == NVME_MAGIC);
    return nvme;
}

const struct nvme *
nvme_of_const(const struct tier *tier)
{
    const struct nvme *nvme = (const struct nvme *)tier;

    assert(nvme->magic == NVME_MAGIC);
    return nvme;
}

void
nvme_see_sequence(struct nvme *nvme, uint64_t sequence)
{
    uint64_t seen =
        atomic_load_explicit(&nvme->sequence_max, memory_order_relaxed);

    while (seen < sequence &&
           !atomic_compare_exchange_weak(&nvme->sequence_max, &seen, sequence))
        continue;
}

/* --- Opening and closing. --- */

static void
close_tier(struct tier **tier)
{
    struct nvme *nvme = nvme_of(*tier);

    *tier = NULL;
    if (nvme->is_recovered && !nvme->is_dead &&
        (nvme_notes_write_all(nvme) != STATUS_OK ||
         nvme_super_settle(nvme) != STATUS_OK))
        log_event(LOG_WARN, "nvme notes lost",
                  "what was deleted last may be back after the restart");
    io_engine_close(&nvme->engine);
    nvme_write_close(nvme);
    nvme_log_close(nvme);
    nvme_notes_close(nvme);
    nvme_super_close(nvme);
    nvme_health_close(nvme);
    nvme_budget_close(&nvme->budget);
    nvme_file_close(nvme);
    nvme->magic = 0;
    free(nvme);
}

static enum status
open_engine(struct nvme *nvme)
{
    const char *why = "";
    enum status status =
        io_engine_open(nvme->options.engine, nvme->fd, nvme->options.threads,
                       &nvme->engine, &why);

    if (status != STATUS_OK)
        log_event(LOG_ERROR, "no engine for nvme", "%s", why);
    return status;
}

/* A device that can not be read at start has nothing to serve: only a restart
 * finds what is on it. */
static void
bury(struct nvme *nvme)
{
    nvme->is_dead = true;
    atomic_store(&nvme->health.has_reads, false);
    atomic_store(&nvme->health.has_writes, false);
    log_event(LOG_ERROR, "nvme is out of service",
              "%s can not be read; it stays out until the next start",
              nvme->path);
}

static enum status
open_parts(struct nvme *nvme)
{
    enum status status = nvme_file_open(nvme);

    if (status == STATUS_OK)
        status = open_engine(nvme);
    if (status != STATUS_OK)
        return status;
    status = nvme_super_load(nvme);
    if (status == STATUS_IO)
        bury(nvme);
    else if (status != STATUS_OK)
        return status;
    status = nvme_log_open(nvme);
    return status == STATUS_OK ? nvme_write_open(nvme) : status;
}

static enum status
open_memory(struct nvme *nvme, const struct tier_env *env)
{
    enum status status;

    nvme->tier.ops = &tier_nvme;
    nvme->magic = NVME_MAGIC;
    nvme->options = *env->nvme;
    nvme->pool = env->pool;
    nvme->make_room = env->make_room;
    nvme->fd = -1;
    nvme_budget_open(&nvme->budget, nvme->options.inflight);
    status = nvme_health_open(nvme);
    if (nvme_super_open(nvme) != STATUS_OK)
        status = STATUS_NO_SPACE;
    if (nvme_notes_open(nvme) != STATUS_OK)
        status = STATUS_NO_SPACE;
    return status;
}

static enum status
open_tier(const struct tier_env *env, struct tier **tier_out)
{
    struct nvme *nvme = calloc(1, sizeof(*nvme));
    struct tier *tier;
    enum status status;

    if (nvme == NULL)
        return STATUS_NO_SPACE;
    tier = &nvme->tier;
    status = open_memory(nvme, env);
    if (status == STATUS_OK)
        status = open_parts(nvme);
    if (status != STATUS_OK) {
        close_tier(&tier);
        return status;
    }
    /* A new one has nothing to recover. */
    if (nvme->old_count == 0 && !nvme->is_dead) {
        nvme->is_recovered = true;
        if (nvme_may_write(tier))
            nvme_log_head_some(nvme);
    }
    if (!nvme->is_dead && nvme_value_max(tier) < nvme->options.value_max)
        log_event(LOG_WARN, "nvme.size is small",
                  "values of more than %llu bytes are not written to it",
                  (unsigned long long)nvme_value_max(tier));
    *tier_out = tier;
    return STATUS_OK;
}

static enum status
recover(struct tier *tier, tier_found_fn *found, void *arg,
        uint64_t *sequence_out)
{
    return nvme_recovery_run(nvme_of(tier), found, arg, sequence_out);
}

/* --- Transfers. --- */

static enum progress
get(struct tier *tier, struct transfer *transfer)
{
    return nvme_read_get(nvme_of(tier), transfer);
}

static enum progress
put(struct tier *tier, struct transfer *transfer)
{
    return nvme_write_put(nvme_of(tier), transfer);
}

static void
drop(struct tier *tier, const struct tier_place *place, uint32_t size)
{
    struct nvme *nvme = nvme_of(tier);

    (void)place;
    atomic_fetch_sub_explicit(&nvme->bytes_used, size, memory_order_relaxed);
    atomic_fetch_sub_explicit(&nvme->chunks, 1, memory_order_relaxed);
}

void
nvme_submit(struct tier *tier, struct port *port)
{
    struct nvme *nvme = nvme_of(tier);

    atomic_store_explicit(&nvme->mover, port, memory_order_relaxed);
    nvme_batch_pump(nvme);
}

void
nvme_care(struct tier *tier, struct port *port)
{
    struct nvme *nvme = nvme_of(tier);
    uint64_t now_ns = clock_now_ns();

    atomic_store(&nvme->mover, port);
    nvme_super_care(nvme, now_ns);
    nvme_health_care(nvme, now_ns);
    nvme_log_care(nvme, now_ns);
    nvme_seal_care(nvme, now_ns);
    nvme_notes_care(nvme, now_ns);
    nvme_batch_pump(nvme);
    port_submit(port);
}

/* --- Questions. --- */

struct io_engine *
nvme_engine(struct tier *tier)
{
    return nvme_of(tier)->engine;
}

uint64_t
nvme_value_max(const struct tier *tier)
{
    const struct nvme_log *log = &nvme_of_const(tier)->log;
    uint32_t more =
        1 + NVME_HEAD_BLOCKS_MAX + 1 + nvme_blocks_of(NVME_ITEM_MAX) + 1;

    return log->blocks <= more ? 0
                               : (uint64_t)(log->blocks - more) * NVME_BLOCK;
}

static void
usage(const struct tier *tier, struct tier_usage *out)
{
    const struct nvme *nvme = nvme_of_const(tier);

    out->bytes_used =
        atomic_load_explicit(&nvme->bytes_used, memory_order_relaxed);
    out->chunks = atomic_load_explicit(&nvme->chunks, memory_order_relaxed);
}

void
nvme_usage(const struct tier *tier, struct nvme_usage *out)
{
    const struct nvme *nvme = nvme_of_const(tier);

    *out = (struct nvme_usage){
        .engine = io_engine_name(nvme->engine),
        .is_direct = nvme->is_direct,
        .may_read = nvme_may_read(tier),
        .may_write = nvme_may_write(tier),
        .size = nvme->size,
        .segments = nvme->log.count,
        .segments_ready = nvme_log_count(nvme, NVME_READY),
        .segments_sealed = nvme_log_count(nvme, NVME_SEALED),
        .segment_size = nvme->segment_size,
        .read_bytes = atomic_load(&nvme->read_bytes),
        .written_bytes = atomic_load(&nvme->written_bytes),
        .read_errors = atomic_load(&nvme->health.read_errors),
        .write_errors = atomic_load(&nvme->health.write_errors),
        .corrupt = atomic_load(&nvme->corrupt),
        .stale = atomic_load(&nvme->stale),
        .late = atomic_load(&nvme->health.late),
        .out_of_service = atomic_load(&nvme->health.out_of_service),
        .notes = atomic_load(&nvme->notes.count),
        .notes_lost = atomic_load(&nvme->notes.lost),
        .recovered = nvme->recovered,
        .recovery_ns = nvme->recovery_ns};
}

const struct tier_ops tier_nvme = {
    .name = "nvme",
    .open = open_tier,
    .close = close_tier,
    .recover = recover,
    .get = get,
    .put = put,
    .drop = drop,
    .usage = usage,
    .lower = &nvme_lower,
};

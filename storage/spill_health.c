/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether the tier may be used.
 *
 *   has_reads  has_writes
 *   yes        yes         serving
 *   yes        no          read only: no room, writes that fail, or a database
 *                          that has failed and is to be opened again
 *   no         (either)    out of service: all is a miss
 *   no         no, is_off  off, until the next start
 *
 * The writer tries to mend it: where there was no room or a table could not be
 * written, by a probe; else by closing both databases and opening them again.
 * Each attempt that fails doubles the distance to the next one.
 */
#include "storage/spill_state.h"

#include "base/clock.h"
#include "base/log.h"

#include <string.h>

#define STRIKES_WITHIN_NS (10 * NS_PER_SECOND)
#define DISTANCE_MOST_NS  (300 * NS_PER_SECOND)
/* Room comes back by a hand of an operator, who looks whether it helps. */
#define DISTANCE_FULL_NS (5 * NS_PER_SECOND)
/* Well for so long: the next fault is a new one. */
#define WELL_NS (60 * NS_PER_SECOND)
/* Opened in vain as corrupt so often, it is made anew. */
#define CORRUPT_MOST 3u

void
spill_health_init(struct spill *spill)
{
    struct spill_health *health = &spill->health;

    pthread_mutex_init(&health->lock, NULL);
    atomic_store(&health->has_reads, true);
    atomic_store(&health->has_writes, true);
}

void
spill_health_end(struct spill *spill)
{
    pthread_mutex_destroy(&spill->health.lock);
}

void
spill_health_turn_off(struct spill *spill, bool is_void)
{
    struct spill_health *health = &spill->health;

    health->is_off = true;
    health->is_void = is_void;
    atomic_store(&health->has_reads, false);
    atomic_store(&health->has_writes, false);
}

bool
spill_health_may_read(const struct spill *spill)
{
    return atomic_load_explicit(&spill->health.has_reads, memory_order_relaxed);
}

bool
spill_health_may_write(const struct spill *spill)
{
    return spill_health_may_read(spill) &&
           atomic_load_explicit(&spill->health.has_writes,
                                memory_order_relaxed);
}

/* --- Out. --- */

/* Is it one too many? */
static bool
strike(struct spill_health *health, struct spill_strikes *strikes)
{
    uint64_t now_ns = clock_now_ns(), oldest_ns;
    bool is_out;

    pthread_mutex_lock(&health->lock);
    strikes->at_ns[strikes->next] = now_ns;
    strikes->next = (strikes->next + 1) % SPILL_STRIKES;
    oldest_ns = strikes->at_ns[strikes->next];
    is_out = oldest_ns != 0 && now_ns - oldest_ns <= STRIKES_WITHIN_NS;
    if (is_out)
        memset(strikes, 0, sizeof(*strikes));
    pthread_mutex_unlock(&health->lock);
    return is_out;
}

static void
take_out(struct spill *spill, const char *why)
{
    struct spill_health *health = &spill->health;

    atomic_store(&health->is_doubtful, true);
    if (!atomic_exchange(&health->has_reads, false))
        return;
    atomic_fetch_add_explicit(&health->out_of_service, 1, memory_order_relaxed);
    log_event(LOG_WARN, "spill is out of service",
              "%s: %s; all that is there is a miss until it can be opened "
              "again",
              spill->options.path, why);
    spill_writer_wake(spill);
}

void
spill_health_read_failed(struct spill *spill, const struct rocks_why *why)
{
    static struct log_limiter limiter;
    struct spill_health *health = &spill->health;

    atomic_fetch_add_explicit(&health->read_errors, 1, memory_order_relaxed);
    log_limited(&limiter, LOG_WARN, "spill read failed", "%s: %s",
                spill->options.path, why->text);
    if (strike(health, &health->reads))
        take_out(spill, why->text);
}

void
spill_health_late(struct spill *spill, uint64_t waited_ns)
{
    struct spill_health *health = &spill->health;
    uint64_t done_ns =
        atomic_load_explicit(&health->read_done_ns, memory_order_relaxed);

    atomic_fetch_add_explicit(&health->late, 1, memory_order_relaxed);
    /* What stood in our own line while others were read is no fault of the
     * device. */
    if (clock_now_ns() - done_ns >= waited_ns && strike(health, &health->reads))
        take_out(spill, "reads take too long");
}

/* With has_writes taken away. */
static void
stop(struct spill *spill, const char *why)
{
    atomic_fetch_add_explicit(&spill->health.out_of_service, 1,
                              memory_order_relaxed);
    log_event(LOG_WARN, "spill is not written",
              "%s: %s; what is there is served", spill->options.path, why);
}

void
spill_health_stop_writes(struct spill *spill, enum status status,
                         const struct rocks_why *why)
{
    struct spill_health *health = &spill->health;

    atomic_fetch_add_explicit(&health->write_errors, 1, memory_order_relaxed);
    atomic_store(&health->is_full, status == STATUS_NO_SPACE);
    if (atomic_exchange(&health->has_writes, false))
        stop(spill, why->text);
    spill_writer_wake(spill);
}

void
spill_health_doubt(struct spill *spill, enum status status,
                   const struct rocks_why *why)
{
    atomic_store(&spill->health.is_doubtful, true);
    spill_health_stop_writes(spill, status, why);
}

void
spill_health_write_failed(struct spill *spill, const struct rocks_why *why)
{
    static struct log_limiter limiter;
    struct spill_health *health = &spill->health;

    atomic_fetch_add_explicit(&health->write_errors, 1, memory_order_relaxed);
    log_limited(&limiter, LOG_WARN, "spill write failed", "%s: %s",
                spill->options.path, why->text);
    if (strike(health, &health->writes) &&
        atomic_exchange(&health->has_writes, false))
        stop(spill, why->text);
}

/* --- And back. --- */

static uint64_t
distance(const struct spill *spill)
{
    const struct spill_health *health = &spill->health;
    uint64_t most_ns =
        atomic_load(&health->is_full) ? DISTANCE_FULL_NS : DISTANCE_MOST_NS;

    return health->distance_ns < most_ns ? health->distance_ns : most_ns;
}

static bool
is_well(const struct spill_health *health)
{
    return atomic_load(&health->has_reads) &&
           atomic_load(&health->has_writes) &&
           !atomic_load(&health->is_doubtful);
}

uint64_t
spill_health_due_ns(const struct spill *spill)
{
    const struct spill_health *health = &spill->health;

    if (is_well(health))
        return 0;
    return health->retry_at_ns == 0 ? 1 : health->retry_at_ns;
}

static void
bring_back(struct spill *spill)
{
    struct spill_health *health = &spill->health;
    bool has_reads = atomic_exchange(&health->has_reads, true);
    bool has_writes = atomic_exchange(&health->has_writes, true);

    atomic_store(&health->is_full, false);
    health->corrupt_count = 0;
    health->back_ns = clock_now_ns();
    if (!has_reads)
        log_event(LOG_INFO, "spill is back in service", "%s",
                  spill->options.path);
    else if (!has_writes)
        log_event(LOG_INFO, "spill is written again", "%s",
                  spill->options.path);
}

/* The base is locked, and closed. */
static enum status
open_again(struct spill *spill, struct rocks_why *why)
{
    struct spill_health *health = &spill->health;
    enum status status = spill_base_open(spill, false, why);

    if (status == STATUS_OK) {
        atomic_fetch_add(&health->reopened, 1);
        return STATUS_OK;
    }
    if (status != STATUS_CORRUPT || ++health->corrupt_count < CORRUPT_MOST)
        return status;
    log_event(LOG_ERROR, "spill begins anew",
              "%s can not be opened again: %s; what it held is lost",
              spill->options.path, why->text);
    status = spill_base_recreate(spill, why);
    if (status == STATUS_OK) {
        atomic_fetch_add(&health->recreated, 1);
        spill_note_repeat(spill);
    }
    return status;
}

static enum status
reopen(struct spill *spill, struct rocks_why *why)
{
    enum status status;

    pthread_rwlock_wrlock(&spill->base.lock);
    spill_base_close(spill);
    status = open_again(spill, why);
    /* While it can not be opened nothing can be read. */
    if (status != STATUS_OK)
        take_out(spill, why->text);
    pthread_rwlock_unlock(&spill->base.lock);
    if (status == STATUS_OK)
        atomic_store(&spill->health.is_doubtful, false);
    return status;
}

void
spill_health_care(struct spill *spill, uint64_t now_ns)
{
    struct spill_health *health = &spill->health;
    struct rocks_why why = {""};
    enum status status;

    if (is_well(health) || health->is_off) {
        health->retry_at_ns = 0;
        return;
    }
    if (health->retry_at_ns == 0) {
        bool is_again =
            health->back_ns != 0 && now_ns - health->back_ns < WELL_NS;

        health->distance_ns =
            is_again ? 2 * distance(spill) : spill->options.probe_ns;
        health->retry_at_ns = now_ns + distance(spill);
    }
    if (now_ns < health->retry_at_ns)
        return;
    status = spill_files_probe(spill, &why);
    if (status == STATUS_OK && atomic_load(&health->is_doubtful))
        status = reopen(spill, &why);
    if (status == STATUS_OK) {
        bring_back(spill);
        return;
    }
    log_event(LOG_INFO, "spill is still not well", "%s: %s",
              spill->options.path, why.text);
    health->distance_ns = 2 * distance(spill);
    health->retry_at_ns = clock_now_ns() + distance(spill);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The spill tier: opening and closing, and what is asked of it from outside.
 * The work is in the spill_*.c files; spill_state.h lists them.  Whatever is
 * wrong with its directory, the server starts: the tier is off then.
 */
#include "storage/spill_state.h"

#include "base/clock.h"
#include "base/log.h"

#include <assert.h>
#include <stdlib.h>

struct spill *
spill_of(struct tier *tier)
{
    struct spill *spill = (struct spill *)tier;

    assert(spill->magic == SPILL_MAGIC);
    return spill;
}

const struct spill *
spill_of_const(const struct tier *tier)
{
    const struct spill *spill = (const struct spill *)tier;

    assert(spill->magic == SPILL_MAGIC);
    return spill;
}

void
spill_see_sequence(struct spill *spill, uint64_t sequence)
{
    uint64_t seen =
        atomic_load_explicit(&spill->sequence_max, memory_order_relaxed);

    while (seen < sequence &&
           !atomic_compare_exchange_weak(&spill->sequence_max, &seen, sequence))
        continue;
}

/* --- Opening and closing. --- */

static void
close_tier(struct tier **tier)
{
    struct spill *spill = spill_of(*tier);

    *tier = NULL;
    spill_writer_stop(spill);
    spill_read_close(spill);
    spill_base_end(spill);
    spill_note_close(spill);
    spill_write_close(spill);
    spill_health_end(spill);
    spill_files_close(spill);
    spill->magic = 0;
    free(spill);
}

static const char *
advice_of(enum spill_found found, bool is_marked)
{
    switch (found) {
    case SPILL_HELD:
        return "another process has it: end that one or set another "
               "spill.path, and start again";
    case SPILL_NEWER:
        return "start the version that wrote it, or empty the directory";
    case SPILL_MISSING:
        return "make it, or set another spill.path, and start again";
    case SPILL_EMPTY:
    case SPILL_THERE:
    case SPILL_BROKEN:
        break;
    }
    return is_marked ? "the next start begins with an empty one"
                     : "see to it, and start again";
}

/* Until the next start.  What is deleted meanwhile must not be back then. */
static void
turn_off(struct spill *spill, enum spill_found found,
         const struct rocks_why *why)
{
    bool is_ours = found != SPILL_HELD && found != SPILL_MISSING;
    bool is_marked = is_ours && spill_files_mark_stale(spill);

    log_event(LOG_ERROR, "spill is off", "%s: %s; %s", spill->options.path,
              why->text, advice_of(found, is_marked));
    if (is_ours && !is_marked)
        log_event(LOG_WARN, "spill can not be marked",
                  "%s: what is deleted from now on may be back when it is in "
                  "use again",
                  spill->options.path);
    spill_health_turn_off(spill, is_marked);
    spill_base_close(spill);
    spill_files_close(spill);
}

/* All that may be wrong with its directory. */
static void
open_base(struct spill *spill)
{
    struct rocks_why why = {""};
    enum spill_found found = spill_files_open(spill, &why);
    enum status status = STATUS_OK;

    if (found == SPILL_EMPTY || found == SPILL_THERE)
        status = spill_files_probe(spill, &why);
    if (status != STATUS_OK)
        found = SPILL_BROKEN;
    if (found == SPILL_EMPTY)
        status = spill_base_recreate(spill, &why);
    else if (found == SPILL_THERE)
        status = spill_base_open(spill, false, &why);
    if (status == STATUS_OK && spill->base.heads != NULL)
        status = spill_recovery_load(spill, &why);
    if (status == STATUS_BUSY)
        found = SPILL_HELD;
    else if (status != STATUS_OK)
        found = SPILL_BROKEN;
    if (found != SPILL_EMPTY && found != SPILL_THERE)
        turn_off(spill, found, &why);
}

static enum status
open_parts(struct spill *spill, const struct tier_env *env)
{
    enum status status;

    spill->tier.ops = &tier_spill;
    spill->magic = SPILL_MAGIC;
    spill->options = *env->spill;
    spill->pool = env->pool;
    spill->make_room = env->make_room;
    spill_health_init(spill);
    spill_base_init(spill);
    spill_space_init(spill);
    status = spill_write_open(spill);
    if (spill_note_open(spill) != STATUS_OK)
        status = STATUS_NO_SPACE;
    open_base(spill);
    if (spill_read_open(spill) != STATUS_OK)
        status = STATUS_NO_SPACE;
    if (status == STATUS_OK && !spill->health.is_off)
        status = spill_writer_start(spill);
    return status;
}

static enum status
open_tier(const struct tier_env *env, struct tier **tier_out)
{
    struct spill *spill = calloc(1, sizeof(*spill));
    struct tier *tier;
    enum status status;

    if (spill == NULL)
        return STATUS_NO_SPACE;
    tier = &spill->tier;
    status = open_parts(spill, env);
    if (status != STATUS_OK) {
        close_tier(&tier);
        return status;
    }
    if (spill->space.value_max < spill->options.value_max)
        log_event(LOG_WARN, "spill.size is small",
                  "values of more than %llu bytes are not written to it",
                  (unsigned long long)spill->space.value_max);
    *tier_out = tier;
    return STATUS_OK;
}

static enum status
recover(struct tier *tier, tier_found_fn *found, void *arg,
        uint64_t *sequence_out)
{
    return spill_recovery_run(spill_of(tier), found, arg, sequence_out);
}

/* --- Transfers. --- */

static enum progress
get(struct tier *tier, struct transfer *transfer)
{
    return spill_read_get(spill_of(tier), transfer);
}

static enum progress
put(struct tier *tier, struct transfer *transfer)
{
    return spill_write_put(spill_of(tier), transfer);
}

static void
drop(struct tier *tier, const struct tier_place *place, uint32_t size)
{
    struct spill *spill = spill_of(tier);

    (void)place;
    atomic_fetch_sub_explicit(&spill->bytes_used, size, memory_order_relaxed);
    atomic_fetch_sub_explicit(&spill->chunks, 1, memory_order_relaxed);
}

static void
note(struct tier *tier, const struct tier_found *item)
{
    spill_note_item(spill_of(tier), item);
}

static void
flush(struct tier *tier, struct lower_flush *flush)
{
    spill_note_flush(spill_of(tier), flush);
}

static uint64_t
flushed(const struct tier *tier, unsigned space)
{
    return atomic_load_explicit(&spill_of_const(tier)->notes.flushed[space],
                                memory_order_relaxed);
}

static void
care(struct tier *tier, struct port *port)
{
    (void)port;
    spill_note_care(spill_of(tier), clock_now_ns());
}

static void
submit(struct tier *tier, struct port *port)
{
    (void)port;
    spill_write_submit(spill_of(tier));
}

/* --- Questions. --- */

static bool
may_read(const struct tier *tier)
{
    return spill_health_may_read(spill_of_const(tier));
}

static bool
may_write(const struct tier *tier)
{
    return spill_health_may_write(spill_of_const(tier));
}

static uint64_t
value_max(const struct tier *tier)
{
    return spill_of_const(tier)->space.value_max;
}

static bool
holds(const struct tier *tier, const struct tier_place *place)
{
    return !spill_group_is_hidden(spill_of_const(tier),
                                  spill_spot(place).group);
}

static bool
may_promise(const struct tier *tier, const struct tier_place *place)
{
    const struct spill *spill = spill_of_const(tier);

    return holds(tier, place) &&
           spill_spot(place).group + 1 != atomic_load(&spill->groups.closed);
}

static uint64_t
losses(const struct tier *tier)
{
    return atomic_load(&spill_of_const(tier)->groups.losses);
}

static bool
has_lost(const struct tier *tier, const struct tier_place *place)
{
    return spill_group_is_lost(spill_of_const(tier), spill_spot(place).group);
}

static void
report_late(struct tier *tier, uint64_t waited_ns)
{
    spill_health_late(spill_of(tier), waited_ns);
}

/* Room for what is kept of one group, and for what comes meanwhile. */
static bool
wants_reclaim(const struct tier *tier)
{
    const struct spill *spill = spill_of_const(tier);

    return spill_group_count(spill) >= 2 &&
           spill_space_free(spill) < 2 * spill->space.group_size;
}

static bool
is_tight(const struct tier *tier)
{
    const struct spill *spill = spill_of_const(tier);

    return spill_space_free(spill) < spill->space.group_size;
}

static void
usage(const struct tier *tier, struct tier_usage *out)
{
    const struct spill *spill = spill_of_const(tier);

    out->bytes_used =
        atomic_load_explicit(&spill->bytes_used, memory_order_relaxed);
    out->chunks = atomic_load_explicit(&spill->chunks, memory_order_relaxed);
}

static const char *
state_of(const struct spill *spill)
{
    if (spill->health.is_off)
        return "off";
    if (!spill_health_may_read(spill))
        return "out of service";
    return spill_health_may_write(spill) ? "serving" : "read only";
}

void
spill_usage(const struct tier *tier, struct spill_usage *out)
{
    const struct spill *spill = spill_of_const(tier);
    const struct spill_health *health = &spill->health;

    *out = (struct spill_usage){
        .may_read = may_read(tier),
        .may_write = may_write(tier),
        .state = state_of(spill),
        .size = spill->options.size,
        .used = atomic_load(&spill->space.groups) +
                atomic_load(&spill->space.heads),
        .memory_used = atomic_load(&spill->writer.memory),
        .groups = spill_group_count(spill),
        .read_bytes = atomic_load(&spill->reader.bytes),
        .written_bytes = atomic_load(&spill->writer.bytes),
        .read_errors = atomic_load(&health->read_errors),
        .write_errors = atomic_load(&health->write_errors),
        .corrupt = atomic_load(&health->corrupt),
        .late = atomic_load(&health->late),
        .out_of_service = atomic_load(&health->out_of_service),
        .reopened = atomic_load(&health->reopened),
        .recreated = atomic_load(&health->recreated),
        .notes = atomic_load(&spill->notes.count),
        .notes_lost = atomic_load(&spill->notes.lost),
        .notes_waiting = atomic_load(&spill->notes.waiting),
        .recovered = spill->recovered,
        .recovery_ns = spill->recovery_ns};
}

static const struct lower_ops lower = {
    .may_read = may_read,
    .may_write = may_write,
    .value_max = value_max,
    .holds = holds,
    .may_promise = may_promise,
    .report_late = report_late,
    .note = note,
    .flush = flush,
    .flushed = flushed,
    .losses = losses,
    .has_lost = has_lost,
    .care = care,
    .submit = submit,
    .wants_reclaim = wants_reclaim,
    .is_tight = is_tight,
    .victim_start = spill_victim_start,
    .victim_next = spill_victim_next,
    .victim_bytes = spill_victim_bytes,
    .victim_close = spill_victim_close,
    .victim_retire = spill_victim_retire,
    .victim_finish = spill_victim_finish,
    .victim_abandon = spill_victim_abandon,
};

const struct tier_ops tier_spill = {
    .name = "spill",
    .open = open_tier,
    .close = close_tier,
    .recover = recover,
    .get = get,
    .put = put,
    .drop = drop,
    .usage = usage,
    .lower = &lower,
};

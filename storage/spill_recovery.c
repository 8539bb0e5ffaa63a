/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the last run has left, by its heads alone: no body is read.  A head whose
 * group is gone, or that was flushed, is removed; a group without heads, too.
 */
#include "storage/spill_state.h"

#include "base/clock.h"
#include "base/log.h"
#include "storage/nvme_field.h"

#include <stdio.h>

#define BATCH_MOST 16384u

struct recovery {
    struct spill *spill;
    tier_found_fn *found;
    void *arg;
    struct rocks_batch *batch;
    struct spill_group *group; /* of the last head, held */
    uint64_t values, bytes, dead, broken;
};

/* --- At opening. --- */

static enum status
load_marks(struct spill *spill, struct rocks_why *why)
{
    struct spill_marks *marks = &spill->writer.marks;
    struct rocks_value value;
    struct spill_name name;
    enum status status;

    spill_head_marks_name(&name);
    status =
        rocks_read(rocks_default(spill->base.heads),
                   (struct rocks_bytes){name.bytes, name.size}, &value, why);
    if (status == STATUS_MISS)
        return STATUS_OK;
    if (status != STATUS_OK)
        return status;
    if (!spill_head_read_marks(value.bytes.at, value.bytes.size, marks)) {
        snprintf(why->text, sizeof(why->text), "its marks are broken");
        status = STATUS_CORRUPT;
    }
    rocks_value_free(&value);
    spill_see_sequence(spill, marks->sequence);
    /* A table may have been taken in, of which no head has told. */
    marks->number += SPILL_PUTS;
    if (spill->groups.next_id < marks->group)
        spill->groups.next_id = marks->group;
    return status;
}

static enum status
load_flush(struct spill *spill, unsigned space, struct rocks_why *why)
{
    struct rocks_value value;
    struct spill_name name;
    enum status status;
    uint64_t sequence;

    spill_head_flush_name(&name, space);
    status =
        rocks_read(rocks_default(spill->base.heads),
                   (struct rocks_bytes){name.bytes, name.size}, &value, why);
    if (status != STATUS_OK)
        return status == STATUS_MISS ? STATUS_OK : status;
    if (value.bytes.size == sizeof(sequence)) {
        sequence = field_read64(value.bytes.at);
        atomic_store(&spill->notes.flushed[space], sequence);
        spill->notes.wanted[space] = sequence;
        spill_see_sequence(spill, sequence);
    } else {
        snprintf(why->text, sizeof(why->text), "a flush is broken");
        status = STATUS_CORRUPT;
    }
    rocks_value_free(&value);
    return status;
}

enum status
spill_recovery_load(struct spill *spill, struct rocks_why *why)
{
    enum status status = load_marks(spill, why);

    for (unsigned i = 0; i < LOWER_SPACES && status == STATUS_OK; i++)
        status = load_flush(spill, i, why);
    return status;
}

/* --- Values. --- */

static bool
has_group(struct recovery *recovery, uint64_t id)
{
    struct spill *spill = recovery->spill;

    if (recovery->group != NULL && recovery->group->id == id)
        return true;
    if (recovery->group != NULL)
        spill_group_release(spill, recovery->group);
    recovery->group = spill_group_hold(spill, id);
    return recovery->group != NULL;
}

static void
tell(struct recovery *recovery, const struct spill_head *head)
{
    struct spill *spill = recovery->spill;
    const struct spill_spot spot = {.group = head->group,
                                    .number = head->number,
                                    .checksum = head->checksum};
    const struct tier_found found = {.kind = TIER_FOUND_VALUE,
                                     .key = head->key,
                                     .sequence = head->sequence,
                                     .checksum = head->checksum,
                                     .expires_unix_ms = head->expires_unix_ms,
                                     .size = head->size,
                                     .form = head->form,
                                     .meta = &head->meta,
                                     .place = spill_place(&spot)};

    recovery->group->has_values = true;
    recovery->values++;
    recovery->bytes += head->size;
    atomic_fetch_add(&spill->bytes_used, head->size);
    atomic_fetch_add(&spill->chunks, 1);
    recovery->found(recovery->arg, &found);
}

static enum status
take_up(struct recovery *recovery, struct rocks_bytes name,
        struct rocks_bytes value, struct rocks_why *why)
{
    const struct spill *spill = recovery->spill;
    struct spill_head head;
    bool is_whole = spill_head_read(value.at, value.size, &head);

    if (is_whole)
        spill_see_sequence(recovery->spill, head.sequence);
    if (is_whole &&
        head.sequence > atomic_load(&spill->notes.flushed[head.key.space]) &&
        has_group(recovery, head.group)) {
        tell(recovery, &head);
        return STATUS_OK;
    }
    recovery->dead++;
    recovery->broken += !is_whole;
    rocks_batch_delete(recovery->batch, name);
    if (rocks_batch_count(recovery->batch) < BATCH_MOST)
        return STATUS_OK;
    return rocks_batch_write(recovery->batch, spill->base.heads, why);
}

static enum status
read_all(struct recovery *recovery, struct rocks_why *why)
{
    struct spill_name first;
    struct rocks_cursor *cursor;
    struct rocks_bytes name, value;
    enum status status;
    uint64_t sequence;

    spill_head_name(&first, 0);
    cursor = rocks_cursor_new(recovery->spill->base.heads,
                              (struct rocks_bytes){first.bytes, first.size});
    while ((status = rocks_cursor_read(cursor, &name, &value, why)) ==
               STATUS_OK &&
           spill_head_parse_name(name.at, name.size, &sequence)) {
        status = take_up(recovery, name, value, why);
        if (status != STATUS_OK)
            break;
        rocks_cursor_advance(cursor);
    }
    rocks_cursor_free(&cursor);
    return status == STATUS_MISS ? STATUS_OK : status;
}

/* The newest one is written next, and stays. */
static void
drop_empty(struct spill *spill)
{
    struct spill_group *group = spill->groups.oldest, *next;
    struct rocks_why why;

    for (; group != NULL && group->next != NULL; group = next) {
        next = group->next;
        if (group->has_values)
            continue;
        if (rocks_family_drop(group->family, &why) != STATUS_OK) {
            log_event(LOG_WARN, "spill group not dropped", "%s", why.text);
            continue;
        }
        spill_group_forget(spill, group->id);
    }
}

static void
report(const struct recovery *recovery)
{
    const struct spill *spill = recovery->spill;

    log_event(LOG_INFO, "spill recovered",
              "%llu values, %llu MiB, in %.2f s; %llu that were gone, %llu "
              "broken",
              (unsigned long long)recovery->values,
              (unsigned long long)(recovery->bytes >> 20),
              (double)spill->recovery_ns / (double)NS_PER_SECOND,
              (unsigned long long)(recovery->dead - recovery->broken),
              (unsigned long long)recovery->broken);
}

/* In the base. */
static enum status
recover(struct recovery *recovery, struct rocks_why *why)
{
    struct spill *spill = recovery->spill;
    enum status status;

    recovery->batch = rocks_batch_new();
    status = read_all(recovery, why);
    if (status == STATUS_OK && rocks_batch_count(recovery->batch) != 0)
        status = rocks_batch_write(recovery->batch, spill->base.heads, why);
    rocks_batch_free(&recovery->batch);
    if (recovery->group != NULL)
        spill_group_release(spill, recovery->group);
    if (status == STATUS_OK)
        drop_empty(spill);
    return status;
}

enum status
spill_recovery_run(struct spill *spill, tier_found_fn *found, void *arg,
                   uint64_t *sequence_out)
{
    struct recovery recovery = {.spill = spill, .found = found, .arg = arg};
    uint64_t started_ns = clock_now_ns();
    struct rocks_why why = {""};
    enum status status = STATUS_OK;

    if (spill->health.is_off || !spill_base_enter(spill)) {
        *sequence_out = atomic_load(&spill->sequence_max);
        return STATUS_OK;
    }
    status = recover(&recovery, &why);
    spill_base_leave(spill);
    spill->recovery_ns = clock_now_ns() - started_ns;
    spill->recovered = recovery.values;
    if (status == STATUS_OK) {
        report(&recovery);
    } else {
        log_event(LOG_ERROR, "spill gives up what it holds", "%s: %s",
                  spill->options.path, why.text);
        spill_note_give_up(spill);
        status = STATUS_MISS;
    }
    *sequence_out = atomic_load(&spill->sequence_max);
    return status;
}

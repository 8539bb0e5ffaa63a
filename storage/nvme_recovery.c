/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the last run has left, told in the order in which it was written: sealed
 * segments by their tables, the others by walking their records.  These then
 * get a table too, and are never appended to: behind their torn tail may lie
 * whole records that the next walk would believe.
 */
#include "storage/nvme_state.h"

#include "base/clock.h"
#include "base/log.h"
#include "storage/nvme_scan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Lines of the log; the sum is told in any case. */
/* More than a part that can not be read may have used. */
#define UNREAD_SEQUENCES   (UINT64_C(1) << 40)
#define UNREAD_GENERATIONS (UINT64_C(1) << 20)
#define BROKEN_TOLD        10u

struct recovery {
    struct nvme *nvme;
    struct nvme_super super; /* with as many segments as it had */
    tier_found_fn *found;
    void *arg;
    struct nvme_scan *scan;
    struct nvme_segment_seen *seen;
    uint32_t count;             /* of those that are not blank */
    struct nvme_ledger *ledger; /* of the segment that is walked, or NULL */
    uint64_t values, bytes, broken, read;
    uint64_t started_ns, told_ns;
    bool is_out_of_memory;
    bool has_unread; /* some part of a segment */
};

static bool
is_flushed(const struct recovery *recovery, const struct nvme_item *item)
{
    return item->kind != NVME_TOMBSTONE &&
           item->sequence <= recovery->super.flushed[item->key.space];
}

/* The segment will be no more, and what it says of older ones has to be said
 * again: that there was something newer. */
static void
note_again(struct recovery *recovery, const struct nvme_item *item)
{
    struct nvme_item note = *item;

    if (note.kind == NVME_VALUE)
        note.kind = NVME_TOMBSTONE;
    note.block = 0;
    nvme_note(&recovery->nvme->tier, &note);
}

static void
tell(struct recovery *recovery, uint32_t segment, uint64_t generation,
     const struct nvme_item *item)
{
    struct nvme *nvme = recovery->nvme;
    struct nvme_spot spot = {
        .segment = segment, .generation = generation, .block = item->block};
    struct tier_found found = {.key = item->key,
                               .sequence = item->sequence,
                               .checksum = item->checksum,
                               .expires_unix_ms = item->expires_unix_ms,
                               .size = item->size,
                               .form = item->form,
                               .meta = &item->meta};

    if (item->kind == NVME_CHANGE) {
        found.kind = TIER_FOUND_CHANGED;
    } else if (item->kind == NVME_TOMBSTONE || segment >= nvme->log.count) {
        found.kind = TIER_FOUND_DROPPED;
    } else {
        found.kind = TIER_FOUND_VALUE;
        spot.head_blocks = nvme_head_blocks(&item->key, &item->meta);
        found.place = nvme_log_place(&spot);
        recovery->values++;
        recovery->bytes += item->size;
        atomic_fetch_add(&nvme->bytes_used, item->size);
        atomic_fetch_add(&nvme->chunks, 1);
    }
    recovery->found(recovery->arg, &found);
}

static void
on_item(void *arg, const struct nvme_segment_seen *seen,
        const struct nvme_item *item)
{
    struct recovery *recovery = arg;
    struct nvme_ledger *ledger = recovery->ledger;
    uint32_t size = nvme_item_size(item);

    nvme_see_sequence(recovery->nvme, item->sequence);
    if (ledger != NULL && nvme_seal_grow(ledger, size)) {
        uint8_t *at = ledger->table + NVME_BLOCK + ledger->items;

        if (nvme_write_item(item, &at, at + size))
            ledger->items += size;
    } else if (ledger != NULL) {
        ledger->is_spoiled = true;
    }
    if (is_flushed(recovery, item))
        return;
    if (seen->number >= recovery->nvme->log.count)
        note_again(recovery, item);
    tell(recovery, seen->number, seen->generation, item);
}

static void
on_broken(void *arg, const struct nvme_segment_seen *seen, uint32_t block,
          const char *why)
{
    struct recovery *recovery = arg;

    if (recovery->broken++ < BROKEN_TOLD)
        log_event(LOG_WARN, "nvme record lost", "segment %u, block %u: %s",
                  seen->number, block, why);
}

static void
on_read(void *arg, uint64_t bytes)
{
    struct recovery *recovery = arg;
    uint64_t now_ns = clock_now_ns();

    recovery->read += bytes;
    if (now_ns - recovery->told_ns < NS_PER_SECOND)
        return;
    recovery->told_ns = now_ns;
    log_event(LOG_INFO, "nvme recovery",
              "%llu values of %llu MiB found, %llu MiB read",
              (unsigned long long)recovery->values,
              (unsigned long long)(recovery->bytes >> 20),
              (unsigned long long)(recovery->read >> 20));
}

/* --- One segment. --- */

/* One that was seen to hold something. */
static void
take_up(struct recovery *recovery, const struct nvme_segment_seen *seen,
        bool has_table)
{
    struct nvme *nvme = recovery->nvme;
    struct nvme_segment *segment = &nvme->log.segments[seen->number];

    if (seen->number >= nvme->log.count)
        return;
    atomic_store(&segment->generation, seen->generation);
    segment->table_block = has_table ? seen->trailer.table_block : 0;
    segment->table_blocks = has_table ? seen->trailer.table_blocks : 0;
    nvme_log_use(nvme, seen->number, NVME_SEALED);
}

/* A segment without records is as good as new. */
static void
seal(struct recovery *recovery, const struct nvme_segment_seen *seen,
     uint32_t end)
{
    struct nvme_ledger *ledger = recovery->ledger;
    struct nvme *nvme = recovery->nvme;

    if (seen->number >= nvme->log.count || ledger->items == 0) {
        if (seen->number < nvme->log.count && end > 1)
            take_up(recovery, seen, false);
        nvme_seal_clear(ledger);
        return;
    }
    take_up(recovery, seen, false);
    ledger->segment = seen->number;
    ledger->generation = seen->generation;
    ledger->next_block = end;
    if (ledger->is_spoiled || !nvme_may_write(&nvme->tier))
        nvme_seal_clear(ledger);
    else if (nvme_seal_write(ledger) != STATUS_OK)
        log_event(LOG_WARN, "nvme segment has no table",
                  "segment %u: it could not be written", seen->number);
}

static void
walk(struct recovery *recovery, const struct nvme_segment_seen *seen)
{
    uint32_t end = 1;

    recovery->ledger = &recovery->nvme->log.ledgers[0];
    if (nvme_scan_walk(recovery->scan, seen, &end) != STATUS_OK) {
        recovery->ledger->is_spoiled = true;
        recovery->has_unread = true;
    }
    seal(recovery, seen, end);
    recovery->ledger = NULL;
}

static void
recover_segment(struct recovery *recovery, const struct nvme_segment_seen *seen)
{
    if (seen->state == NVME_SEGMENT_SEALED &&
        nvme_scan_table(recovery->scan, seen) == STATUS_OK)
        take_up(recovery, seen, true);
    else
        walk(recovery, seen);
    if (seen->generation >= recovery->nvme->log.next_generation)
        recovery->nvme->log.next_generation = seen->generation + 1;
}

/* --- All of them. --- */

static int
compare(const void *left, const void *right)
{
    const struct nvme_segment_seen *a = left, *b = right;

    if (a->generation != b->generation)
        return a->generation < b->generation ? -1 : 1;
    return a->number < b->number ? -1 : a->number > b->number;
}

static void
look(struct recovery *recovery)
{
    for (uint32_t i = 0; i < recovery->super.segment_count; i++) {
        struct nvme_segment_seen *seen = &recovery->seen[recovery->count];

        if (nvme_scan_look(recovery->scan, i, seen) != STATUS_OK) {
            nvme_health_read_failed(recovery->nvme, EIO);
            recovery->has_unread = true;
        } else if (seen->state != NVME_SEGMENT_BLANK)
            recovery->count++;
    }
    qsort(recovery->seen, recovery->count, sizeof(*recovery->seen), compare);
}

/* A device that shrinks needs a segment for its notes.  The oldest one says
 * nothing of any other that stays. */
static uint32_t
skip_oldest(const struct recovery *recovery)
{
    uint32_t count = recovery->nvme->log.count, kept = 0;
    uint32_t oldest = NVME_NO_SEGMENT;

    for (uint32_t i = recovery->count; i > 0; i--) {
        if (recovery->seen[i - 1].number >= count)
            continue;
        oldest = i - 1;
        kept++;
    }
    return count < recovery->super.segment_count && kept == count
               ? oldest
               : NVME_NO_SEGMENT;
}

static enum status
read_all(struct recovery *recovery)
{
    const struct nvme_scan_events events = {
        .arg = recovery, .item = on_item, .broken = on_broken, .read = on_read};
    enum status status = nvme_scan_open(recovery->nvme->fd, &recovery->super,
                                        &events, &recovery->scan);
    uint32_t skipped;

    if (status != STATUS_OK)
        return status;
    recovery->seen =
        calloc(recovery->super.segment_count, sizeof(*recovery->seen));
    if (recovery->seen == NULL) {
        nvme_scan_close(&recovery->scan);
        return STATUS_NO_SPACE;
    }
    look(recovery);
    skipped = skip_oldest(recovery);
    for (uint32_t i = 0; i < recovery->count; i++)
        if (i != skipped)
            recover_segment(recovery, &recovery->seen[i]);
    free(recovery->seen);
    nvme_scan_close(&recovery->scan);
    return STATUS_OK;
}

/* What could not be read may have said that others are gone, and may be read
 * the next time: nothing of before is believed then, nor now. */
static void
give_up_all(struct nvme *nvme)
{
    uint64_t sequence = atomic_load(&nvme->sequence_max) + UNREAD_SEQUENCES;

    nvme_see_sequence(nvme, sequence);
    nvme->log.next_generation += UNREAD_GENERATIONS;
    nvme_super_raise(nvme, sequence);
    log_event(LOG_WARN, "nvme gives up what it holds",
              "a part of %s could not be read", nvme->path);
    if (nvme_super_settle(nvme) != STATUS_OK) {
        log_event(LOG_ERROR, "nvme can not be written",
                  "what is deleted from now on may be back after the restart");
        nvme_health_stop_writes(nvme, EIO);
    }
}

/* Beyond the old end an earlier life of the device may still stand. */
static bool
clear_new(struct nvme *nvme)
{
    uint8_t *block = nvme_file_memory(NVME_BLOCK);
    bool is_clear = block != NULL;

    if (is_clear)
        memset(block, 0, NVME_BLOCK);
    for (uint32_t i = nvme->old_count; is_clear && i < nvme->log.count; i++)
        is_clear = nvme_file_write(nvme, nvme_log_offset(nvme, i, 0), block,
                                   NVME_BLOCK) == STATUS_OK;
    free(block);
    return is_clear;
}

/* The device has another size now.  What the segments that are gone have said
 * is said again first. */
static bool
resize(struct nvme *nvme)
{
    if (nvme->old_count == nvme->log.count) {
        /* A stop may have come before that. */
        nvme_file_trim(nvme, nvme->size);
        return true;
    }
    if (nvme_may_write(&nvme->tier))
        nvme_log_head_some(nvme);
    if (!clear_new(nvme) || nvme_notes_write_all(nvme) != STATUS_OK ||
        nvme_super_write(nvme, nvme->log.count) != STATUS_OK) {
        log_event(LOG_ERROR, "nvme not resized",
                  "%s can not be written, and is not before the next start",
                  nvme->path);
        return false;
    }
    nvme_file_trim(nvme, nvme->size);
    log_event(LOG_INFO, "nvme resized", "%u segments, there were %u",
              nvme->log.count, nvme->old_count);
    return true;
}

static void
report(const struct recovery *recovery)
{
    const struct nvme *nvme = recovery->nvme;

    log_event(LOG_INFO, "nvme recovered",
              "%llu values, %llu MiB, in %.2f s; %llu segments read, %llu "
              "places broken",
              (unsigned long long)recovery->values,
              (unsigned long long)(recovery->bytes >> 20),
              (double)nvme->recovery_ns / (double)NS_PER_SECOND,
              (unsigned long long)recovery->count,
              (unsigned long long)recovery->broken);
}

enum status
nvme_recovery_run(struct nvme *nvme, tier_found_fn *found, void *arg,
                  uint64_t *sequence_out)
{
    struct recovery recovery = {.nvme = nvme,
                                .super = nvme->supers.super,
                                .found = found,
                                .arg = arg,
                                .started_ns = clock_now_ns()};
    enum status status = STATUS_OK;

    recovery.told_ns = recovery.started_ns;
    recovery.super.segment_count = nvme->old_count;
    for (unsigned i = 0; i < NVME_SPACES; i++)
        nvme_see_sequence(nvme, recovery.super.flushed[i]);
    if (!nvme->is_dead && nvme->old_count != 0) {
        status = read_all(&recovery);
        if (status != STATUS_OK)
            return status;
        nvme->recovery_ns = clock_now_ns() - recovery.started_ns;
        nvme->recovered = recovery.values;
        report(&recovery);
        nvme->is_recovered = resize(nvme);
        if (recovery.has_unread) {
            give_up_all(nvme);
            status = STATUS_MISS;
        }
    }
    if (nvme->is_recovered && nvme_may_write(&nvme->tier))
        nvme_log_head_some(nvme);
    *sequence_out = atomic_load(&nvme->sequence_max);
    return status;
}

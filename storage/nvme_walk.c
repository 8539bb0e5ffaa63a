/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walks the records of a segment, from its first block on, and believes only
 * what it has compared with its checksum.
 */
#include "storage/nvme_scan.h"
#include "storage/nvme_window.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* More unreadable places than this in one segment, and the rest is left. */
#define UNREADABLE_MAX 16u
/* Writes under way at one time: what may be torn behind the last whole one. */
#define TORN_MAX 1024u

static const char NO_HEAD[] = "not the head of a record";
static const char TOO_LONG[] = "a record longer than its segment";
static const char DIFFERS[] = "the bytes differ from their checksum";
static const char NO_ITEMS[] = "notes that are none";
static const char UNREADABLE[] = "can not be read";

struct walk {
    struct nvme_scan *scan;
    const struct nvme_segment_seen *seen;
    uint32_t block, end, limit;
    bool is_in_gap; /* what is no head was told; looking for the next one */
    unsigned unreadable;
    unsigned torn_count;
    struct {
        uint32_t block;
        const char *why;
    } torn[TORN_MAX]; /* of OPEN: broken only if a whole record follows */
    uint8_t head[NVME_HEAD_BLOCKS_MAX * NVME_BLOCK];
};

static bool
is_sealed(const struct walk *walk)
{
    return walk->seen->state == NVME_SEGMENT_SEALED;
}

static void
tell_torn(struct walk *walk, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        nvme_scan_broken(walk->scan, walk->seen, walk->torn[i].block,
                         walk->torn[i].why);
    walk->torn_count -= count;
    memmove(walk->torn, walk->torn + count,
            walk->torn_count * sizeof(walk->torn[0]));
}

/* A record whose head is whole, but not the rest. */
static void
condemn(struct walk *walk, const char *why)
{
    if (is_sealed(walk)) {
        nvme_scan_broken(walk->scan, walk->seen, walk->block, why);
        return;
    }
    if (walk->torn_count == TORN_MAX)
        tell_torn(walk, 1);
    walk->torn[walk->torn_count].block = walk->block;
    walk->torn[walk->torn_count++].why = why;
}

/* --- Records --- */

static bool
is_note(void *arg, const struct nvme_item *item)
{
    (void)arg;
    return item->kind != NVME_VALUE;
}

static bool
tell_item(void *arg, const struct nvme_item *item)
{
    const struct walk *walk = arg;
    const struct nvme_scan_events *events = &walk->scan->events;

    if (events->item != NULL)
        events->item(events->arg, walk->seen, item);
    return true;
}

static void
tell_record(struct walk *walk, const struct nvme_record *record)
{
    const struct nvme_scan_events *events = &walk->scan->events;

    tell_torn(walk, walk->torn_count);
    if (events->record != NULL)
        events->record(events->arg, walk->seen, walk->block, record);
}

static enum status
read_notes(struct walk *walk, const struct nvme_record *record,
           const struct nvme_payload *payload)
{
    enum status status = nvme_scan_items(walk->scan, payload, is_note, NULL);

    if (status != STATUS_OK)
        return status;
    tell_record(walk, record);
    return nvme_scan_items(walk->scan, payload, tell_item, walk);
}

static void
read_record(struct walk *walk, struct nvme_record *record)
{
    struct nvme_payload payload = {.segment = walk->seen->number,
                                   .block = walk->block + record->head_blocks,
                                   .size = record->payload_size,
                                   .checksum = record->payload_checksum};
    enum status status = nvme_scan_verify(walk->scan, &payload);
    const char *why = DIFFERS;

    if (status == STATUS_OK && record->kind == NVME_RECORD_VALUE) {
        record->item.block = walk->block;
        tell_record(walk, record);
        tell_item(walk, &record->item);
    } else if (status == STATUS_OK) {
        status = read_notes(walk, record, &payload);
        why = NO_ITEMS;
    }
    if (status == STATUS_IO) {
        why = UNREADABLE;
        walk->unreadable++;
    }
    if (status != STATUS_OK)
        condemn(walk, why);
}

static uint64_t
record_blocks(const struct nvme_record *record)
{
    return record->head_blocks +
           ((uint64_t)record->payload_size + NVME_BLOCK - 1) / NVME_BLOCK;
}

/* --- Heads --- */

/* The head here, kept apart because the payload may push it out of the window.
 * NULL: it is a record's; else why not. */
static const char *
read_head(struct walk *walk, struct nvme_record *out)
{
    struct nvme_scan *scan = walk->scan;
    uint32_t count = walk->limit - walk->block;

    if (count > NVME_HEAD_BLOCKS_MAX)
        count = NVME_HEAD_BLOCKS_MAX;
    const uint8_t *at =
        nvme_scan_at(scan, walk->seen->number, walk->block, count);
    if (at == NULL && count > 1) {
        count = 1;
        at = nvme_scan_at(scan, walk->seen->number, walk->block, count);
    }
    if (at == NULL) {
        walk->unreadable++;
        return UNREADABLE;
    }
    memcpy(walk->head, at, (size_t)count * NVME_BLOCK);
    if (nvme_read_record(scan->super.identity, walk->seen->generation,
                         walk->head, count * NVME_BLOCK, out) != NVME_GOOD)
        return NO_HEAD;
    return record_blocks(out) <= walk->limit - walk->block ? NULL : TOO_LONG;
}

/* A table without a trailer is a seal that a stop came before, if the trailer
 * was never begun. */
static void
end_at_table(struct walk *walk)
{
    struct nvme_scan *scan = walk->scan;
    struct nvme_trailer trailer;
    uint32_t last = scan->blocks - 1;
    const uint8_t *at = nvme_scan_at(scan, walk->seen->number, last, 1);

    if (at == NULL)
        nvme_scan_broken(scan, walk->seen, last, UNREADABLE);
    else if (nvme_read_trailer(scan->super.identity, at, &trailer) ==
             NVME_BROKEN)
        nvme_scan_broken(scan, walk->seen, last, "the trailer is not whole");
}

/* False at the end. */
static bool
step(struct walk *walk)
{
    struct nvme_record record;
    const char *why = read_head(walk, &record);
    bool is_table = why == NULL && record.kind == NVME_RECORD_TABLE;

    if (why == NULL && !is_table) {
        read_record(walk, &record);
        walk->block += (uint32_t)record_blocks(&record);
        walk->end = walk->block;
        walk->is_in_gap = false;
        return true;
    }
    if (!is_sealed(walk)) {
        if (is_table)
            end_at_table(walk);
        if (why == UNREADABLE)
            nvme_scan_broken(walk->scan, walk->seen, walk->block, why);
        return false;
    }
    if (!walk->is_in_gap)
        nvme_scan_broken(walk->scan, walk->seen, walk->block,
                         is_table ? "a table before the table" : why);
    walk->is_in_gap = true;
    walk->block++;
    return true;
}

enum status
nvme_scan_walk(struct nvme_scan *scan, const struct nvme_segment_seen *seen,
               uint32_t *end_out)
{
    assert(seen->state != NVME_SEGMENT_BLANK);
    *end_out = 1;
    struct walk *walk = calloc(1, sizeof(*walk));
    if (walk == NULL)
        return STATUS_NO_SPACE;
    walk->scan = scan;
    walk->seen = seen;
    walk->block = walk->end = 1;
    walk->limit =
        is_sealed(walk) ? seen->trailer.table_block : scan->blocks - 1;
    scan->reach = walk->limit;
    while (walk->block < walk->limit && walk->unreadable <= UNREADABLE_MAX &&
           step(walk))
        ;
    *end_out = walk->end;
    enum status status = walk->unreadable == 0 ? STATUS_OK : STATUS_IO;
    free(walk);
    return status;
}

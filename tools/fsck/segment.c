/* SPDX-License-Identifier: Apache-2.0 */
/* Counts, and compares what a segment's table lists with its records. */
#include "tools/fsck/segment.h"

#include <stdlib.h>

#define ROOM_FIRST 1024u

void
segment_complain(struct check_result *result, uint32_t segment, uint32_t block,
                 const char *why)
{
    if (result->broken_count < CHECK_BROKEN_MAX)
        result->broken[result->broken_count] =
            (struct check_broken){segment, block, why};
    result->broken_count++;
}

void
segment_open(struct segment *segment, struct census *census,
             struct check_result *result)
{
    *segment = (struct segment){.census = census, .result = result};
}

void
segment_close(struct segment *segment)
{
    listing_free(&segment->table);
    listing_free(&segment->records);
    free(segment->marks);
}

void
segment_start(struct segment *segment, const struct nvme_segment_seen *seen)
{
    segment->seen = seen;
    segment->is_walked = false;
    listing_clear(&segment->table);
    listing_clear(&segment->records);
    segment->mark_count = 0;
    segment->missing_notes = segment->extra_notes = 0;
}

static void
count(struct check_result *result, const struct nvme_item *item)
{
    switch (item->kind) {
    case NVME_VALUE:
        result->values++;
        result->bytes += item->size;
        return;
    case NVME_TOMBSTONE:
        result->tombstones++;
        return;
    case NVME_CHANGE:
        result->changes++;
        return;
    }
}

bool
segment_item(struct segment *segment, const struct nvme_item *item)
{
    if (!segment->is_walked)
        return listing_add(&segment->table, item);
    count(segment->result, item);
    return listing_add(&segment->records, item) &&
           census_add(segment->census, item);
}

bool
segment_mark(struct segment *segment, uint32_t block, const char *why)
{
    if (segment->mark_count == segment->mark_room) {
        size_t room =
            segment->mark_room == 0 ? ROOM_FIRST : 2 * segment->mark_room;
        struct segment_mark *marks =
            realloc(segment->marks, room * sizeof *marks);
        if (marks == NULL)
            return false;
        segment->marks = marks;
        segment->mark_room = room;
    }
    segment->marks[segment->mark_count++] =
        (struct segment_mark){.block = block, .why = why};
    return true;
}

static void
complain(struct segment *segment, uint32_t block, const char *why)
{
    segment_complain(segment->result, segment->seen->number, block, why);
}

void
segment_tell(struct segment *segment)
{
    for (size_t i = 0; i < segment->mark_count; i++) {
        if (segment->marks[i].why != NULL)
            complain(segment, segment->marks[i].block, segment->marks[i].why);
    }
}

/* --- Table and records --- */

/* The last place at or before this block, or NULL. */
static struct segment_mark *
mark_before(struct segment *segment, uint32_t block)
{
    size_t from = 0, to = segment->mark_count;

    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (segment->marks[middle].block <= block)
            from = middle + 1;
        else
            to = middle;
    }
    return from == 0 ? NULL : &segment->marks[from - 1];
}

static void
on_missing(void *arg, uint32_t block)
{
    struct segment *segment = arg;

    if (block == 0) {
        segment->missing_notes++;
        return;
    }
    struct segment_mark *mark = mark_before(segment, block);
    if (mark != NULL && mark->why != NULL)
        mark->is_missed = true;
    else
        complain(segment, block, "in the table, but there is no such record");
}

static void
on_extra(void *arg, uint32_t block)
{
    struct segment *segment = arg;

    if (block == 0)
        segment->extra_notes++;
    else
        complain(segment, block, "a record that is not in the table");
}

static void
on_different(void *arg, uint32_t block)
{
    complain(arg, block, "a record of which the table says something else");
}

void
segment_compare(struct segment *segment, bool was_readable)
{
    struct listing_events events = {.arg = segment,
                                    .missing = on_missing,
                                    .extra = on_extra,
                                    .different = on_different};
    uint32_t table_block = segment->seen->trailer.table_block;
    bool has_broken = false;

    listing_compare(&segment->table, &segment->records, &events);
    for (size_t i = 0; i < segment->mark_count; i++) {
        const struct segment_mark *mark = &segment->marks[i];
        if (mark->why == NULL)
            continue;
        if (mark->is_missed || segment->missing_notes > 0 || !was_readable) {
            complain(segment, mark->block, mark->why);
            has_broken = true;
        } else {
            segment->result->gaps++;
        }
    }
    if (segment->missing_notes > 0 && !has_broken)
        complain(segment, table_block, "the table has notes no record has");
    if (segment->extra_notes > 0)
        complain(segment, table_block, "there are notes the table has not");
}

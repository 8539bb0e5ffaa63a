/* SPDX-License-Identifier: Apache-2.0 */
/* The order of it all: segments as they were written, each table, each walk. */
#include "tools/fsck/check.h"

#include "base/clock.h"
#include "tools/fsck/segment.h"

#include <stdlib.h>
#include <string.h>

struct check {
    const struct nvme_super *super;
    struct nvme_scan *scan;
    struct segment segment;
    struct check_result *result;
    const struct check_progress *progress;
    struct nvme_segment_seen *order; /* those that are not blank */
    uint32_t done, used;
    uint64_t bytes;
    bool has_no_memory;
};

/* --- What the scan tells --- */

static void
on_item(void *arg, const struct nvme_segment_seen *seen,
        const struct nvme_item *item)
{
    struct check *check = arg;

    (void)seen;
    if (!segment_item(&check->segment, item))
        check->has_no_memory = true;
}

static void
on_record(void *arg, const struct nvme_segment_seen *seen, uint32_t block,
          const struct nvme_record *record)
{
    struct check *check = arg;

    (void)seen;
    (void)record;
    check->result->records++;
    if (!segment_mark(&check->segment, block, NULL))
        check->has_no_memory = true;
}

static void
on_broken(void *arg, const struct nvme_segment_seen *seen, uint32_t block,
          const char *why)
{
    struct check *check = arg;

    if (!check->segment.is_walked)
        segment_complain(check->result, seen->number, block, why);
    else if (!segment_mark(&check->segment, block, why))
        check->has_no_memory = true;
}

static void
on_read(void *arg, uint64_t bytes)
{
    struct check *check = arg;

    check->bytes += bytes;
    check->progress->show(check->progress->arg, check->done, check->bytes);
}

/* --- Segments --- */

static int
compare(const void *a, const void *b)
{
    const struct nvme_segment_seen *left = a, *right = b;

    return (left->generation > right->generation) -
           (left->generation < right->generation);
}

/* Which there are, in the order they were written. */
static void
look(struct check *check)
{
    struct check_result *result = check->result;

    for (uint32_t i = 0; i < check->super->segment_count; i++) {
        struct nvme_segment_seen seen;
        if (nvme_scan_look(check->scan, i, &seen) != STATUS_OK)
            segment_complain(result, i, 0, "can not be read");
        result->blank += seen.state == NVME_SEGMENT_BLANK;
        result->open += seen.state == NVME_SEGMENT_OPEN;
        result->sealed += seen.state == NVME_SEGMENT_SEALED;
        if (seen.state != NVME_SEGMENT_BLANK)
            check->order[check->used++] = seen;
    }
    if (check->used > 1)
        qsort(check->order, check->used, sizeof *check->order, compare);
    check->done = result->blank;
}

static void
read_segment(struct check *check, const struct nvme_segment_seen *seen)
{
    struct segment *segment = &check->segment;
    bool has_table = false;
    uint32_t end;

    segment_start(segment, seen);
    if (seen->state == NVME_SEGMENT_SEALED)
        has_table = nvme_scan_table(check->scan, seen) == STATUS_OK;
    segment->is_walked = true;
    enum status status = nvme_scan_walk(check->scan, seen, &end);
    if (status == STATUS_NO_SPACE)
        check->has_no_memory = true;
    if (has_table)
        segment_compare(segment, status == STATUS_OK);
    else
        segment_tell(segment);
    check->done++;
}

/* What is wrong before any segment is looked at. */
static void
check_ends(struct check *check, uint64_t size,
           const struct nvme_super_seen *seen)
{
    const struct nvme_super *super = &seen->super;
    uint64_t end = NVME_DATA_START + super->segment_count * super->segment_size;

    if (seen->has_broken)
        segment_complain(check->result, CHECK_NO_SEGMENT, 1 - seen->which,
                         "one of the two superblocks is not whole");
    if (size < end)
        segment_complain(check->result, CHECK_NO_SEGMENT,
                         (uint32_t)(size / NVME_BLOCK),
                         "the device ends before its last segment does");
}

static enum status
run(struct check *check)
{
    struct check_result *result = check->result;
    struct census *census;
    enum status status = census_new(check->super->flushed, &census);

    if (status != STATUS_OK)
        return status;
    segment_open(&check->segment, census, result);
    look(check);
    for (uint32_t i = 0; i < check->used && !check->has_no_memory; i++)
        read_segment(check, &check->order[i]);
    census_count(census, clock_unix_ms(), &result->census);
    segment_close(&check->segment);
    census_free(&census);
    return check->has_no_memory ? STATUS_NO_SPACE : STATUS_OK;
}

enum status
check_run(int fd, uint64_t size, const struct nvme_super_seen *seen,
          const struct check_progress *progress, struct check_result *out)
{
    struct check check = {
        .super = &seen->super, .result = out, .progress = progress};
    struct nvme_scan_events events = {.arg = &check,
                                      .item = on_item,
                                      .record = on_record,
                                      .broken = on_broken,
                                      .read = on_read};

    memset(out, 0, sizeof *out);
    out->segments = seen->super.segment_count;
    check.order = calloc(out->segments, sizeof *check.order);
    if (check.order == NULL)
        return STATUS_NO_SPACE;
    enum status status = nvme_scan_open(fd, check.super, &events, &check.scan);
    if (status == STATUS_OK) {
        check_ends(&check, size, seen);
        status = run(&check);
        nvme_scan_close(&check.scan);
    }
    free(check.order);
    return status;
}

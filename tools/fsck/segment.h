/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One segment as it is looked at: what its table lists, what its records hold,
 * and where there was no record.  What is wrong goes to the result.
 */
#ifndef TOOLS_FSCK_SEGMENT_H
#define TOOLS_FSCK_SEGMENT_H

#include "tools/fsck/check.h"
#include "tools/fsck/listing.h"

/* A place that the walk came to, in its order. */
struct segment_mark {
    uint32_t block;
    bool is_missed;  /* the table knows of something here */
    const char *why; /* NULL: a whole record */
};

struct segment {
    const struct nvme_segment_seen *seen;
    struct check_result *result;
    struct census *census;
    bool is_walked; /* what is told now comes from the walk */
    struct listing table, records;
    struct segment_mark *marks;
    size_t mark_count, mark_room;
    uint64_t missing_notes, extra_notes;
};

/* Both lent until segment_close(). */
void segment_open(struct segment *, struct census *, struct check_result *);
void segment_close(struct segment *);

/* Another one: forgets the last.  The table's items come first. */
void segment_start(struct segment *, const struct nvme_segment_seen *);
/* Both false: no memory.  why: NULL for a whole record; lasting. */
bool segment_item(struct segment *, const struct nvme_item *);
bool segment_mark(struct segment *, uint32_t block, const char *why);

/* All that the walk found broken is. */
void segment_tell(struct segment *);
/* Only what the table knows of is; where nothing is missing, a write had
 * failed and left a gap.  May the walk's silence be trusted, or was there what
 * it could not read? */
void segment_compare(struct segment *, bool was_readable);

void segment_complain(struct check_result *, uint32_t segment, uint32_t block,
                      const char *why);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks at the segments of a device and reads their tables.  Reading by pread()
 * is nvme_window.c's, walking records nvme_walk.c's.
 */
#include "storage/nvme_scan.h"
#include "storage/nvme_window.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static enum nvme_found
read_super(struct nvme_window *window, unsigned which, struct nvme_super *out,
           bool *is_unreadable)
{
    const uint8_t *block = nvme_window_at(window, (uint64_t)which * NVME_BLOCK,
                                          NVME_BLOCK, NVME_BLOCK);

    if (block == NULL) {
        *is_unreadable = true;
        return NVME_BROKEN;
    }
    return nvme_read_super(block, out);
}

/* Of two that were read. */
static enum status
choose_super(const struct nvme_super super[2], const enum nvme_found found[2],
             struct nvme_super_seen *out)
{
    for (unsigned i = 0; i < 2; i++) {
        if (found[i] == NVME_NEWER) {
            out->newer_version = super[i].version;
            return STATUS_BAD_REQUEST;
        }
    }
    if (found[0] == NVME_BLANK && found[1] == NVME_BLANK)
        return STATUS_MISS;
    if (found[0] != NVME_GOOD && found[1] != NVME_GOOD)
        return STATUS_CORRUPT;
    out->has_both = found[0] == found[1];
    if (out->has_both)
        out->which = super[1].serial > super[0].serial;
    else
        out->which = found[1] == NVME_GOOD;
    out->has_broken = found[!out->which] == NVME_BROKEN;
    out->super = super[out->which];
    out->newer_version = 0;
    return STATUS_OK;
}

enum status
nvme_scan_super(int fd, struct nvme_super_seen *out)
{
    struct nvme_window *window;
    struct nvme_super super[2];
    enum nvme_found found[2];
    bool is_unreadable = false;

    enum status status = nvme_window_open(fd, NULL, NULL, &window);
    if (status != STATUS_OK)
        return status;
    for (unsigned i = 0; i < 2; i++)
        found[i] = read_super(window, i, &super[i], &is_unreadable);
    nvme_window_close(&window);
    status = choose_super(super, found, out);
    return status == STATUS_CORRUPT && is_unreadable ? STATUS_IO : status;
}

enum status
nvme_scan_open(int fd, const struct nvme_super *super,
               const struct nvme_scan_events *events, struct nvme_scan **out)
{
    struct nvme_scan *scan = malloc(sizeof(*scan));

    if (scan == NULL)
        return STATUS_NO_SPACE;
    scan->super = *super;
    scan->blocks = (uint32_t)(super->segment_size / NVME_BLOCK);
    scan->events = *events;
    enum status status =
        nvme_window_open(fd, events->read, events->arg, &scan->window);
    if (status != STATUS_OK) {
        free(scan);
        return status;
    }
    *out = scan;
    return STATUS_OK;
}

void
nvme_scan_close(struct nvme_scan **scan)
{
    if (*scan == NULL)
        return;
    nvme_window_close(&(*scan)->window);
    free(*scan);
    *scan = NULL;
}

const uint8_t *
nvme_scan_at(struct nvme_scan *scan, uint32_t segment, uint32_t block,
             uint32_t count)
{
    uint64_t offset =
        NVME_DATA_START + (uint64_t)segment * scan->super.segment_size;
    uint32_t end = block + count > scan->reach ? block + count : scan->reach;

    assert(block < scan->blocks && count <= scan->blocks - block);
    return nvme_window_at(scan->window, offset + (uint64_t)block * NVME_BLOCK,
                          count * NVME_BLOCK,
                          (uint64_t)(end - block) * NVME_BLOCK);
}

void
nvme_scan_broken(struct nvme_scan *scan, const struct nvme_segment_seen *seen,
                 uint32_t block, const char *why)
{
    if (scan->events.broken != NULL)
        scan->events.broken(scan->events.arg, seen, block, why);
}

/* --- look --- */

/* A header that is not whole is a loss only if there was something behind it:
 * what a device held before it was ours is no header either. */
static void
look_behind_header(struct nvme_scan *scan, const struct nvme_segment_seen *seen)
{
    struct nvme_record record;
    uint32_t count = scan->blocks - 1;
    if (count > NVME_HEAD_BLOCKS_MAX)
        count = NVME_HEAD_BLOCKS_MAX;
    const uint8_t *at = nvme_scan_at(scan, seen->number, 1, count);

    if (at != NULL &&
        nvme_read_record(scan->super.identity, 0, at, count * NVME_BLOCK,
                         &record) == NVME_GOOD)
        nvme_scan_broken(scan, seen, 0, "the segment's header is not whole");
}

/* Could what the trailer says be so? */
static bool
has_table(const struct nvme_scan *scan, const struct nvme_trailer *trailer,
          uint64_t generation)
{
    return trailer->generation == generation &&
           trailer->table_block < scan->blocks - 1 &&
           trailer->table_blocks <= scan->blocks - 1 - trailer->table_block;
}

enum status
nvme_scan_look(struct nvme_scan *scan, uint32_t segment,
               struct nvme_segment_seen *out)
{
    const uint8_t *identity = scan->super.identity;
    struct nvme_trailer trailer;

    assert(segment < scan->super.segment_count);
    scan->reach = 0;
    *out = (struct nvme_segment_seen){.number = segment,
                                      .state = NVME_SEGMENT_BLANK};
    const uint8_t *at = nvme_scan_at(scan, segment, 0, 1);
    if (at == NULL)
        return STATUS_IO;
    enum nvme_found found = nvme_read_header(identity, at, &out->generation);
    if (found == NVME_BROKEN)
        look_behind_header(scan, out);
    if (found != NVME_GOOD)
        return STATUS_OK;

    out->state = NVME_SEGMENT_OPEN;
    at = nvme_scan_at(scan, segment, scan->blocks - 1, 1);
    if (at == NULL)
        return STATUS_OK;
    if (nvme_read_trailer(identity, at, &trailer) == NVME_GOOD &&
        has_table(scan, &trailer, out->generation)) {
        out->state = NVME_SEGMENT_SEALED;
        out->trailer = trailer;
    }
    return STATUS_OK;
}

/* --- payloads --- */

enum status
nvme_scan_verify(struct nvme_scan *scan, const struct nvme_payload *payload)
{
    struct checksum checksum;
    uint32_t left = payload->size, block = payload->block;

    checksum_start(&checksum);
    while (left > 0) {
        uint32_t size = left < NVME_WINDOW ? left : NVME_WINDOW;
        uint32_t count = (size + NVME_BLOCK - 1) / NVME_BLOCK;
        const uint8_t *at = nvme_scan_at(scan, payload->segment, block, count);
        if (at == NULL)
            return STATUS_IO;
        checksum_add(&checksum, at, size);
        left -= size;
        block += count;
    }
    return checksum_value(&checksum) == payload->checksum ? STATUS_OK
                                                          : STATUS_CORRUPT;
}

/* An item begins anywhere in its first block and is whole in so many. */
#define ITEM_BLOCKS ((NVME_ITEM_MAX + 2u * NVME_BLOCK - 1) / NVME_BLOCK)

enum status
nvme_scan_items(struct nvme_scan *scan, const struct nvme_payload *payload,
                nvme_item_fn *take, void *arg)
{
    uint32_t done = 0;

    while (done < payload->size) {
        uint32_t block = done / NVME_BLOCK, skip = done % NVME_BLOCK;
        uint32_t left = payload->size - block * NVME_BLOCK;
        uint32_t size =
            left < ITEM_BLOCKS * NVME_BLOCK ? left : ITEM_BLOCKS * NVME_BLOCK;
        const uint8_t *at =
            nvme_scan_at(scan, payload->segment, payload->block + block,
                         (size + NVME_BLOCK - 1) / NVME_BLOCK);
        if (at == NULL)
            return STATUS_IO;
        const uint8_t *next = at + skip;
        struct nvme_item item;
        if (!nvme_read_item(&next, at + size, &item) || !take(arg, &item))
            return STATUS_CORRUPT;
        done = block * NVME_BLOCK + (uint32_t)(next - at);
    }
    return STATUS_OK;
}

/* --- table --- */

struct table {
    struct nvme_scan *scan;
    const struct nvme_segment_seen *seen;
};

/* A value's record lies between the header and the table. */
static bool
is_in_segment(void *arg, const struct nvme_item *item)
{
    const struct table *table = arg;

    if (item->kind != NVME_VALUE)
        return true;
    uint64_t blocks = nvme_head_blocks(&item->key, &item->meta) +
                      ((uint64_t)item->size + NVME_BLOCK - 1) / NVME_BLOCK;
    return item->block >= 1 &&
           item->block + blocks <= table->seen->trailer.table_block;
}

static bool
tell_item(void *arg, const struct nvme_item *item)
{
    const struct table *table = arg;
    const struct nvme_scan_events *events = &table->scan->events;

    if (events->item != NULL)
        events->item(events->arg, table->seen, item);
    return true;
}

static bool
read_table_head(struct nvme_scan *scan, const struct nvme_segment_seen *seen,
                const uint8_t *at, struct nvme_payload *out)
{
    const struct nvme_trailer *trailer = &seen->trailer;
    struct nvme_record record;

    if (nvme_read_record(scan->super.identity, seen->generation, at, NVME_BLOCK,
                         &record) != NVME_GOOD ||
        record.kind != NVME_RECORD_TABLE)
        return false;
    uint64_t blocks =
        1 + ((uint64_t)record.payload_size + NVME_BLOCK - 1) / NVME_BLOCK;
    *out = (struct nvme_payload){.segment = seen->number,
                                 .block = trailer->table_block + 1,
                                 .size = record.payload_size,
                                 .checksum = record.payload_checksum};
    return blocks == trailer->table_blocks;
}

/* All of it is looked at before anything is told. */
static enum status
read_table(struct nvme_scan *scan, const struct nvme_segment_seen *seen)
{
    struct table table = {scan, seen};
    struct nvme_payload payload;
    const uint8_t *at =
        nvme_scan_at(scan, seen->number, seen->trailer.table_block, 1);

    if (at == NULL)
        return STATUS_IO;
    if (!read_table_head(scan, seen, at, &payload))
        return STATUS_CORRUPT;
    enum status status = nvme_scan_verify(scan, &payload);
    if (status == STATUS_OK)
        status = nvme_scan_items(scan, &payload, is_in_segment, &table);
    if (status == STATUS_OK)
        status = nvme_scan_items(scan, &payload, tell_item, &table);
    return status;
}

enum status
nvme_scan_table(struct nvme_scan *scan, const struct nvme_segment_seen *seen)
{
    assert(seen->state == NVME_SEGMENT_SEALED);
    scan->reach = seen->trailer.table_block + seen->trailer.table_blocks;
    enum status status = read_table(scan, seen);
    if (status != STATUS_OK)
        nvme_scan_broken(scan, seen, seen->trailer.table_block,
                         status == STATUS_IO ? "the table can not be read"
                                             : "the table is not whole");
    return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* A table of the values that hold, by the hash of their keys, probed in line. */
#include "tools/fsck/census.h"

#include <stdlib.h>
#include <string.h>

#define ROOM_FIRST 1024u

struct row {
    uint64_t hash, sequence, expires_unix_ms;
    uint32_t size;
    bool is_taken; /* stays so when the value is gone: the probe goes on */
    bool is_live;
};

struct census {
    uint64_t flushed[NVME_SPACES];
    struct row *rows;
    size_t room, count; /* a power of two; rows taken */
    struct census_sum flushed_sum, superseded_sum;
};

enum status
census_new(const uint64_t flushed[NVME_SPACES], struct census **out)
{
    struct census *census = calloc(1, sizeof *census);
    struct row *rows = calloc(ROOM_FIRST, sizeof *rows);

    if (census == NULL || rows == NULL) {
        free(census);
        free(rows);
        return STATUS_NO_SPACE;
    }
    memcpy(census->flushed, flushed, sizeof census->flushed);
    census->rows = rows;
    census->room = ROOM_FIRST;
    *out = census;
    return STATUS_OK;
}

void
census_free(struct census **census)
{
    if (*census == NULL)
        return;
    free((*census)->rows);
    free(*census);
    *census = NULL;
}

/* The row of this hash, or the one it would take. */
static struct row *
find(struct row *rows, size_t room, uint64_t hash)
{
    size_t at = hash & (room - 1);

    while (rows[at].is_taken && rows[at].hash != hash)
        at = (at + 1) & (room - 1);
    return &rows[at];
}

static bool
grow(struct census *census)
{
    size_t room = 2 * census->room;
    struct row *rows = calloc(room, sizeof *rows);

    if (rows == NULL)
        return false;
    for (size_t i = 0; i < census->room; i++) {
        const struct row *row = &census->rows[i];
        if (row->is_taken)
            *find(rows, room, row->hash) = *row;
    }
    free(census->rows);
    census->rows = rows;
    census->room = room;
    return true;
}

static void
add(struct census_sum *sum, uint32_t size)
{
    sum->values++;
    sum->bytes += size;
}

static void
supersede(struct census *census, struct row *row)
{
    if (row->is_live)
        add(&census->superseded_sum, row->size);
    row->is_live = false;
}

static void
add_value(struct census *census, struct row *row, const struct nvme_item *item)
{
    if (row->is_live && row->sequence > item->sequence) {
        add(&census->superseded_sum, item->size);
        return;
    }
    supersede(census, row);
    if (!row->is_taken)
        census->count++;
    *row = (struct row){.hash = item->key.hash,
                        .sequence = item->sequence,
                        .expires_unix_ms = item->expires_unix_ms,
                        .size = item->size,
                        .is_taken = true,
                        .is_live = true};
}

bool
census_add(struct census *census, const struct nvme_item *item)
{
    bool is_flushed = item->sequence <= census->flushed[item->key.space];

    if (is_flushed && item->kind != NVME_TOMBSTONE) {
        if (item->kind == NVME_VALUE)
            add(&census->flushed_sum, item->size);
        return true;
    }
    if (census->count >= census->room / 2 && !grow(census))
        return false;
    struct row *row = find(census->rows, census->room, item->key.hash);
    switch (item->kind) {
    case NVME_VALUE:
        add_value(census, row, item);
        return true;
    case NVME_TOMBSTONE:
        if (row->is_live && row->sequence < item->sequence)
            supersede(census, row);
        return true;
    case NVME_CHANGE:
        if (row->is_live && row->sequence == item->sequence)
            row->expires_unix_ms = item->expires_unix_ms;
        return true;
    }
    return true;
}

void
census_count(const struct census *census, uint64_t now_unix_ms,
             struct census_result *out)
{
    *out = (struct census_result){.flushed = census->flushed_sum,
                                  .superseded = census->superseded_sum};
    for (size_t i = 0; i < census->room; i++) {
        const struct row *row = &census->rows[i];
        if (!row->is_live)
            continue;
        bool is_past =
            row->expires_unix_ms != 0 && row->expires_unix_ms <= now_unix_ms;
        add(is_past ? &out->expired : &out->live, row->size);
    }
}

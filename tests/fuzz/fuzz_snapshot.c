/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arbitrary bytes as a snapshot of the router's index: its head, a frame, and a
 * payload (the first four bytes say how many keys it has).  Whatever of a payload
 * was taken makes an index that is saved and read again as the same.
 */
#include "server/index/catalog_save.h"
#include "storage/nvme_field.h"
#include "tests/lib/catalog_keys.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct snapshot_writer writer;
static struct bytes words[SNAPSHOT_WORDS_MAX];

static void
require(bool is_so)
{
    if (!is_so)
        abort();
}

static struct catalog *
open_catalog(void)
{
    struct catalog *catalog;

    require(catalog_open(1u << 20, &catalog) == STATUS_OK);
    return catalog;
}

static bool
restore(struct catalog *catalog, uint8_t *payload, size_t size, uint32_t keys)
{
    struct snapshot_frame frame = {.size = (uint32_t)size, .keys = keys};
    struct snapshot_reader reader;

    snapshot_reader_start(&reader, payload, &frame, words);
    return catalog_restore(catalog, &reader);
}

static void
copy(struct catalog *from, struct catalog *to)
{
    uint64_t cursor = 0;

    for (;;) {
        snapshot_writer_start(&writer);
        if (!catalog_save_some(from, &cursor, &writer))
            return;
        require(writer.out.short_by == 0);
        require(restore(to, writer.payload,
                        (size_t)(writer.out.at - writer.payload), writer.keys));
    }
}

/* Every key of one is a key of the other. */
struct comparison {
    struct catalog *other;
    unsigned seen;
};

static void
on_seen(void *arg, const struct catalog_seen *seen)
{
    struct comparison *comparison = arg;
    struct bytes name = seen->name;
    struct catalog_key key;
    struct catalog_view view;

    require(catalog_key_read(seen->space, &name, &key));
    require(catalog_view(comparison->other, &key, &view));
    require(view.type == seen->type && view.count != 0);
    comparison->seen++;
}

static void
compare(struct catalog *one, struct catalog *other)
{
    struct comparison comparison = {.other = other};
    struct catalog_usage a = usage_of(one), b = usage_of(other);
    uint64_t cursor = 0;

    require(a.hashes == b.hashes && a.sets == b.sets && a.items == b.items);
    do
        catalog_walk(one, &cursor, 1000, on_seen, &comparison);
    while (cursor != 0);
    require(comparison.seen == a.hashes + a.sets);
}

static void
read_heads(const uint8_t *data, size_t size)
{
    uint8_t bytes[SNAPSHOT_HEAD] = {0};
    struct snapshot_frame frame;
    uint64_t unix_ms;

    memcpy(bytes, data, size < sizeof(bytes) ? size : sizeof(bytes));
    (void)snapshot_read_head(bytes, &unix_ms);
    if (snapshot_read_frame(bytes, &frame))
        require(frame.size <= SNAPSHOT_PAYLOAD_MAX);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct catalog *catalog, *again;
    uint8_t *payload;

    read_heads(data, size);
    if (size < 4 || size > SNAPSHOT_PAYLOAD_MAX)
        return 0;
    payload = malloc(size - 4 + 1);
    require(payload != NULL);
    memcpy(payload, data + 4, size - 4);
    catalog = open_catalog();
    again = open_catalog();
    (void)restore(catalog, payload, size - 4, field_read32(data));
    copy(catalog, again);
    compare(catalog, again);
    flush_keys(catalog, CATALOG_ALL_SPACES);
    require(usage_of(catalog).words == 0 && usage_of(catalog).items == 0);
    catalog_close(&catalog);
    catalog_close(&again);
    free(payload);
    return 0;
}

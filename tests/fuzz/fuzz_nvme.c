/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arbitrary bytes as each part of the NVMe format, with the checksum they have
 * and with the right one.  What is read is written again and must be the same
 * bytes; the bytes are also taken for a row of items, to their very end.
 */
#include "tests/lib/nvme_parts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool is_so)
{
    if (!is_so)
        abort();
}

/* Of what was good: what stands behind a payload is no part of it. */
static uint32_t
size_of(const uint8_t *bytes)
{
    struct nvme_record record;

    if (nvme_read_record(sample_identity(), 0, bytes,
                         NVME_HEAD_BLOCKS_MAX * NVME_BLOCK,
                         &record) != NVME_GOOD)
        return NVME_BLOCK;
    return record.head_blocks * NVME_BLOCK +
           (record.kind == NVME_RECORD_VALUE ? 0 : record.payload_size);
}

static void
read_part(const struct part *part, const uint8_t *bytes)
{
    uint8_t again[PART_SIZE_MAX];

    memset(again, 0, sizeof(again));
    if (part->again(bytes, again))
        require(memcmp(again, bytes, size_of(bytes)) == 0);
}

static void
read_items(const uint8_t *data, size_t size)
{
    const uint8_t *at = data, *end = data + size;
    struct nvme_item item;

    for (;;) {
        const uint8_t *start = at;
        uint8_t again[NVME_ITEM_MAX], *to = again;
        if (!nvme_read_item(&at, end, &item)) {
            require(at == start);
            return;
        }
        require(at > start && at <= end);
        require(item.key.bytes >= start);
        require(item.key.bytes + item.key.size <= at);
        require(nvme_item_size(&item) == (size_t)(at - start));
        require(nvme_write_item(&item, &to, again + sizeof(again)));
        require(memcmp(again, start, (size_t)(at - start)) == 0);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t bytes[PART_SIZE_MAX];
    struct nvme_record record;

    memset(bytes, 0, sizeof(bytes));
    memcpy(bytes, data, size < sizeof(bytes) ? size : sizeof(bytes));
    for (unsigned i = 0; i < PART_COUNT; i++) {
        const struct part *part = part_at(i);
        read_part(part, bytes);
        part_reseal(bytes, part->head_size);
        read_part(part, bytes);
    }
    if (size <= UINT32_MAX)
        (void)nvme_read_record(sample_identity(), 0, data, (uint32_t)size,
                               &record);
    read_items(data, size);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arbitrary bytes as a head of the spill tier, with the checksum they have and
 * with the right one, as marks, and as names.  What is read is written again and
 * must be the same bytes.
 */
#include "proto/checksum.h"
#include "storage/spill_head.h"

#include <stdlib.h>
#include <string.h>

#define CHECK_AT 8u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool is_so)
{
    if (!is_so)
        abort();
}

static void
read_head(const uint8_t *bytes, size_t size)
{
    uint8_t again[SPILL_HEAD_MAX];
    struct spill_head head;

    if (!spill_head_read(bytes, size, &head))
        return;
    require(head.key.bytes >= bytes);
    require(head.key.bytes + head.key.size <= bytes + size);
    require(spill_head_write(&head, again) == size);
    require(memcmp(again, bytes, size) == 0);
}

static void
reseal(uint8_t *bytes, size_t size)
{
    uint64_t checksum;

    memset(bytes + CHECK_AT, 0, 8);
    checksum = checksum_of(bytes, size);
    for (unsigned i = 0; i < 8; i++)
        bytes[CHECK_AT + i] = (uint8_t)(checksum >> 8 * i);
}

static void
read_names(const uint8_t *data, size_t size)
{
    char text[SPILL_FAMILY_MAX] = "", again[SPILL_FAMILY_MAX];
    uint64_t group, sequence;
    struct spill_name name;

    if (spill_head_parse_name(data, size, &sequence)) {
        spill_head_name(&name, sequence);
        require(name.size == size && memcmp(name.bytes, data, size) == 0);
    }
    if (spill_head_parse_group_name(data, size, &group, &sequence)) {
        spill_head_group_name(&name, group, sequence);
        require(name.size == size && memcmp(name.bytes, data, size) == 0);
    }
    memcpy(text, data, size < sizeof(text) ? size : sizeof(text) - 1);
    if (spill_head_parse_family(text, &group)) {
        spill_head_family(again, group);
        require(strcmp(text, again) == 0);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t bytes[SPILL_HEAD_MAX], again[SPILL_MARKS_SIZE];
    struct spill_marks marks;

    read_head(data, size);
    read_names(data, size);
    if (spill_head_read_marks(data, size, &marks)) {
        spill_head_write_marks(&marks, again);
        require(memcmp(again, data, size) == 0);
    }
    if (size < SPILL_HEAD_FIXED || size > sizeof(bytes))
        return 0;
    memcpy(bytes, data, size);
    reseal(bytes, size);
    read_head(bytes, size);
    return 0;
}

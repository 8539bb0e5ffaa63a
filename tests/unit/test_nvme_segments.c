/* SPDX-License-Identifier: Apache-2.0 */
/* Segments of an NVMe tier over several lives: used anew, without their tables,
 * on a device that grows or shrinks. */
#include "storage/nvme_scan.h"
#include "tests/unit/nvme_checks.h"

#include <sys/stat.h>

#define DEVICE (64u * MIB)
#define SMALL  (16u * MIB)
#define MANY   60u

BOTH(nvme_segments, what_was_reclaimed_never_comes_back, SMALL)
{
    for (unsigned run = 0; run < 4; run++) {
        static struct nvme_kept before[NVME_KEYS];
        unsigned there = 0;

        for (unsigned i = 0; i < 100; i++)
            puts_value((run * 70 + i) % 200, 1 + run * 100 + i, 200000);
        settles();
        memcpy(before, nvme.kept, sizeof(before));
        again();
        for (unsigned i = 0; i < NVME_KEYS; i++) {
            cr_assert_eq(before[i].is_there, nvme.kept[i].is_there, "%u", i);
            if (!before[i].is_there)
                continue;
            is_there(i, before[i].sequence);
            there++;
        }
        cr_assert_gt(there, 40u);
        cr_assert_lt(there, 100u);
    }
}

BOTH(nvme_segments, a_segment_retired_and_not_used_yet_is_empty, SMALL)
{
    KILLED_AFTER({
        unsigned i = 0;
        struct nvme_victim *victim;

        while (!nvme_wants_reclaim(nvme.tier)) {
            puts_value(i, 1 + i, 150000);
            i++;
            settles();
        }
        HOLDS(nvme_victim_start(nvme.tier, nvme.port, &victim) == STATUS_OK);
        HOLDS(nvme_victim_retire(victim) == STATUS_OK);
    });
    is_gone(0);
    cr_assert(!nvme_wants_reclaim(nvme.tier));
}

static struct tier_place place; /* of one of them */

static unsigned
count_victim(struct nvme_victim *victim, uint64_t *bytes_out)
{
    struct nvme_item item;
    unsigned count = 0;

    *bytes_out = 0;
    while (nvme_victim_next(victim, &item, &place)) {
        unsigned number =
            (unsigned)strtoul((const char *)item.key.bytes, NULL, 10);

        cr_assert_eq(memcmp(&place, &nvme.kept[number].place, sizeof(place)),
                     0);
        cr_assert(nvme_holds(nvme.tier, &place));
        *bytes_out += item.size;
        count++;
    }
    return count;
}

BOTH(nvme_segments, a_victim_lists_its_values_and_no_others, DEVICE)
{
    struct nvme_victim *victim;
    uint64_t bytes;
    unsigned count = 0;

    cr_assert_eq(nvme_victim_start(nvme.tier, nvme.port, &victim), STATUS_MISS);
    cr_assert(!nvme_wants_reclaim(nvme.tier));
    puts_many(0, 140, 1);
    nvme_delete(&nvme, 200, 1000);
    notes_settle();
    again();
    for (unsigned round = 0; round < 2; round++) {
        cr_assert_eq(nvme_victim_start(nvme.tier, nvme.port, &victim),
                     STATUS_OK);
        count = count_victim(victim, &bytes);
        cr_assert_gt(count, 0u);
        cr_assert_eq(count_victim(victim, &bytes), count, "a second time");
        cr_assert_eq(bytes, nvme_victim_bytes(victim));
        cr_assert(nvme_may_promise(nvme.tier, &place));
        nvme_victim_close(victim);
        cr_assert(nvme_holds(nvme.tier, &place));
        cr_assert(!nvme_may_promise(nvme.tier, &place));
        cr_assert_eq(nvme_victim_retire(victim), STATUS_OK);
        for (unsigned i = 0; i < NVME_KEYS; i++) {
            if (!nvme.kept[i].is_there ||
                nvme_holds(nvme.tier, &nvme.kept[i].place))
                continue;
            nvme_forget(&nvme, i);
            count--;
        }
        cr_assert_eq(count, 0u);
        nvme_victim_finish(&victim);
        cr_assert_null(victim);
    }
    cr_assert_eq(nvme_losses(nvme.tier), 0u);
}

BOTH(nvme_segments, a_table_of_many_blocks_is_read_back, DEVICE)
{
    nvme.key_size = 3000;
    KILLED_AFTER({
        for (unsigned i = 0; i < NVME_KEYS; i++)
            puts_value(i, 1 + i, 9000);
    });
    cr_assert_gt(nvme_used(&nvme).segments_sealed, 1u);
    are_there(0, NVME_KEYS, 1);
    again();
    are_there(0, NVME_KEYS, 1);
}

/* Where the first segment's table and trailer lie in the file. */
static void
find_first_table(off_t *table_out, off_t *trailer_out)
{
    struct nvme_super_seen seen;
    struct nvme_trailer trailer;
    uint8_t block[NVME_BLOCK];
    int fd = open(nvme.path, O_RDONLY);

    cr_assert_geq(fd, 0);
    cr_assert_eq(nvme_scan_super(fd, &seen), STATUS_OK);
    *trailer_out =
        (off_t)(NVME_DATA_START + seen.super.segment_size - NVME_BLOCK);
    cr_assert_eq(pread(fd, block, NVME_BLOCK, *trailer_out), NVME_BLOCK);
    cr_assert_eq(nvme_read_trailer(seen.super.identity, block, &trailer),
                 NVME_GOOD);
    *table_out =
        (off_t)(NVME_DATA_START + trailer.table_block * (uint64_t)NVME_BLOCK);
    close(fd);
}

static void
breaks(off_t at)
{
    uint8_t zero[NVME_BLOCK] = {0};
    int fd = open(nvme.path, O_WRONLY);

    cr_assert_geq(fd, 0);
    cr_assert_eq(pwrite(fd, zero, NVME_BLOCK, at), NVME_BLOCK);
    close(fd);
}

BOTH(nvme_segments, a_segment_without_its_table_is_walked_and_sealed, DEVICE)
{
    off_t table, trailer;

    puts_many(0, 140, 1);
    settles();
    for (unsigned i = 0; i < 3; i++) {
        find_first_table(&table, &trailer);
        nvme_tier_close(&nvme);
        /* Its head, its items, its trailer. */
        breaks(i == 2 ? trailer : table + (off_t)i * NVME_BLOCK);
        opens();
        are_there(0, 140, 1);
    }
    find_first_table(&table, &trailer);
}

BOTH(nvme_segments, a_segment_that_lost_its_table_meanwhile_is_a_loss, DEVICE)
{
    struct nvme_victim *victim;
    uint64_t bytes;
    off_t table, trailer;

    puts_many(0, 140, 1);
    settles();
    find_first_table(&table, &trailer);
    breaks(table + NVME_BLOCK);
    cr_assert_eq(nvme_victim_start(nvme.tier, nvme.port, &victim), STATUS_OK);
    cr_assert_eq(nvme_victim_bytes(victim), 0u);
    cr_assert_eq(count_victim(victim, &bytes), 0u);
    is_there(0, 1);
    cr_assert_eq(nvme_losses(nvme.tier), 0u);
    cr_assert_eq(nvme_victim_retire(victim), STATUS_OK);
    nvme_victim_finish(&victim);
    cr_assert_eq(nvme_losses(nvme.tier), 1u);
    cr_assert(!nvme_holds(nvme.tier, &nvme.kept[0].place));
    cr_assert(nvme_holds(nvme.tier, &nvme.kept[139].place));
    cr_assert_eq(nvme_get(&nvme, 0), STATUS_MISS);
    is_there(139, 140);
}

/* --- Another size. --- */

static void
resizes(uint64_t size)
{
    nvme_tier_close(&nvme);
    nvme.options.size = size;
    opens();
}

BOTH(nvme_segments, a_device_that_grows_keeps_all, 32u * MIB)
{
    struct nvme_usage before = nvme_used(&nvme);

    puts_many(0, MANY, 1);
    resizes(64u * MIB);
    are_there(0, MANY, 1);
    cr_assert_gt(nvme_used(&nvme).segments, before.segments);
    cr_assert_eq(nvme_used(&nvme).segment_size, before.segment_size);
    again();
    are_there(0, MANY, 1);
}

BOTH(nvme_segments, a_device_that_shrinks_keeps_what_lies_in_the_rest, DEVICE)
{
    unsigned there = 0;
    struct stat seen;

    for (unsigned i = 0; i < 50; i++)
        puts_value(i, 1 + i, 900000);
    /* What was written last lies behind, and says that this is gone. */
    nvme_delete(&nvme, 0, 1000);
    puts_value(1, 1001, 900000);
    puts_value(2, 1002, 900000);
    resizes(32u * MIB);
    for (unsigned round = 0; round < 2; round++) {
        is_gone(0);
        is_gone(1);
        is_gone(2);
        there = 0;
        for (unsigned i = 3; i < 50; i++) {
            if (!nvme.kept[i].is_there)
                continue;
            is_there(i, 1 + i);
            there++;
        }
        cr_assert_gt(there, 15u);
        cr_assert_lt(there, 35u);
        again();
    }
    cr_assert_leq(nvme_used(&nvme).size, 32u * MIB);
    cr_assert_eq(stat(nvme.path, &seen), 0);
    cr_assert_leq(seen.st_size, 32 * (off_t)MIB);
    cr_assert_eq(nvme.sequence, 1002u);
    puts_value(0, 1003, 900000);
    is_there(0, 1003);
}

BOTH(nvme_segments, a_device_too_small_for_its_segments_is_made_anew, DEVICE)
{
    puts_many(0, MANY, 1);
    resizes(8u * MIB);
    cr_assert_eq(nvme.told, 0u);
    puts_value(0, 1, 500000);
    again();
    is_there(0, 1);
    resizes(64u * MIB);
    is_there(0, 1);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What an NVMe tier finds of its last run, however that ended: what was written
 * is there, what was deleted, flushed or reclaimed is not. */
#include "storage/nvme_scan.h"
#include "tests/unit/nvme_checks.h"

#define DEVICE (64u * MIB)
#define SMALL  (16u * MIB)
#define MANY   60u

static uint32_t
size_of(unsigned number)
{
    static const uint32_t sizes[] = {0, 1, 1900, 4096, 70001, 300000};

    return sizes[number % 6];
}

static void
puts_many(unsigned from, unsigned end, uint64_t sequence)
{
    for (unsigned i = from; i < end; i++)
        puts_value(i, sequence + i, size_of(i));
}

static void
are_there(unsigned from, unsigned end, uint64_t sequence)
{
    for (unsigned i = from; i < end; i++)
        is_there(i, sequence + i);
}

/* The notes that wait are on the device. */
static void
notes_settle(void)
{
    uint64_t before = nvme_used(&nvme).written_bytes;
    uint64_t end_ns = clock_now_ns() + NS_PER_SECOND;

    while (nvme_used(&nvme).written_bytes == before) {
        nvme_turn(&nvme);
        HOLDS(clock_now_ns() < end_ns);
    }
    settles();
}

/* The tier is opened by a process that ends without closing anything. */
#define KILLED_AFTER(body)                                                     \
    do {                                                                       \
        nvme_tier_close(&nvme);                                                \
        KILLED_DURING({                                                        \
            opens();                                                           \
            body;                                                              \
        });                                                                    \
        opens();                                                               \
    } while (0)

BOTH(nvme_recovery, what_was_put_is_there_after_a_close, DEVICE)
{
    puts_many(0, MANY, 1);
    again();
    are_there(0, MANY, 1);
    cr_assert_eq(nvme.told, MANY);
    cr_assert_eq(nvme.sequence, MANY);
}

BOTH(nvme_recovery, what_was_put_is_there_after_a_kill, DEVICE)
{
    KILLED_AFTER(puts_many(0, MANY, 1));
    are_there(0, MANY, 1);
    cr_assert_eq(nvme.sequence, MANY);
}

BOTH(nvme_recovery, run_after_run_adds_to_what_there_is, DEVICE)
{
    for (unsigned i = 0; i < 6; i++) {
        KILLED_AFTER(puts_many(10 * i, 10 * i + 10, 1));
        are_there(0, 10 * i + 10, 1);
    }
}

BOTH(nvme_recovery, a_new_device_has_nothing, DEVICE)
{
    cr_assert_eq(nvme.told, 0u);
    cr_assert_eq(nvme.sequence, 0u);
    again();
    cr_assert_eq(nvme.told, 0u);
}

BOTH(nvme_recovery, the_last_put_of_a_key_holds, DEVICE)
{
    KILLED_AFTER({
        puts_many(0, MANY, 1);
        puts_many(0, MANY, 1000);
        /* An older one that comes late. */
        puts_value(3, 500, 4096);
    });
    are_there(0, MANY, 1000);
    cr_assert_eq(nvme.told, 2 * MANY + 1);
}

BOTH(nvme_recovery, the_deleted_stays_deleted, DEVICE)
{
    KILLED_AFTER({
        puts_many(0, 20, 1);
        for (unsigned i = 0; i < 20; i += 2)
            nvme_delete(&nvme, i, 100 + i);
        notes_settle();
    });
    for (unsigned i = 0; i < 20; i += 2)
        is_gone(i);
    for (unsigned i = 1; i < 20; i += 2)
        is_there(i, 1 + i);
    cr_assert_eq(nvme.sequence, 118u);
}

BOTH(nvme_recovery, the_deleted_stays_deleted_after_a_close, DEVICE)
{
    puts_many(0, 20, 1);
    nvme_delete(&nvme, 7, 100);
    again();
    is_gone(7);
    is_there(8, 9);
}

BOTH(nvme_recovery, what_was_put_after_a_delete_is_there, DEVICE)
{
    KILLED_AFTER({
        puts_value(0, 1, 5000);
        nvme_delete(&nvme, 0, 2);
        puts_value(0, 3, 6000);
        notes_settle();
    });
    is_there(0, 3);
}

static void
changes(unsigned number, uint64_t sequence)
{
    uint8_t bytes[KEY_SIZE_MAX];
    struct nvme_item item = {.kind = NVME_CHANGE,
                             .sequence = sequence,
                             .expires_unix_ms = 77,
                             .form = 2,
                             .meta = {.size = 3, .bytes = "abc"}};

    item.key = nvme_key(&nvme, bytes, number);
    nvme_note(nvme.tier, &item);
}

BOTH(nvme_recovery, changes_are_told_with_their_value, DEVICE)
{
    KILLED_AFTER({
        puts_value(0, 1, 5000);
        puts_value(1, 2, 5000);
        changes(0, 1);
        changes(1, 1);
        notes_settle();
    });
    is_there(0, 1);
    cr_assert_eq(nvme.kept[0].form, 2);
    cr_assert_eq(nvme.kept[0].expires_unix_ms, 77u);
    cr_assert_eq(nvme.kept[0].meta.size, 3);
    cr_assert_eq(memcmp(nvme.kept[0].meta.bytes, "abc", 3), 0);
    is_there(1, 2);
    cr_assert_eq(nvme.kept[1].meta.size, 0);
}

BOTH(nvme_recovery, what_a_value_is_put_with_is_told, DEVICE)
{
    struct chunk_meta meta = {.size = CHUNK_META_LM};
    struct nvme_transfer its;

    memset(meta.bytes, 7, CHUNK_META_LM);
    nvme_prepare(&nvme, &its, 0, 5, 100);
    its.transfer.chunk = nvme_sealed(&nvme, 100, nvme_seed(0, 5));
    its.transfer.meta = &meta;
    its.transfer.form = 3;
    its.transfer.expires_unix_ms = 123456;
    cr_assert_eq(nvme_put_begin(&nvme, &its), PENDING);
    /* It is the caller's again. */
    memset(&meta, 0, sizeof(meta));
    cr_assert(nvme_await(&nvme, &its));
    cr_assert_eq(nvme_put_end(&nvme, &its, 0), STATUS_OK);
    again();
    is_there(0, 5);
    cr_assert_eq(nvme.kept[0].form, 3);
    cr_assert_eq(nvme.kept[0].expires_unix_ms, 123456u);
    cr_assert_eq(nvme.kept[0].meta.size, CHUNK_META_LM);
    cr_assert_eq(nvme.kept[0].meta.bytes[27], 7);
}

/* --- Flushes. --- */

struct flush {
    struct nvme_flush inner; /* first */
    bool is_done;
};

static void
on_flushed(struct nvme_flush *inner)
{
    ((struct flush *)inner)->is_done = true;
}

static enum status
flush(unsigned space, uint64_t sequence)
{
    struct flush flush = {.inner = {.space = space,
                                    .sequence = sequence,
                                    .port = nvme.port,
                                    .done = on_flushed}};
    uint64_t end_ns = clock_now_ns() + 4 * NS_PER_SECOND;

    nvme_flush(nvme.tier, &flush.inner);
    while (!flush.is_done) {
        nvme_turn(&nvme);
        if (clock_now_ns() > end_ns)
            return STATUS_LATE;
    }
    return flush.inner.status;
}

BOTH(nvme_recovery, a_flush_of_one_namespace_leaves_the_others, DEVICE)
{
    KILLED_AFTER({
        puts_many(0, 20, 1);
        HOLDS(flush(1, 18) == STATUS_OK);
        HOLDS(nvme_flushed(nvme.tier, 1) == 18u);
        HOLDS(nvme_flushed(nvme.tier, 0) == 0u);
    });
    /* Odd numbers are in namespace 1; 19 was PUT with sequence 20. */
    for (unsigned i = 0; i < 20; i += 2)
        is_there(i, 1 + i);
    for (unsigned i = 1; i < 19; i += 2)
        is_gone(i);
    is_there(19, 20);
    cr_assert_eq(nvme_flushed(nvme.tier, 1), 18u);
}

BOTH(nvme_recovery, a_flush_holds_for_what_is_written_after_it, DEVICE)
{
    KILLED_AFTER({
        puts_many(0, 20, 1);
        HOLDS(flush(NVME_ALL_SPACES, 1000) == STATUS_OK);
        puts_value(20, 999, 5000);
        puts_value(21, 1001, 5000);
        changes(20, 999);
        notes_settle();
    });
    for (unsigned i = 0; i < 21; i++)
        is_gone(i);
    is_there(21, 1001);
    cr_assert_eq(nvme.told, 1u);
    cr_assert_eq(nvme.sequence, 1001u);
}

BOTH(nvme_recovery, the_sequence_of_a_flush_is_told, DEVICE)
{
    puts_value(0, 7, 5000);
    cr_assert_eq(flush(9, 5000), STATUS_OK);
    cr_assert_eq(flush(9, 4000), STATUS_OK);
    again();
    is_there(0, 7);
    cr_assert_eq(nvme.sequence, 5000u);
    cr_assert_eq(nvme_flushed(nvme.tier, 9), 5000u);
}

BOTH(nvme_recovery, flushes_side_by_side_are_all_answered, DEVICE)
{
    static struct flush all[40];
    unsigned done = 0;

    for (unsigned i = 0; i < 40; i++) {
        all[i] = (struct flush){.inner = {.space = i,
                                          .sequence = i + 1,
                                          .port = nvme.port,
                                          .done = on_flushed}};
        nvme_flush(nvme.tier, &all[i].inner);
        if (i % 7 == 0)
            nvme_turn(&nvme);
    }
    for (unsigned turns = 0; turns < 1000 && done < 40; turns++) {
        nvme_turn(&nvme);
        done = 0;
        for (unsigned i = 0; i < 40; i++)
            done += all[i].is_done;
    }
    cr_assert_eq(done, 40u);
    settles();
    again();
    for (unsigned i = 0; i < 40; i++) {
        cr_assert_eq(all[i].inner.status, STATUS_OK);
        cr_assert_eq(nvme_flushed(nvme.tier, i), i + 1);
    }
}

BOTH(nvme_recovery, more_notes_than_there_is_room_for_empty_the_tier, DEVICE)
{
    KILLED_AFTER({
        puts_many(0, 20, 1);
        nvme.key_size = 4000;
        for (unsigned i = 0; nvme_used(&nvme).notes_lost < 3; i++)
            nvme_delete(&nvme, i % 20, 100 + i);
        nvme.key_size = 0;
        for (unsigned i = 0; nvme_flushed(nvme.tier, 0) == 0; i++) {
            nvme_turn(&nvme);
            HOLDS(i < 2000u);
        }
        HOLDS(nvme_flushed(nvme.tier, 255) >= 100u);
        puts_value(50, 100000, 5000);
    });
    for (unsigned i = 0; i < 20; i++)
        is_gone(i);
    is_there(50, 100000);
}

BOTH(nvme_recovery, a_full_buffer_of_notes_is_written, DEVICE)
{
    KILLED_AFTER({
        puts_many(0, 200, 1);
        nvme.key_size = 1000;
        for (unsigned i = 200; i < 500; i++)
            nvme_delete(&nvme, i, 1000);
        nvme.key_size = 0;
        for (unsigned i = 0; i < 200; i += 3)
            nvme_delete(&nvme, i, 1000);
        notes_settle();
    });
    for (unsigned i = 0; i < 200; i++) {
        if (i % 3 == 0)
            is_gone(i);
        else
            is_there(i, 1 + i);
    }
}

/* --- Segments. --- */

BOTH(nvme_recovery, what_was_reclaimed_never_comes_back, SMALL)
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

BOTH(nvme_recovery, a_segment_retired_and_not_used_yet_is_empty, SMALL)
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
    cr_assert_eq(nvme_victim_start(nvme.tier, nvme.port,
                                   &(struct nvme_victim *){NULL}),
                 STATUS_OK);
}

static unsigned
count_victim(struct nvme_victim *victim, uint64_t *bytes_out)
{
    struct nvme_item item;
    struct tier_place place;
    unsigned count = 0;

    *bytes_out = 0;
    while (nvme_victim_next(victim, &item, &place)) {
        unsigned number =
            (unsigned)strtoul((const char *)item.key.bytes, NULL, 10);

        cr_assert_eq(memcmp(&place, &nvme.kept[number].place, sizeof(place)),
                     0);
        cr_assert(nvme_victim_has(victim, &place));
        *bytes_out += item.size;
        count++;
    }
    return count;
}

BOTH(nvme_recovery, a_victim_lists_its_values_and_no_others, DEVICE)
{
    struct nvme_victim *victim;
    uint64_t bytes;
    unsigned count = 0;

    cr_assert_eq(nvme_victim_start(nvme.tier, nvme.port, &victim),
                 STATUS_MISS);
    cr_assert(!nvme_wants_reclaim(nvme.tier));
    puts_many(0, 140, 1);
    nvme_delete(&nvme, 200, 1000);
    notes_settle();
    again();
    for (unsigned round = 0; round < 2; round++) {
        cr_assert_eq(nvme_victim_start(nvme.tier, nvme.port, &victim),
                     STATUS_OK);
        cr_assert(!nvme_victim_is_blind(victim));
        count = count_victim(victim, &bytes);
        cr_assert_gt(count, 0u);
        cr_assert_eq(count_victim(victim, &bytes), count, "a second time");
        cr_assert_eq(bytes, nvme_victim_bytes(victim));
        for (unsigned i = 0; i < NVME_KEYS; i++)
            count -= nvme.kept[i].is_there &&
                     nvme_victim_has(victim, &nvme.kept[i].place);
        cr_assert_eq(count, 0u);
        cr_assert_eq(nvme_victim_retire(victim), STATUS_OK);
        nvme_victim_finish(&victim);
        cr_assert_null(victim);
    }
}

BOTH(nvme_recovery, a_table_of_many_blocks_is_read_back, DEVICE)
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

BOTH(nvme_recovery, a_segment_without_its_table_is_walked_and_sealed, DEVICE)
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

BOTH(nvme_recovery, a_segment_that_lost_its_table_meanwhile_is_a_blind_victim,
     DEVICE)
{
    struct nvme_victim *victim;
    off_t table, trailer;

    puts_many(0, 140, 1);
    settles();
    find_first_table(&table, &trailer);
    breaks(table + NVME_BLOCK);
    cr_assert_eq(nvme_victim_start(nvme.tier, nvme.port, &victim), STATUS_OK);
    cr_assert(nvme_victim_is_blind(victim));
    cr_assert_eq(nvme_victim_bytes(victim), 0u);
    cr_assert(nvme_victim_has(victim, &nvme.kept[0].place));
    is_there(0, 1);
    cr_assert_eq(nvme_victim_retire(victim), STATUS_OK);
    nvme_victim_finish(&victim);
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

BOTH(nvme_recovery, a_device_that_grows_keeps_all, 32u * MIB)
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

BOTH(nvme_recovery, a_device_that_shrinks_keeps_what_lies_in_the_rest, DEVICE)
{
    unsigned there = 0;

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
    cr_assert_eq(nvme.sequence, 1002u);
}

BOTH(nvme_recovery, a_device_too_small_for_its_segments_is_made_anew, DEVICE)
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

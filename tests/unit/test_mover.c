/* SPDX-License-Identifier: Apache-2.0 */
/* What is written to NVMe, what is skipped, and how space comes back. */
#include "storage/nvme_scan.h"
#include "storage/store_look.h"
#include "tests/lib/store_nvme.h"

#include <fcntl.h>

TestSuite(mover, .init = set_up, .fini = tear_down, .timeout = 60);

Test(mover, space_comes_back_and_the_newest_stay)
{
    for (unsigned i = 0; i < 3000; i++)
        put(i, i);
    settle();
    cr_assert_gt(counter_read(&mover_counters, COUNTER_nvme_reclaimed), 1000);
    cr_assert_eq(check(0, 0), STATUS_MISS);
    for (unsigned i = 2500; i < 3000; i++)
        cr_assert_eq(check(i, i), STATUS_OK, "of %u", i);
    again();
    for (unsigned i = 2500; i < 3000; i++)
        cr_assert_eq(check(i, i), STATUS_OK, "of %u", i);
    cr_assert_eq(check(0, 0), STATUS_MISS);
}

Test(mover, what_is_hit_outlives_its_segment)
{
    for (unsigned i = 0; i < 20; i++)
        put(i, i);
    settle();
    for (unsigned i = 1000; i < 4000; i++) {
        put(i, i);
        if (i % 50 == 0)
            for (unsigned k = 0; k < 20; k++)
                cr_assert_eq(check(k, k), STATUS_OK, "of %u at %u", k, i);
    }
    settle();
    cr_assert_gt(counter_read(&mover_counters, COUNTER_nvme_writes_kept), 0);
    cr_assert_geq(counter_read(&mover_counters, COUNTER_nvme_write_bytes_kept),
                  SIZE);
}

Test(mover, a_leased_key_outlives_its_segment)
{
    struct store_name name;

    stop();
    limits.lease_ns = 60 * NS_PER_SECOND;
    start();
    put(1, 1);
    settle();
    name = name_of(1);
    cr_assert_eq(store_exists(port, &name), STATUS_OK);
    for (unsigned i = 1000; i < 4000; i++)
        put(i, i);
    settle();
    cr_assert_eq(check(1, 1), STATUS_OK);
}

/* Small ones, of which a segment has so many that it takes a while. */
#define SMALL 8000u

static void
put_small(unsigned number)
{
    struct key key = key_numbered(&text, KEY_OBJECT, number);
    struct store_terms terms = {.form = FORM_LM};

    while (usage().queue_bytes + 8 * SIZE > limits.nvme.queue)
        usleep(100);
    cr_assert_eq(value_store(port, &key, SMALL, number, &terms), STATUS_OK);
}

/* Asks for some that are about to go; notes what was promised. */
static void
promise_some(unsigned newest, uint64_t *random, bool *is_promised)
{
    unsigned kept = (unsigned)usage().tiers[TIER_NVME].chunks;

    for (unsigned i = 0; i < 16 && kept + 300 < newest; i++) {
        unsigned number = newest - kept - 300 + random_below(random, 900);
        struct store_name name = name_of(number);

        if (store_exists(port, &name) == STATUS_OK)
            is_promised[number] = true;
    }
}

Test(mover, what_is_promised_while_its_segment_goes_is_kept)
{
    static bool is_promised[12000];
    unsigned count = 0;
    uint64_t random = 1;

    stop();
    limits.index_memory = 32u << 20;
    limits.lease_ns = 60 * NS_PER_SECOND;
    limits.nvme.reinsert = 0;
    start();
    for (unsigned i = 0; i < 12000; i++) {
        put_small(i);
        if (i % 16 == 0)
            promise_some(i, &random, is_promised);
    }
    settle();
    for (unsigned i = 0; i < 12000; i++) {
        count += is_promised[i];
        if (is_promised[i])
            cr_assert_eq(check(i, i), STATUS_OK, "of %u", i);
    }
    cr_assert_gt(count, 500);
    cr_assert_gt(counter_read(&mover_counters, COUNTER_nvme_reclaimed), 1000);
}

/* The tables of all segments that have one. */
static void
break_tables(void)
{
    static const uint8_t zero[NVME_BLOCK];
    struct nvme_super_seen seen;
    struct nvme_trailer trailer;
    uint8_t block[NVME_BLOCK];
    unsigned count = 0;
    char path[160];
    off_t at;
    int fd;

    device_path(path);
    fd = open(path, O_RDWR | O_CLOEXEC);
    cr_assert_geq(fd, 0);
    cr_assert_eq(nvme_scan_super(fd, &seen), STATUS_OK);
    for (at = NVME_DATA_START;; at += (off_t)seen.super.segment_size) {
        off_t end = at + (off_t)seen.super.segment_size - NVME_BLOCK;

        if (pread(fd, block, NVME_BLOCK, end) != NVME_BLOCK)
            break;
        if (nvme_read_trailer(seen.super.identity, block, &trailer) !=
            NVME_GOOD)
            continue;
        end = at + (off_t)trailer.table_block * NVME_BLOCK;
        cr_assert_eq(pwrite(fd, zero, NVME_BLOCK, end), NVME_BLOCK);
        count++;
    }
    close(fd);
    cr_assert_gt(count, 5);
}

/* Nobody can say what was in those segments: the index is looked through. */
Test(mover, what_nobody_can_tell_of_is_forgotten_all_the_same)
{
    uint64_t end_ns;

    stop();
    limits.index_memory = 32u << 20;
    start();
    for (unsigned i = 0; i < 800; i++)
        put(i, i);
    settle();
    break_tables();
    for (unsigned i = 800; i < 2500; i++) {
        struct store_sight sight;
        struct store_name name;

        put(i, i);
        if (i % 10 != 0)
            continue;
        name = name_of(i - 700);
        store_look(store, &name, 1, &sight);
        if (!sight.is_here)
            cr_assert_eq(check(i - 700, i - 700), STATUS_MISS);
    }
    settle();
    end_ns = clock_now_ns() + 10 * NS_PER_SECOND;
    while (usage().entries > 1200 && clock_now_ns() < end_ns)
        usleep(1000);
    cr_assert_leq(usage().entries, 1200);
    cr_assert_gt(counter_read(&mover_counters, COUNTER_nvme_reclaimed), 1000);
    cr_assert_eq(check(0, 0), STATUS_MISS);
    cr_assert_eq(check(2499, 2499), STATUS_OK);
}

Test(mover, only_what_is_asked_for_again_is_written)
{
    stop();
    limits.nvme.write = STORE_WRITE_REUSED;
    start();
    for (unsigned i = 0; i < 50; i++)
        put(i, i);
    for (unsigned i = 0; i < 10; i++)
        cr_assert_eq(check(i, i), STATUS_OK);
    settle();
    cr_assert_eq(usage().tiers[TIER_NVME].chunks, 10);
}

/* Until the mover has made DRAM free. */
static void
await_room(void)
{
    uint64_t end_ns = clock_now_ns() + 20 * NS_PER_SECOND;

    while (usage().dram_used > usage().dram_size - 4 * SIZE &&
           clock_now_ns() < end_ns)
        usleep(1000);
}

Test(mover, what_leaves_dram_is_written_first)
{
    stop();
    limits.nvme.write = STORE_WRITE_EVICTED;
    start();
    for (unsigned i = 0; i < 400; i++) {
        await_room();
        put(i, i);
    }
    settle();
    cr_assert_gt(usage().tiers[TIER_NVME].chunks, 200);
    cr_assert_lt(usage().tiers[TIER_NVME].chunks, 380);
    for (unsigned i = 0; i < 400; i++) {
        await_room();
        cr_assert_eq(check(i, i), STATUS_OK, "of %u", i);
    }
}

Test(mover, what_the_queue_has_no_room_for_is_skipped)
{
    struct store_terms terms = {.form = FORM_LM};

    stop();
    limits.nvme.queue = 1u << 20;
    limits.nvme.write_max = 1u << 20;
    start();
    for (unsigned i = 0; i < 100; i++) {
        struct key key = key_numbered(&text, KEY_OBJECT, i);

        cr_assert_eq(value_store(port, &key, SIZE, i, &terms), STATUS_OK);
        cr_assert_leq(usage().queue_bytes, 1u << 20);
    }
    stop();
    cr_assert_gt(counter_read(&mover_counters, COUNTER_nvme_writes_skipped),
                 30);
    cr_assert_eq(
        counter_read(&mover_counters, COUNTER_nvme_write_bytes_skipped),
        counter_read(&mover_counters, COUNTER_nvme_writes_skipped) * SIZE);
    start();
    cr_assert_gt(usage().entries, 10);
    cr_assert_lt(usage().entries, 60);
}

Test(mover, an_index_that_is_too_small_keeps_the_newest)
{
    for (unsigned i = 0; i < 800; i++)
        put(i, i);
    settle();
    stop();
    limits.index_memory = 64u << 10;
    start();
    cr_assert_gt(usage().entries, 50);
    cr_assert_lt(usage().entries, 400);
    cr_assert_eq(check(799, 799), STATUS_OK);
    cr_assert_eq(check(0, 0), STATUS_MISS);
}

Test(mover, a_value_overwritten_while_it_waits_is_not_written)
{
    stop();
    limits.nvme.write_max = 1;
    start();
    put(1, 1);
    put(2, 2);
    put(2, 22);
    atomic_thread_fence(memory_order_seq_cst);
    limits.nvme.write_max = 0;
    store_set_limits(store, &limits);
    settle();
    cr_assert_eq(counter_read(&mover_counters, COUNTER_nvme_writes_void), 1);
    cr_assert_eq(counter_read(&mover_counters, COUNTER_nvme_writes_put), 2);
    again();
    cr_assert_eq(check(2, 22), STATUS_OK);
}

Test(mover, a_value_that_fits_no_segment_stays_in_dram)
{
    struct key key = key_numbered(&text, KEY_OBJECT, 1);
    struct store_terms terms = {.form = FORM_LM};
    struct store_name name = name_body(&key);

    stop();
    tear_down_file();
    limits.nvme.device.size = 8u << 20;
    start();
    cr_assert_eq(value_store(port, &key, 2u << 20, 1, &terms), STATUS_OK);
    settle();
    cr_assert_eq(counter_read(&mover_counters, COUNTER_nvme_writes_too_big), 1);
    cr_assert_eq(value_check(port, &name, 1), STATUS_OK);
}

Test(mover, a_limit_that_is_set_later_counts_from_then_on)
{
    for (unsigned i = 0; i < 500; i++)
        put(i, i);
    settle();
    limits.nvme.write_max = 1u << 20;
    store_set_limits(store, &limits);
    put(1000, 1000);
    settle();
    cr_assert_eq(counter_read(&mover_counters, COUNTER_nvme_writes_put), 501);
}

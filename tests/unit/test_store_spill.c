/* SPDX-License-Identifier: Apache-2.0 */
/* The store over DRAM and the spill alone: reads that are joined, late, corrupt
 * or find no DRAM, and writes that have become void. */
#include "tests/lib/store_nvme.h"

#include <dirent.h>
#include <fcntl.h>

static void
set_up_spill(void)
{
    snprintf(directory, sizeof(directory), "/tmp/spill-XXXXXX");
    cr_assert_not_null(mkdtemp(directory));
    limits = store_small_limits();
    limits.spill.device = (struct spill_options){.path = directory,
                                                 .size = 256u << 20,
                                                 .memory = 16u << 20,
                                                 .value_max = limits.value_max,
                                                 .inflight = 4u << 20,
                                                 .probe_ns = NS_PER_SECOND,
                                                 .threads = 2};
    limits.nvme.queue = 4u << 20;
    limits.spill.read_wait_ns = 10 * NS_PER_SECOND;
    limits.spill.reinsert = 50;
    limits.lease_ns = 0;
    limits.mover_counters = &mover_counters;
    start();
}

static void
tear_down_spill(void)
{
    char command[160];

    stop();
    snprintf(command, sizeof(command), "rm -r %s", directory);
    cr_assert_eq(system(command), 0);
}

TestSuite(store_spill, .init = set_up_spill, .fini = tear_down_spill);

static uint64_t
counted(enum counter_id id)
{
    return counter_read(&counters, id) + counter_read(&mover_counters, id);
}

/* The first values are in the spill alone. */
static void
put_some(void)
{
    for (unsigned i = 1; i <= 8; i++)
        put(i, i);
    settle();
    fill_dram();
}

Test(store_spill, values_come_back_and_nothing_is_wrong_with_them)
{
    put_some();
    for (unsigned i = 1; i <= 8; i++)
        cr_assert_eq(check(i, i), STATUS_OK);
    cr_assert_eq(counted(COUNTER_hits_spill), 8);
    cr_assert_eq(counted(COUNTER_spill_reads_good), 8);
    cr_assert_eq(counted(COUNTER_spill_writes_put), 168);
    cr_assert_eq(counted(COUNTER_spill_reads_failed), 0);
    cr_assert_eq(counted(COUNTER_spill_reads_stale), 0);
    cr_assert_eq(counted(COUNTER_spill_reads_late), 0);
    cr_assert_eq(counted(COUNTER_spill_writes_failed), 0);
    cr_assert_eq(counted(COUNTER_spill_writes_void), 0);
}

Test(store_spill, they_are_there_after_a_restart)
{
    put_some();
    again();
    cr_assert_eq(usage().spill.recovered, 168);
    for (unsigned i = 1; i <= 8; i++)
        cr_assert_eq(check(i, i), STATUS_OK);
}

Test(store_spill, a_second_get_waits_for_the_first)
{
    struct value_get first, second;
    struct store_name name;

    put_some();
    name = name_of(3);
    value_ask(port, &first, &name);
    name = name_of(3);
    value_ask(port, &second, &name);
    cr_assert(value_await_get(port, &first));
    cr_assert(value_await_get(port, &second));
    cr_assert(value_fills(first.get.chunk, 3));
    cr_assert_eq(first.get.chunk, second.get.chunk);
    chunk_drop(&first.get.chunk);
    chunk_drop(&second.get.chunk);
    cr_assert_eq(counted(COUNTER_spill_reads_joined), 1);
    cr_assert_eq(counted(COUNTER_spill_reads_good), 1);
}

Test(store_spill, a_read_that_takes_too_long_is_a_miss)
{
    struct value_get get;
    struct store_name name;

    put_some();
    limits.spill.read_wait_ns = 1;
    store_set_limits(store, &limits);
    name = name_of(1);
    value_ask(port, &get, &name);
    store_port_run(port); /* before any thread can have read it */
    cr_assert(get.is_done);
    cr_assert_eq(get.get.status, STATUS_MISS);
    cr_assert_eq(counted(COUNTER_spill_reads_late), 1);
}

/* Every table, from its 4,096th byte on, as far as its values go. */
static void
spoil_tables(void)
{
    static const uint8_t noise[4096] = {0x5a};
    char path[512];
    struct dirent *row;
    DIR *tables;

    snprintf(path, sizeof(path), "%s/bodies", directory);
    tables = opendir(path);
    cr_assert_not_null(tables);
    while ((row = readdir(tables)) != NULL) {
        const char *dot = strrchr(row->d_name, '.');
        int file;

        if (dot == NULL || strcmp(dot, ".sst") != 0)
            continue;
        snprintf(path, sizeof(path), "%s/bodies/%s", directory, row->d_name);
        file = open(path, O_WRONLY | O_CLOEXEC);
        cr_assert_geq(file, 0);
        for (off_t at = 4096; at < (off_t)SIZE; at += 16384)
            cr_assert_eq(pwrite(file, noise, sizeof(noise), at), 4096);
        cr_assert_eq(fsync(file), 0);
        close(file);
    }
    closedir(tables);
}

Test(store_spill, bytes_that_were_not_written_are_not_served)
{
    unsigned missing = 0;

    put_some();
    spoil_tables();
    for (unsigned i = 1; i <= 8; i++)
        missing += check(i, i) == STATUS_MISS;
    cr_assert_gt(missing, 0);
    cr_assert_eq(counted(COUNTER_spill_reads_corrupt), missing);
}

Test(store_spill, a_read_that_finds_no_dram_is_a_miss)
{
    static struct value_get held[200];
    unsigned count = 0;

    put_some();
    for (unsigned i = 0; i < 160; i++) {
        struct store_name name = name_of(100000 + 159 - i);

        value_ask(port, &held[count], &name);
        cr_assert(value_await_get(port, &held[count]));
        if (held[count].get.status != STATUS_OK)
            break;
        count++;
    }
    cr_assert_gt(count, 100);
    cr_assert_eq(check(1, 1), STATUS_MISS);
    cr_assert_gt(counted(COUNTER_spill_reads_no_space), 0);
    for (unsigned i = 0; i < count; i++)
        chunk_drop(&held[i].get.chunk);
    cr_assert_eq(check(1, 1), STATUS_OK);
}

Test(store_spill, what_was_deleted_before_it_was_written_is_not)
{
    struct store_name name;

    limits.spill.write_max = 1;
    store_set_limits(store, &limits);
    put(1, 1); /* overdraws it */
    put(2, 2);
    put(3, 3);
    name = name_of(2);
    cr_assert_eq(store_drop(port, &name), STATUS_OK);
    limits.spill.write_max = 0;
    store_set_limits(store, &limits);
    settle();
    cr_assert_geq(counted(COUNTER_spill_writes_void), 1);
    again();
    cr_assert_eq(check(2, 2), STATUS_MISS);
    cr_assert_eq(check(3, 3), STATUS_OK);
}

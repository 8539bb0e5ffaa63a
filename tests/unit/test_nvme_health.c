/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A device that fails, and comes back.  Writes fail because the process may not
 * make files so long (RLIMIT_FSIZE, EFBIG), reads because the file ends before
 * them: neither needs a device that is sick.
 */
#include "tests/unit/nvme_checks.h"

#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define DEVICE (64u * MIB)
#define PUTS   12u

static void
allow_writes(uint64_t below)
{
    struct rlimit limit = {.rlim_cur = below, .rlim_max = RLIM_INFINITY};

    signal(SIGXFSZ, SIG_IGN);
    if (getrlimit(RLIMIT_FSIZE, &limit) != 0)
        cr_assert_fail("no limits");
    limit.rlim_cur = below;
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void
allow_all_writes(void)
{
    allow_writes(RLIM_INFINITY);
}

/* With a deadline. */
#define AWAIT(condition)                                                       \
    do {                                                                       \
        uint64_t end_ns_ = clock_now_ns() + NVME_WAIT_NS;                      \
        while (!(condition)) {                                                 \
            nvme_turn(&nvme);                                                  \
            cr_assert_lt(clock_now_ns(), end_ns_, "%s", #condition);           \
        }                                                                      \
    } while (0)

/* --- Writes. --- */

BOTH(nvme_health, failed_writes_stop_writing_and_reads_go_on, DEVICE)
{
    unsigned failed = 0;

    nvme.options.probe_ns = NS_PER_SECOND;
    again();
    puts_value(0, 1, 500000);
    settles();
    allow_writes(MIB);
    for (unsigned i = 1; i < PUTS; i++) {
        enum status status = nvme_put(&nvme, i, 1 + i, 5000);

        /* Out of segments is as good a reason. */
        cr_assert(status == STATUS_IO || status == STATUS_BUSY);
        failed += status == STATUS_IO;
        is_there(0, 1);
    }
    AWAIT(!nvme_may_write(nvme.tier));
    cr_assert(nvme_may_read(nvme.tier));
    cr_assert_gt(failed, 2u);
    cr_assert_geq(nvme_used(&nvme).write_errors, 5u);
    cr_assert_eq(nvme_used(&nvme).out_of_service, 1u);
    cr_assert_eq(nvme_put(&nvme, 1, 100, 5000), STATUS_IO);
    is_there(0, 1);
    allow_all_writes();
    AWAIT(nvme_may_write(nvme.tier));
    puts_value(1, 101, 5000);
    is_there(1, 101);
    again();
    is_there(0, 1);
    is_there(1, 101);
    for (unsigned i = 2; i < PUTS; i++)
        is_gone(i);
}

/* Only what lies behind a point can not be written. */
BOTH(nvme_health, a_write_that_fails_takes_only_itself, DEVICE)
{
    static struct nvme_transfer its[6];
    uint64_t limit = NVME_DATA_START + 3u * MIB;
    unsigned failed = 0;

    allow_writes(limit);
    for (unsigned i = 0; i < 6; i++) {
        nvme_prepare(&nvme, &its[i], i, 1 + i, 900000);
        its[i].transfer.chunk = nvme_sealed(&nvme, 900000, nvme_seed(i, 1 + i));
        if (nvme_put_begin(&nvme, &its[i]) == FINISHED)
            break;
    }
    for (unsigned i = 0; i < 6; i++) {
        enum status status;

        if (its[i].of == NULL)
            continue;
        cr_assert(nvme_await(&nvme, &its[i]));
        status = nvme_put_end(&nvme, &its[i], i);
        cr_assert(status == (i < 3 ? STATUS_OK : STATUS_IO), "value %u", i);
        failed += status != STATUS_OK;
    }
    cr_assert_gt(failed, 0u);
    allow_all_writes();
    /* What has failed by then is seen. */
    settles();
    AWAIT(nvme_may_write(nvme.tier));
    puts_value(10, 100, 900000);
    settles();
    nvme_delete(&nvme, 0, 101);
    puts_value(11, 102, 900000);
    settles();
    again();
    is_gone(0);
    is_there(1, 2);
    is_there(2, 3);
    for (unsigned i = 3; i < 6; i++)
        is_gone(i);
    is_there(10, 100);
    is_there(11, 102);
}

BOTH(nvme_health, notes_wait_for_a_device_that_can_be_written_again, DEVICE)
{
    puts_value(0, 1, 5000);
    puts_value(1, 2, 5000);
    settles();
    allow_writes(MIB);
    nvme_delete(&nvme, 0, 10);
    AWAIT(nvme_used(&nvme).write_errors > 0);
    allow_all_writes();
    settles();
    AWAIT(nvme_may_write(nvme.tier));
    puts_value(2, 11, 5000);
    again();
    is_gone(0);
    is_there(1, 2);
    is_there(2, 11);
    cr_assert_eq(nvme_used(&nvme).notes_lost, 0u);
}

struct flush {
    struct lower_flush inner; /* first */
    bool is_done;
};

static void
on_flushed(struct lower_flush *inner)
{
    ((struct flush *)inner)->is_done = true;
}

BOTH(nvme_health, a_flush_the_device_does_not_take_fails_in_time, DEVICE)
{
    struct flush flush = {.inner = {.space = LOWER_ALL_SPACES,
                                    .sequence = 10,
                                    .port = nvme.port,
                                    .done = on_flushed}};
    uint64_t start_ns = clock_now_ns();

    puts_value(0, 1, 5000);
    settles();
    allow_writes(0);
    nvme_flush(nvme.tier, &flush.inner);
    AWAIT(flush.is_done);
    cr_assert_eq(flush.inner.status, STATUS_IO);
    cr_assert_lt(clock_now_ns() - start_ns, 5 * NS_PER_SECOND);
    cr_assert_eq(nvme_flushed(nvme.tier, 0), 0u);
    /* It is not forgotten. */
    allow_all_writes();
    AWAIT(nvme_flushed(nvme.tier, 0) == 10);
    again();
    is_gone(0);
}

BOTH(nvme_health, a_segment_whose_header_fails_stays_as_it_was, 16u * MIB)
{
    struct nvme_victim *victim;
    unsigned i = 0;

    while (!nvme_wants_reclaim(nvme.tier)) {
        puts_value(i, 1 + i, 500000);
        i++;
        settles();
    }
    allow_writes(0);
    cr_assert_eq(nvme_victim_start(nvme.tier, nvme.port, &victim), STATUS_OK);
    cr_assert_eq(nvme_victim_retire(victim), STATUS_IO);
    is_there(0, 1);
    allow_all_writes();
    cr_assert(nvme_wants_reclaim(nvme.tier));
    cr_assert_eq(nvme_reclaim(&nvme), STATUS_OK);
    is_gone(0);
}

/* --- Reads. --- */

/* What was taken from the file, or is given back to it. */
static void
copies_file(uint8_t *bytes, bool is_back)
{
    size_t size = nvme_used(&nvme).size;
    int fd = open(nvme.path, O_RDWR);
    ssize_t moved;

    cr_assert_geq(fd, 0);
    if (is_back)
        moved = pwrite(fd, bytes, size, 0);
    else
        moved = pread(fd, bytes, size, 0);
    cr_assert_eq(moved, (ssize_t)size);
    close(fd);
}

BOTH(nvme_health, five_failed_reads_take_it_out_and_a_probe_brings_it_back,
     DEVICE)
{
    uint8_t *bytes = malloc(DEVICE);

    for (unsigned i = 0; i < 10; i++)
        puts_value(i, 1 + i, 300000);
    settles();
    copies_file(bytes, false);
    cr_assert_eq(truncate(nvme.path, 0), 0);
    for (unsigned i = 0; i < 5; i++) {
        cr_assert(nvme_may_read(nvme.tier));
        cr_assert_eq(nvme_get(&nvme, i), STATUS_IO);
    }
    cr_assert(!nvme_may_read(nvme.tier));
    cr_assert(!nvme_may_write(nvme.tier));
    cr_assert_eq(nvme_get(&nvme, 0), STATUS_IO);
    cr_assert_eq(nvme_put(&nvme, 20, 100, 5000), STATUS_IO);
    cr_assert_eq(nvme_used(&nvme).read_errors, 5u);
    cr_assert_eq(nvme_used(&nvme).out_of_service, 1u);
    copies_file(bytes, true);
    AWAIT(nvme_may_read(nvme.tier));
    for (unsigned i = 0; i < 10; i++)
        is_there(i, 1 + i);
    AWAIT(nvme_may_write(nvme.tier));
    free(bytes);
}

BOTH(nvme_health, late_reads_count_like_failed_ones, DEVICE)
{
    puts_value(0, 1, 5000);
    nvme.options.probe_ns = 100 * NS_PER_MS;
    again();
    for (unsigned i = 0; i < 5; i++) {
        cr_assert(nvme_may_read(nvme.tier));
        nvme_report_late(nvme.tier, 0);
    }
    cr_assert(!nvme_may_read(nvme.tier));
    cr_assert_eq(nvme_used(&nvme).late, 5u);
    AWAIT(nvme_may_read(nvme.tier));
    is_there(0, 1);
}

BOTH(nvme_health, reads_in_line_end_when_it_goes_out, DEVICE)
{
    static struct nvme_transfer its[20];

    for (unsigned i = 0; i < 20; i++)
        puts_value(i, 1 + i, 900000);
    settles();
    for (unsigned i = 0; i < 20; i++) {
        nvme_prepare(&nvme, &its[i], i, 1 + i, 900000);
        its[i].transfer.place = nvme.kept[i].place;
        cr_assert_eq(tier_get(nvme.tier, &its[i].transfer), PENDING);
        nvme.under_way++;
    }
    for (unsigned i = 0; i < 5; i++)
        nvme_report_late(nvme.tier, 0);
    port_run(nvme.port);
    cr_assert_eq(its[19].transfer.status, STATUS_IO);
    for (unsigned i = 0; i < 20; i++) {
        cr_assert(nvme_await(&nvme, &its[i]));
        chunk_drop(&its[i].transfer.chunk);
    }
    AWAIT(nvme_may_read(nvme.tier));
    is_there(19, 20);
}

/* --- At start. --- */

static void
starts_without_room(enum io_engine_kind engine)
{
    make(engine, DEVICE);
    allow_writes(MIB);
    opens();
    cr_assert(!nvme_may_write(nvme.tier));
    cr_assert_eq(nvme_put(&nvme, 0, 1, 5000), STATUS_IO);
    allow_all_writes();
    AWAIT(nvme_may_write(nvme.tier));
    puts_value(0, 2, 5000);
    again();
    is_there(0, 2);
    removes();
}

Test(nvme_health, a_start_without_room_writes_once_there_is_uring)
{
    starts_without_room(IO_URING);
}

Test(nvme_health, a_start_without_room_writes_once_there_is_threads)
{
    starts_without_room(IO_THREADS);
}

static unsigned
puts_until_full(unsigned count)
{
    unsigned i = 0;

    while (i < count && nvme_put(&nvme, i, 1 + i, 500000) == STATUS_OK) {
        i++;
        nvme_turn(&nvme);
    }
    return i;
}

Test(nvme_health, a_filesystem_that_is_full_is_tried_again, .timeout = 60)
{
    char other[NVME_PATH + 8];
    int fd;

    make(IO_AUTO, 16u * MIB);
    if (mount("prefixcache", nvme.directory, "tmpfs", 0, "size=24m") != 0) {
        removes();
        cr_skip_test("this process may not mount a filesystem");
    }
    snprintf(other, sizeof(other), "%s/other", nvme.directory);
    fd = open(other, O_RDWR | O_CREAT, 0600);
    cr_assert_eq(posix_fallocate(fd, 0, 20 * MIB), 0);
    opens();
    cr_assert(!nvme_may_write(nvme.tier));
    cr_assert_eq(puts_until_full(1), 0u);
    cr_assert_eq(ftruncate(fd, 0), 0);
    AWAIT(nvme_may_write(nvme.tier));
    AWAIT(puts_until_full(1) == 1);
    close(fd);
    nvme_tier_close(&nvme);
    cr_assert_eq(umount2(nvme.directory, MNT_DETACH), 0);
    removes();
}

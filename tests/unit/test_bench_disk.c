/* SPDX-License-Identifier: Apache-2.0 */
/* The raw reader and writer: each transfer goes where it should, whole, and
 * nothing beside it.  Skipped where io_uring is refused. */
#include "storage/nvme_format.h"
#include "tools/bench/disk.h"
#include "tools/bench/disk_file.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MIB       (1u << 20)
#define FILE_SIZE (12u * MIB)

static char path[256], why[256];

/* A file of zeroes that is gone with its descriptor. */
static int
open_zeroes(int flags)
{
    const char *folder = getenv("PREFIXCACHE_TMP");

    snprintf(path, sizeof path, "%s/disk.XXXXXX",
             folder != NULL ? folder : "/tmp");
    int fd = mkstemp(path);
    cr_assert(fd >= 0 && ftruncate(fd, FILE_SIZE) == 0);
    close(fd);
    fd = open(path, flags | O_DIRECT);
    if (fd < 0)
        fd = open(path, flags);
    cr_assert(fd >= 0);
    return fd;
}

static enum status
run(const struct disk_plan *plan, struct disk_result *result)
{
    enum status status = disk_run(plan, result, why, sizeof why);

    if (status == STATUS_BAD_REQUEST)
        cr_skip_test("%s", why);
    return status;
}

/* Blocks from `start` to `end` that are written; none is beside them. */
static uint64_t
count_written(uint64_t start, uint64_t end)
{
    static uint8_t block[DISK_BLOCK], zeroes[DISK_BLOCK];
    uint64_t count = 0;
    int fd = open(path, O_RDONLY);

    for (uint64_t at = 0; at < FILE_SIZE; at += DISK_BLOCK) {
        cr_assert(pread(fd, block, DISK_BLOCK, (off_t)at) == DISK_BLOCK);
        if (memcmp(block, zeroes, DISK_BLOCK) == 0)
            continue;
        cr_assert(at >= start && at < end, "byte %lu", (unsigned long)at);
        count++;
    }
    close(fd);
    return count;
}

static void
check_once(size_t size, unsigned depth)
{
    struct disk_result result;
    struct disk_plan plan = {.fd = open_zeroes(O_RDWR),
                             .mode = DISK_WRITE,
                             .start = 2 * MIB,
                             .end = 9 * MIB,
                             .size = size,
                             .depth = depth};
    uint64_t count = 7 * MIB / size;

    cr_assert(run(&plan, &result) == STATUS_OK, "%s", why);
    cr_assert(result.latency.total == count);
    cr_assert(result.bytes == count * size);
    cr_assert(result.elapsed_ns > 0 && result.cpu_ns > 0);
    cr_assert(count_written(plan.start, plan.start + count * size) ==
              count * size / DISK_BLOCK);
    close(plan.fd);
    unlink(path);
}

Test(disk, once_through_writes_each_transfer_whole_and_nothing_else)
{
    check_once(MIB, 8);
    check_once(DISK_BLOCK, 100);
    check_once(2 * MIB + 3 * DISK_BLOCK, 2); /* three pieces, one short */
    check_once(7 * MIB, 1);
    check_once(5 * MIB, 16); /* more at a time than there are */
}

Test(disk, any_order_stays_within_bounds)
{
    struct disk_result result;
    struct disk_plan plan = {.fd = open_zeroes(O_RDWR),
                             .mode = DISK_WRITE,
                             .start = MIB,
                             .end = 3 * MIB,
                             .size = DISK_BLOCK,
                             .depth = 64,
                             .seconds = 0.2};

    cr_assert(run(&plan, &result) == STATUS_OK, "%s", why);
    cr_assert(result.bytes == result.latency.total * DISK_BLOCK);
    cr_assert(result.elapsed_ns >= 200000000u);
    cr_assert(count_written(plan.start, plan.end) >= plan.depth / 2);
    close(plan.fd);
    unlink(path);
}

Test(disk, a_transfer_that_fails_is_an_error_with_its_place)
{
    struct disk_result result;
    struct disk_plan plan = {.fd = open_zeroes(O_RDONLY),
                             .mode = DISK_READ,
                             .start = 10 * MIB,
                             .end = 14 * MIB,
                             .size = MIB,
                             .depth = 2};

    cr_assert(run(&plan, &result) == STATUS_IO);
    cr_assert_str_eq(why, "read at byte 12582912: Input/output error");
    plan.mode = DISK_WRITE;
    cr_assert(run(&plan, &result) == STATUS_IO);
    cr_assert_str_eq(why, "write at byte 10485760: Bad file descriptor");
    close(plan.fd);
    unlink(path);
}

Test(disk, pieces_are_of_a_mebibyte)
{
    struct disk_plan plan = {.size = MIB, .depth = 8};

    cr_assert(disk_pieces(&plan) == 8);
    plan.size = MIB + DISK_BLOCK;
    cr_assert(disk_pieces(&plan) == 16);
    plan.size = DISK_BLOCK;
    cr_assert(disk_pieces(&plan) == 8);
}

/* What the tier writes first, whatever becomes of its format. */
Test(disk_file, a_superblock_is_known)
{
    static uint8_t block[NVME_BLOCK];
    static const struct nvme_super super = {
        .version = NVME_VERSION, .segment_size = MIB, .segment_count = 4};
    struct disk_file_plan plan = {
        .path = path, .is_written = true, .may_overwrite = true};
    struct disk_file file;

    nvme_write_super(&super, block);
    for (unsigned which = 0; which < 2; which++) {
        close(open_zeroes(O_RDWR));
        int fd = open(path, O_WRONLY);
        cr_assert(pwrite(fd, block, sizeof block,
                         (off_t)(which * sizeof block)) == sizeof block);
        close(fd);
        cr_assert(disk_file_open(&plan, &file, why, sizeof why) ==
                  STATUS_BAD_REQUEST);
        cr_assert(strstr(why, "a device of prefixcached") != NULL, "%s", why);
        unlink(path);
    }
}

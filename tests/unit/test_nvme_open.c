/* SPDX-License-Identifier: Apache-2.0 */
/* What a tier may be opened on, and what is refused and left as it is. */
#include "proto/checksum.h"
#include "tests/unit/nvme_checks.h"

#include <linux/loop.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#define DEVICE (32u * MIB)

static void
start(void)
{
    make(IO_AUTO, DEVICE);
}

static void
end(void)
{
    removes();
}

TestSuite(nvme_open, .init = start, .fini = end, .timeout = 60);

static void
is_refused(enum status status)
{
    cr_assert_eq(nvme_tier_open(&nvme), status);
    cr_assert_null(nvme.tier);
}

static int
opens_file(void)
{
    int fd = open(nvme.path, O_RDWR | O_CREAT, 0600);

    cr_assert_geq(fd, 0);
    return fd;
}

static void
writes(uint64_t at, const void *bytes, size_t size)
{
    int fd = opens_file();

    cr_assert_eq(pwrite(fd, bytes, size, (off_t)at), (ssize_t)size);
    close(fd);
}

static void
reads_file(uint64_t at, void *bytes, size_t size)
{
    int fd = opens_file();

    cr_assert_eq(pread(fd, bytes, size, (off_t)at), (ssize_t)size);
    close(fd);
}

Test(nvme_open, a_directory_holds_one_file_of_all_its_size)
{
    struct stat seen;

    opens();
    cr_assert_eq(stat(nvme.path, &seen), 0);
    cr_assert_eq((uint64_t)seen.st_size, nvme_used(&nvme).size);
    cr_assert_leq((uint64_t)seen.st_size, DEVICE);
    /* All of it is taken, not only promised. */
    cr_assert_geq((uint64_t)seen.st_blocks * 512, (uint64_t)seen.st_size);
    cr_assert_eq(seen.st_mode & 0777, 0600);
}

Test(nvme_open, a_file_may_be_named)
{
    char path[NVME_PATH + 20];

    snprintf(path, sizeof(path), "%s", nvme.path);
    nvme.options.path = path;
    opens();
    puts_value(0, 1, 5000);
    again();
    is_there(0, 1);
}

Test(nvme_open, an_empty_file_and_one_of_zeroes_are_new)
{
    int fd = opens_file();

    close(fd);
    opens();
    nvme_tier_close(&nvme);
    cr_assert_eq(truncate(nvme.path, 0), 0);
    cr_assert_eq(truncate(nvme.path, 3 * MIB), 0);
    opens();
    puts_value(0, 1, 5000);
    again();
    is_there(0, 1);
}

Test(nvme_open, a_device_in_use_is_refused)
{
    int fd = opens_file();

    cr_assert_eq(flock(fd, LOCK_EX), 0);
    is_refused(STATUS_BUSY);
    cr_assert_eq(flock(fd, LOCK_UN), 0);
    opens();
    cr_assert_neq(flock(fd, LOCK_SH | LOCK_NB), 0);
    nvme_tier_close(&nvme);
    cr_assert_eq(flock(fd, LOCK_SH | LOCK_NB), 0);
    close(fd);
}

Test(nvme_open, what_is_not_ours_is_refused_and_left_alone)
{
    static const uint64_t places[] = {0, 1080, 4096, 8192, 65600, 1000000};
    char read_back[8];

    for (unsigned i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        cr_assert_eq(unlink(nvme.path) == 0 || i == 0, true);
        writes(places[i], "foreign", 8);
        is_refused(STATUS_BAD_REQUEST);
        reads_file(places[i], read_back, 8);
        cr_assert_str_eq(read_back, "foreign");
    }
}

/* Both superblocks of another version, whole otherwise. */
static void
make_version(uint32_t version)
{
    uint8_t block[NVME_BLOCK];

    /* Where all versions have it, and their checksum. */
    reads_file(0, block, NVME_BLOCK);
    memcpy(block + 32, &version, 4);
    memset(block + 8, 0, 8);
    uint64_t checksum = checksum_of(block, NVME_BLOCK);
    memcpy(block + 8, &checksum, 8);
    writes(0, block, NVME_BLOCK);
    writes(NVME_BLOCK, block, NVME_BLOCK);
}

Test(nvme_open, a_newer_version_is_refused_and_left_alone)
{
    uint8_t before[2 * NVME_BLOCK], after[2 * NVME_BLOCK];

    opens();
    puts_value(0, 1, 5000);
    nvme_tier_close(&nvme);
    make_version(2);
    reads_file(0, before, sizeof(before));
    is_refused(STATUS_BAD_REQUEST);
    reads_file(0, after, sizeof(after));
    cr_assert_eq(memcmp(before, after, sizeof(before)), 0);
    make_version(1);
    opens();
    is_there(0, 1);
}

Test(nvme_open, one_superblock_is_enough)
{
    uint8_t zero[NVME_BLOCK] = {0};

    opens();
    puts_value(0, 1, 5000);
    for (unsigned i = 0; i < 2; i++) {
        nvme_tier_close(&nvme);
        writes(i * NVME_BLOCK, zero, NVME_BLOCK);
        opens();
        is_there(0, 1);
        nvme_tier_close(&nvme);
        /* Growing writes both anew. */
        nvme.options.size += 8u * MIB;
        opens();
        is_there(0, 1);
    }
}

Test(nvme_open, too_small_a_size_is_refused)
{
    nvme.options.size = 4u * MIB;
    is_refused(STATUS_BAD_REQUEST);
    nvme.options.size = 5u * MIB;
    opens();
    cr_assert_eq(nvme_used(&nvme).segments, 4u);
    puts_value(0, 1, 500000);
    is_there(0, 1);
}

Test(nvme_open, a_path_that_is_no_place_is_refused)
{
    nvme.options.path = "/nowhere/at/all";
    is_refused(STATUS_BAD_REQUEST);
    nvme.options.path = "/dev/null";
    is_refused(STATUS_BAD_REQUEST);
    nvme.options.path = nvme.directory;
}

static uint64_t
segment_size_for(uint64_t size, uint64_t value_max)
{
    uint64_t segment_size;

    nvme.options.size = size;
    nvme.options.value_max = value_max;
    opens();
    segment_size = nvme_used(&nvme).segment_size;
    cr_assert_geq(nvme_used(&nvme).segments, 4u);
    cr_assert_leq(nvme_used(&nvme).size, size);
    if (size >= 8 * value_max)
        cr_assert_geq(nvme_value_max(nvme.tier), value_max);
    nvme_tier_close(&nvme);
    cr_assert_eq(truncate(nvme.path, 0), 0);
    return segment_size;
}

Test(nvme_open, segments_are_a_64th_of_it_or_hold_the_largest_value)
{
    cr_assert_eq(segment_size_for(32u * MIB, MIB), 4u * MIB);
    cr_assert_eq(segment_size_for(512u * MIB, MIB), 4u * MIB);
    cr_assert_eq(segment_size_for(1025u * MIB, MIB), 16u * MIB);
    cr_assert_eq(segment_size_for(512u * MIB, 16u * MIB), 17u * MIB);
    /* Where it can not hold it, four segments. */
    cr_assert_eq(segment_size_for(33u * MIB, 16u * MIB), 8u * MIB);
}

/* A loop device over the tier's own file; false: not on this machine. */
static int
attach_loop(char *path, size_t size, int *control_out)
{
    int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC), fd, backing;
    int number = control < 0 ? -1 : ioctl(control, LOOP_CTL_GET_FREE);

    if (number < 0)
        return -1;
    *control_out = control;
    snprintf(path, size, "/dev/loop%d", number);
    fd = open(path, O_RDWR | O_CLOEXEC);
    backing = opens_file();
    if (fd >= 0 && (ftruncate(backing, 24 * (off_t)MIB) != 0 ||
                    ioctl(fd, LOOP_SET_FD, backing) != 0)) {
        close(fd);
        fd = -1;
    }
    close(backing);
    return fd;
}

Test(nvme_open, a_block_device_is_used_as_far_as_it_goes)
{
    char path[32];
    int control, fd = attach_loop(path, sizeof(path), &control);

    if (fd < 0)
        cr_skip_test("this process may not make a loop device");
    nvme.options.path = path;
    opens();
    cr_assert_leq(nvme_used(&nvme).size, 24u * MIB);
    for (unsigned i = 0; i < 60; i++)
        puts_value(i, 1 + i, 700000);
    again();
    is_there(59, 60);
    is_gone(0);
    nvme_tier_close(&nvme);
    (void)ioctl(fd, LOOP_CLR_FD, 0);
    close(fd);
    close(control);
    nvme.options.path = nvme.directory;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A device that fails, and comes back.  There is no room because the process may
 * not make files so long (RLIMIT_FSIZE), or because a filesystem is full; a
 * database fails because its directory is elsewhere for a while; reads fail
 * because a disk ends before them.
 */
#include "tests/unit/spill_checks.h"

#include <stdarg.h>
#include <sys/mount.h>
#include <sys/resource.h>

#define DEVICE (64u * MIB)

static void
are_late(unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        lower_report_late(spill.tier, 1);
}

static void
reopens_soon(uint64_t probe_ns)
{
    spill_tier_close(&spill);
    spill.options.probe_ns = probe_ns;
    opens();
}

/* --- Reads. --- */

SPILL_OPEN(spill_health, five_late_reads_take_it_out_and_it_comes_back, DEVICE)
{
    puts_many(0, 30, 100);
    are_late(4);
    cr_assert(lower_may_read(spill.tier));
    are_late(1);
    AWAIT(is_state("serving") && spill_used(&spill).reopened == 1);
    cr_assert_eq(spill_used(&spill).late, 5u);
    cr_assert_eq(spill_used(&spill).out_of_service, 1u);
    /* Places are what they were. */
    are_there(0, 30, 100);
    puts_many(30, 60, 100);
    are_there(0, 60, 100);
    again();
    are_there(0, 60, 100);
}

SPILL_OPEN(spill_health, out_of_service_all_finishes_at_once, DEVICE)
{
    struct spill_transfer its;

    reopens_soon(20 * NS_PER_SECOND);
    puts_value(1, 10, 5000);
    are_late(5);
    AWAIT(is_state("out of service"));
    spill_prepare(&spill, &its, 1, 10, 5000);
    its.transfer.place = spill.kept[1].place;
    cr_assert_eq(tier_get(spill.tier, &its.transfer), FINISHED);
    cr_assert_eq(its.transfer.status, STATUS_IO);
    spill_prepare(&spill, &its, 2, 11, 5000);
    its.transfer.chunk = spill_sealed(&spill, 5000, 1);
    cr_assert_eq(tier_put(spill.tier, &its.transfer), FINISHED);
    cr_assert_eq(its.transfer.status, STATUS_IO);
    chunk_drop(&its.transfer.chunk);
    /* A flush waits for a while, and is told. */
    cr_assert_eq(flushes(LOWER_ALL_SPACES, 1), STATUS_IO);
}

/* --- Databases. --- */

static void
moves(const char *from, const char *to)
{
    cr_assert_eq(rename(path_of(from).text, path_of(to).text), 0);
}

SPILL_OPEN(spill_health, a_database_that_fails_is_opened_again, DEVICE)
{
    puts_many(0, 30, 100);
    moves("bodies", "elsewhere");
    cr_assert_eq(spill_put(&spill, 40, 200, 5000), STATUS_IO);
    AWAIT(is_state("out of service"));
    cr_assert_eq(spill_used(&spill).reopened, 0u);
    spill_delete(&spill, 5);
    moves("elsewhere", "bodies");
    AWAIT(is_state("serving"));
    cr_assert_eq(spill_used(&spill).reopened, 1u);
    cr_assert_eq(spill_used(&spill).recreated, 0u);
    are_there(0, 5, 100);
    are_there(6, 30, 100);
    puts_value(40, 201, 5000);
    notes_settle();
    again();
    is_gone(5);
    are_there(6, 30, 100);
    is_there(40, 201);
}

/* What was noted and flushed meanwhile is not forgotten. */
SPILL_OPEN(spill_health, a_flush_that_failed_holds_in_the_end, DEVICE)
{
    puts_many(0, 30, 100);
    moves("bodies", "elsewhere");
    cr_assert_eq(spill_put(&spill, 40, 200, 5000), STATUS_IO);
    AWAIT(is_state("out of service"));
    cr_assert_eq(flushes(LOWER_ALL_SPACES, 300), STATUS_IO);
    moves("elsewhere", "bodies");
    AWAIT(is_state("serving") && lower_flushed(spill.tier, 0) == 300);
    again();
    cr_assert_eq(spill.told, 0u);
}

/* Nobody has told the heads what was deleted: they are not believed again. */
SPILL_OPEN(spill_health, notes_that_a_close_can_not_write_void_it_all, DEVICE)
{
    puts_many(0, 30, 100);
    moves("bodies", "elsewhere");
    cr_assert_eq(spill_put(&spill, 40, 200, 5000), STATUS_IO);
    AWAIT(is_state("out of service"));
    spill_delete(&spill, 5);
    spill_tier_close(&spill);
    cr_assert(has_file("STALE"));
    moves("elsewhere", "bodies");
    opens();
    cr_assert(is_state("serving"));
    cr_assert_eq(spill.told, 0u);
}

static void
remove_and_make_garbage(const char *path)
{
    int fd;

    cr_assert_eq(unlink(path), 0);
    fd = open(path, O_WRONLY | O_CREAT, 0600);
    cr_assert_eq(write(fd, "garbage", 7), 7);
    close(fd);
}

SPILL_OPEN(spill_health, as_a_last_resort_it_begins_anew, DEVICE)
{
    struct spill_kept old;

    puts_many(0, 30, 100);
    cr_assert_eq(flushes(1, 50), STATUS_OK);
    old = spill.kept[8];
    cr_assert_eq(each_file("heads", "CURRENT", remove_and_make_garbage), 1u);
    are_late(5);
    AWAIT(is_state("serving"));
    cr_assert_eq(spill_used(&spill).recreated, 1u);
    cr_assert_eq(spill_get_at(&spill, 8, &old), STATUS_MISS);
    cr_assert_neq(lower_losses(spill.tier), 0u);
    cr_assert(!lower_holds(spill.tier, &old.place));
    spill_forget_lost(&spill);
    for (unsigned i = 0; i < 30; i++)
        is_gone(i);
    puts_many(100, 130, 1000);
    are_there(100, 130, 1000);
    /* No place is ever another's. */
    cr_assert_eq(spill_get_at(&spill, 8, &old), STATUS_MISS);
    AWAIT(lower_flushed(spill.tier, 1) == 50);
    notes_settle();
    again();
    cr_assert_eq(spill.told, 30u);
    are_there(100, 130, 1000);
    cr_assert_eq(lower_flushed(spill.tier, 1), 50u);
    cr_assert_eq(lower_flushed(spill.tier, 0), 0u);
}

/* --- Room. --- */

static void
allow_writes(uint64_t below)
{
    const struct rlimit limit = {.rlim_cur = below, .rlim_max = RLIM_INFINITY};

    signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

SPILL_OPEN(spill_health, what_can_not_be_written_stops_writes_alone, DEVICE)
{
    reopens_soon(NS_PER_SECOND);
    puts_many(0, 30, 100);
    allow_writes(200000);
    cr_assert_eq(spill_put(&spill, 40, 200, 900000), STATUS_IO);
    cr_assert(is_state("read only"));
    cr_assert(lower_may_read(spill.tier));
    cr_assert_eq(spill_put(&spill, 41, 201, 5000), STATUS_IO);
    are_there(0, 30, 100);
    allow_writes(RLIM_INFINITY);
    AWAIT(is_state("serving"));
    puts_value(40, 202, 900000);
    is_there(40, 202);
    again();
    are_there(0, 30, 100);
    is_there(40, 202);
}

/* A filesystem of that size in place of the directory. */
static void
mounts(const char *options)
{
    spill_tier_close(&spill);
    if (geteuid() != 0)
        cr_skip_test("not root, and so no filesystem of our own");
    if (mount("spill", spill.directory, "tmpfs", 0, options) != 0)
        cr_skip_test("there can be no tmpfs here");
    opens();
    cr_assert(is_state("serving"));
}

static void
unmounts(void)
{
    spill_tier_close(&spill);
    cr_assert_eq(umount(spill.directory), 0);
    opens();
}

/* All that is left. */
static void
fills(void)
{
    static uint8_t bytes[65536];
    int fd = open(path_of("filler").text, O_WRONLY | O_CREAT, 0600);

    cr_assert_geq(fd, 0);
    while (write(fd, bytes, sizeof(bytes)) > 0)
        continue;
    close(fd);
}

/* What a place says is so, also of groups that nobody was told of. */
static void
knows_what_it_lost(unsigned count)
{
    cr_assert_neq(lower_losses(spill.tier), 0u);
    for (unsigned i = 0; i < count; i++) {
        const struct spill_kept *kept = &spill.kept[i];
        bool is_lost =
            kept->is_there && lower_has_lost(spill.tier, &kept->place);

        if (!kept->is_there)
            continue;
        cr_assert_eq(lower_holds(spill.tier, &kept->place), !is_lost);
        cr_assert_eq(spill_get(&spill, i), is_lost ? STATUS_MISS : STATUS_OK);
    }
    cr_assert(lower_has_lost(spill.tier, &spill.kept[0].place));
}

/* spill.size is more than there is: the oldest values go, one group at a time,
 * and what is new is kept. */
SPILL_OPEN(spill_health, on_a_full_filesystem_the_oldest_goes, DEVICE)
{
    unsigned failed = 0;

    mounts("size=32m");
    for (unsigned i = 0; i < 60; i++)
        failed += spill_put(&spill, i, 100 + i, 900000) != STATUS_OK;
    cr_assert_leq(failed, 6u, "%u", failed);
    cr_assert_eq(spill_get(&spill, 0), STATUS_MISS);
    knows_what_it_lost(60);
    AWAIT(is_state("serving"));
    puts_value(100, 300, 900000);
    is_there(100, 300);
    again();
    cr_assert_gt(spill.told, 5u);
    for (unsigned i = 0; i < 60; i++)
        if (spill.kept[i].is_there)
            is_there(i, 100 + i);
    unmounts();
}

SPILL_OPEN(spill_health, without_any_room_it_waits_for_some, DEVICE)
{
    uint64_t freed_ns;

    mounts("size=32m");
    puts_many(0, 6, 100);
    fills();
    cr_assert_eq(spill_put(&spill, 40, 200, 900000), STATUS_IO);
    AWAIT(is_state("read only"));
    are_there(0, 6, 100);
    cr_assert_eq(unlink(path_of("filler").text), 0);
    freed_ns = clock_now_ns();
    AWAIT(is_state("serving"));
    cr_assert_lt(clock_now_ns() - freed_ns, 10 * NS_PER_SECOND);
    puts_value(40, 201, 900000);
    is_there(40, 201);
    are_there(0, 6, 100);
    unmounts();
}

/* More than the log of heads had room for already: its database fails, and is
 * opened again. */
SPILL_OPEN(spill_health, notes_without_room_wait_for_some, DEVICE)
{
    mounts("size=32m");
    puts_many(0, 30, 100);
    fills();
    for (unsigned i = 0; i < 300000; i++)
        spill_note_dropped(&spill, 5, 1000 + i);
    spill_delete(&spill, 7);
    AWAIT(spill_used(&spill).write_errors != 0);
    for (unsigned i = 0; i < 30; i++)
        if (i != 7)
            is_there(i, 100 + i);
    cr_assert_eq(unlink(path_of("filler").text), 0);
    AWAIT(is_state("serving") && spill_used(&spill).reopened != 0);
    notes_settle();
    puts_value(40, 200, 900000);
    again();
    is_gone(7);
    is_there(5, 105);
    is_there(40, 200);
    unmounts();
}

/* A start that finds no room. */
SPILL_OPEN(spill_health, on_a_full_filesystem_it_does_not_start, DEVICE)
{
    mounts("size=32m");
    puts_many(0, 30, 100);
    fills();
    spill_tier_close(&spill);
    opens();
    cr_assert(is_state("off"));
    cr_assert_eq(unlink(path_of("filler").text), 0);
    spill_tier_close(&spill);
    opens();
    cr_assert(is_state("serving"));
    unmounts();
}

/* Unmounted under it: what is below is not its own. */
SPILL_OPEN(spill_health, another_directory_is_not_taken_for_its_own, DEVICE)
{
    puts_value(200, 10, 5000);
    mounts("size=64m");
    puts_many(0, 30, 100);
    cr_assert_eq(umount2(spill.directory, MNT_DETACH), 0);
    are_late(5);
    AWAIT(is_state("out of service"));
    notes_settle();
    cr_assert(is_state("out of service"));
    cr_assert_eq(spill_used(&spill).recreated, 0u);
    spill_tier_close(&spill);
    opens();
    cr_assert(is_state("serving"));
    cr_assert_eq(spill.told, 1u);
    is_there(200, 10);
}

/* --- A disk that ends before what it has. --- */

static char image[SPILL_PATH + 40];

static bool
runs(const char *format, ...)
{
    char command[1000];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(command, sizeof(command), format, arguments);
    va_end(arguments);
    return system(command) == 0;
}

static void
mounts_disk(void)
{
    spill_tier_close(&spill);
    if (geteuid() != 0)
        cr_skip_test("not root, and so no loop devices");
    snprintf(image, sizeof(image), "%s/image", spill.parent);
    if (!runs(
            "truncate -s 64M %s && mkfs.ext4 -q -F -m 0 %s >/dev/null 2>&1 && "
            "mount -o loop %s %s >/dev/null 2>&1",
            image, image, image, spill.directory))
        cr_skip_test("there can be no ext4 in a loop device here");
    opens();
    cr_assert(is_state("serving"));
}

SPILL_OPEN(spill_health, reads_that_fail_take_it_out_until_they_do_not, DEVICE)
{
    unsigned failed = 0, right = 0;

    mounts_disk();
    for (unsigned i = 0; i < 30; i++)
        puts_value(i, 100 + i, 900000);
    cr_assert(runs("cp --sparse=always %s %s.copy && truncate -s 4M %s", image,
                   image, image));
    for (unsigned i = 0; i < 30; i++)
        failed += spill_get(&spill, i) == STATUS_IO;
    cr_assert_geq(failed, 5u);
    AWAIT(is_state("out of service"));
    cr_assert_geq(spill_used(&spill).read_errors, 5u);
    cr_assert(runs("cat %s.copy > %s", image, image));
    AWAIT(is_state("serving"));
    for (unsigned i = 0; i < 30; i++)
        right += spill_get(&spill, i) == STATUS_OK;
    cr_assert_eq(right, 30u);
    spill_tier_close(&spill);
    cr_assert(runs("umount %s", spill.directory));
    opens();
}

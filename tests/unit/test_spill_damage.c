/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A directory that is not as it was left (D10).  Whatever it is, the tier opens
 * and no byte is wrong: a broken table loses its own values, anything else turns
 * the tier off, and the start after that begins anew.
 */
#include "tests/unit/spill_checks.h"

#define DEVICE (64u * MIB)
#define VALUES 40u
#define SIZE   300000u

static void
fill(void)
{
    opens();
    for (unsigned i = 0; i < VALUES; i++)
        puts_value(i, 100 + i, SIZE);
    spill_tier_close(&spill);
}

/* Right, or not there: how many are right. */
static unsigned
count_right(void)
{
    unsigned right = 0;

    for (unsigned i = 0; i < VALUES; i++) {
        enum status status = spill_get(&spill, i);

        cr_assert(status == STATUS_OK || status == STATUS_CORRUPT ||
                      status == STATUS_MISS,
                  "value %u: %d", i, status);
        right += status == STATUS_OK;
    }
    return right;
}

static bool is_first;

static void
truncate_first(const char *path)
{
    struct stat seen;

    if (!is_first)
        return;
    is_first = false;
    cr_assert_eq(stat(path, &seen), 0);
    cr_assert_eq(truncate(path, seen.st_size / 2), 0);
}

static void
remove_first(const char *path)
{
    if (is_first)
        removes_file(path);
    is_first = false;
}

static void
goes_on_after(void (*damage)(const char *))
{
    unsigned right;

    fill();
    is_first = true;
    cr_assert_gt(each_file("bodies", ".sst", damage), 4u);
    opens();
    cr_assert(is_state("serving"));
    cr_assert_eq(spill.told, VALUES);
    right = count_right();
    cr_assert_geq(right, VALUES / 2);
    cr_assert_lt(right, VALUES);
    cr_assert_gt(spill_used(&spill).corrupt, 0u);
    cr_assert_eq(spill_used(&spill).read_errors, 0u);
    cr_assert(is_state("serving"));
    puts_value(100, 1000, SIZE);
    is_there(100, 1000);
    while (spill_reclaim(&spill) == STATUS_OK)
        continue;
    again();
    is_there(100, 1000);
}

SPILL_CLOSED(spill_damage, a_table_that_is_cut_loses_its_own_values, DEVICE)
{
    goes_on_after(truncate_first);
}

SPILL_CLOSED(spill_damage, a_table_that_is_gone_loses_its_own_values, DEVICE)
{
    goes_on_after(remove_first);
}

static uint64_t state = 1;

static void
flip(const char *path)
{
    int fd = open(path, O_RDWR);
    struct stat seen;
    uint8_t byte;
    off_t at;

    cr_assert_geq(fd, 0);
    cr_assert_eq(fstat(fd, &seen), 0);
    /* As often in what RocksDB says of its table, at the end of it. */
    at = (off_t)random_below(&state, 2) == 0
             ? (off_t)random_below(&state, (uint32_t)seen.st_size)
             : seen.st_size - 1 - (off_t)random_below(&state, 1200);
    if (at < 0)
        at = 0;
    cr_assert_eq(pread(fd, &byte, 1, at), 1);
    byte ^= (uint8_t)(1u << random_below(&state, 8));
    cr_assert_eq(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

/* One byte in each table, again and again. */
SPILL_CLOSED(spill_damage, flipped_bits_in_bodies_are_misses, DEVICE)
{
    fill();
    for (unsigned round = 0; round < 12; round++) {
        (void)each_file("bodies", ".sst", flip);
        opens();
        cr_assert(is_state("serving"));
        cr_assert_eq(spill.told, VALUES);
        (void)count_right();
        spill_tier_close(&spill);
    }
    opens();
    cr_assert_lt(count_right(), VALUES);
}

/* --- Off. --- */

static void
is_off(void)
{
    struct spill_kept kept = {.sequence = 1, .size = 5000};

    opens();
    cr_assert(is_state("off"));
    cr_assert_eq(spill.told, 0u);
    cr_assert(!lower_may_read(spill.tier));
    cr_assert(!lower_may_write(spill.tier));
    cr_assert_eq(spill_put(&spill, 1, 1, 5000), STATUS_IO);
    cr_assert_eq(spill_get_at(&spill, 1, &kept), STATUS_IO);
    cr_assert(!lower_wants_reclaim(spill.tier));
    cr_assert_eq(spill_reclaim(&spill), STATUS_MISS);
    spill_note_dropped(&spill, 1, 1);
    spill_turn(&spill);
}

/* And the start after that begins anew. */
static void
is_off_once(void)
{
    is_off();
    cr_assert(has_file("STALE"));
    cr_assert_eq(flushes(LOWER_ALL_SPACES, 1000), STATUS_OK);
    again();
    cr_assert_eq(spill.told, 0u);
    cr_assert(!has_file("STALE"));
    puts_value(1, 2000, 5000);
    again();
    is_there(1, 2000);
}

static void
is_off_without(const char *folder, const char *word)
{
    fill();
    cr_assert_geq(each_file(folder, word, removes_file), 1u);
    is_off_once();
}

SPILL_CLOSED(spill_damage, without_a_manifest_of_bodies_it_is_off, DEVICE)
{
    is_off_without("bodies", "MANIFEST");
}

SPILL_CLOSED(spill_damage, without_a_manifest_of_heads_it_is_off, DEVICE)
{
    is_off_without("heads", "MANIFEST");
}

SPILL_CLOSED(spill_damage, without_current_it_is_off, DEVICE)
{
    is_off_without("heads", "CURRENT");
}

SPILL_CLOSED(spill_damage, without_its_databases_it_is_off, DEVICE)
{
    fill();
    cr_assert_eq(rename(path_of("bodies").text, path_of("elsewhere").text), 0);
    is_off_once();
}

static void
fill_with_garbage(const char *path)
{
    uint8_t garbage[3000];
    int fd = open(path, O_WRONLY | O_TRUNC);

    value_write(garbage, 7, 0, sizeof(garbage));
    cr_assert_eq(write(fd, garbage, sizeof(garbage)), (ssize_t)sizeof(garbage));
    close(fd);
}

SPILL_CLOSED(spill_damage, a_manifest_of_garbage_turns_it_off, DEVICE)
{
    fill();
    cr_assert_eq(each_file("bodies", "MANIFEST", fill_with_garbage), 1u);
    is_off_once();
}

SPILL_CLOSED(spill_damage, a_current_of_garbage_turns_it_off, DEVICE)
{
    fill();
    cr_assert_eq(each_file("bodies", "CURRENT", fill_with_garbage), 1u);
    is_off_once();
}

/* Heads are refused when they are not whole: they say what was deleted. */
static void
flip_early(const char *path)
{
    int fd = open(path, O_RDWR);
    uint8_t byte;

    cr_assert_eq(pread(fd, &byte, 1, 100), 1);
    byte ^= 1;
    cr_assert_eq(pwrite(fd, &byte, 1, 100), 1);
    close(fd);
}

SPILL_CLOSED(spill_damage, a_flipped_bit_in_the_log_of_heads_is_seen, DEVICE)
{
    KILLED_AFTER({
        for (unsigned i = 0; i < VALUES; i++)
            puts_value(i, 100 + i, SIZE);
    });
    cr_assert_eq(each_file("heads", ".log", flip_early), 1u);
    is_off_once();
}

/* A log that ends in the middle of a batch was killed there. */
static void
cut_the_end(const char *path)
{
    struct stat seen;

    cr_assert_eq(stat(path, &seen), 0);
    cr_assert_eq(truncate(path, seen.st_size - 3), 0);
}

SPILL_CLOSED(spill_damage, a_torn_end_of_the_log_of_heads_is_none, DEVICE)
{
    KILLED_AFTER({
        for (unsigned i = 0; i < VALUES; i++)
            puts_value(i, 100 + i, SIZE);
    });
    cr_assert_eq(each_file("heads", ".log", cut_the_end), 1u);
    opens();
    cr_assert(is_state("serving"));
    cr_assert_eq(spill.told, VALUES - 1);
    cr_assert_eq(count_right(), VALUES - 1);
    puts_value(VALUES, 1000, SIZE);
    is_there(VALUES, 1000);
}

SPILL_CLOSED(spill_damage, a_broken_table_of_heads_gives_all_of_them_up, DEVICE)
{
    fill();
    opens(); /* what the log has becomes a table */
    spill_tier_close(&spill);
    cr_assert_geq(each_file("heads", ".sst", flip_early), 1u);
    if (spill_tier_open(&spill) == STATUS_OK) {
        cr_assert(is_state("off"));
    } else {
        /* All that was told is given up, after all. */
        cr_assert_eq(port_open(NULL, NULL, &spill.port), STATUS_OK);
        spill.told = 0;
    }
    spill_tier_close(&spill);
    opens();
    cr_assert_eq(spill.told, 0u);
}

/* --- Others. --- */

/* Holds the lock till its end of the pipe is closed. */
static pid_t
hold_by_another(int *end)
{
    int to[2], from[2];
    char byte = 'x';
    pid_t pid;

    cr_assert_eq(pipe(to), 0);
    cr_assert_eq(pipe(from), 0);
    pid = fork();
    cr_assert_geq(pid, 0);
    if (pid == 0) {
        is_child = true;
        close(to[1]);
        opens();
        puts_value(1, 10, 5000);
        if (write(from[1], &byte, 1) != 1)
            _exit(1);
        (void)!read(to[0], &byte, 1);
        spill_tier_close(&spill);
        _exit(0);
    }
    close(to[0]);
    close(from[1]);
    cr_assert_eq(read(from[0], &byte, 1), 1);
    close(from[0]);
    *end = to[1];
    return pid;
}

SPILL_CLOSED(spill_damage, what_another_process_has_is_left_alone, DEVICE)
{
    int end, status;
    pid_t pid = hold_by_another(&end);

    is_off();
    cr_assert(!has_file("STALE"));
    spill_tier_close(&spill);
    close(end);
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    opens();
    cr_assert(is_state("serving"));
    is_there(1, 10);
}

/* A tool of RocksDB's. */
SPILL_CLOSED(spill_damage, a_database_that_another_process_has_is_left_alone,
             DEVICE)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int status, to[2], from[2];
    char byte = 'x';
    pid_t pid;

    fill();
    cr_assert(pipe(to) == 0 && pipe(from) == 0);
    pid = fork();
    cr_assert_geq(pid, 0);
    if (pid == 0) {
        int fd = open(path_of("bodies/LOCK").text, O_RDWR);

        close(to[1]);
        if (fcntl(fd, F_SETLK, &lock) != 0 || write(from[1], &byte, 1) != 1)
            _exit(1);
        (void)!read(to[0], &byte, 1);
        _exit(0);
    }
    cr_assert_eq(read(from[0], &byte, 1), 1);
    is_off();
    cr_assert(!has_file("STALE"));
    spill_tier_close(&spill);
    close(to[1]);
    close(to[0]);
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    opens();
    cr_assert_eq(spill.told, VALUES);
}

static void
writes_format(const char *text)
{
    FILE *file = fopen(path_of("FORMAT").text, "w");

    cr_assert_not_null(file);
    cr_assert_geq(fputs(text, file), 0);
    cr_assert_eq(fclose(file), 0);
}

SPILL_CLOSED(spill_damage, what_a_newer_version_wrote_is_left_alone, DEVICE)
{
    unsigned files;

    fill();
    files = each_file("bodies", ".sst", NULL);
    writes_format("prefixcache spill 2\n");
    for (unsigned round = 0; round < 2; round++) {
        is_off();
        spill_tier_close(&spill);
        cr_assert_eq(each_file("bodies", ".sst", NULL), files);
    }
    /* It was deleted from meanwhile. */
    writes_format("prefixcache spill 1\n");
    opens();
    cr_assert(is_state("serving"));
    cr_assert_eq(spill.told, 0u);
}

SPILL_CLOSED(spill_damage, a_format_of_somebody_else_turns_it_off, DEVICE)
{
    fill();
    writes_format("something else\n");
    is_off_once();
}

SPILL_CLOSED(spill_damage, a_start_that_was_killed_begins_again, DEVICE)
{
    fill();
    cr_assert_eq(unlink(path_of("FORMAT").text), 0);
    opens();
    cr_assert(is_state("serving"));
    cr_assert_eq(spill.told, 0u);
    cr_assert_lt(spill_bytes(&spill), MIB);
    puts_value(1, 1, 5000);
}

SPILL_CLOSED(spill_damage, a_table_that_was_not_taken_in_is_removed, DEVICE)
{
    FILE *file;

    fill();
    file = fopen(path_of("incoming.sst").text, "w");
    cr_assert_not_null(file);
    cr_assert_eq(fclose(file), 0);
    opens();
    cr_assert(!has_file("incoming.sst"));
    cr_assert_eq(count_right(), VALUES);
}

SPILL_CLOSED(spill_damage, without_a_place_for_its_directory_it_is_off, DEVICE)
{
    static char path[SPILL_PATH + 40];

    snprintf(path, sizeof(path), "%s/not/there", spill.parent);
    spill.options.path = path;
    is_off();
    /* It may be there again at the next start, with all that it had. */
    cr_assert_eq(flushes(LOWER_ALL_SPACES, 10), STATUS_IO);
}

SPILL_CLOSED(spill_damage, a_file_in_place_of_its_directory_turns_it_off,
             DEVICE)
{
    int fd = open(spill.directory, O_WRONLY | O_CREAT, 0600);

    cr_assert_geq(fd, 0);
    close(fd);
    is_off();
    /* Nobody knows what will be there at the next start. */
    cr_assert_eq(flushes(LOWER_ALL_SPACES, 10), STATUS_IO);
}

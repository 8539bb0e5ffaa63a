/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crash: kills a prefixcached under load again and again, and looks at what its
 * NVMe tier has left; or, with --tier=spill, that and the spill below it, whose
 * NVMe tier is so small that values sink all the time.
 *
 * A cycle: the server is started on the directory of the last one; all that may
 * be there is got and judged; then some users PUT new keys, overwrite, DEL and
 * GET, over lm:// and redis://, for 0.1 to 0.5 s, and it is killed by signal 9
 * in the midst of it.  Now and then a cycle ends in two calm seconds, in which
 * what was put before becomes sealed; or with a FLUSHALL under load; or a start
 * is killed, too.
 *
 * The rules, for each key (model.c):
 *
 * - Events are what was asked of the key in the life that has ended, in their
 *   order, behind the base: what was found when that life began, which is a
 *   version or nothing.  One user asks for a key, one thing at a time.
 * - An event is sealed if it was answered 2 s or more before the kill; the base
 *   always is, for what a start has found is on the device.  A PUT over lm://,
 *   which has no answer, is answered when a later request on its connection is.
 * - May: a value that is found is that of the last sealed event or of a later
 *   one, answered or not.  So what was put in an earlier life and not found when
 *   the next one began never comes back; nor what was deleted or overwritten
 *   2 s before the kill.  What a FLUSHALL had found, if it was answered at all,
 *   is not found however short before the kill it was.
 * - While the server lives: what is found is that of the last event.
 * - Any miss is legal, but of what must be there at least 99 % are hits, over
 *   the run: where the last sealed event is a PUT, no DEL was asked for later
 *   and no FLUSHALL may have had it; and it lies in the newest part of the log.
 * - The newest part: the tier writes round and round, so that an old value is
 *   kept only if it was asked for.  A PUT's place in the log is the count of
 *   bytes that were written to the device until it was asked for, over all
 *   lives, with a whole segment for each start; its value must be there if no
 *   more was written since than is room in all segments but six, of which each
 *   is as empty as a value of 4 MiB that did not fit can leave it.
 * - With a spill a value is in either tier, or in both, until as many bytes have
 *   sunk since its PUT as the spill must have room for: all of its groups but
 *   some, each as empty as a value that did not fit can leave it.  So there the
 *   place is the count of bytes that were written to the spill, and for each life
 *   what was on its way.  What could not sink in time is a legal miss for the
 *   server, which counts it; here it counts as lost, so that the load has to leave
 *   the spill its time.
 * - Each byte: values name their key and version, and all their bytes follow
 *   from these.  The metadata beside them is that of the same version.
 * - A start comes to its ready line, within 5 s per 100,000 entries.  Requests
 *   are answered, without an error, as long as the server lives.
 *
 * A miss counts as one for good if EXISTS says so too; else it is asked for
 * again, and what could be there stays possible.
 */
#include "tests/crash/device.h"
#include "tests/crash/user.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MIB       (UINT64_C(1) << 20)
#define RATE_MOST (200 * MIB)
/* What is put is written three times then, and read once. */
#define SPILL_SHARE    2u
#define COMPLAINTS_SAY 20u

enum { EXIT_BROKEN = 1, EXIT_TROUBLE = 2, EXIT_SKIP = 77 };

/* --- What is said while it runs. --- */

void
run_complain(struct run *run, const char *format, ...)
{
    va_list words;

    if (atomic_fetch_add(&run->complaints, 1) >= COMPLAINTS_SAY)
        return;
    pthread_mutex_lock(&run->mouth);
    va_start(words, format);
    fprintf(stderr, "cycle %u: ", run->cycle + 1);
    vfprintf(stderr, format, words);
    fputc('\n', stderr);
    va_end(words);
    pthread_mutex_unlock(&run->mouth);
}

void
run_note(struct run *run, const char *format, ...)
{
    va_list words;

    pthread_mutex_lock(&run->mouth);
    va_start(words, format);
    fprintf(run->notes, "cycle %u: ", run->cycle + 1);
    vfprintf(run->notes, format, words);
    fputc('\n', run->notes);
    fflush(run->notes);
    va_end(words);
    pthread_mutex_unlock(&run->mouth);
}

/* --- The directory. --- */

static void
fail(const char *what, const char *path)
{
    fprintf(stderr, "crash: %s %s: %s\n", what, path, strerror(errno));
    exit(EXIT_TROUBLE);
}

static void
make_directory(struct settings *settings)
{
    static char own[64];
    const char *path = settings->directory;

    if (path == NULL) {
        snprintf(own, sizeof(own), "crash.%d", (int)getpid());
        path = own;
    }
    if (mkdir(path, 0700) != 0)
        fail("can not make", path);
    settings->directory = realpath(path, NULL);
    if (settings->directory == NULL)
        fail("can not find", path);
}

static void
remove_directory(const struct settings *settings)
{
    static const char *const trees[] = {"spill", "spill.image", "spill.saved"};
    static const char *const names[] = {"device", "image", "saved",
                                        "server.log", "losses.log"};
    char path[4300];

    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", settings->directory, names[i]);
        unlink(path);
    }
    for (unsigned i = 0; i < sizeof(trees) / sizeof(trees[0]); i++)
        if (device_wipe_tree(settings->directory, trees[i]) != STATUS_OK)
            fail("can not remove", trees[i]);
    rmdir(settings->directory);
}

/* --- The run. --- */

/* The kernel answers EFAULT to who may ask. */
static bool
is_uring_refused(void)
{
    return syscall(SYS_io_uring_setup, 1, NULL) < 0 && errno != EFAULT;
}

static void
choose_rate(struct settings *settings)
{
    if (settings->rate != 0)
        return;
    settings->rate = device_rate(settings->directory) / 2;
    if (settings->rate == 0)
        fail("can not write to", settings->directory);
    if (settings->rate > RATE_MOST)
        settings->rate = RATE_MOST;
    if (settings->has_spill)
        settings->rate /= SPILL_SHARE;
}

static void
open_run(struct run *run)
{
    const struct settings *settings = &run->settings;
    char path[4300];

    pthread_mutex_init(&run->mouth, NULL);
    snprintf(path, sizeof(path), "%s/losses.log", settings->directory);
    run->notes = fopen(path, "we");
    if (run->notes == NULL)
        fail("can not write", path);
    run->starts.ns = calloc(settings->cycles + 1, sizeof(*run->starts.ns));
    run->users = calloc(settings->users, sizeof(*run->users));
    if (run->starts.ns == NULL || run->users == NULL ||
        values_open(settings->seed, &run->values) != STATUS_OK)
        fail("no memory for", settings->directory);
    for (unsigned i = 0; i < settings->users; i++)
        user_open(&run->users[i], run, i);
}

static void
close_run(struct run *run)
{
    for (unsigned i = 0; i < run->settings.users; i++)
        user_close(&run->users[i]);
    values_close(&run->values);
    free(run->users);
    free(run->starts.ns);
    fclose(run->notes);
    pthread_mutex_destroy(&run->mouth);
}

int
main(int argc, char **argv)
{
    static struct run run;
    struct settings *settings = &run.settings;
    bool is_broken;

    settings_read(settings, argc, argv);
    signal(SIGPIPE, SIG_IGN);
    if (strcmp(settings->engine, "threads") != 0 && is_uring_refused()) {
        puts("the kernel refuses io_uring");
        return EXIT_SKIP;
    }
    make_directory(settings);
    choose_rate(settings);
    open_run(&run);
    if (!settings->is_json)
        printf("seed %llu, %s\n", (unsigned long long)settings->seed,
               settings->directory);
    run_cycles(&run);
    if (!report_is_enough(&run))
        run_complain(&run, "LOST: fewer than 99 %% of what must be there; see "
                           "losses.log");
    report_summary(&run);
    is_broken = atomic_load(&run.complaints) != 0;
    if (is_broken || settings->keeps_directory)
        fprintf(stderr, "crash: left behind: %s (seed %llu)\n",
                settings->directory, (unsigned long long)settings->seed);
    else
        remove_directory(settings);
    close_run(&run);
    free((void *)(uintptr_t)settings->directory);
    return is_broken ? EXIT_BROKEN : EXIT_SUCCESS;
}

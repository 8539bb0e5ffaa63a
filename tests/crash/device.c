/* SPDX-License-Identifier: Apache-2.0 */
/* Raw reads and writes beside the server. */
#include "tests/crash/device.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PIECE      (1u << 20)
#define PIECES     64u
#define MEASURE_NS (NS_PER_SECOND / 2)
#define PATH_ROOM  4300u

struct path {
    char text[PATH_ROOM];
};

static struct path
join(const char *directory, const char *name)
{
    struct path path;

    snprintf(path.text, sizeof(path.text), "%s/%s", directory, name);
    return path;
}

static enum status
fail(const char *what, const char *path)
{
    fprintf(stderr, "crash: %s %s: %s\n", what, path, strerror(errno));
    return STATUS_IO;
}

/* Not in a cache: with O_DIRECT, or else each piece on the disk at once. */
static uint64_t
write_for_a_while(int fd, const void *piece, bool is_direct)
{
    uint64_t start_ns = clock_now_ns(), now_ns = start_ns, bytes = 0;

    while (now_ns - start_ns < MEASURE_NS) {
        off_t offset = (off_t)(bytes % (PIECES * (uint64_t)PIECE));

        if (pwrite(fd, piece, PIECE, offset) != (ssize_t)PIECE ||
            (!is_direct && fdatasync(fd) != 0))
            return 0;
        bytes += PIECE;
        now_ns = clock_now_ns();
    }
    return (uint64_t)((double)bytes * (double)NS_PER_SECOND /
                      (double)(now_ns - start_ns));
}

uint64_t
device_rate(const char *directory)
{
    struct path path = join(directory, "rate");
    int flags = O_WRONLY | O_CREAT | O_CLOEXEC;
    int fd = open(path.text, flags | O_DIRECT, 0600);
    bool is_direct = fd >= 0;
    void *piece = aligned_alloc(4096, PIECE);
    uint64_t rate = 0;

    if (fd < 0)
        fd = open(path.text, flags, 0600);
    if (fd >= 0 && piece != NULL) {
        memset(piece, 0x5a, PIECE);
        rate = write_for_a_while(fd, piece, is_direct);
    }
    free(piece);
    if (fd >= 0)
        close(fd);
    unlink(path.text);
    return rate;
}

static enum status
copy(int from, int to)
{
    for (;;) {
        ssize_t n = copy_file_range(from, NULL, to, NULL, 1u << 30, 0);

        if (n == 0)
            return STATUS_OK;
        if (n < 0 && errno != EINTR)
            return STATUS_IO;
    }
}

enum status
device_copy(const char *directory, const char *from, const char *to)
{
    struct path source = join(directory, from), target = join(directory, to);
    int in = open(source.text, O_RDONLY | O_CLOEXEC);
    int out = open(target.text, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    enum status status = STATUS_IO;

    if (in >= 0 && out >= 0)
        status = copy(in, out);
    if (status != STATUS_OK)
        status = fail("can not copy to", target.text);
    if (in >= 0)
        close(in);
    if (out >= 0)
        close(out);
    return status;
}

enum status
device_wipe(const char *directory, const char *name)
{
    struct path path = join(directory, name);
    int fd = open(path.text, O_WRONLY | O_TRUNC | O_CLOEXEC);
    enum status status = fd < 0 ? STATUS_IO : STATUS_OK;

    if (status != STATUS_OK)
        status = fail("can not wipe", path.text);
    if (fd >= 0)
        close(fd);
    return status;
}

/* A program of the system's that copies or removes whole trees. */
static enum status
run(char *const *argv)
{
    int status = -1;
    pid_t pid;

    if (posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ) != 0)
        return fail("can not run", argv[0]);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? STATUS_OK
                                                         : STATUS_IO;
}

enum status
device_wipe_tree(const char *directory, const char *name)
{
    struct path path = join(directory, name);
    char program[] = "rm", flags[] = "-rf", end[] = "--";
    char *argv[] = {program, flags, end, path.text, NULL};

    return run(argv);
}

enum status
device_copy_tree(const char *directory, const char *from, const char *to)
{
    struct path source = join(directory, from), target = join(directory, to);
    char program[] = "cp", flags[] = "-a", end[] = "--";
    char *argv[] = {program, flags, end, source.text, target.text, NULL};
    enum status status = device_wipe_tree(directory, to);

    if (status != STATUS_OK || access(source.text, F_OK) != 0)
        return status;
    return run(argv);
}

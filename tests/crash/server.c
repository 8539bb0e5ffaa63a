/* SPDX-License-Identifier: Apache-2.0 */
/* The server as a process.  What is asked of it is console.c's and user.c's. */
#include "tests/crash/server.h"

#include "base/clock.h"
#include "tests/crash/value.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define READY_MS    60000
#define STOP_NS     (60 * NS_PER_SECOND)
#define LINE_ROOM   512u
#define OPTIONS     15u
#define ARGV_ROOM   (1 + 2 * OPTIONS + 1)
#define VALUE_ROOM  4200u
#define VALUE_LIMIT (16u << 20)

typedef unsigned long long number;

/* In the child: only to exec. */
static void
run(const struct settings *settings, const char *engine, int ready_fd)
{
    static char values[OPTIONS][VALUE_ROOM];
    char *argv[ARGV_ROOM] = {NULL};
    unsigned count = 0;

#define SET(...) snprintf(values[count++], VALUE_ROOM, __VA_ARGS__)
    SET("listen.data=127.0.0.1:0");
    SET("listen.http=127.0.0.1:0");
    SET("dram.size=%llu", (number)settings->dram);
    SET("nvme.path=%s/device", settings->directory);
    SET("nvme.size=%llu", (number)settings->size);
    SET("nvme.engine=%s", engine);
    SET("nvme.write=all");
    SET("limits.value=%u", settings->has_spill ? 2 * VALUE_MOST : VALUE_LIMIT);
    SET("limits.workers=2");
    SET("lease.ms=0");
    if (settings->has_spill) {
        SET("spill.path=%s/spill", settings->directory);
        SET("spill.size=%llu", (number)settings->spill_size);
        SET("spill.inflight=%u", SERVER_SINKING);
        /* Others forget what they think nobody asks for again. */
        SET("dram.policy=lru");
        /* All is asked for after each start, and would be kept where it is. */
        SET("nvme.reinsert=0");
    }
#undef SET
    argv[0] = strdup(settings->program);
    for (unsigned i = 0; i < count; i++) {
        static char flag[] = "--set";

        argv[1 + 2 * i] = flag;
        argv[2 + 2 * i] = values[i];
    }
    /* A loop that is killed leaves no server behind. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(ready_fd, STDOUT_FILENO);
    execv(settings->program, argv);
    _exit(127);
}

static int
open_log(const struct settings *settings)
{
    char path[VALUE_ROOM];

    snprintf(path, sizeof(path), "%s/server.log", settings->directory);
    return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

enum status
server_start(struct server *server, const struct settings *settings,
             const char *engine)
{
    int log_fd = open_log(settings), pipes[2];
    pid_t pid;

    if (log_fd < 0)
        return STATUS_IO;
    if (pipe2(pipes, O_CLOEXEC) != 0) {
        close(log_fd);
        return STATUS_IO;
    }
    server->started_ns = clock_now_ns();
    pid = fork();
    if (pid == 0) {
        dup2(log_fd, STDERR_FILENO);
        run(settings, engine, pipes[1]);
    }
    close(pipes[1]);
    if (pid > 0)
        dprintf(log_fd, "--- %d\n", (int)pid);
    close(log_fd);
    if (pid < 0) {
        close(pipes[0]);
        return STATUS_IO;
    }
    server->pid = pid;
    server->ready_fd = pipes[0];
    return STATUS_OK;
}

/* prefixcached ready data=127.0.0.1:4242 http=... */
static enum status
read_line(struct server *server, const char *line)
{
    static const char before[] = "prefixcached ready data=127.0.0.1:";
    const char *end;
    size_t size;

    if (strncmp(line, before, sizeof(before) - 1) != 0)
        return STATUS_BROKEN;
    line += sizeof(before) - 1;
    end = strchr(line, ' ');
    size = end == NULL ? 0 : (size_t)(end - line);
    if (size == 0 || size >= sizeof(server->port))
        return STATUS_BROKEN;
    memcpy(server->port, line, size);
    server->port[size] = '\0';
    return STATUS_OK;
}

enum status
server_wait(struct server *server)
{
    char line[LINE_ROOM] = "";
    size_t size = 0;

    while (size == 0 || line[size - 1] != '\n') {
        struct pollfd ready = {.fd = server->ready_fd, .events = POLLIN};
        ssize_t n;

        if (poll(&ready, 1, READY_MS) == 0)
            return STATUS_LATE;
        n = read(server->ready_fd, line + size, sizeof(line) - 1 - size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return STATUS_GONE;
        size += (size_t)n;
    }
    server->ready_ns = clock_now_ns();
    line[size] = '\0';
    return read_line(server, line);
}

static void
forget(struct server *server)
{
    close(server->ready_fd);
    server->pid = 0;
}

void
server_kill(struct server *server)
{
    if (server->pid == 0)
        return;
    kill(server->pid, SIGKILL);
    while (waitpid(server->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    forget(server);
}

int
server_stop(struct server *server)
{
    uint64_t end_ns = clock_now_ns() + STOP_NS;
    int status = 0;

    kill(server->pid, SIGTERM);
    while (waitpid(server->pid, &status, WNOHANG) == 0) {
        struct pollfd ended = {.fd = server->ready_fd, .events = 0};

        if (clock_now_ns() > end_ns) {
            server_kill(server);
            return -1;
        }
        /* Its end of the pipe closes with it. */
        poll(&ended, 1, 100);
    }
    forget(server);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* One prefixcached: started, killed, stopped.  One thread's. */
#ifndef CRASH_SERVER_H
#define CRASH_SERVER_H

#include "proto/status.h"
#include "tests/crash/settings.h"

#include <sys/types.h>

/* Bytes on their way to the spill, at most: more than a segment, so that none of
 * it has to be left out. */
#define SERVER_SINKING (16u << 20)

struct server {
    pid_t pid; /* 0: none runs */
    int ready_fd;
    uint64_t started_ns, ready_ns;
    char port[16]; /* when it is ready */
};

/* The device is `device` in the directory, the spill the directory `spill`;
 * stderr goes behind server.log.
 * Does not wait for it.  IO: it could not be run. */
enum status server_start(struct server *, const struct settings *,
                         const char *engine) MUST_USE;
/* Until it says that it is ready.  GONE: it ended; LATE: it did not within a
 * minute (and still runs). */
enum status server_wait(struct server *) MUST_USE;
/* kill -9, and until it is no more. */
void server_kill(struct server *);
/* SIGTERM; its exit status, or -1 if it had to be killed. */
int server_stop(struct server *);

#endif

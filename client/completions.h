/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls that are over and were not drained yet, behind one eventfd, which is
 * readable while there are any.  Any thread.
 */
#ifndef CLIENT_COMPLETIONS_H
#define CLIENT_COMPLETIONS_H

#include "client/call.h"
#include "proto/status.h"

#include <pthread.h>
#include <stdbool.h>
#include <sys/queue.h>

struct completions {
    pthread_mutex_t lock;
    STAILQ_HEAD(completions_calls, call) calls;
    int fd; /* -1: there was none to be had */
};

/* Without an eventfd it does all but say that there is something. */
void completions_open(struct completions *);
void completions_close(struct completions *); /* drops what is left */

/* Takes the owner's reference; completions_get() gives it.  NULL: none. */
void completions_put(struct completions *, struct call *);
struct call *completions_get(struct completions *);

#endif

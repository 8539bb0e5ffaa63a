/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The eventfd is written when the first call comes and read when the last one
 * goes, both under the lock, so that it never says what is not so.
 */
#include "client/completions.h"

#include <sys/eventfd.h>
#include <unistd.h>

void
completions_open(struct completions *completions)
{
    pthread_mutex_init(&completions->lock, NULL);
    STAILQ_INIT(&completions->calls);
    completions->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

void
completions_close(struct completions *completions)
{
    struct call *call;

    while ((call = completions_get(completions)) != NULL)
        call_drop(&call);
    if (completions->fd >= 0)
        close(completions->fd);
    pthread_mutex_destroy(&completions->lock);
}

void
completions_put(struct completions *completions, struct call *call)
{
    pthread_mutex_lock(&completions->lock);
    if (STAILQ_EMPTY(&completions->calls) && completions->fd >= 0)
        eventfd_write(completions->fd, 1);
    STAILQ_INSERT_TAIL(&completions->calls, call, completion);
    pthread_mutex_unlock(&completions->lock);
}

struct call *
completions_get(struct completions *completions)
{
    struct call *call;
    eventfd_t value;

    pthread_mutex_lock(&completions->lock);
    call = STAILQ_FIRST(&completions->calls);
    if (call != NULL) {
        STAILQ_REMOVE_HEAD(&completions->calls, completion);
        if (STAILQ_EMPTY(&completions->calls) && completions->fd >= 0)
            eventfd_read(completions->fd, &value);
    }
    pthread_mutex_unlock(&completions->lock);
    return call;
}

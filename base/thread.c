/* SPDX-License-Identifier: Apache-2.0 */
/* A new thread inherits the mask of the one that makes it. */
#include "base/thread.h"

#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>

#define NAME_SIZE 16u /* pthread_setname_np(3) */
#define NICE      10

enum status
thread_start(pthread_t *thread_out, const char *name, void *(*run)(void *),
             void *arg)
{
    char text[NAME_SIZE];
    sigset_t all, before;
    int error;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(thread_out, NULL, run, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error != 0)
        return STATUS_NO_SPACE;
    snprintf(text, sizeof(text), "%s", name);
    pthread_setname_np(*thread_out, text);
    return STATUS_OK;
}

void
thread_stand_back(void)
{
    /* Of a process, says POSIX; of the calling thread, says Linux. */
    (void)setpriority(PRIO_PROCESS, 0, NICE);
}

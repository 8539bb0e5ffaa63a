/* SPDX-License-Identifier: Apache-2.0 */
/* Threads with a name that take no signals: those are the main thread's. */
#ifndef BASE_THREAD_H
#define BASE_THREAD_H

#include "proto/status.h"

#include <pthread.h>

/* name: as ps and top show it, copied, cut to 15 bytes.  NO_SPACE when there can
 * be no more threads.  Any thread; the caller joins it. */
enum status thread_start(pthread_t *thread_out, const char *name,
                         void *(*run)(void *), void *arg) MUST_USE;

/* Its own thread: it gets what others leave of the processors, but never
 * nothing, and goes on where the system does not allow that to be asked. */
void thread_stand_back(void);

#endif

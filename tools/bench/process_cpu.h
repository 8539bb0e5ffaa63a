/* SPDX-License-Identifier: Apache-2.0 */
/* How much processor time a process has used, all its threads together. */
#ifndef TOOLS_BENCH_PROCESS_CPU_H
#define TOOLS_BENCH_PROCESS_CPU_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Nanoseconds in user and kernel, from the scheduler's own accounts, or, where
 * the kernel keeps none, in clock ticks (10 ms).  Threads that have ended are
 * only in the latter.  False if the process can not be looked at. */
bool process_cpu_ns(pid_t, uint64_t *ns_out);

#endif

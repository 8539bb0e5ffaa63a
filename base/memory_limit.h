/* SPDX-License-Identifier: Apache-2.0 */
/* How much memory this process may use.  Any thread; reads files each time. */
#ifndef BASE_MEMORY_LIMIT_H
#define BASE_MEMORY_LIMIT_H

#include <stdint.h>

/* Bytes: the least of the machine's memory and the limits of the cgroup this
 * process is in and of those above it, version 1 or 2. */
uint64_t memory_limit(void);

/* The cgroups' part of that, from a file such as /proc/self/cgroup and a tree
 * such as /sys/fs/cgroup; UINT64_MAX where there is no limit. */
uint64_t memory_limit_of_cgroup(const char *membership, const char *tree);

#endif

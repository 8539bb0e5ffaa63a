/* SPDX-License-Identifier: Apache-2.0 */
/* The disk and what is on it, while no server has it. */
#ifndef CRASH_DEVICE_H
#define CRASH_DEVICE_H

#include "proto/status.h"

#include <stdint.h>

/* Bytes a second that one writer at a time gets onto the disk of a directory,
 * measured in half a second; 0 if it can not be written. */
uint64_t device_rate(const char *directory);

/* errno as a sentence in stderr and IO where it fails. */
enum status device_copy(const char *directory, const char *from,
                        const char *to) MUST_USE;
/* Nothing is left in it. */
enum status device_wipe(const char *directory, const char *name) MUST_USE;
/* The same of a directory; where to it is copied, nothing else is left, and no
 * directory where it is wiped.  OK if there is none. */
enum status device_copy_tree(const char *directory, const char *from,
                             const char *to) MUST_USE;
enum status device_wipe_tree(const char *directory, const char *name) MUST_USE;

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Tells AddressSanitizer which memory of a pool nobody may touch; nothing in
 * ordinary builds. */
#ifndef STORAGE_POISON_H
#define STORAGE_POISON_H

#include <stddef.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#define POISON_HOLD(at, size)    __asan_poison_memory_region(at, size)
#define POISON_RELEASE(at, size) __asan_unpoison_memory_region(at, size)
#else
#define POISON_HOLD(at, size)    ((void)(at), (void)(size))
#define POISON_RELEASE(at, size) ((void)(at), (void)(size))
#endif

#endif

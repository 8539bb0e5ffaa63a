/* SPDX-License-Identifier: Apache-2.0 */
/* The two clocks: monotonic nanoseconds for deadlines, wall-clock milliseconds
 * for what outlives the process.  Any thread. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

#define NS_PER_SECOND 1000000000ull
#define NS_PER_MS     1000000ull

uint64_t clock_now_ns(void);  /* monotonic */
uint64_t clock_unix_ms(void); /* wall clock */

#endif

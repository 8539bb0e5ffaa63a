/* SPDX-License-Identifier: Apache-2.0 */
/* What was done and found, counted by each user for itself and added up. */
#ifndef CRASH_TALLY_H
#define CRASH_TALLY_H

#include <stdint.h>

struct tally {
    uint64_t puts, overwrites, deletes, gets; /* answered */
    uint64_t put_bytes, got_bytes;
    uint64_t live_misses;     /* of what was put in the same life */
    uint64_t checked;         /* keys that were looked at after a start */
    uint64_t expected, found; /* what must be there, and is */
    uint64_t expected_new;    /* ... of it, put in the life before */
    uint64_t found_new;
    uint64_t other_hits; /* nobody could demand them */
    uint64_t unsure;     /* the server has it, and does not give it */
    uint64_t wrong;      /* values that are none that was put */
    uint64_t old;        /* values that should be no more */
};

void tally_add(struct tally *, const struct tally *more);

#endif

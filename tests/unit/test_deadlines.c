/* SPDX-License-Identifier: Apache-2.0 */
/* Which ask is due first, whatever came and went before. */
#include "client/deadlines.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define ASKS   200u
#define STEPS  20000u
#define MANY   400000u
#define CALLS  4u
#define WEIGHT UINT64_C(6364136223846793005)

static uint64_t
earliest(const struct ask *asks, unsigned count)
{
    uint64_t found = UINT64_MAX;

    for (unsigned i = 0; i < count; i++)
        if (asks[i].is_timed && asks[i].deadline_ns < found)
            found = asks[i].deadline_ns;
    return found;
}

Test(deadlines, the_first_is_never_later_than_another)
{
    struct ask *asks = calloc(ASKS, sizeof *asks);
    struct deadlines deadlines = {0};
    uint64_t seed = 1;

    cr_assert(asks != NULL);
    for (unsigned step = 0; step < STEPS; step++) {
        struct ask *ask;

        seed = seed * WEIGHT + 1;
        ask = &asks[(seed >> 33) % ASKS];
        /* The first more often than others, as when they become due. */
        if (seed >> 62 == 0 && deadlines.first != NULL)
            ask = deadlines.first;
        if (ask->is_timed) {
            deadlines_remove(&deadlines, ask);
        } else {
            ask->deadline_ns = (seed >> 20) % 500;
            deadlines_add(&deadlines, ask);
        }
        ask->is_timed = !ask->is_timed;
        cr_assert((deadlines.first == NULL
                       ? UINT64_MAX
                       : deadlines.first->deadline_ns) == earliest(asks, ASKS));
    }
    free(asks);
}

/* As they come from calls of as many threads.  Where each costs as many steps as
 * there are others, this does not end before the test's time does. */
Test(deadlines, of_crowds_that_come_together_are_kept, .timeout = 60)
{
    struct ask *asks = calloc(MANY, sizeof *asks);
    struct deadlines deadlines = {0};
    uint64_t before = 0;

    cr_assert(asks != NULL);
    for (unsigned i = 0; i < MANY; i++) {
        asks[i].deadline_ns = 1 + i % CALLS;
        deadlines_add(&deadlines, &asks[i]);
    }
    for (unsigned i = 0; i < MANY; i++) {
        struct ask *first = deadlines.first;

        cr_assert(first != NULL && first->deadline_ns >= before);
        before = first->deadline_ns;
        deadlines_remove(&deadlines, first);
    }
    cr_assert(deadlines.first == NULL && before == CALLS);
    free(asks);
}

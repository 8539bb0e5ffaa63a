/* SPDX-License-Identifier: Apache-2.0 */
/* Looks at servers that there are not, for tests of what is made of them. */
#ifndef UNIT_TOP_SAMPLES_H
#define UNIT_TOP_SAMPLES_H

#include "tools/cli/top_state.h"

#include <criterion/criterion.h>

/* One after `seconds`, with what INFO said. */
static inline struct top_sample
top_samples_make(unsigned seconds, const char *text)
{
    struct top_sample sample = {
        .is_up = true, .at_ns = seconds * 1000000000ull, .answer_ms = 0.5};

    cr_assert_eq(facts_read(text, &sample.facts), STATUS_OK);
    return sample;
}

#endif

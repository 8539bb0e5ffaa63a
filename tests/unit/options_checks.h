/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of options share: one set of options, and checks that name
 * the text they failed on.  Each test is a process, so that all begin anew.
 */
#ifndef UNIT_OPTIONS_CHECKS_H
#define UNIT_OPTIONS_CHECKS_H

#include "base/options.h"

#include <criterion/criterion.h>
#include <string.h>

static struct options options;
static struct option_problem problem;

static inline void
begin(void)
{
    options_init(&options);
    problem.text[0] = '\0';
}

static inline void
takes(const char *pair)
{
    cr_assert(option_set_pair(&options, pair, "--set", &problem) == STATUS_OK,
              "%s: %s", pair, problem.text);
}

/* Up to three pieces that the problem's text must hold. */
static inline void
says(const char *one, const char *two, const char *three)
{
    const char *pieces[] = {one, two, three};

    for (unsigned i = 0; i < 3; i++)
        cr_assert(strstr(problem.text, pieces[i]) != NULL, "no '%s' in: %s",
                  pieces[i], problem.text);
}

#endif

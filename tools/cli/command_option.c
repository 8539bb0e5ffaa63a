/* SPDX-License-Identifier: Apache-2.0 */
/* What was given to the options of a verb, as text, time, size or number. */
#include "tools/bench/quantity.h"
#include "tools/cli/command.h"

#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

const char *
command_option(const struct command *command, const char *name)
{
    for (unsigned i = 0; verb_options[i].name != NULL; i++)
        if (strcmp(verb_options[i].name, name) == 0)
            return command->options[i];
    return NULL;
}

bool
command_read_time(const char *text, unsigned *ms_out)
{
    static const struct {
        const char *name;
        double ms;
    } units[] = {{"", 1e3},   {"ms", 1},     {"s", 1e3},
                 {"m", 60e3}, {"h", 3600e3}, {"d", 86400e3}};
    char *end = NULL;
    double number;

    /* strtod would take signs, spaces, "inf" and hexadecimal. */
    if (!isdigit((unsigned char)*text) || text[strspn(text, "0")] == 'x' ||
        text[strspn(text, "0")] == 'X')
        return false;
    number = strtod(text, &end);
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (strcmp(end, units[i].name) != 0)
            continue;
        number *= units[i].ms;
        if (number > INT_MAX)
            return false;
        *ms_out = (unsigned)number;
        /* 0 means no limit; a tiny one is not meant to. */
        if (number > 0 && *ms_out == 0)
            *ms_out = 1;
        return true;
    }
    return false;
}

bool
command_option_time(const struct command *command, const char *name,
                    unsigned *ms_inout)
{
    const char *text = command_option(command, name);

    if (text == NULL || command_read_time(text, ms_inout))
        return true;
    command_complain(command, "--%s %s: expected a time such as 5s or 500ms",
                     name, text);
    return false;
}

bool
command_option_size(const struct command *command, const char *name,
                    uint64_t *inout)
{
    const char *text = command_option(command, name);

    if (text == NULL || quantity_read_size(text, inout))
        return true;
    command_complain(command, "--%s %s: expected a size such as 65536 or 64MiB",
                     name, text);
    return false;
}

bool
command_option_count(const struct command *command, const char *name,
                     unsigned *inout)
{
    const char *text = command_option(command, name);
    uint64_t number;

    if (text == NULL)
        return true;
    if (quantity_read_count(text, &number) && number > 0 && number <= INT_MAX) {
        *inout = (unsigned)number;
        return true;
    }
    command_complain(command, "--%s %s: expected a whole number from 1 on",
                     name, text);
    return false;
}

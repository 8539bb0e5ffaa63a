/* SPDX-License-Identifier: Apache-2.0 */
/* The table of verbs.  Running one is command.c's. */
#include "tools/cli/verb.h"

#include <string.h>

const struct verb_row verb_rows[] = {
    {"ping", "", "ask whether the server answers", 0, 0, 0, false, verb_ping},
    {"put", "KEY [FILE]", "store FILE, or standard input, under KEY", 1, 2, 1,
     false, verb_put},
    {"get", "KEY [FILE]", "write the value of KEY to FILE or standard output",
     1, 2, 1, false, verb_get},
    {"exists", "KEY...", "say for each key whether it is there", 1,
     ARGUMENTS_ANY, ARGUMENTS_ANY, false, verb_exists},
    {"del", "KEY...", "delete keys", 1, ARGUMENTS_ANY, ARGUMENTS_ANY, true,
     verb_del},
    {"ls", "[PATTERN]", "print the keys, or those that match a glob pattern", 0,
     1, 0, true, verb_ls},
    {"stat", "", "print what the server says about itself", 0, 0, 0, true,
     verb_stat},
    {NULL, NULL, NULL, 0, 0, 0, false, NULL},
};

const struct verb_row *
verb_find(const char *name)
{
    for (const struct verb_row *verb = verb_rows; verb->name != NULL; verb++)
        if (strcmp(verb->name, name) == 0)
            return verb;
    return NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of verbs and of their options.  Running one is command.c's. */
#include "tools/cli/verb.h"

#include <stddef.h>
#include <string.h>

const struct verb_row verb_rows[] = {
    {.name = "ping",
     .arguments = "",
     .summary = "ask whether the server answers",
     .run = verb_ping,
     .run_native = verb_ping_native},
    {.name = "put",
     .arguments = "KEY [FILE] | --from DIR [KEY...]",
     .summary = "store FILE, or standard input, under KEY",
     .least = 1,
     .most = 2,
     .keys = 1,
     .options = "from keys ttl jobs rate",
     .run = verb_put,
     .run_native = verb_put_native},
    {.name = "get",
     .arguments = "KEY [FILE] | --to DIR [KEY...]",
     .summary = "write the value of KEY to FILE or standard output",
     .least = 1,
     .most = 2,
     .keys = 1,
     .options = "to keys jobs rate",
     .run = verb_get,
     .run_native = verb_get_native},
    {.name = "exists",
     .arguments = "KEY...",
     .summary = "say for each key whether it is there",
     .least = 1,
     .most = ARGUMENTS_ANY,
     .keys = ARGUMENTS_ANY,
     .options = "keys",
     .run = verb_exists,
     .run_native = verb_exists_native},
    {.name = "del",
     .arguments = "KEY...",
     .summary = "delete keys",
     .least = 1,
     .most = ARGUMENTS_ANY,
     .keys = ARGUMENTS_ANY,
     .wire = VERB_RESP,
     .options = "keys",
     .run = verb_del,
     .run_native = verb_del_native},
    {.name = "ls",
     .arguments = "[PATTERN]",
     .summary = "print the keys, or those that match a glob pattern",
     .most = 1,
     .wire = VERB_RESP,
     .options = "long",
     .run = verb_ls,
     .run_native = verb_ls_native},
    {.name = "stat",
     .arguments = "",
     .summary = "print what the server says about itself",
     .wire = VERB_RESP,
     .run = verb_stat,
     .run_native = verb_stat_native},
    {.name = "prefix",
     .arguments = "KEY...",
     .summary = "say how many keys of a prompt are there, from the first on",
     .least = 1,
     .most = ARGUMENTS_ANY,
     .keys = ARGUMENTS_ANY,
     .wire = VERB_NATIVE,
     .options = "keys lease promote ranks",
     .run_native = verb_prefix},
    {.name = "lease",
     .arguments = "KEY...",
     .summary = "keep keys readable for a while",
     .least = 1,
     .most = ARGUMENTS_ANY,
     .keys = ARGUMENTS_ANY,
     .wire = VERB_NATIVE,
     .options = "keys lease",
     .run_native = verb_lease},
    {.name = "warm",
     .arguments = "FROM-URL",
     .summary = "copy what another server has and this one has not",
     .least = 1,
     .most = 1,
     .wire = VERB_ALONE,
     .options = "match all jobs rate",
     .run_native = verb_warm},
    {.name = "dump",
     .arguments = "FILE",
     .summary = "write all values to FILE, or go on with one",
     .least = 1,
     .most = 1,
     .wire = VERB_ALONE,
     .options = "match jobs rate",
     .run_native = verb_dump},
    {.name = "restore",
     .arguments = "FILE",
     .summary = "put the values of a dump, or go on with it",
     .least = 1,
     .most = 1,
     .wire = VERB_ALONE,
     .options = "match keep jobs rate",
     .run_native = verb_restore},
    {.name = "verify",
     .arguments = "[FILE]",
     .summary = "read every value, of the server or of a dump, and check it",
     .most = 1,
     .wire = VERB_ALONE,
     .options = "match jobs rate",
     .run_native = verb_verify},
    {.name = "top",
     .arguments = "",
     .summary = "watch what the servers do",
     .wire = VERB_ALONE,
     .options = "interval count",
     .run_native = verb_top},
    {.name = "doctor",
     .arguments = "",
     .summary = "say why so little is found, and what to do",
     .wire = VERB_OPENED,
     .options = "walk compare",
     .run_native = verb_doctor},
    {.name = NULL},
};

/* Those that name many keys come first: verb_is_many() goes by it. */
#define MANY_COUNT 3u
const struct verb_option verb_options[VERB_OPTIONS_MAX] = {
    {"from", "DIR",
     "the value of each key is a file there; all files if no key "
     "is named"},
    {"to", "DIR", "write the value of each key to a file there"},
    {"keys", "FILE", "more keys, one a line; - is standard input"},
    {"ttl", "TIME", "how long the values last"},
    {"jobs", "NUMBER", "values under way at one time (8)"},
    {"rate", "SIZE", "bytes a second at most"},
    {"long", NULL, "with size, kind, namespace and tiers"},
    {"match", "PATTERN", "only keys that match a glob pattern"},
    {"all", NULL, "copy also what is there"},
    {"keep", NULL, "leave alone what is there"},
    {"lease", "TIME", "how long what is found stays readable"},
    {"promote", NULL, "bring what is found on disk to memory"},
    {"ranks", "NUMBER", "lists of keys that are interleaved (1)"},
    {"interval", "TIME", "between two looks (2s)"},
    {"count", "NUMBER", "looks, and then the end"},
    {"walk", "NUMBER", "keys of each server to look at (100000)"},
    {"compare", "NUMBER", "values of each server to read and compare (0)"},
    {NULL, NULL, NULL},
};

const struct verb_row *
verb_find(const char *name)
{
    for (const struct verb_row *verb = verb_rows; verb->name != NULL; verb++)
        if (strcmp(verb->name, name) == 0)
            return verb;
    return NULL;
}

bool
verb_takes(const struct verb_row *verb, const char *option)
{
    const char *at = verb->options;
    size_t size = strlen(option);

    while (at != NULL && *at != '\0') {
        size_t word = strcspn(at, " ");

        if (word == size && memcmp(at, option, size) == 0)
            return true;
        at += word + strspn(at + word, " ");
    }
    return false;
}

bool
verb_is_many(unsigned option)
{
    return option < MANY_COUNT;
}

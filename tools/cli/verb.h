/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What prefixcache-cli can be asked to do: one row a verb.  Where a verb's
 * function stands: verb_server.c, verb_value.c, verb_keys.c.
 */
#ifndef CLI_VERB_H
#define CLI_VERB_H

#include <stdbool.h>

/* In prefixcache-cli(1); scripts rely on them. */
enum exit_code {
    EXIT_DONE = 0,
    EXIT_MISSING = 1,    /* get, exists: a key is not there */
    EXIT_USAGE = 2,      /* or a local file that could not be read or written */
    EXIT_CONNECTION = 3, /* none, or lost */
    EXIT_REFUSED = 4     /* the server answered an error, or dropped a put */
};

#define ARGUMENTS_ANY (-1)

struct command;

struct verb_row {
    const char *name;
    const char *arguments; /* for --help */
    const char *summary;
    int least, most; /* arguments; or ARGUMENTS_ANY */
    int keys;        /* how many of them, from the first on, are keys */
    bool is_resp;    /* lm:// cannot say it: go over RESP, same host and port */
    enum exit_code (*run)(struct command *);
};

/* Ends with a row whose name is NULL. */
extern const struct verb_row verb_rows[];
/* NULL if there is none. */
const struct verb_row *verb_find(const char *name);

/* Each prints its answer, or says why there is none. */
enum exit_code verb_ping(struct command *);
enum exit_code verb_stat(struct command *);
enum exit_code verb_put(struct command *);
enum exit_code verb_get(struct command *);
enum exit_code verb_exists(struct command *);
enum exit_code verb_del(struct command *);
enum exit_code verb_ls(struct command *);

#endif

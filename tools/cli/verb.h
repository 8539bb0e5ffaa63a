/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What prefixcache-cli can be asked to do: one row a verb, one row an option.
 * Where a verb's function stands: verb_NAME.c, or the file that verb.c names.
 * --help, the checks of the command line and the completion of shells are made
 * from these tables.
 *
 * To add a verb: its file, its row in verb.c, its option rows there if it has
 * any that no other verb has, its text in the man page, tools/local.mk.
 */
#ifndef CLI_VERB_H
#define CLI_VERB_H

#include <stdbool.h>

/* In prefixcache-cli(1); scripts rely on them. */
enum exit_code {
    EXIT_DONE = 0,
    EXIT_MISSING = 1,    /* done, but not with every key or value: it is not
                            there, was refused, is damaged; doctor: findings */
    EXIT_USAGE = 2,      /* or a local file that could not be read or written */
    EXIT_CONNECTION = 3, /* none, or lost */
    EXIT_REFUSED = 4     /* the server answered an error, or dropped a put */
};

#define ARGUMENTS_ANY (-1)

/* What a verb is said over, and what was opened before it runs. */
enum verb_wire {
    VERB_URL,  /* as the URL says: run() over command->wire, or
                    run_native() over command->cache */
    VERB_RESP, /* the same; but lm:// cannot say it: RESP, same host and port */
    VERB_NATIVE, /* run_native() over command->cache, whatever the URL says: lm://
                    and redis:// become prefixcache://, same host and port.  At
                    least one shard has answered */
    VERB_OPENED, /* the same, but no shard was asked whether it is there */
    VERB_ALONE   /* run_native() with nothing opened; command_open_cache() */
};

struct command;

struct verb_row {
    const char *name;
    const char *arguments; /* for --help */
    const char *summary;
    int least, most; /* arguments; or ARGUMENTS_ANY */
    int keys;        /* how many of them, from the first on, are keys */
    enum verb_wire wire;
    const char *options; /* names of verb_options, a space between; or NULL */
    /* Each prints its answer, or says why there is none.  run() is NULL where
     * `wire` has no use for it. */
    enum exit_code (*run)(struct command *);
    enum exit_code (*run_native)(struct command *);
};

/* --NAME, or --NAME=ARGUMENT; command_option() says what was given.  Verbs that
 * mean the same by it share a row. */
struct verb_option {
    const char *name;
    const char *argument; /* NULL: takes none */
    const char *summary;
};

/* Each ends with a row whose name is NULL. */
#define VERB_OPTIONS_MAX 32u
extern const struct verb_row verb_rows[];
extern const struct verb_option verb_options[VERB_OPTIONS_MAX];

/* NULL if there is none. */
const struct verb_row *verb_find(const char *name);
/* Is that option one of the verb's? */
bool verb_takes(const struct verb_row *, const char *option);
/* Does that row of verb_options name keys, so that a verb's limits of arguments
 * do not count? */
bool verb_is_many(unsigned option);

enum exit_code verb_ping(struct command *);
enum exit_code verb_stat(struct command *);
enum exit_code verb_put(struct command *);
enum exit_code verb_get(struct command *);
enum exit_code verb_exists(struct command *);
enum exit_code verb_del(struct command *);
enum exit_code verb_ls(struct command *);

/* Over the native wire. */
enum exit_code verb_ping_native(struct command *);
enum exit_code verb_stat_native(struct command *);
enum exit_code verb_put_native(struct command *);
enum exit_code verb_get_native(struct command *);
enum exit_code verb_exists_native(struct command *);
enum exit_code verb_del_native(struct command *);
enum exit_code verb_ls_native(struct command *);
enum exit_code verb_prefix(struct command *);
enum exit_code verb_lease(struct command *);
enum exit_code verb_warm(struct command *);
enum exit_code verb_dump(struct command *);
enum exit_code verb_restore(struct command *);
enum exit_code verb_verify(struct command *);
enum exit_code verb_top(struct command *);
enum exit_code verb_doctor(struct command *);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prefixcache-cli: looks into a prefix cache and puts things there by hand.
 * This file reads the command line; command.c runs what it asks for.
 */
#include "tools/cli/command.h"

#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define URL_DEFAULT        "redis://127.0.0.1:7654"
#define TIMEOUT_DEFAULT_MS 5000u

/* The build says it; a file compiled by hand does not know. */
#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "(version unknown)"
#endif

const char *argp_program_version = "prefixcache-cli " PACKAGE_VERSION;

/* An option of a verb is KEY_VERB and the number of its row. */
enum option_key {
    KEY_URL = 'u',
    KEY_OUTPUT = 'o',
    KEY_TIMEOUT = 't',
    KEY_VERB = 256
};

static const struct argp_option options[] = {
    {"url", KEY_URL, "URL", 0,
     "Server: prefixcache://HOST:PORT[,HOST:PORT...][/NAMESPACE], "
     "lm://HOST:PORT, redis://HOST:PORT[/NAMESPACE], or SCHEME+unix:///PATH; "
     "default is $PREFIXCACHE_URL, else " URL_DEFAULT,
     0},
    {"output", KEY_OUTPUT, "FORMAT", 0, "table (default) or json", 0},
    {"timeout", KEY_TIMEOUT, "TIME", 0,
     "Give up when the server makes no progress for this long: 5s (default), "
     "500ms, 2m; a number alone is in seconds; 0 waits for ever",
     0},
};
#define COMMON_COUNT (sizeof options / sizeof *options)

static void
read_format(const char *text, struct command *command,
            const struct argp_state *state)
{
    command->is_json = strcmp(text, "json") == 0;
    if (!command->is_json && strcmp(text, "table") != 0)
        argp_error(state, "--output %s: expected table or json", text);
}

/* The limits of arguments do not count where an option names keys. */
static bool
is_many(const struct command *command)
{
    for (unsigned i = 0; verb_options[i].name != NULL; i++)
        if (command->options[i] != NULL && verb_is_many(i))
            return true;
    return false;
}

static void
check_arguments(const struct command *command, const struct argp_state *state)
{
    const struct verb_row *verb = command->verb;

    for (unsigned i = 0; verb_options[i].name != NULL; i++)
        if (command->options[i] != NULL &&
            !verb_takes(verb, verb_options[i].name))
            argp_error(state, "%s: --%s is no option of it", verb->name,
                       verb_options[i].name);
    if (is_many(command))
        return;
    if (command->argc < verb->least)
        argp_error(state, "%s: an argument is missing: expected %s", verb->name,
                   verb->arguments);
    else if (verb->most != ARGUMENTS_ANY && command->argc > verb->most)
        argp_error(state, "%s: \"%s\" is one argument too many", verb->name,
                   command->argv[verb->most]);
}

static void
finish(struct command *command, const struct argp_state *state)
{
    char why[256];

    if (command->verb == NULL)
        argp_error(state, "a command is missing");
    else
        check_arguments(command, state);
    if (command->url_text == NULL)
        command->url_text = getenv("PREFIXCACHE_URL");
    if (command->url_text == NULL || *command->url_text == '\0')
        command->url_text = URL_DEFAULT;
    command->is_native = command_is_native(command->url_text);
    if (!command->is_native && wire_url_parse(command->url_text, &command->url,
                                              why, sizeof why) != STATUS_OK)
        argp_error(state, "--url %s: %s", command->url_text, why);
}

static error_t
on_option(int key, char *text, struct argp_state *state)
{
    struct command *command = state->input;

    switch (key) {
    case KEY_URL:
        command->url_text = text;
        return 0;
    case KEY_OUTPUT:
        read_format(text, command, state);
        return 0;
    case KEY_TIMEOUT:
        if (!command_read_time(text, &command->timeout_ms))
            argp_error(state,
                       "--timeout %s: expected a time such as 5s or 500ms",
                       text);
        return 0;
    case ARGP_KEY_ARG:
        if (command->verb != NULL) {
            command->argv[command->argc++] = text;
            return 0;
        }
        command->verb = verb_find(text);
        if (command->verb == NULL)
            argp_error(state, "unknown command \"%s\"", text);
        return 0;
    case ARGP_KEY_END:
        finish(command, state);
        return 0;
    default: /* or keys that only parsers with children need */
        if (key < KEY_VERB || key >= KEY_VERB + (int)VERB_OPTIONS_MAX)
            return ARGP_ERR_UNKNOWN;
        command->options[key - KEY_VERB] = text != NULL ? text : "";
        return 0;
    }
}

/* The list of commands is made from their table. */
static char *
on_help(int key, const char *text, void *input)
{
    static const char before[] =
        "Exit status: 0 done or found, 1 not found, or not all of it done, 2 "
        "bad usage or a file that could not be read or written, 3 no "
        "connection or it was lost, 4 the server answered an error.";
    char *help = NULL;
    size_t size = 0;
    FILE *to;

    (void)input;
    if (key != ARGP_KEY_HELP_PRE_DOC)
        return (char *)(uintptr_t)text;
    to = open_memstream(&help, &size);
    if (to == NULL)
        return (char *)(uintptr_t)text;
    fputs("Looks into a prefix cache and puts things there by hand.\n\n"
          "Commands:\n",
          to);
    for (const struct verb_row *verb = verb_rows; verb->name != NULL; verb++) {
        int width = fprintf(to, "  %s %s", verb->name, verb->arguments);

        if (width >= 20)
            width = fprintf(to, "\n") - 1;
        fprintf(to, "%*s%s\n", 20 - width, "", verb->summary);
    }
    fprintf(to, "\n%s", before);
    return fclose(to) == 0 ? help : (char *)(uintptr_t)text;
}

/* "get, put: what it does"; made once, for as long as the program runs. */
static char *
describe(const struct verb_option *option)
{
    char *text = NULL;
    size_t size = 0;
    const char *between = "";
    FILE *to = open_memstream(&text, &size);

    if (to == NULL)
        return NULL;
    for (const struct verb_row *verb = verb_rows; verb->name != NULL; verb++)
        if (verb_takes(verb, option->name)) {
            fprintf(to, "%s%s", between, verb->name);
            between = ", ";
        }
    fprintf(to, ": %s", option->summary);
    return fclose(to) == 0 ? text : NULL;
}

static void
make_options(struct argp_option *all)
{
    memcpy(all, options, sizeof options);
    all += COMMON_COUNT;
    *all++ = (struct argp_option){.doc = "Of single commands:", .group = 1};
    for (int i = 0; verb_options[i].name != NULL; i++)
        *all++ = (struct argp_option){.name = verb_options[i].name,
                                      .key = KEY_VERB + i,
                                      .arg = verb_options[i].argument,
                                      .doc = describe(&verb_options[i]),
                                      .group = 1};
    *all = (struct argp_option){.name = NULL};
}

int
main(int argc, char **argv)
{
    /* Static, so that what describe() made is reachable to the end. */
    static struct argp_option all[COMMON_COUNT + VERB_OPTIONS_MAX + 2];
    static const struct argp argp = {
        .options = all,
        .parser = on_option,
        .args_doc = "COMMAND [ARGUMENT...]",
        .doc = " ", /* so that on_help() is asked for it */
        .help_filter = on_help,
    };
    struct command command = {.timeout_ms = TIMEOUT_DEFAULT_MS};
    enum exit_code code;

    argp_err_exit_status = EXIT_USAGE;
    make_options(all);
    command.argv = calloc((size_t)argc, sizeof *command.argv);
    if (command.argv == NULL ||
        argp_parse(&argp, argc, argv, 0, NULL, &command) != 0) {
        fputs("prefixcache-cli: not enough memory\n", stderr);
        free(command.argv);
        return EXIT_USAGE;
    }
    code = command_run(&command);
    free(command.argv);
    if (fclose(stdout) != 0 && code == EXIT_DONE) {
        fprintf(stderr, "prefixcache-cli: cannot write standard output: %s\n",
                strerror(errno));
        code = EXIT_USAGE;
    }
    return code;
}

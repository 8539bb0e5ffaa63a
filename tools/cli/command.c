/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs one verb over one connection, and turns statuses into sentences and
 * exit codes.  What the verbs do stands in verb_*.c; the command line itself is
 * main.c's.
 */
#include "tools/cli/command.h"

#include "proto/key.h"
#include "proto/lm.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void
command_complain(const struct command *command, const char *format, ...)
{
    va_list words;

    /* What was printed so far belongs before the complaint. */
    fflush(stdout);
    fprintf(stderr, "prefixcache-cli: %s: ", command->verb->name);
    va_start(words, format);
    vfprintf(stderr, format, words);
    va_end(words);
    fputc('\n', stderr);
}

enum exit_code
command_fail_memory(const struct command *command)
{
    command_complain(command, "not enough memory");
    return EXIT_USAGE;
}

static enum exit_code
fail(const struct command *command, enum status status, const char *why)
{
    if (status == STATUS_NO_SPACE)
        return command_fail_memory(command);
    if (status == STATUS_LATE || status_scope(status) == SCOPE_CONNECTION) {
        command_complain(command, "%s", why);
        return EXIT_CONNECTION;
    }
    command_complain(command, "%s answered: %s", command->url_text, why);
    return EXIT_REFUSED;
}

enum exit_code
command_fail(const struct command *command, enum status status)
{
    return fail(command, status, wire_why(command->wire));
}

/* Options of a verb are words that only the native wire has. */
static bool
is_native(const struct command *command)
{
    if (command->is_native || command->verb->wire >= VERB_NATIVE)
        return true;
    for (unsigned i = 0; verb_options[i].name != NULL; i++)
        if (command->options[i] != NULL)
            return true;
    return false;
}

/* The wire would refuse these as well, but as if the server had. */
static bool
may_carry(const struct command *command, const char *key)
{
    bool is_lm = !is_native(command) && command->url.kind == WIRE_LM;
    size_t size = strlen(key);

    if (size == 0) {
        command_complain(command, "a key needs at least one byte");
        return false;
    }
    if (is_lm && size > LM_KEY_SIZE) {
        command_complain(command,
                         "the key is %zu bytes long; lm:// carries at most %u "
                         "(redis:// up to %u)",
                         size, LM_KEY_SIZE, KEY_SIZE_MAX);
        return false;
    }
    if (is_lm && key[size - 1] == ' ') {
        command_complain(command,
                         "the key ends in a space, which lm:// cannot carry "
                         "(redis:// can)");
        return false;
    }
    if (size > KEY_SIZE_MAX) {
        command_complain(command,
                         "the key is %zu bytes long; at most %u are "
                         "allowed",
                         size, KEY_SIZE_MAX);
        return false;
    }
    return true;
}

static bool
may_carry_all(const struct command *command)
{
    int keys = command->verb->keys;

    if (keys == ARGUMENTS_ANY || keys > command->argc)
        keys = command->argc;
    for (int i = 0; i < keys; i++)
        if (!may_carry(command, command->argv[i]))
            return false;
    return true;
}

static bool
choose_wire(struct command *command)
{
    if (command->verb->wire == VERB_URL || command->url.kind == WIRE_RESP)
        return true;
    if (command->url.kind == WIRE_MEMCACHED) {
        command_complain(command, "memcached:// cannot say this; expected a "
                                  "redis:// or lm:// URL");
        return false;
    }
    command->url.kind = WIRE_RESP;
    return true;
}

static enum exit_code
run_on_wire(struct command *command)
{
    char why[512];
    enum exit_code code;
    enum status status;

    if (!choose_wire(command))
        return EXIT_USAGE;
    status = wire_open(&command->url, command->timeout_ms, &command->wire, why,
                       sizeof why);
    if (status != STATUS_OK)
        return fail(command, status, why);
    code = command->verb->run(command);
    wire_close(&command->wire);
    return code;
}

static enum exit_code
run_on_cache(struct command *command)
{
    struct command_target target = {.url = command->url_text};
    enum exit_code code;

    if (command->verb->wire == VERB_ALONE)
        return command->verb->run_native(command);
    code = command_open_cache(command, &target, &command->cache);
    if (code != EXIT_DONE)
        return code;
    if (command->verb->wire != VERB_OPENED)
        code = command_greet(command, command->url_text, command->cache);
    if (code == EXIT_DONE)
        code = command->verb->run_native(command);
    prefixcache_close(&command->cache);
    return code;
}

enum exit_code
command_run(struct command *command)
{
    if (!may_carry_all(command))
        return EXIT_USAGE;
    return is_native(command) ? run_on_cache(command) : run_on_wire(command);
}

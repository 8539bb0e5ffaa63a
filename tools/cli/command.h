/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One run of prefixcache-cli: what the command line asked for, the verb that
 * does it, and the connection it is done over.
 */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include "client/wire.h"
#include "tools/cli/verb.h"

#include <stdbool.h>

struct command {
    const struct verb_row *verb;
    const char *url_text;
    struct wire_url url;
    unsigned timeout_ms;
    bool is_json;
    int argc; /* the verb's arguments */
    char **argv;
    struct wire *wire;
};

/* Checks what the wire could not carry, connects, runs the verb, and closes. */
enum exit_code command_run(struct command *);

/* Says on stderr why a call on the command's wire failed (OK and MISS are no
 * failures), and gives the exit code of it. */
enum exit_code command_fail(const struct command *, enum status);
enum exit_code command_fail_memory(const struct command *);
/* A sentence of its own: "prefixcache-cli: VERB: ..." on stderr. */
void command_complain(const struct command *, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif

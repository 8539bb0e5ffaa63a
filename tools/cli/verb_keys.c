/* SPDX-License-Identifier: Apache-2.0 */
/* exists, del and ls: what concerns keys and not their values. */
#include "tools/cli/command.h"
#include "tools/cli/output.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SCAN_COUNT    "1000"
#define CURSOR_DIGITS 20u /* of a 64-bit number */

/* One question about one key, asked about all keys of a command. */
struct poll {
    enum status (*ask)(struct wire *, struct bytes name);
    const char *field, *total; /* in JSON */
    const char *yes, *no;      /* in the table */
};

static enum exit_code
say_totals(const struct command *command, const struct poll *poll, json_t *keys,
           int yes_count)
{
    json_t *object = json_pack("{s:o, s:i, s:i}", "keys", keys, poll->total,
                               yes_count, "asked", command->argc);

    return output_json(object) ? EXIT_DONE : command_fail_memory(command);
}

static bool
add_row(json_t *keys, struct bytes key, const char *field, bool is_yes)
{
    json_t *row = json_object();

    if (row != NULL && output_set_bytes(row, "key", key) &&
        json_object_set_new(row, field, json_boolean(is_yes)) == 0)
        return json_array_append_new(keys, row) == 0;
    json_decref(row);
    return false;
}

static enum exit_code
ask_all(struct command *command, const struct poll *poll, int *yes_count)
{
    json_t *keys = json_array();

    for (int i = 0; i < command->argc; i++) {
        struct bytes key = wire_text(command->argv[i]);
        enum status status = poll->ask(command->wire, key);

        if (status != STATUS_OK && status != STATUS_MISS) {
            json_decref(keys);
            return command_fail(command, status);
        }
        if (status == STATUS_OK)
            (*yes_count)++;
        if (!command->is_json) {
            output_name(key);
            printf("  %s\n", status == STATUS_OK ? poll->yes : poll->no);
        } else if (!add_row(keys, key, poll->field, status == STATUS_OK)) {
            json_decref(keys);
            return command_fail_memory(command);
        }
    }
    if (command->is_json)
        return say_totals(command, poll, keys, *yes_count);
    json_decref(keys);
    return EXIT_DONE;
}

enum exit_code
verb_exists(struct command *command)
{
    static const struct poll poll = {wire_exists, "exists", "found", "yes",
                                     "no"};
    int yes_count = 0;
    enum exit_code code = ask_all(command, &poll, &yes_count);

    if (code == EXIT_DONE && yes_count < command->argc)
        return EXIT_MISSING;
    return code;
}

enum exit_code
verb_del(struct command *command)
{
    static const struct poll poll = {wire_drop, "deleted", "deleted", "deleted",
                                     "was not there"};
    int yes_count = 0;

    return ask_all(command, &poll, &yes_count);
}

/* What a SCAN was answered: its next cursor, then names printed as they
 * come. */
struct listing {
    struct command *command;
    char cursor[CURSOR_DIGITS + 1];
    bool has_printed;
};

static bool
print_name(struct listing *listing, struct bytes name)
{
    json_t *object;
    int failed;

    if (!listing->command->is_json) {
        output_name(name);
        return putchar('\n') != EOF;
    }
    fputs(listing->has_printed ? ",\n " : "\n ", stdout);
    listing->has_printed = true;
    object = json_object();
    if (object == NULL || !output_set_bytes(object, "key", name)) {
        json_decref(object);
        return false;
    }
    failed = json_dumpf(object, stdout, 0);
    json_decref(object);
    return failed == 0;
}

static enum exit_code
fail_shape(const struct command *command)
{
    command_complain(command,
                     "%s answered SCAN with something that is no list "
                     "of keys",
                     command->url_text);
    return EXIT_REFUSED;
}

/* A token of the type that must come now. */
static enum exit_code
expect(struct command *command, enum resp_type type, struct resp_token *token,
       struct bytes *text)
{
    enum status status = wire_token(command->wire, token, text);

    if (status != STATUS_OK)
        return command_fail(command, status);
    return token->type == type ? EXIT_DONE : fail_shape(command);
}

static enum exit_code
read_names(struct listing *listing)
{
    struct command *command = listing->command;
    struct resp_token token;
    struct bytes text = {NULL, 0};
    enum exit_code code = expect(command, RESP_ARRAY, &token, &text);
    int64_t left = token.number;

    while (code == EXIT_DONE && left-- > 0) {
        code = expect(command, RESP_BULK, &token, &text);
        if (code == EXIT_DONE && !print_name(listing, text)) {
            command_complain(command, "cannot print a key");
            return EXIT_USAGE;
        }
    }
    return code;
}

static enum exit_code
read_page(struct listing *listing)
{
    struct command *command = listing->command;
    struct resp_token token;
    struct bytes text = {NULL, 0};
    enum exit_code code = expect(command, RESP_ARRAY, &token, &text);

    if (code == EXIT_DONE && token.number != 2)
        return fail_shape(command);
    if (code == EXIT_DONE)
        code = expect(command, RESP_BULK, &token, &text);
    if (code != EXIT_DONE)
        return code;
    if (text.size == 0 || text.size > CURSOR_DIGITS)
        return fail_shape(command);
    memcpy(listing->cursor, text.at, text.size);
    listing->cursor[text.size] = '\0';
    return read_names(listing);
}

static enum exit_code
ask_page(struct listing *listing)
{
    struct command *command = listing->command;
    struct bytes words[6] = {wire_text("SCAN"),  wire_text(listing->cursor),
                             wire_text("COUNT"), wire_text(SCAN_COUNT),
                             wire_text("MATCH"), {NULL, 0}};
    unsigned count = 4;
    enum status status;

    if (command->argc > 0) {
        words[5] = wire_text(command->argv[0]);
        count = 6;
    }
    status = wire_command(command->wire, count, words);
    return status == STATUS_OK ? read_page(listing)
                               : command_fail(command, status);
}

enum exit_code
verb_ls(struct command *command)
{
    struct listing listing = {.command = command, .cursor = "0"};
    enum exit_code code;

    if (command->is_json)
        fputs("[", stdout);
    do
        code = ask_page(&listing);
    while (code == EXIT_DONE && strcmp(listing.cursor, "0") != 0);
    if (command->is_json && code == EXIT_DONE)
        fputs(listing.has_printed ? "\n]\n" : "]\n", stdout);
    return code;
}

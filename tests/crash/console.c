/* SPDX-License-Identifier: Apache-2.0 */
/* Commands over the main thread's connection. */
#include "tests/crash/console.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TIMEOUT_MS 30000u

static enum status
explain(struct console *console, enum status status)
{
    if (status != STATUS_OK && console->wire != NULL)
        snprintf(console->why, sizeof(console->why), "%s",
                 wire_why(console->wire));
    return status;
}

enum status
console_open(struct console *console, const struct wire_url *url)
{
    console->wire = NULL;
    console->text = NULL;
    return wire_open(url, TIMEOUT_MS, &console->wire, console->why,
                     sizeof(console->why));
}

void
console_close(struct console *console)
{
    wire_close(&console->wire);
    free(console->text);
    console->text = NULL;
}

static enum status
ask(struct console *console, unsigned argc, const struct bytes *argv,
    struct resp_token *token, struct bytes *text)
{
    enum status status = wire_command(console->wire, argc, argv);

    if (status == STATUS_OK)
        status = wire_token(console->wire, token, text);
    return explain(console, status);
}

enum status
console_read(struct console *console, const char *section)
{
    const struct bytes words[2] = {wire_text("INFO"), wire_text(section)};
    struct resp_token token;
    struct bytes text = {NULL, 0};
    enum status status = ask(console, 2, words, &token, &text);

    if (status != STATUS_OK)
        return status;
    if (token.type != RESP_BULK)
        return STATUS_BROKEN;
    free(console->text);
    console->text = malloc(text.size + 2);
    if (console->text == NULL)
        return STATUS_NO_SPACE;
    console->text[0] = '\n';
    memcpy(console->text + 1, text.at, text.size);
    console->text[text.size + 1] = '\0';
    return STATUS_OK;
}

uint64_t
console_figure(const struct console *console, const char *name)
{
    char row[64];
    const char *found;
    int size = snprintf(row, sizeof(row), "\n%s:", name);

    found = console->text == NULL ? NULL : strstr(console->text, row);
    return found == NULL ? 0 : strtoull(found + size, NULL, 10);
}

enum status
console_flush(struct console *console)
{
    const struct bytes words[1] = {wire_text("FLUSHALL")};
    struct resp_token token;
    struct bytes text;

    return ask(console, 1, words, &token, &text);
}

/* The names of one answer, behind its cursor. */
static enum status
read_names(struct console *console, console_name_fn *found, void *arg)
{
    struct resp_token token;
    struct bytes name;
    enum status status = wire_token(console->wire, &token, &name);

    if (status == STATUS_OK && token.type != RESP_ARRAY)
        status = STATUS_BROKEN;
    for (int64_t left = token.number; status == STATUS_OK && left > 0; left--) {
        status = wire_token(console->wire, &token, &name);
        if (status == STATUS_OK && token.type == RESP_BULK)
            found(arg, name);
    }
    return explain(console, status);
}

enum status
console_scan(struct console *console, console_name_fn *found, void *arg)
{
    char cursor[24] = "0";

    do {
        const struct bytes words[4] = {wire_text("SCAN"), wire_text(cursor),
                                       wire_text("COUNT"), wire_text("500")};
        struct resp_token token;
        struct bytes text = {NULL, 0};
        enum status status = ask(console, 4, words, &token, &text);

        if (status == STATUS_OK && token.type == RESP_ARRAY)
            status = explain(console, wire_token(console->wire, &token, &text));
        if (status != STATUS_OK)
            return status;
        if (token.type != RESP_BULK || text.size >= sizeof(cursor))
            return STATUS_BROKEN;
        memcpy(cursor, text.at, text.size);
        cursor[text.size] = '\0';
        status = read_names(console, found, arg);
        if (status != STATUS_OK)
            return status;
    } while (strcmp(cursor, "0") != 0);
    return STATUS_OK;
}

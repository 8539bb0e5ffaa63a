/* SPDX-License-Identifier: Apache-2.0 */
/* ping and stat: what concerns the server as a whole. */
#include "tools/cli/command.h"
#include "tools/cli/output.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define INTEGER_DIGITS_MAX 19u

static double
now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

enum exit_code
verb_ping(struct command *command)
{
    double start_ms = now_ms(), took_ms;
    enum status status = wire_ping(command->wire);
    json_t *object;

    took_ms = now_ms() - start_ms;
    if (status != STATUS_OK)
        return command_fail(command, status);
    if (!command->is_json) {
        printf("%s answered in %.3f ms\n", command->url_text, took_ms);
        return EXIT_DONE;
    }
    object = json_pack("{s:s, s:b, s:f}", "url", command->url_text, "ok", 1,
                       "milliseconds", took_ms);
    return output_json(object) ? EXIT_DONE : command_fail_memory(command);
}

/* Cuts the next line off, without its line end. */
static bool
next_line(struct bytes *text, struct bytes *line)
{
    const uint8_t *end;

    if (text->size == 0)
        return false;
    end = memchr(text->at, '\n', text->size);
    line->at = text->at;
    line->size = end != NULL ? (size_t)(end - text->at) : text->size;
    text->at += line->size + (end != NULL);
    text->size -= line->size + (end != NULL);
    if (line->size > 0 && line->at[line->size - 1] == '\r')
        line->size--;
    return true;
}

/* One line of INFO: "# Section", "name:value", or nothing of interest. */
struct info_line {
    bool is_section;
    struct bytes name, value;
};

static bool
split_line(struct bytes line, struct info_line *out)
{
    const uint8_t *colon;

    *out = (struct info_line){.is_section = line.size > 0 && *line.at == '#'};
    if (out->is_section) {
        for (line.at++, line.size--; line.size > 0 && *line.at == ' ';)
            line.at++, line.size--;
        out->name = line;
        return true;
    }
    colon = line.size > 0 ? memchr(line.at, ':', line.size) : NULL;
    if (colon == NULL)
        return false;
    out->name = (struct bytes){line.at, (size_t)(colon - line.at)};
    out->value = (struct bytes){colon + 1, line.size - out->name.size - 1};
    return true;
}

static int
widest_name(struct bytes text)
{
    struct bytes line;
    struct info_line info;
    size_t widest = 0;

    while (next_line(&text, &line))
        if (split_line(line, &info) && info.name.size > widest)
            widest = info.name.size;
    return (int)widest;
}

static void
print_table(struct bytes text)
{
    int width = widest_name(text);
    bool is_first = true;
    struct bytes line;
    struct info_line info;

    while (next_line(&text, &line)) {
        if (!split_line(line, &info))
            continue;
        if (info.is_section && !is_first)
            putchar('\n');
        is_first = false;
        if (!info.is_section)
            fputs("  ", stdout);
        output_name(info.name);
        if (!info.is_section) {
            printf("%*s", width - (int)info.name.size + 2, "");
            output_name(info.value);
        }
        putchar('\n');
    }
}

/* A whole decimal number without a needless zero becomes one in JSON. */
static json_t *
value_of(struct bytes text)
{
    char digits[INTEGER_DIGITS_MAX + 2];
    bool is_negative = text.size > 0 && *text.at == '-';
    size_t start = is_negative ? 1 : 0;
    bool is_integer = text.size > start && text.size < sizeof digits;
    long long number;

    for (size_t i = start; is_integer && i < text.size; i++)
        is_integer = text.at[i] >= '0' && text.at[i] <= '9';
    if (is_integer && text.at[start] == '0' && text.size > 1)
        is_integer = false;
    if (!is_integer)
        return json_stringn((const char *)text.at, text.size);
    memcpy(digits, text.at, text.size);
    digits[text.size] = '\0';
    errno = 0;
    number = strtoll(digits, NULL, 10);
    return errno == 0 ? json_integer(number) : json_string(digits);
}

/* Section names are lower case in JSON, as INFO's own argument has them. */
static json_t *
open_section(json_t *object, struct bytes name)
{
    char lower[64];
    size_t size = name.size < sizeof lower ? name.size : sizeof lower - 1;
    json_t *section = json_object();

    for (size_t i = 0; i < size; i++)
        lower[i] = (char)(name.at[i] >= 'A' && name.at[i] <= 'Z'
                              ? name.at[i] + 'a' - 'A'
                              : name.at[i]);
    lower[size] = '\0';
    return json_object_set_new(object, lower, section) == 0 ? section : NULL;
}

/* NULL: no memory, or text that is no UTF-8. */
static json_t *
make_object(struct bytes text)
{
    json_t *object = json_object(), *section = object;
    struct bytes line;
    struct info_line info;

    while (section != NULL && next_line(&text, &line)) {
        if (!split_line(line, &info))
            continue;
        if (info.is_section)
            section = open_section(object, info.name);
        else if (json_object_setn_new(section, (const char *)info.name.at,
                                      info.name.size,
                                      value_of(info.value)) != 0)
            section = NULL;
    }
    if (section != NULL)
        return object;
    json_decref(object);
    return NULL;
}

static bool
print_json(struct bytes text)
{
    json_t *object = make_object(text);

    return object != NULL && output_json(object);
}

enum exit_code
verb_stat(struct command *command)
{
    struct bytes word = wire_text("INFO"), text = {NULL, 0};
    struct resp_token token;
    enum status status = wire_command(command->wire, 1, &word);

    if (status == STATUS_OK)
        status = wire_token(command->wire, &token, &text);
    if (status != STATUS_OK)
        return command_fail(command, status);
    if (token.type != RESP_BULK) {
        command_complain(command,
                         "%s answered INFO with something that is no "
                         "text",
                         command->url_text);
        return EXIT_REFUSED;
    }
    if (!command->is_json)
        print_table(text);
    else if (!print_json(text)) {
        command_complain(command, "%s answered INFO with text that is no UTF-8",
                         command->url_text);
        return EXIT_REFUSED;
    }
    return EXIT_DONE;
}

/* Of some shards each has a heading, or in JSON a field "shard" and a line. */
static enum exit_code
say_shard(const struct command *command, const char *name, const char *text)
{
    struct bytes bytes = wire_text(text);
    json_t *object;

    if (!command->is_json) {
        if (name != NULL)
            printf("%s\n", name);
        print_table(bytes);
        return EXIT_DONE;
    }
    object = make_object(bytes);
    if (object != NULL && name != NULL)
        json_object_set_new(object, "shard", json_string(name));
    if (object != NULL && output_json(object))
        return EXIT_DONE;
    command_complain(command, "%s answered with text that is no UTF-8",
                     command->url_text);
    return EXIT_REFUSED;
}

enum exit_code
verb_stat_native(struct command *command)
{
    struct prefixcache_shard shards[PREFIXCACHE_SHARDS_MAX];
    size_t count = prefixcache_shards(command->cache, shards,
                                      PREFIXCACHE_SHARDS_MAX, sizeof *shards);
    enum exit_code code = EXIT_DONE;

    for (size_t i = 0; i < count; i++) {
        char *text = NULL;
        int status = prefixcache_stats(command->cache, i, &text);
        enum exit_code said = EXIT_CONNECTION;

        if (status == PREFIXCACHE_OK)
            said = say_shard(command, count > 1 ? shards[i].name : NULL, text);
        else
            command_complain(command, "%s does not answer: %s", shards[i].name,
                             prefixcache_status_name(status));
        free(text);
        if (said != EXIT_DONE)
            code = said;
    }
    return code;
}

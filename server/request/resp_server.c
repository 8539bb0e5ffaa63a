/* SPDX-License-Identifier: Apache-2.0 */
/* COMMAND, INFO, CONFIG GET: what the server says of itself. */
#include "server/observe/info.h"
#include "server/request/answer.h"
#include "server/request/glob.h"
#include "server/request/resp_request.h"
#include "server/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    unsigned flag;
    const char *word;
} flag_words[] = {
    {RESP_FLAG_WRITE, "write"},       {RESP_FLAG_READONLY, "readonly"},
    {RESP_FLAG_DENYOOM, "denyoom"},   {RESP_FLAG_ADMIN, "admin"},
    {RESP_FLAG_NOSCRIPT, "noscript"}, {RESP_FLAG_LOADING, "loading"},
    {RESP_FLAG_STALE, "stale"},       {RESP_FLAG_FAST, "fast"},
};
#define PATTERNS_MAX 64u
#define PATTERN_MAX  128u
#define FLAG_WORDS   (sizeof(flag_words) / sizeof(flag_words[0]))

static void
write_flags(struct cursor *out, uint8_t dialect, unsigned flags)
{
    (void)resp_set(out, dialect, (uint32_t)__builtin_popcount(flags));
    for (unsigned i = 0; i < FLAG_WORDS; i++)
        if ((flags & flag_words[i].flag) != 0)
            (void)resp_simple(out, flag_words[i].word);
}

/* Name, arity, flags, keys; then four lists of Redis 7's that have nothing in
 * them here: categories, tips, key specifications, subcommands. */
static void
write_info(struct cursor *out, uint8_t dialect, const struct resp_command *row)
{
    (void)resp_array(out, 10);
    (void)resp_bulk_text(out, row->name);
    (void)resp_integer(out, row->arity);
    write_flags(out, dialect, row->flags);
    (void)resp_integer(out, row->first);
    (void)resp_integer(out, row->last);
    (void)resp_integer(out, row->step);
    (void)resp_set(out, dialect, 0);
    for (unsigned i = 0; i < 3; i++)
        (void)resp_array(out, 0);
}

static void
write_docs(struct cursor *out, uint8_t dialect, const struct resp_command *row)
{
    (void)resp_bulk_text(out, row->name);
    (void)resp_map(out, dialect, 2);
    (void)resp_bulk_text(out, "summary");
    (void)resp_bulk_text(out, row->summary);
    (void)resp_bulk_text(out, "group");
    (void)resp_bulk_text(out, row->group);
}

static uint32_t
count_known(struct argument_walk names)
{
    struct bytes name;
    uint32_t known = 0;

    while (argument_next(&names, &name))
        known +=
            resp_command_find(name.at, name.size)->id != RESP_COMMAND_UNKNOWN;
    return known;
}

/* The rows that are named, or all of them; DOCS leaves out unknown ones. */
static enum run
answer_rows(struct connection *connection, struct resp_call *call,
            bool wants_docs)
{
    uint32_t named = call->arguments.left;
    uint32_t total = named != 0 ? named : RESP_COMMAND_UNKNOWN;
    uint32_t described =
        wants_docs && named != 0 ? count_known(call->arguments) : total;
    uint8_t dialect = connection->dialect;
    struct cursor out;

    if (request_text(connection, 64 + (size_t)total * 320, &out) != STATUS_OK)
        return RUN_CLOSE;
    (void)(wants_docs ? resp_map(&out, dialect, described)
                      : resp_array(&out, total));
    for (uint32_t i = 0; i < total; i++) {
        const struct resp_command *row =
            resp_command_row((enum resp_command_id)i);
        struct bytes name;

        if (named != 0 && argument_next(&call->arguments, &name))
            row = resp_command_find(name.at, name.size);
        if (row->id == RESP_COMMAND_UNKNOWN) {
            if (!wants_docs)
                (void)resp_null(&out, dialect);
        } else if (wants_docs) {
            write_docs(&out, dialect, row);
        } else {
            write_info(&out, dialect, row);
        }
    }
    request_text_done(connection, &out);
    return RUN_DONE;
}

enum run
resp_command_info(struct connection *connection, struct resp_call *call)
{
    struct bytes word;

    if (!argument_next(&call->arguments, &word))
        return answer_rows(connection, call, false);
    if (argument_is(&word, "COUNT"))
        return answer_integer(connection, RESP_COMMAND_UNKNOWN);
    if (argument_is(&word, "INFO"))
        return answer_rows(connection, call, false);
    if (argument_is(&word, "DOCS"))
        return answer_rows(connection, call, true);
    return answer_error(connection,
                        "ERR unknown subcommand '%.*s'. Try COMMAND HELP.",
                        answer_shown(&word), (const char *)word.at);
}

enum run
resp_info(struct connection *connection, struct resp_call *call)
{
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);
    struct cursor out;
    struct bytes section;
    uint32_t wanted = call->count == 0 ? INFO_ALL : 0;
    enum run run = RUN_CLOSE;

    if (file == NULL)
        return RUN_CLOSE;
    while (argument_next(&call->arguments, &section))
        wanted |= info_section(&section);
    info_write(connection->server, wanted, file);
    if (!answer_text_end(file, &text))
        return RUN_CLOSE;
    if (request_text(connection, size + 64, &out) == STATUS_OK) {
        (void)resp_verbatim(&out, connection->dialect, text, size);
        request_text_done(connection, &out);
        run = RUN_DONE;
    }
    free(text);
    return run;
}

/* The options, and the few of Redis's that tools ask for by name. */
struct setting {
    char name[64], value[OPTION_TEXT_MAX];
};

static unsigned
collect(const struct server *server, struct setting *settings)
{
    static const char *const known[][2] = {
        {"save", ""},         {"appendonly", "no"},
        {"databases", "256"}, {"maxmemory-policy", "allkeys-lru"},
        {"timeout", "0"},
    };
    unsigned count = 0;

    for (unsigned i = 0; i < OPTION_ID_COUNT; i++, count++) {
        snprintf(settings[count].name, sizeof(settings[count].name), "%s.%s",
                 option_section((enum option_id)i),
                 option_key((enum option_id)i));
        option_format(&server->options, (enum option_id)i,
                      settings[count].value, sizeof(settings[count].value));
    }
    for (unsigned i = 0; i < sizeof(known) / sizeof(known[0]); i++, count++) {
        snprintf(settings[count].name, sizeof(settings[count].name), "%s",
                 known[i][0]);
        snprintf(settings[count].value, sizeof(settings[count].value), "%s",
                 known[i][1]);
    }
    snprintf(settings[count].name, sizeof(settings[count].name), "maxmemory");
    snprintf(settings[count].value, sizeof(settings[count].value), "%llu",
             (unsigned long long)server->options.dram_size);
    return count + 1;
}

/* Every pattern is matched with every name at once, while others wait. */
static bool
are_short(struct argument_walk arguments)
{
    struct bytes pattern;

    if (arguments.left > PATTERNS_MAX)
        return false;
    while (argument_next(&arguments, &pattern))
        if (pattern.size > PATTERN_MAX)
            return false;
    return true;
}

static bool
is_asked_for(struct argument_walk arguments, const char *name)
{
    struct bytes pattern, text = {(const uint8_t *)name, strlen(name)};

    while (argument_next(&arguments, &pattern))
        if (glob_matches(&pattern, &text))
            return true;
    return false;
}

enum run
resp_config(struct connection *connection, struct resp_call *call)
{
    struct setting settings[OPTION_ID_COUNT + 8];
    unsigned count, asked = 0;
    struct bytes word;
    struct cursor out;

    if (!argument_next(&call->arguments, &word) || !argument_is(&word, "GET"))
        return answer_error(connection, "ERR CONFIG takes GET here: the "
                                        "configuration is changed in its file "
                                        "and by SIGHUP");
    if (!are_short(call->arguments))
        return answer_error(connection,
                            "ERR CONFIG GET takes at most %u patterns of %u "
                            "bytes",
                            PATTERNS_MAX, PATTERN_MAX);
    count = collect(connection->server, settings);
    for (unsigned i = 0; i < count; i++)
        asked += is_asked_for(call->arguments, settings[i].name);
    if (request_text(connection, 64 + (size_t)asked * 384, &out) != STATUS_OK)
        return RUN_CLOSE;
    (void)resp_map(&out, connection->dialect, asked);
    for (unsigned i = 0; i < count; i++) {
        if (is_asked_for(call->arguments, settings[i].name)) {
            (void)resp_bulk_text(&out, settings[i].name);
            (void)resp_bulk_text(&out, settings[i].value);
        }
    }
    request_text_done(connection, &out);
    return RUN_DONE;
}

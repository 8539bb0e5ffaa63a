/* SPDX-License-Identifier: Apache-2.0 */
/* One reply at a time into the outbox. */
#include "server/request/answer.h"

#include "proto/resp.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORD_MAX   64u
#define ERROR_MAX  512u
#define WORD_SHOWN 128u /* as Redis */

static enum run
done(struct connection *connection, const struct cursor *out)
{
    request_text_done(connection, out);
    return RUN_DONE;
}

enum run
answer_simple(struct connection *connection, const char *text)
{
    struct cursor out;

    if (request_text(connection, strlen(text) + WORD_MAX, &out) != STATUS_OK)
        return RUN_CLOSE;
    (void)resp_simple(&out, text);
    return done(connection, &out);
}

enum run
answer_ok(struct connection *connection)
{
    return answer_simple(connection, "OK");
}

enum run
answer_integer(struct connection *connection, int64_t number)
{
    struct cursor out;

    if (request_text(connection, WORD_MAX, &out) != STATUS_OK)
        return RUN_CLOSE;
    (void)resp_integer(&out, number);
    return done(connection, &out);
}

enum run
answer_double(struct connection *connection, double number)
{
    struct cursor out;

    if (request_text(connection, WORD_MAX, &out) != STATUS_OK)
        return RUN_CLOSE;
    (void)resp_double(&out, connection->dialect, number);
    return done(connection, &out);
}

enum run
answer_null(struct connection *connection)
{
    struct cursor out;

    if (request_text(connection, WORD_MAX, &out) != STATUS_OK)
        return RUN_CLOSE;
    (void)resp_null(&out, connection->dialect);
    return done(connection, &out);
}

enum run
answer_bulk(struct connection *connection, const void *bytes, size_t size)
{
    struct cursor out;

    if (request_text(connection, size + WORD_MAX, &out) != STATUS_OK)
        return RUN_CLOSE;
    (void)resp_bulk(&out, bytes, size);
    return done(connection, &out);
}

enum run
answer_error(struct connection *connection, const char *format, ...)
{
    char text[ERROR_MAX];
    struct cursor out;
    va_list list;

    if (request_text(connection, sizeof(text) + WORD_MAX, &out) != STATUS_OK)
        return RUN_CLOSE;
    va_start(list, format);
    vsnprintf(text, sizeof(text), format, list);
    va_end(list);
    (void)resp_error(&out, text);
    count(connection->counters, COUNTER_resp_errors, 1);
    return done(connection, &out);
}

int
answer_shown(const struct bytes *word)
{
    return word->size < WORD_SHOWN ? (int)word->size : (int)WORD_SHOWN;
}

enum run
answer_syntax(struct connection *connection)
{
    return answer_error(connection, "ERR syntax error");
}

enum run
answer_arity(struct connection *connection, const char *command)
{
    return answer_error(
        connection, "ERR wrong number of arguments for '%s' command", command);
}

enum run
answer_not_integer(struct connection *connection)
{
    return answer_error(connection,
                        "ERR value is not an integer or out of range");
}

bool
answer_text_end(FILE *file, char **text)
{
    bool is_whole = !ferror(file);

    is_whole = fclose(file) == 0 && is_whole && *text != NULL;
    if (!is_whole) {
        free(*text);
        *text = NULL;
    }
    return is_whole;
}

enum run
answer_body(struct connection *connection, struct chunk *chunk, uint32_t offset,
            uint32_t size)
{
    struct cursor out;

    if (request_text(connection, WORD_MAX, &out) != STATUS_OK) {
        chunk_drop(&chunk);
        return RUN_CLOSE;
    }
    (void)resp_bulk_head(&out, size);
    request_text_done(connection, &out);
    count(connection->counters, COUNTER_get_bytes, size);
    outbox_body(&connection->outbox, chunk, offset, size, true);
    return RUN_DONE;
}

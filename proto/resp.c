/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RESP as a wire: reads a command up to its body, goes on behind the body, and
 * spells the common verbs from either side.  Commands are told apart and
 * answered elsewhere, from the words in resp_reply.c.
 */
#include "proto/resp.h"

#include "proto/resp_line.h"

#include <stdio.h>

/* What an argument that has not arrived takes at least: "$0", CRLF, CRLF, and
 * of a body only its length line. */
#define ARGUMENT_LEAST 6u
#define LENGTH_LEAST   4u

static const char expected_count[] =
    "Protocol error: expected '*', got something else";
static const char expected_size[] =
    "Protocol error: expected '$', got something else";
static const char invalid_count[] = "Protocol error: invalid multibulk length";
static const char invalid_size[] = "Protocol error: invalid bulk length";
static const char long_count[] = "Protocol error: too big mbulk count string";
static const char long_size[] = "Protocol error: too big bulk count string";
static const char expected_crlf[] =
    "Protocol error: expected CRLF behind a value";

static bool
claims(const uint8_t *first, size_t n)
{
    return n > 0 && *first == '*';
}

static enum parse
refuse(struct request_head *head, const char *why)
{
    head->why = why;
    return PARSE_BROKEN;
}

static bool
is_body(const struct resp_command *row, uint32_t index)
{
    if (row->body == 0 || index < row->body)
        return false;
    if (row->every == 0)
        return index == row->body;
    return (index - row->body) % row->every == 0;
}

/* Does the head end at this argument's length?  In a refused command nothing
 * is stored, so that only size matters. */
static bool
ends_head(const struct request_head *head, uint32_t index, uint64_t size)
{
    if (size > RESP_ARGUMENT_MAX)
        return true;
    return !head->is_refused && is_body(head->command, index);
}

/*
 * The least that a well-formed peer sends behind argument `index`, up to the
 * next body or the command's end.  It spares the caller from parsing a long
 * command again at each of its segments.
 */
static size_t
least_behind(const struct request_head *head, uint32_t index)
{
    size_t behind = head->argument_count - index - 1;
    if (head->command == NULL) /* may turn out to have a body at once */
        return behind < 2 ? behind * ARGUMENT_LEAST
                          : ARGUMENT_LEAST + LENGTH_LEAST;
    unsigned body = head->command->body;
    if (body == 0 || head->is_refused)
        return behind * ARGUMENT_LEAST;
    if (is_body(head->command, index))
        return 0;
    if (head->command->every != 0 && index > body)
        body = index + head->command->every -
               (index - body) % head->command->every;
    if (index > body || body >= head->argument_count)
        return behind * ARGUMENT_LEAST;
    return (body - index - 1) * ARGUMENT_LEAST + LENGTH_LEAST;
}

/* The number behind `marker`, where it has to stand. */
static enum parse
read_count(struct cursor *in, struct request_head *head, int64_t *out)
{
    if (cursor_left(in) == 0) {
        in->short_by = LENGTH_LEAST;
        return PARSE_MORE;
    }
    if (*in->at != '*')
        return refuse(head, expected_count);
    switch (resp_line_read(in, out)) {
    case RESP_LINE_WHOLE:
        break;
    case RESP_LINE_SHORT:
        return PARSE_MORE;
    case RESP_LINE_LONG:
        return refuse(head, long_count);
    case RESP_LINE_WRONG:
        return refuse(head, invalid_count);
    }
    return *out > RESP_ARGUMENTS_MAX ? refuse(head, invalid_count) : PARSE_DONE;
}

static enum parse
read_size(struct cursor *in, struct request_head *head, uint64_t *out)
{
    if (cursor_left(in) == 0) {
        in->short_by = LENGTH_LEAST;
        return PARSE_MORE;
    }
    if (*in->at != '$')
        return refuse(head, expected_size);
    int64_t size;
    switch (resp_line_read(in, &size)) {
    case RESP_LINE_WHOLE:
        break;
    case RESP_LINE_SHORT:
        return PARSE_MORE;
    case RESP_LINE_LONG:
        return refuse(head, long_size);
    case RESP_LINE_WRONG:
        return refuse(head, invalid_size);
    }
    if (size < 0 || (uint64_t)size > RESP_BODY_SIZE_MAX)
        return refuse(head, invalid_size);
    *out = (uint64_t)size;
    return PARSE_DONE;
}

static enum parse
read_crlf(struct cursor *in, struct request_head *head)
{
    size_t left = cursor_left(in);
    if ((left > 0 && in->at[0] != '\r') || (left > 1 && in->at[1] != '\n'))
        return refuse(head, expected_crlf);
    return cursor_skip(in, 2) ? PARSE_DONE : PARSE_MORE;
}

/* One argument; the head has a body where the head ends at its length. */
static enum parse
read_argument(struct cursor *in, struct request_head *head, uint32_t index)
{
    uint64_t size = 0;
    enum parse parse = read_size(in, head, &size);
    if (parse == PARSE_MORE && (head->command == NULL || head->is_refused ||
                                !is_body(head->command, index)))
        in->short_by += 2; /* its CRLF */
    if (parse != PARSE_DONE)
        return parse;

    if (head->command == NULL && size > RESP_ARGUMENT_MAX)
        head->command = resp_command_row(RESP_COMMAND_UNKNOWN);
    if (head->command != NULL && ends_head(head, index, size)) {
        if (!is_body(head->command, index))
            head->is_refused = true;
        head->has_body = true;
        head->body_size = size;
        return PARSE_DONE;
    }
    const uint8_t *bytes = in->at;
    if (!cursor_skip(in, size)) {
        in->short_by += 2;
        return PARSE_MORE;
    }
    parse = read_crlf(in, head);
    if (parse == PARSE_DONE && head->command == NULL)
        head->command = resp_command_find(bytes, size);
    return parse;
}

/* Up to the next body or the end.  `head` is good only after PARSE_DONE. */
static enum parse
read_arguments(struct cursor *in, struct request_head *head)
{
    head->has_body = false;
    head->body_size = 0;
    head->arguments = (struct argument_walk){in->at, in->at, 0};
    while (head->arguments_left > 0 && !head->has_body) {
        uint32_t index = head->argument_count - head->arguments_left;
        enum parse parse = read_argument(in, head, index);
        if (parse == PARSE_MORE)
            in->short_by += least_behind(head, index);
        if (parse != PARSE_DONE)
            return parse;
        head->arguments_left--;
        if (!head->has_body) {
            head->arguments.end = in->at;
            head->arguments.left++;
        }
    }
    return PARSE_DONE;
}

static enum parse
read_request(struct cursor *in, uint8_t *dialect, struct request_head *out)
{
    memset(out, 0, sizeof(*out));
    out->verb = VERB_COMMAND;
    out->dialect = *dialect == 3 ? 3 : 2;
    in->short_by = 0;
    uint8_t *start = in->at;
    int64_t count = 0;
    enum parse parse = read_count(in, out, &count);
    if (parse == PARSE_DONE && count > 0) {
        out->argument_count = (uint32_t)count;
        out->arguments_left = (uint32_t)count;
        parse = read_arguments(in, out);
    }
    if (out->command == NULL)
        out->command = resp_command_row(RESP_COMMAND_UNKNOWN);
    if (parse != PARSE_DONE)
        in->at = start;
    return parse;
}

static enum parse
read_more(struct cursor *in, struct request_head *head)
{
    struct request_head more = *head;
    in->short_by = 0;
    uint8_t *start = in->at;
    enum parse parse = read_crlf(in, &more);
    if (parse == PARSE_DONE)
        parse = read_arguments(in, &more);
    if (parse == PARSE_DONE)
        *head = more;
    else
        in->at = start;
    head->why = more.why;
    return parse;
}

/*
 * Losing a value, or not finding one, is what a cache may always do; and an
 * error text desynchronises LMCache's native client for good (WIRES 2.2).
 */
static bool
is_error(enum status status)
{
    switch (status) {
    case STATUS_OK:
    case STATUS_MISS:
    case STATUS_UNMET:
    case STATUS_BUSY:
    case STATUS_NO_SPACE:
    case STATUS_CORRUPT:
    case STATUS_LATE:
    case STATUS_IO:
        return false;
    case STATUS_TOO_BIG:
    case STATUS_BAD_REQUEST:
    case STATUS_BROKEN:
    case STATUS_GONE:
        return true;
    }
    return true;
}

static bool
write_error(struct cursor *out, enum status status)
{
    char text[REPLY_HEAD_MAX];
    snprintf(text, sizeof(text), "ERR %s", status_text(status));
    return resp_error(out, text);
}

static bool
write_reply(struct cursor *out, const struct reply_head *reply)
{
    bool is_ok = reply->status == STATUS_OK;
    if (is_error(reply->status))
        return write_error(out, reply->status);
    switch (reply->verb) {
    case VERB_GET:
        return is_ok ? resp_bulk_head(out, reply->body_size)
                     : resp_null(out, reply->dialect);
    case VERB_PUT:
        return reply->status == STATUS_UNMET ? resp_null(out, reply->dialect)
                                             : resp_simple(out, "OK");
    case VERB_EXISTS:
    case VERB_DROP:
        return resp_integer(out, is_ok ? reply->number : 0);
    case VERB_PING:
        return resp_simple(out, "PONG");
    case VERB_LIST:
    case VERB_COMMAND:
        return true; /* spelled by whoever knows the command */
    }
    return true;
}

static bool
write_tail(struct cursor *out, const struct reply_head *reply)
{
    if (reply->verb != VERB_GET || reply->status != STATUS_OK)
        return true;
    return resp_crlf(out);
}

static bool
write_put(struct cursor *out, const struct request_head *head)
{
    struct cursor at = *out;
    resp_array(&at, 3);
    resp_bulk_text(&at, "SET");
    resp_bulk(&at, head->name.at, head->name.size);
    resp_bulk_head(&at, head->body_size);
    out->short_by = at.short_by;
    if (at.short_by != 0)
        return false;
    out->at = at.at;
    return true;
}

static bool
write_named(struct cursor *out, const char *word, const struct bytes *name)
{
    struct bytes argv[2] = {{(const uint8_t *)word, strlen(word)}};
    if (name != NULL)
        argv[1] = *name;
    return resp_request(out, name != NULL ? 2 : 1, argv);
}

static bool
write_request(struct cursor *out, const struct request_head *head)
{
    switch (head->verb) {
    case VERB_GET:
        return write_named(out, "GET", &head->name);
    case VERB_PUT:
        return write_put(out, head);
    case VERB_EXISTS:
        return write_named(out, "EXISTS", &head->name);
    case VERB_DROP:
        return write_named(out, "DEL", &head->name);
    case VERB_PING:
        return write_named(out, "PING", NULL);
    case VERB_LIST:
    case VERB_COMMAND:
        return false; /* resp_request() spells any other command */
    }
    return false;
}

static bool
write_request_tail(struct cursor *out, const struct request_head *head)
{
    return head->verb != VERB_PUT || resp_crlf(out);
}

/* What a reply's first token says to the verb that was sent. */
static enum parse
take_token(const struct resp_token *token, struct reply_head *out)
{
    bool is_counted = out->verb == VERB_EXISTS || out->verb == VERB_DROP;
    switch (token->type) {
    case RESP_ERROR:
        out->status = STATUS_BAD_REQUEST;
        return PARSE_DONE;
    case RESP_NULL:
        out->status = out->verb == VERB_PUT ? STATUS_UNMET : STATUS_MISS;
        return out->verb == VERB_GET || out->verb == VERB_PUT ? PARSE_DONE
                                                              : PARSE_BROKEN;
    case RESP_SIMPLE:
        out->status = STATUS_OK;
        return out->verb == VERB_PUT || out->verb == VERB_PING ? PARSE_DONE
                                                               : PARSE_BROKEN;
    case RESP_INTEGER:
        out->number = token->number;
        out->status = token->number > 0 ? STATUS_OK : STATUS_MISS;
        return is_counted ? PARSE_DONE : PARSE_BROKEN;
    case RESP_BULK:
        out->body_size = (uint64_t)token->number;
        out->status = STATUS_OK;
        return out->verb == VERB_GET ? PARSE_DONE : PARSE_BROKEN;
    case RESP_ARRAY:
    case RESP_MAP:
        return PARSE_BROKEN;
    }
    return PARSE_BROKEN;
}

static enum parse
read_reply(struct cursor *in, struct reply_head *out)
{
    struct resp_token token;
    enum parse parse = resp_read_token(in, &token);
    if (parse != PARSE_DONE)
        return parse;
    out->status = STATUS_BROKEN;
    out->meta.size = 0;
    out->body_size = 0;
    out->number = 0;
    return take_token(&token, out);
}

const struct protocol protocol_resp = {
    .name = "resp",
    .claims = claims,
    .read_request = read_request,
    .read_more = read_more,
    .write_reply = write_reply,
    .write_tail = write_tail,
    .write_request = write_request,
    .write_request_tail = write_request_tail,
    .read_reply = read_reply,
};

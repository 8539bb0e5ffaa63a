/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The redis:// verbs of a wire, in RESP2, and its free form: any command, and
 * the tokens of its reply.  An error reply is BAD_REQUEST and its text is
 * wire_why(); the connection stays good.
 */
#include "client/wire_verbs.h"
#include "proto/key.h"
#include "proto/protocol.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define RESP_DIALECT        2
#define REQUEST_HEAD_ROOM   (KEY_SIZE_MAX + 256u)
#define COMMAND_STACK_ROOM  4096u
#define ARGUMENT_FRAME_SIZE 32u /* "$", 20 digits and two CRLF, rounded up */

static enum status
check_name(struct wire *wire, struct bytes name)
{
    (void)wire;
    (void)name;
    return STATUS_OK;
}

/* One token; a BULK's head only. */
static enum status
read_token(struct wire *wire, struct resp_token *out)
{
    struct stream *s = &wire->stream;

    for (;;) {
        struct cursor in = stream_cursor(s);
        enum parse parse = PARSE_MORE;
        enum status status;

        if (in.at < in.end)
            parse = resp_read_token(&in, out);
        if (parse == PARSE_DONE) {
            stream_take(s, &in);
            break;
        }
        if (parse == PARSE_BROKEN)
            return stream_fail(s, STATUS_BROKEN,
                               "%s does not speak RESP: its reply starts with "
                               "byte 0x%02x",
                               s->peer, s->buffer[s->begin]);
        status = stream_more(s);
        if (status != STATUS_OK)
            return status;
    }
    if (out->type == RESP_BULK &&
        (out->number < 0 || (uint64_t)out->number > RESP_BODY_SIZE_MAX))
        return stream_fail(s, STATUS_BROKEN,
                           "%s announced a value of %lld bytes", s->peer,
                           (long long)out->number);
    if (out->type == RESP_ERROR)
        return stream_fail(s, STATUS_BAD_REQUEST, "%.*s", (int)out->text.size,
                           (const char *)out->text.at);
    return STATUS_OK;
}

/* The reply is well formed but no answer to what was asked: from here on it
 * is unknown which reply answers which request. */
static enum status
fail_unexpected(struct wire *wire, const char *command)
{
    return stream_fail(&wire->stream, STATUS_BROKEN,
                       "%s gave %s an answer of the wrong type",
                       wire->stream.peer, command);
}

static enum status
send_request(struct wire *wire, const struct request_head *head,
             struct bytes body)
{
    uint8_t room[REQUEST_HEAD_ROOM], tail_room[8];
    struct cursor out = {.at = room, .end = room + sizeof room};
    struct cursor tail = {.at = tail_room, .end = tail_room + sizeof tail_room};
    struct iovec pieces[3];

    if (!protocol_resp.write_request(&out, head) ||
        !protocol_resp.write_request_tail(&tail, head))
        return stream_fail(&wire->stream, STATUS_BAD_REQUEST,
                           "RESP cannot carry this request");
    pieces[0] = (struct iovec){room, (size_t)(out.at - room)};
    /* iovec has no const form; sending only reads. */
    pieces[1] = (struct iovec){(void *)(uintptr_t)body.at, body.size};
    pieces[2] = (struct iovec){tail_room, (size_t)(tail.at - tail_room)};
    return stream_send(&wire->stream, pieces, 3);
}

static enum status
ask(struct wire *wire, enum verb verb, struct bytes name,
    struct resp_token *token)
{
    struct request_head head = {
        .verb = verb, .dialect = RESP_DIALECT, .name = name};
    enum status status = send_request(wire, &head, (struct bytes){NULL, 0});

    return status == STATUS_OK ? read_token(wire, token) : status;
}

static enum status
put(struct wire *wire, struct bytes name, struct bytes body,
    const struct chunk_meta *meta)
{
    struct request_head head = {.verb = VERB_PUT,
                                .dialect = RESP_DIALECT,
                                .name = name,
                                .has_body = true,
                                .body_size = body.size};
    struct resp_token token;
    enum status status = send_request(wire, &head, body);

    (void)meta;
    if (status == STATUS_OK)
        status = read_token(wire, &token);
    if (status == STATUS_OK && token.type != RESP_SIMPLE)
        status = fail_unexpected(wire, "SET");
    return status;
}

static enum status
get(struct wire *wire, struct bytes name, struct iovec into, size_t *size_out,
    struct chunk_meta *meta_out)
{
    struct resp_token token;
    enum status status = ask(wire, VERB_GET, name, &token);

    if (status != STATUS_OK)
        return status;
    if (token.type == RESP_NULL)
        return STATUS_MISS;
    if (token.type != RESP_BULK)
        return fail_unexpected(wire, "GET");
    meta_out->size = 0;
    *size_out = (size_t)token.number;
    return wire_receive_body(wire, into, (uint64_t)token.number, 2);
}

static enum status
read_count(struct wire *wire, enum verb verb, struct bytes name)
{
    struct resp_token token;
    enum status status = ask(wire, verb, name, &token);

    if (status != STATUS_OK)
        return status;
    if (token.type != RESP_INTEGER)
        return fail_unexpected(wire, verb == VERB_DROP ? "DEL" : "EXISTS");
    return token.number > 0 ? STATUS_OK : STATUS_MISS;
}

static enum status
exists(struct wire *wire, struct bytes name)
{
    return read_count(wire, VERB_EXISTS, name);
}

static enum status
drop(struct wire *wire, struct bytes name)
{
    return read_count(wire, VERB_DROP, name);
}

static enum status
ping(struct wire *wire)
{
    struct resp_token token;
    enum status status = ask(wire, VERB_PING, (struct bytes){NULL, 0}, &token);

    if (status == STATUS_OK && token.type != RESP_SIMPLE)
        status = fail_unexpected(wire, "PING");
    return status;
}

enum status
wire_command(struct wire *wire, unsigned argc, const struct bytes *argv)
{
    uint8_t on_stack[COMMAND_STACK_ROOM], *room = on_stack;
    size_t size = ARGUMENT_FRAME_SIZE;
    struct cursor out;
    struct iovec piece;
    enum status status;

    assert(wire->kind == WIRE_RESP);
    for (unsigned i = 0; i < argc; i++)
        size += ARGUMENT_FRAME_SIZE + argv[i].size;
    if (wire->stream.is_lost)
        return STATUS_GONE;
    if (size > sizeof on_stack)
        room = malloc(size);
    if (room == NULL)
        return stream_fail(&wire->stream, STATUS_NO_SPACE,
                           "no memory for a command of %zu bytes", size);
    out = (struct cursor){.at = room, .end = room + size};
    if (resp_request(&out, argc, argv)) {
        piece = (struct iovec){room, (size_t)(out.at - room)};
        status = stream_send(&wire->stream, &piece, 1);
    } else {
        status = stream_fail(&wire->stream, STATUS_BAD_REQUEST,
                             "RESP cannot carry this command");
    }
    if (room != on_stack)
        free(room);
    return status;
}

static enum status
read_text(struct wire *wire, size_t size, struct bytes *text_out)
{
    enum status status;

    if (size > wire->text_room) {
        uint8_t *text = realloc(wire->text, size);

        /* The body stays unread, so the framing is lost with it. */
        if (text == NULL)
            return stream_fail(&wire->stream, STATUS_BROKEN,
                               "no memory for a value of %zu bytes", size);
        wire->text = text;
        wire->text_room = size;
    }
    status = wire_receive_body(
        wire, (struct iovec){wire->text, wire->text_room}, size, 2);
    if (status == STATUS_OK)
        *text_out = (struct bytes){wire->text, size};
    return status;
}

enum status
wire_token(struct wire *wire, struct resp_token *out, struct bytes *text_out)
{
    enum status status;

    assert(wire->kind == WIRE_RESP);
    status = read_token(wire, out);
    if (status == STATUS_OK && out->type == RESP_BULK)
        status = read_text(wire, (size_t)out->number, text_out);
    return status;
}

enum status
wire_resp_select(struct wire *wire, unsigned space)
{
    char number[16];
    struct bytes words[2] = {wire_text("SELECT"), {NULL, 0}};
    struct resp_token token;
    struct bytes text;
    enum status status;

    snprintf(number, sizeof number, "%u", space);
    words[1] = wire_text(number);
    status = wire_command(wire, 2, words);
    if (status == STATUS_OK)
        status = wire_token(wire, &token, &text);
    return status;
}

const struct wire_verbs wire_verbs_resp = {
    .check_name = check_name,
    .put = put,
    .get = get,
    .exists = exists,
    .drop = drop,
    .ping = ping,
};

/* SPDX-License-Identifier: Apache-2.0 */
/* RESP requests with and without bodies, and the replies of common verbs. */
#include "proto/protocol.h"
#include "proto/resp.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

struct stream {
    uint8_t *bytes;
    size_t size;
    struct cursor in;
    struct request_head head;
};

static struct stream
stream(const void *bytes, size_t size)
{
    struct stream s = {.bytes = malloc(size > 0 ? size : 1), .size = size};
    memcpy(s.bytes, bytes, size);
    s.in = (struct cursor){s.bytes, s.bytes + size, 0};
    return s;
}

static enum parse
read_head(struct stream *s)
{
    uint8_t dialect = 2;
    return protocol_resp.read_request(&s->in, &dialect, &s->head);
}

/* The walk of a head, joined by spaces. */
static const char *
words(const struct stream *s)
{
    static char joined[256];
    joined[0] = '\0';
    struct argument_walk walk = s->head.arguments;
    struct bytes argument;
    while (argument_next(&walk, &argument)) {
        cr_assert(argument.at >= s->bytes);
        cr_assert(argument.at + argument.size <= s->bytes + s->size);
        size_t used = strlen(joined);
        snprintf(joined + used, sizeof(joined) - used, "%s%.*s",
                 used > 0 ? " " : "", (int)argument.size,
                 (const char *)argument.at);
    }
    return joined;
}

static void
expect_body(struct stream *s, const char *before, uint64_t size, uint32_t left)
{
    cr_assert_str_eq(words(s), before);
    cr_assert(s->head.has_body);
    cr_assert_eq(s->head.body_size, size);
    cr_assert_eq(s->head.arguments_left, left);
    cr_assert(cursor_skip(&s->in, size), "the body stands behind its head");
}

static void
expect_end(const struct stream *s, const char *before)
{
    cr_assert_str_eq(words(s), before);
    cr_assert_not(s->head.has_body);
    cr_assert_eq(s->head.arguments_left, 0);
    cr_assert_eq(cursor_left(&s->in), 0);
}

#define STREAM(text) stream(text, sizeof(text) - 1)

Test(resp_request, without_a_body_is_walked_in_place)
{
    struct stream s = STREAM("*3\r\n$4\r\nmGeT\r\n$0\r\n\r\n$2\r\nk2\r\n");
    cr_assert_eq(read_head(&s), PARSE_DONE);
    cr_assert_eq(s.head.verb, VERB_COMMAND);
    cr_assert_eq(s.head.command->id, RESP_COMMAND_MGET);
    cr_assert_eq(s.head.argument_count, 3);
    expect_end(&s, "mGeT  k2");
    free(s.bytes);
}

Test(resp_request, of_an_unknown_command_is_read_whole)
{
    struct stream s = STREAM("*2\r\n$5\r\nHVALS\r\n$1\r\n7\r\n");
    cr_assert_eq(read_head(&s), PARSE_DONE);
    cr_assert_eq(s.head.command->id, RESP_COMMAND_UNKNOWN);
    expect_end(&s, "HVALS 7");
    free(s.bytes);
}

Test(resp_request, ends_at_the_length_of_its_body)
{
    struct stream s = STREAM("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nab\r\nc\r\n");
    cr_assert_eq(read_head(&s), PARSE_DONE);
    expect_body(&s, "SET k", 5, 0);
    cr_assert_eq(protocol_resp.read_more(&s.in, &s.head), PARSE_DONE);
    expect_end(&s, "");
    free(s.bytes);
}

Test(resp_request, goes_on_behind_its_body)
{
    struct stream s = STREAM("*5\r\n$3\r\nSET\r\n$1\r\nk\r\n$0\r\n\r\n"
                             "$2\r\nEX\r\n$2\r\n60\r\n");
    cr_assert_eq(read_head(&s), PARSE_DONE);
    expect_body(&s, "SET k", 0, 2);
    cr_assert_eq(protocol_resp.read_more(&s.in, &s.head), PARSE_DONE);
    expect_end(&s, "EX 60");
    cr_assert_eq(s.head.command->id, RESP_COMMAND_SET);
    cr_assert_eq(s.head.argument_count, 5);
    free(s.bytes);
}

Test(resp_request, may_have_its_body_third)
{
    struct stream s = STREAM("*4\r\n$5\r\nSETEX\r\n$1\r\nk\r\n$2\r\n60\r\n"
                             "$1\r\nv\r\n");
    cr_assert_eq(read_head(&s), PARSE_DONE);
    expect_body(&s, "SETEX k 60", 1, 0);
    cr_assert_eq(protocol_resp.read_more(&s.in, &s.head), PARSE_DONE);
    expect_end(&s, "");
    free(s.bytes);
}

Test(resp_request, may_have_several_bodies)
{
    struct stream s = STREAM("*6\r\n$4\r\nMSET\r\n$1\r\na\r\n$1\r\n1\r\n"
                             "$1\r\nb\r\n$2\r\n22\r\n$1\r\nc\r\n");
    cr_assert_eq(read_head(&s), PARSE_DONE);
    expect_body(&s, "MSET a", 1, 3);
    cr_assert_eq(protocol_resp.read_more(&s.in, &s.head), PARSE_DONE);
    expect_body(&s, "b", 2, 1);
    cr_assert_eq(protocol_resp.read_more(&s.in, &s.head), PARSE_DONE);
    expect_end(&s, "c");
    free(s.bytes);
}

Test(resp_request, too_short_for_its_body_has_none)
{
    struct stream s = STREAM("*2\r\n$3\r\nSET\r\n$1\r\nk\r\n");
    cr_assert_eq(read_head(&s), PARSE_DONE);
    cr_assert_not(resp_command_takes(s.head.command, s.head.argument_count));
    expect_end(&s, "SET k");
    free(s.bytes);
}

/* A command whose arguments are `long` letters or what is given. */
static struct stream
stream_of(unsigned argc, const char *const *argv, size_t long_size)
{
    size_t size = 0, room = argc * (long_size + 32) + 32;
    char *text = malloc(room);
    size += (size_t)snprintf(text, room, "*%u\r\n", argc);
    for (unsigned i = 0; i < argc; i++) {
        size_t length = argv[i] != NULL ? strlen(argv[i]) : long_size;
        size += (size_t)snprintf(text + size, room - size, "$%zu\r\n", length);
        if (argv[i] != NULL)
            memcpy(text + size, argv[i], length);
        else
            memset(text + size, 'x', length);
        memcpy(text + size + length, "\r\n", 2);
        size += length + 2;
    }
    struct stream s = stream(text, size);
    free(text);
    return s;
}

Test(resp_request, takes_an_argument_of_the_longest_size)
{
    const char *const argv[] = {"GET", NULL};
    struct stream s = stream_of(2, argv, RESP_ARGUMENT_MAX);
    cr_assert_eq(read_head(&s), PARSE_DONE);
    cr_assert_not(s.head.is_refused);
    cr_assert_not(s.head.has_body);
    free(s.bytes);
}

Test(resp_request, is_drained_and_refused_for_a_longer_argument)
{
    const char *const argv[] = {"MGET", "a", NULL, "b", NULL, "c"};
    struct stream s = stream_of(6, argv, RESP_ARGUMENT_MAX + 1);
    cr_assert_eq(read_head(&s), PARSE_DONE);
    cr_assert(s.head.is_refused);
    expect_body(&s, "MGET a", RESP_ARGUMENT_MAX + 1, 3);
    cr_assert_eq(protocol_resp.read_more(&s.in, &s.head), PARSE_DONE);
    cr_assert(s.head.is_refused);
    expect_body(&s, "b", RESP_ARGUMENT_MAX + 1, 1);
    cr_assert_eq(protocol_resp.read_more(&s.in, &s.head), PARSE_DONE);
    cr_assert(s.head.is_refused);
    expect_end(&s, "c");
    free(s.bytes);
}

Test(resp_request, refused_for_its_key_has_its_value_drained)
{
    const char *const argv[] = {"SET", NULL, "v", "EX", "1"};
    struct stream s = stream_of(5, argv, RESP_ARGUMENT_MAX + 1);
    cr_assert_eq(read_head(&s), PARSE_DONE);
    cr_assert(s.head.is_refused);
    expect_body(&s, "SET", RESP_ARGUMENT_MAX + 1, 3);
    cr_assert_eq(protocol_resp.read_more(&s.in, &s.head), PARSE_DONE);
    cr_assert(s.head.is_refused);
    expect_end(&s, "v EX 1");
    free(s.bytes);
}

Test(resp_request, refused_for_its_name_is_unknown)
{
    const char *const argv[] = {NULL, "v"};
    struct stream s = stream_of(2, argv, RESP_ARGUMENT_MAX + 1);
    cr_assert_eq(read_head(&s), PARSE_DONE);
    cr_assert(s.head.is_refused);
    cr_assert_eq(s.head.command->id, RESP_COMMAND_UNKNOWN);
    expect_body(&s, "", RESP_ARGUMENT_MAX + 1, 1);
    cr_assert_eq(protocol_resp.read_more(&s.in, &s.head), PARSE_DONE);
    expect_end(&s, "v");
    free(s.bytes);
}

Test(resp_request, of_a_long_body_is_not_refused)
{
    struct stream s = STREAM("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$4294967296\r\n");
    cr_assert_eq(read_head(&s), PARSE_DONE);
    cr_assert_not(s.head.is_refused);
    cr_assert_eq(s.head.body_size, RESP_BODY_SIZE_MAX);
    free(s.bytes);
}

Test(resp_request, of_no_arguments_is_skipped)
{
    static const char *const empty[] = {"*0\r\n", "*-1\r\n", "*-7\r\n"};
    for (unsigned i = 0; i < 3; i++) {
        struct stream s = stream(empty[i], strlen(empty[i]));
        cr_assert_eq(read_head(&s), PARSE_DONE);
        cr_assert_eq(s.head.verb, VERB_COMMAND);
        cr_assert_eq(s.head.argument_count, 0);
        cr_assert_eq(s.head.command->id, RESP_COMMAND_UNKNOWN);
        expect_end(&s, "");
        free(s.bytes);
    }
}

Test(resp_request, that_is_broken_says_why)
{
    static const char *const count = "Protocol error: invalid multibulk length";
    static const char *const size = "Protocol error: invalid bulk length";
    static const char *const dollar = "Protocol error: expected '$', got "
                                      "something else";
    static const char *const star = "Protocol error: expected '*', got "
                                    "something else";
    static const char *const crlf =
        "Protocol error: expected CRLF behind a value";
    const struct {
        const char *bytes, *why;
    } cases[] = {
        {"GET / HTTP/1.1\r\n", star},
        {"PING\r\n", star},
        {"*x\r\n", count},
        {"*\r\n", count},
        {"*1048577\r\n", count},
        {"*9223372036854775808\r\n", count},
        {"*1\rx", count},
        {"*000000000000000000000000000000001",
         "Protocol error: too big mbulk count string"},
        {"*1\r\nPING\r\n", dollar},
        {"*1\r\n$x\r\n", size},
        {"*1\r\n$-1\r\n", size},
        {"*1\r\n$+4\r\n", size},
        {"*1\r\n$4294967297\r\n", size},
        {"*1\r\n$9223372036854775808\r\n", size},
        {"*1\r\n$111111111111111111111111111111111",
         "Protocol error: too big bulk count string"},
        {"*1\r\n$4\r\nPINGxx", crlf},
        {"*1\r\n$4\r\nPING\rx", crlf},
        {"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$4294967297\r\n", size},
        {"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$-1\r\n", size},
    };
    for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct stream s = stream(cases[i].bytes, strlen(cases[i].bytes));
        cr_assert_eq(read_head(&s), PARSE_BROKEN, "case %u", i);
        cr_assert_str_eq(s.head.why, cases[i].why, "case %u", i);
        cr_assert_eq(s.in.at, s.bytes, "nothing is consumed");
        free(s.bytes);
    }
}

Test(resp_request, is_broken_behind_a_body_without_its_crlf)
{
    struct stream s = STREAM("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nvv\r\n");
    cr_assert_eq(read_head(&s), PARSE_DONE);
    expect_body(&s, "SET k", 1, 0);
    cr_assert_eq(protocol_resp.read_more(&s.in, &s.head), PARSE_BROKEN);
    cr_assert_str_eq(s.head.why,
                     "Protocol error: expected CRLF behind a value");
    free(s.bytes);
}

/* So that a caller may wait for that much before it parses again. */
Test(resp_request, tells_how_much_of_a_long_command_is_missing)
{
    struct stream s = STREAM("*1000\r\n$3\r\nDEL\r\n");
    cr_assert_eq(read_head(&s), PARSE_MORE);
    cr_assert_eq(s.in.short_by, 4 + 2 + 998 * 6);
    free(s.bytes);
    s = STREAM("*1000\r\n$4\r\nMSET\r\n");
    cr_assert_eq(read_head(&s), PARSE_MORE);
    cr_assert_eq(s.in.short_by, 4 + 2 + 4, "to the first body's length");
    free(s.bytes);
    s = STREAM("*2\r\n$3\r\nGET\r\n$60000\r\n");
    cr_assert_eq(read_head(&s), PARSE_MORE);
    cr_assert_eq(s.in.short_by, 60002);
    free(s.bytes);
}

Test(resp_request, is_answered_in_the_dialect_of_its_connection)
{
    static const uint8_t dialects[] = {2, 3, DIALECT_UNKNOWN};
    for (unsigned i = 0; i < 3; i++) {
        struct stream s = STREAM("*1\r\n$4\r\nPING\r\n");
        uint8_t dialect = dialects[i];
        cr_assert_eq(protocol_resp.read_request(&s.in, &dialect, &s.head),
                     PARSE_DONE);
        cr_assert_eq(s.head.dialect, dialects[i] == 3 ? 3 : 2);
        cr_assert_eq(dialect, dialects[i], "HELLO's to change");
        free(s.bytes);
    }
}

Test(resp, claims_a_star_and_nothing_else)
{
    for (unsigned byte = 0; byte < 256; byte++) {
        uint8_t first = (uint8_t)byte;
        cr_assert_eq(protocol_resp.claims(&first, 1), byte == '*');
    }
}

static const char *
spell(enum verb verb, enum status status, uint8_t dialect)
{
    static char text[REPLY_HEAD_MAX + 1];
    struct reply_head reply = {.verb = verb,
                               .dialect = dialect,
                               .status = status,
                               .body_size = 7,
                               .number = 1};
    struct cursor out = {(uint8_t *)text, (uint8_t *)text + REPLY_HEAD_MAX, 0};
    cr_assert(protocol_resp.write_reply(&out, &reply));
    cr_assert(protocol_resp.write_tail(&out, &reply));
    *out.at = '\0';
    return text;
}

Test(resp_reply, is_what_the_native_client_expects_to_the_byte)
{
    cr_assert_str_eq(spell(VERB_GET, STATUS_OK, 2), "$7\r\n\r\n");
    cr_assert_str_eq(spell(VERB_GET, STATUS_MISS, 2), "$-1\r\n");
    cr_assert_str_eq(spell(VERB_GET, STATUS_MISS, 3), "_\r\n");
    cr_assert_str_eq(spell(VERB_PUT, STATUS_OK, 2), "+OK\r\n");
    cr_assert_str_eq(spell(VERB_PUT, STATUS_UNMET, 2), "$-1\r\n");
    cr_assert_str_eq(spell(VERB_EXISTS, STATUS_OK, 2), ":1\r\n");
    cr_assert_str_eq(spell(VERB_EXISTS, STATUS_MISS, 2), ":0\r\n");
    cr_assert_str_eq(spell(VERB_DROP, STATUS_OK, 2), ":1\r\n");
    cr_assert_str_eq(spell(VERB_DROP, STATUS_MISS, 2), ":0\r\n");
    cr_assert_str_eq(spell(VERB_PING, STATUS_OK, 3), "+PONG\r\n");
    cr_assert_str_eq(spell(VERB_COMMAND, STATUS_OK, 2), "");
}

Test(resp_reply, is_no_error_where_a_cache_may_lose_or_miss)
{
    static const enum status losses[] = {
        STATUS_BUSY, STATUS_NO_SPACE, STATUS_CORRUPT, STATUS_LATE, STATUS_IO};
    for (unsigned i = 0; i < sizeof(losses) / sizeof(*losses); i++) {
        cr_assert_str_eq(spell(VERB_PUT, losses[i], 2), "+OK\r\n");
        cr_assert_str_eq(spell(VERB_GET, losses[i], 2), "$-1\r\n");
        cr_assert_str_eq(spell(VERB_EXISTS, losses[i], 2), ":0\r\n");
    }
}

Test(resp_reply, spells_what_was_wrong_with_a_request)
{
    cr_assert_str_eq(spell(VERB_PUT, STATUS_TOO_BIG, 2),
                     "-ERR value larger than the configured maximum\r\n");
    cr_assert_str_eq(spell(VERB_GET, STATUS_BAD_REQUEST, 3),
                     "-ERR well framed but not valid\r\n");
    cr_assert_str_eq(spell(VERB_COMMAND, STATUS_BROKEN, 2),
                     "-ERR framing lost\r\n");
    cr_assert_str_eq(spell(VERB_LIST, STATUS_GONE, 2),
                     "-ERR peer closed the connection\r\n");
}

Test(resp_reply, to_another_question_is_broken)
{
    static const struct {
        enum verb verb;
        const char *bytes;
    } cases[] = {{VERB_GET, "+OK\r\n"},    {VERB_GET, ":1\r\n"},
                 {VERB_PUT, ":1\r\n"},     {VERB_PUT, "$3\r\n"},
                 {VERB_EXISTS, "+OK\r\n"}, {VERB_EXISTS, "$-1\r\n"},
                 {VERB_DROP, "*1\r\n"},    {VERB_PING, "%1\r\n"}};
    for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct stream s = stream(cases[i].bytes, strlen(cases[i].bytes));
        struct reply_head reply = {.verb = cases[i].verb, .dialect = 2};
        cr_assert_eq(protocol_resp.read_reply(&s.in, &reply), PARSE_BROKEN,
                     "case %u", i);
        free(s.bytes);
    }
    struct stream s = STREAM("-ERR no\r\n");
    struct reply_head reply = {.verb = VERB_PUT, .dialect = 2};
    cr_assert_eq(protocol_resp.read_reply(&s.in, &reply), PARSE_DONE);
    cr_assert_eq(reply.status, STATUS_BAD_REQUEST);
    free(s.bytes);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every protocol promises in protocol.h, over each verb and dialect: a
 * head is read the same wherever the network cut it, what one end writes the
 * other reads, and nothing is consumed or written by halves.  Buffers are
 * exactly as long as what is in them, so that a sanitizer sees a step too far.
 */
#include "proto/lm.h"
#include "proto/protocol.h"
#include "proto/resp.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define NAME "m/x@1@0@-3f2a@half"

struct wire_case {
    const struct protocol *protocol;
    uint8_t dialect;  /* spoken */
    uint8_t assigned; /* the connection's, before its first head */
};

static const struct wire_case wires[] = {
    {&protocol_lm, LM_V0, DIALECT_UNKNOWN},
    {&protocol_lm, LM_EXP, DIALECT_UNKNOWN},
    {&protocol_lm, LM_V1, DIALECT_UNKNOWN},
    {&protocol_lm, LM_V0, LM_V0},
    {&protocol_lm, LM_EXP, LM_EXP},
    {&protocol_lm, LM_V1, LM_V1},
    {&protocol_resp, 2, DIALECT_UNKNOWN},
    {&protocol_resp, 2, 2},
    {&protocol_resp, 3, 3},
};
#define WIRE_COUNT (sizeof(wires) / sizeof(*wires))

static const enum verb verbs[] = {VERB_GET,  VERB_PUT,  VERB_EXISTS,
                                  VERB_DROP, VERB_LIST, VERB_PING};
#define VERB_COUNT (sizeof(verbs) / sizeof(*verbs))

/* Owned bytes of exactly their size. */
struct piece {
    uint8_t *at;
    size_t size;
};

static struct piece
piece(const uint8_t *bytes, size_t size)
{
    struct piece p = {malloc(size > 0 ? size : 1), size};
    memcpy(p.at, bytes, size);
    return p;
}

static struct chunk_meta
shape(void)
{
    struct chunk_meta meta = {.size = CHUNK_META_LM};
    memcpy(meta.bytes, "\x00\x10\0\0\x02\0\0\0\x03\0\0\0\x02\0\0\0", 16);
    memcpy(meta.bytes + 16, "\x1b\0\0\0\0\x01\0\0\x08\0\0", 12);
    return meta;
}

/* A whole request head of a verb; false where the wire has no such verb. */
static bool
spell(const struct wire_case *wire, enum verb verb, struct piece *out)
{
    uint8_t into[512];
    struct cursor at = {into, into + sizeof(into), 0};
    struct request_head head = {
        .verb = verb,
        .dialect = wire->dialect,
        .name = {(const uint8_t *)NAME, sizeof(NAME) - 1},
        .meta = shape(),
        .body_size = 4096};
    bool is_spelled = wire->protocol->write_request(&at, &head);
    cr_assert_eq(at.short_by, 0);
    if (is_spelled)
        *out = piece(into, (size_t)(at.at - into));
    return is_spelled;
}

static void
expect_lm(const struct request_head *head, enum verb verb)
{
    cr_assert_eq(head->verb, verb);
    cr_assert_eq(head->name.size, sizeof(NAME) - 1);
    cr_assert_arr_eq(head->name.at, NAME, sizeof(NAME) - 1);
    if (verb != VERB_PUT)
        return;
    struct chunk_meta meta = shape();
    size_t same = head->dialect == LM_V0 ? 4 : CHUNK_META_LM;
    cr_assert_arr_eq(head->meta.bytes, meta.bytes, same);
    cr_assert(lm_meta_fits(&head->meta, head->body_size));
}

static void
expect_resp(const struct request_head *head, enum verb verb)
{
    static const enum resp_command_id ids[] = {
        [VERB_GET] = RESP_COMMAND_GET,       [VERB_PUT] = RESP_COMMAND_SET,
        [VERB_EXISTS] = RESP_COMMAND_EXISTS, [VERB_DROP] = RESP_COMMAND_DEL,
        [VERB_PING] = RESP_COMMAND_PING,
    };
    cr_assert_eq(head->command->id, ids[verb]);
    struct argument_walk walk = head->arguments;
    struct bytes argument;
    cr_assert(argument_next(&walk, &argument));
    cr_assert(argument_is(&argument, head->command->name));
    if (verb != VERB_PING) {
        cr_assert(argument_next(&walk, &argument));
        cr_assert_eq(argument.size, sizeof(NAME) - 1);
        cr_assert_arr_eq(argument.at, NAME, argument.size);
    }
    cr_assert_not(argument_next(&walk, &argument));
    cr_assert_eq(walk.at, walk.end);
}

static void
expect_head(const struct wire_case *wire, const struct request_head *head,
            enum verb verb)
{
    cr_assert_eq(head->dialect, wire->dialect);
    cr_assert_eq(head->has_body, verb == VERB_PUT);
    cr_assert_not(head->is_refused);
    if (head->has_body)
        cr_assert_eq(head->body_size, 4096);
    if (wire->protocol == &protocol_lm)
        expect_lm(head, verb);
    else
        expect_resp(head, verb);
}

static enum parse
read_piece(const struct wire_case *wire, const struct piece *from,
           struct request_head *head, struct cursor *in)
{
    uint8_t dialect = wire->assigned;
    *in = (struct cursor){from->at, from->at + from->size, 0};
    return wire->protocol->read_request(in, &dialect, head);
}

static void
try_request(const struct wire_case *wire, enum verb verb)
{
    struct piece whole;
    if (!spell(wire, verb, &whole))
        return;
    cr_assert(wire->protocol->claims(whole.at, 1));
    struct request_head head;
    struct cursor in;
    for (size_t n = 0; n < whole.size; n++) {
        struct piece prefix = piece(whole.at, n);
        cr_assert_eq(read_piece(wire, &prefix, &head, &in), PARSE_MORE,
                     "%s %u: %zu bytes", wire->protocol->name, wire->dialect,
                     n);
        cr_assert_eq(in.at, prefix.at, "nothing is consumed");
        cr_assert_geq(in.short_by, 1);
        cr_assert_leq(in.short_by, whole.size - n);
        free(prefix.at);
    }
    cr_assert_eq(read_piece(wire, &whole, &head, &in), PARSE_DONE);
    cr_assert_eq(in.at, whole.at + whole.size);
    expect_head(wire, &head, verb);
    free(whole.at);
}

Test(wires, every_prefix_of_a_request_asks_for_more)
{
    for (size_t i = 0; i < WIRE_COUNT; i++) {
        for (size_t j = 0; j < VERB_COUNT; j++)
            try_request(&wires[i], verbs[j]);
    }
}

Test(wires, a_head_ends_where_the_next_begins)
{
    for (size_t i = 0; i < WIRE_COUNT; i++) {
        for (size_t j = 0; j < VERB_COUNT; j++) {
            struct piece one;
            if (!spell(&wires[i], verbs[j], &one))
                continue;
            struct piece two = {malloc(2 * one.size), 2 * one.size};
            memcpy(two.at, one.at, one.size);
            memcpy(two.at + one.size, one.at, one.size);
            struct request_head head;
            struct cursor in;
            cr_assert_eq(read_piece(&wires[i], &two, &head, &in), PARSE_DONE);
            cr_assert_eq(in.at, two.at + one.size);
            expect_head(&wires[i], &head, verbs[j]);
            free(one.at);
            free(two.at);
        }
    }
}

Test(wires, a_request_is_written_whole_or_not_at_all)
{
    for (size_t i = 0; i < WIRE_COUNT; i++) {
        for (size_t j = 0; j < VERB_COUNT; j++) {
            struct piece whole;
            if (!spell(&wires[i], verbs[j], &whole))
                continue;
            struct request_head head = {
                .verb = verbs[j],
                .dialect = wires[i].dialect,
                .name = {(const uint8_t *)NAME, sizeof(NAME) - 1},
                .body_size = 4096};
            for (size_t room = 0; room < whole.size; room++) {
                struct cursor out = {whole.at, whole.at + room, 0};
                cr_assert_not(wires[i].protocol->write_request(&out, &head));
                cr_assert_eq(out.at, whole.at);
                cr_assert_gt(out.short_by, 0);
            }
            free(whole.at);
        }
    }
}

static void
expect_same(const struct reply_head *sent, const struct reply_head *got)
{
    bool has_body = sent->verb == VERB_GET || sent->verb == VERB_LIST;
    cr_assert_eq(got->status, sent->status);
    if (has_body && sent->status == STATUS_OK)
        cr_assert_eq(got->body_size, sent->body_size);
    else
        cr_assert_eq(got->body_size, 0);
    if (sent->verb == VERB_EXISTS)
        cr_assert_eq(got->number, sent->status == STATUS_OK ? 1 : 0);
}

static void
try_reply(const struct wire_case *wire, enum verb verb, enum status status)
{
    uint8_t into[REPLY_HEAD_MAX];
    struct reply_head sent = {.verb = verb,
                              .dialect = wire->dialect,
                              .status = status,
                              .meta = shape(),
                              .body_size = 4096,
                              .number = 1};
    struct cursor out = {into, into + sizeof(into), 0};
    cr_assert(wire->protocol->write_reply(&out, &sent));
    if (out.at == into)
        return; /* this verb has no reply here */
    struct piece whole = piece(into, (size_t)(out.at - into));
    struct reply_head got = {.verb = verb, .dialect = wire->dialect};
    for (size_t n = 0; n < whole.size; n++) {
        struct piece prefix = piece(whole.at, n);
        struct cursor in = {prefix.at, prefix.at + n, 0};
        cr_assert_eq(wire->protocol->read_reply(&in, &got), PARSE_MORE);
        cr_assert_eq(in.at, prefix.at);
        cr_assert_geq(in.short_by, 1);
        cr_assert_leq(in.short_by, whole.size - n);
        free(prefix.at);
    }
    struct cursor in = {whole.at, whole.at + whole.size, 0};
    cr_assert_eq(wire->protocol->read_reply(&in, &got), PARSE_DONE);
    cr_assert_eq(in.at, in.end);
    expect_same(&sent, &got);
    free(whole.at);
}

Test(wires, every_reply_is_read_as_it_was_meant)
{
    for (size_t i = 0; i < WIRE_COUNT; i++) {
        for (size_t j = 0; j < VERB_COUNT; j++) {
            bool may_miss = verbs[j] != VERB_PUT && verbs[j] != VERB_PING;
            try_reply(&wires[i], verbs[j], STATUS_OK);
            if (may_miss)
                try_reply(&wires[i], verbs[j], STATUS_MISS);
        }
    }
}

Test(wires, any_reply_fits_reply_head_max)
{
    for (size_t i = 0; i < WIRE_COUNT; i++) {
        for (int verb = VERB_GET; verb <= VERB_COMMAND; verb++) {
            for (int status = STATUS_OK; status <= STATUS_IO; status++) {
                uint8_t into[REPLY_HEAD_MAX];
                struct cursor out = {into, into + sizeof(into), 0};
                struct reply_head reply = {.verb = (enum verb)verb,
                                           .dialect = wires[i].dialect,
                                           .status = (enum status)status,
                                           .body_size = LM_BODY_MAX,
                                           .number = INT64_MIN};
                cr_assert(wires[i].protocol->write_reply(&out, &reply));
            }
        }
    }
}

static enum parse
read_part(struct cursor *in, struct request_head *head, size_t part)
{
    uint8_t dialect = 2;
    return part == 0 ? protocol_resp.read_request(in, &dialect, head)
                     : protocol_resp.read_more(in, head);
}

/* Reads a part from its first `cut` bytes alone: how far, 0 if not yet. */
static size_t
try_part(const struct cursor *in, struct request_head head, size_t part,
         size_t cut)
{
    struct piece prefix = piece(in->at, cut);
    struct cursor at = {prefix.at, prefix.at + cut, 0};
    bool had_body = head.has_body;
    enum parse parse = read_part(&at, &head, part);
    size_t used = (size_t)(at.at - prefix.at);
    cr_assert_neq(parse, PARSE_BROKEN);
    if (parse == PARSE_MORE) {
        cr_assert_eq(used, 0);
        cr_assert_geq(at.short_by, 1);
        cr_assert_leq(at.short_by, cursor_left(in) - cut);
        cr_assert(part == 0 || head.has_body == had_body);
    }
    free(prefix.at);
    return used;
}

struct log {
    char text[256];
    size_t used;
};

static void
log_part(struct log *log, struct argument_walk walk)
{
    struct bytes argument;
    while (argument_next(&walk, &argument)) {
        memcpy(log->text + log->used, argument.at, argument.size);
        log->used += argument.size;
        log->text[log->used++] = ' ';
    }
    log->text[log->used++] = '|';
    log->text[log->used] = '\0';
}

/* Reads a command, each part of it from every prefix first. */
static void
walk(const struct piece *whole, struct log *log)
{
    struct cursor in = {whole->at, whole->at + whole->size, 0};
    struct request_head head = {.has_body = false};
    for (size_t part = 0; part == 0 || head.has_body; part++) {
        if (part > 0)
            in.at += head.body_size;
        struct request_head before = head;
        uint8_t *start = in.at;
        cr_assert_eq(read_part(&in, &head, part), PARSE_DONE);
        size_t size = (size_t)(in.at - start);
        struct cursor again = {start, in.end, 0};
        for (size_t cut = 0; cut < size; cut++)
            cr_assert_eq(try_part(&again, before, part, cut), 0);
        cr_assert_eq(try_part(&again, before, part, size), size);
        log_part(log, head.arguments);
    }
    cr_assert_eq(in.at, in.end);
}

Test(wires, a_command_with_bodies_is_the_same_wherever_it_is_cut)
{
    static const struct {
        const char *bytes, *parts;
    } commands[] = {
        {"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$4\r\n*1\r\n\r\n", "SET k ||"},
        {"*6\r\n$3\r\nSET\r\n$1\r\nk\r\n$0\r\n\r\n$2\r\nPX\r\n$3\r\n100\r\n"
         "$2\r\nNX\r\n",
         "SET k |PX 100 NX |"},
        {"*4\r\n$6\r\npsetex\r\n$1\r\nk\r\n$2\r\n60\r\n$3\r\nabc\r\n",
         "psetex k 60 ||"},
        {"*6\r\n$4\r\nMSET\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$2\r\n22\r\n"
         "$1\r\nc\r\n",
         "MSET a |b |c |"},
        {"*5\r\n$4\r\nMSET\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$0\r\n\r\n",
         "MSET a |b ||"},
        {"*3\r\n$6\r\nEXISTS\r\n$2\r\nab\r\n$0\r\n\r\n", "EXISTS ab  |"},
        {"*6\r\n$12\r\nprefix.match\r\n$5\r\nRANKS\r\n$1\r\n2\r\n$2\r\n--\r\n"
         "$1\r\na\r\n$0\r\n\r\n",
         "prefix.match RANKS 2 -- a  |"},
        {"*3\r\n$7\r\nCLUSTER\r\n$7\r\nKEYSLOT\r\n$5\r\n{a}b\n\r\n",
         "CLUSTER KEYSLOT {a}b\n |"},
        {"*0\r\n", "|"},
    };
    for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
        struct piece whole = piece((const uint8_t *)commands[i].bytes,
                                   strlen(commands[i].bytes));
        struct log log = {.used = 0};
        walk(&whole, &log);
        cr_assert_str_eq(log.text, commands[i].parts);
        free(whole.at);
    }
}

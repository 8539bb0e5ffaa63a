/* SPDX-License-Identifier: Apache-2.0 */
/* The lm:// codec byte by byte; that splits do not matter is test_wires.c's. */
#include "proto/int32.h"
#include "proto/lm.h"
#include "proto/protocol.h"

#include <criterion/criterion.h>
#include <stdio.h>

#define KEY "Qwen/Qwen3-0.6B@1@0@-3f2a@half"

struct text {
    uint8_t bytes[LM_REQUEST_MAX];
    size_t size;
};

static void
add_int(struct text *text, int32_t value)
{
    int32_write(text->bytes + text->size, value);
    text->size += 4;
}

static void
add_key(struct text *text, const char *key)
{
    memset(text->bytes + text->size, ' ', LM_KEY_SIZE);
    memcpy(text->bytes + text->size, key, strlen(key));
    text->size += LM_KEY_SIZE;
}

/* A head as LMCache packs it: len 4096, format 2, dtype 3, shape 2 27 256 8. */
static struct text
request(uint8_t dialect, int32_t command, int32_t len, const char *key)
{
    struct text text = {.size = 0};
    add_int(&text, command);
    add_int(&text, len);
    if (dialect != LM_V0) {
        add_int(&text, 2);
        add_int(&text, 3);
        if (dialect == LM_V1)
            add_int(&text, 1);
        add_int(&text, 2);
        add_int(&text, 27);
        add_int(&text, 256);
        add_int(&text, 8);
    }
    add_key(&text, key);
    return text;
}

static enum parse
read_head(struct text *text, uint8_t *dialect, struct request_head *out)
{
    struct cursor in = {text->bytes, text->bytes + text->size, 0};
    enum parse parse = protocol_lm.read_request(&in, dialect, out);
    size_t used = (size_t)(in.at - text->bytes);
    cr_assert_eq(used, parse == PARSE_DONE ? text->size : 0);
    return parse;
}

static void
expect_reply(const struct reply_head *reply, const int32_t *numbers, size_t n)
{
    uint8_t into[REPLY_HEAD_MAX];
    struct cursor out = {into, into + sizeof(into), 0};
    cr_assert(protocol_lm.write_reply(&out, reply));
    cr_assert_eq((size_t)(out.at - into), 4 * n);
    for (size_t i = 0; i < n; i++)
        cr_assert_eq(int32_read(into + 4 * i), numbers[i], "integer %zu", i);
    uint8_t *behind = out.at;
    cr_assert(protocol_lm.write_tail(&out, reply));
    cr_assert_eq(out.at, behind, "nothing follows a body");
}

static struct reply_head
hit(uint8_t dialect)
{
    struct reply_head reply = {.verb = VERB_GET,
                               .dialect = dialect,
                               .status = STATUS_OK,
                               .meta.size = CHUNK_META_LM,
                               .body_size = 4096};
    static const int32_t meta[] = {4096, 2, 3, 2, 27, 256, 8};
    for (unsigned i = 0; i < 7; i++)
        int32_write(reply.meta.bytes + 4 * i, meta[i]);
    return reply;
}

Test(lm, integers_are_signed_and_least_byte_first)
{
    static const int32_t values[] = {0, 1, -1, 200, INT32_MAX, INT32_MIN};
    for (unsigned i = 0; i < sizeof(values) / sizeof(*values); i++) {
        uint8_t at[4];
        int32_write(at, values[i]);
        cr_assert_eq(int32_read(at), values[i]);
    }
    uint8_t at[4];
    int32_write(at, 0x01020304);
    cr_assert_arr_eq(at, "\x04\x03\x02\x01", 4);
}

Test(lm, sizes_are_those_of_the_wire)
{
    static const unsigned requests[] = {158, 182, 186};
    static const unsigned replies[] = {8, 32, 36};
    for (uint8_t dialect = 0; dialect < LM_DIALECT_COUNT; dialect++) {
        cr_assert_eq(lm_request_size(dialect), requests[dialect]);
        cr_assert_eq(lm_reply_size(dialect), replies[dialect]);
    }
}

Test(lm, claims_the_five_commands_and_nothing_else)
{
    for (unsigned byte = 0; byte < 256; byte++) {
        uint8_t first = (uint8_t)byte;
        cr_assert_eq(protocol_lm.claims(&first, 1), byte >= 1 && byte <= 5);
    }
}

Test(lm, tells_the_generation_from_the_first_head_and_keeps_it)
{
    for (uint8_t sent = 0; sent < LM_DIALECT_COUNT; sent++) {
        uint8_t dialect = DIALECT_UNKNOWN;
        struct request_head head;
        struct text text = request(sent, LM_EXIST, 0, KEY);
        cr_assert_eq(read_head(&text, &dialect, &head), PARSE_DONE);
        cr_assert_eq(dialect, sent);
        cr_assert_eq(head.dialect, sent);
        text = request(sent, LM_GET, 0, "k");
        cr_assert_eq(read_head(&text, &dialect, &head), PARSE_DONE);
        cr_assert_eq(dialect, sent);
        cr_assert_eq(head.name.size, 1);
    }
}

Test(lm, tells_the_generation_whatever_the_key_looks_like)
{
    static const char *const keys[] = {"k", "@0@0@0@half", "/models/x@1@0@ab",
                                       "\xe6\xa8\xa1\xe5\x9e\x8b@1@0@ab"};
    for (unsigned i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
        for (uint8_t sent = 0; sent < LM_DIALECT_COUNT; sent++) {
            uint8_t dialect = DIALECT_UNKNOWN;
            struct request_head head;
            struct text text = request(sent, LM_PUT, 1, keys[i]);
            cr_assert_eq(read_head(&text, &dialect, &head), PARSE_DONE);
            cr_assert_eq(dialect, sent, "key %u as %u", i, sent);
            cr_assert_eq(head.name.size, strlen(keys[i]));
            cr_assert_arr_eq(head.name.at, keys[i], head.name.size);
        }
    }
}

Test(lm, a_put_carries_its_metadata_verbatim)
{
    static const int32_t expected[] = {4096, 2, 3, 2, 27, 256, 8};
    for (uint8_t sent = 0; sent < LM_DIALECT_COUNT; sent++) {
        uint8_t dialect = DIALECT_UNKNOWN;
        struct request_head head;
        struct text text = request(sent, LM_PUT, 4096, KEY);
        cr_assert_eq(read_head(&text, &dialect, &head), PARSE_DONE);
        cr_assert_eq(head.verb, VERB_PUT);
        cr_assert(head.has_body);
        cr_assert_eq(head.body_size, 4096);
        cr_assert_eq(head.meta.size, CHUNK_META_LM);
        for (unsigned i = 0; i < 7; i++) {
            int32_t said = sent == LM_V0 && i > 0 ? 0 : expected[i];
            cr_assert_eq(int32_read(head.meta.bytes + 4 * i), said);
        }
        cr_assert(lm_meta_fits(&head.meta, head.body_size));
        struct cursor nothing = {text.bytes, text.bytes, 0};
        cr_assert_eq(protocol_lm.read_more(&nothing, &head), PARSE_DONE);
        cr_assert_not(head.has_body);
    }
}

Test(lm, only_a_put_has_a_body)
{
    static const enum verb verbs[] = {VERB_GET, VERB_EXISTS, VERB_LIST,
                                      VERB_PING};
    for (int32_t command = LM_GET; command <= LM_HEALTH; command++) {
        uint8_t dialect = DIALECT_UNKNOWN;
        struct request_head head;
        struct text text = request(LM_V1, command, 77, KEY);
        cr_assert_eq(read_head(&text, &dialect, &head), PARSE_DONE);
        cr_assert_eq(head.verb, verbs[command - LM_GET]);
        cr_assert_not(head.has_body);
    }
}

Test(lm, a_key_may_fill_its_field_and_hold_spaces)
{
    char key[LM_KEY_SIZE + 1];
    memset(key, 'x', LM_KEY_SIZE);
    key[LM_KEY_SIZE] = '\0';
    key[7] = ' ';
    uint8_t dialect = DIALECT_UNKNOWN;
    struct request_head head;
    struct text text = request(LM_V1, LM_GET, 0, key);
    cr_assert_eq(read_head(&text, &dialect, &head), PARSE_DONE);
    cr_assert_eq(head.name.size, LM_KEY_SIZE);
    cr_assert_arr_eq(head.name.at, key, LM_KEY_SIZE);
}

Test(lm, a_blank_key_names_no_chunk)
{
    for (int32_t command = LM_PUT; command <= LM_HEALTH; command++) {
        uint8_t dialect = DIALECT_UNKNOWN;
        struct request_head head;
        struct text text = request(LM_EXP, command, 0, "");
        enum parse parse = read_head(&text, &dialect, &head);
        bool may_be_blank = command == LM_LIST || command == LM_HEALTH;
        cr_assert_eq(parse, may_be_blank ? PARSE_DONE : PARSE_BROKEN);
        if (!may_be_blank)
            cr_assert_str_eq(head.why, "blank key");
    }
}

static const char *
why_broken(struct text *text)
{
    uint8_t dialect = DIALECT_UNKNOWN;
    struct request_head head;
    cr_assert_eq(read_head(text, &dialect, &head), PARSE_BROKEN);
    cr_assert_not_null(head.why);
    return head.why;
}

Test(lm, what_can_not_be_a_head_is_broken)
{
    struct text text = request(LM_V1, LM_PUT, -1, KEY);
    cr_assert_str_eq(why_broken(&text), "negative length");
    text = request(LM_V1, LM_PUT, INT32_MIN, KEY);
    cr_assert_str_eq(why_broken(&text), "negative length");
    static const int32_t commands[] = {0, 6, -1, 257, 0x01000000, INT32_MIN};
    for (unsigned i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
        text = request(LM_V1, commands[i], 1, KEY);
        cr_assert_str_eq(why_broken(&text), "unknown command");
    }
    text = request(LM_EXP, LM_GET, 0, "a\nb");
    cr_assert_str_eq(why_broken(&text), "a head of no known generation");
    text = request(LM_V0, LM_GET, 0, "\x7f");
    cr_assert_str_eq(why_broken(&text), "a head of no known generation");
}

Test(lm, a_length_may_be_the_largest_there_is)
{
    uint8_t dialect = DIALECT_UNKNOWN;
    struct request_head head;
    struct text text = request(LM_V1, LM_PUT, INT32_MAX, KEY);
    cr_assert_eq(read_head(&text, &dialect, &head), PARSE_DONE);
    cr_assert_eq(head.body_size, LM_BODY_MAX);
}

Test(lm, a_hit_echoes_the_put_and_ends_in_location_zero)
{
    static const int32_t all[] = {200, 4096, 2, 3, 2, 27, 256, 8, 0};
    static const size_t counts[] = {2, 8, 9};
    for (uint8_t dialect = 0; dialect < LM_DIALECT_COUNT; dialect++) {
        struct reply_head reply = hit(dialect);
        expect_reply(&reply, all, counts[dialect]);
    }
}

Test(lm, anything_but_the_bytes_is_a_miss)
{
    static const int32_t all[] = {400, 0, 1, 2, 0, 0, 0, 0, 0};
    static const size_t counts[] = {2, 8, 9};
    for (enum status status = STATUS_MISS; status <= STATUS_IO; status++) {
        for (uint8_t dialect = 0; dialect < LM_DIALECT_COUNT; dialect++) {
            struct reply_head reply = hit(dialect);
            reply.status = status;
            expect_reply(&reply, all, counts[dialect]);
            reply.verb = VERB_EXISTS;
            expect_reply(&reply, all, counts[dialect]);
        }
    }
}

Test(lm, exist_and_health_say_200_in_the_shape_of_a_miss)
{
    static const int32_t all[] = {200, 0, 1, 2, 0, 0, 0, 0, 0};
    static const size_t counts[] = {2, 8, 9};
    for (uint8_t dialect = 0; dialect < LM_DIALECT_COUNT; dialect++) {
        struct reply_head reply = hit(dialect);
        reply.verb = VERB_EXISTS;
        expect_reply(&reply, all, counts[dialect]);
        reply.verb = VERB_PING;
        expect_reply(&reply, all, counts[dialect]);
    }
}

Test(lm, a_put_is_never_answered)
{
    for (enum status status = STATUS_OK; status <= STATUS_IO; status++) {
        for (uint8_t dialect = 0; dialect < LM_DIALECT_COUNT; dialect++) {
            struct reply_head reply = hit(dialect);
            reply.verb = VERB_PUT;
            reply.status = status;
            expect_reply(&reply, NULL, 0);
        }
    }
}

Test(lm, only_the_first_generation_is_answered_a_list)
{
    static const int32_t both[] = {200, 4096};
    for (uint8_t dialect = 0; dialect < LM_DIALECT_COUNT; dialect++) {
        struct reply_head reply = hit(dialect);
        reply.verb = VERB_LIST;
        expect_reply(&reply, both, dialect == LM_V0 ? 2 : 0);
    }
}

Test(lm, a_reply_is_written_whole_or_not_at_all)
{
    struct reply_head reply = hit(LM_V1);
    uint8_t into[LM_REPLY_MAX];
    for (size_t room = 0; room < LM_REPLY_MAX; room++) {
        struct cursor out = {into, into + room, 0};
        cr_assert_not(protocol_lm.write_reply(&out, &reply));
        cr_assert_eq(out.at, into);
        cr_assert_eq(out.short_by, LM_REPLY_MAX - room);
    }
}

Test(lm, metadata_fits_only_the_body_it_names)
{
    struct chunk_meta meta = hit(LM_V1).meta;
    cr_assert(lm_meta_fits(&meta, 4096));
    cr_assert_not(lm_meta_fits(&meta, 4095));
    cr_assert_not(lm_meta_fits(&meta, 4096 + (1ull << 32)));
    meta.size = 48;
    cr_assert_not(lm_meta_fits(&meta, 4096));
    meta.size = 0;
    cr_assert_not(lm_meta_fits(&meta, 0));
    meta.size = CHUNK_META_LM;
    int32_write(meta.bytes, -1);
    cr_assert_not(lm_meta_fits(&meta, UINT64_MAX));
    cr_assert_not(lm_meta_fits(&meta, UINT32_MAX));
}

Test(lm, a_client_can_not_say_what_the_wire_has_no_word_for)
{
    uint8_t into[LM_REQUEST_MAX];
    struct cursor out = {into, into + sizeof(into), 0};
    uint8_t name[LM_KEY_SIZE + 1];
    memset(name, 'n', sizeof(name));
    struct request_head head = {
        .verb = VERB_GET, .dialect = LM_V1, .name = {name, sizeof(name)}};
    cr_assert_not(protocol_lm.write_request(&out, &head), "a long name");
    head.name = (struct bytes){(const uint8_t *)"k ", 2};
    cr_assert_not(protocol_lm.write_request(&out, &head), "a space at the end");
    head.name.size = 0;
    cr_assert_not(protocol_lm.write_request(&out, &head), "no name");
    head.name.size = 1;
    head.verb = VERB_DROP;
    cr_assert_not(protocol_lm.write_request(&out, &head), "a verb");
    head.verb = VERB_PUT;
    head.body_size = (uint64_t)LM_BODY_MAX + 1;
    cr_assert_not(protocol_lm.write_request(&out, &head), "a long body");
    cr_assert_eq(out.at, into);
    cr_assert_eq(out.short_by, 0);
}

Test(lm, a_client_refuses_a_code_that_does_not_exist)
{
    uint8_t from[LM_REPLY_MAX] = {0};
    static const int32_t codes[] = {0, 201, 404, -200};
    for (unsigned i = 0; i < sizeof(codes) / sizeof(*codes); i++) {
        int32_write(from, codes[i]);
        struct cursor in = {from, from + sizeof(from), 0};
        struct reply_head reply = {.verb = VERB_GET, .dialect = LM_V1};
        cr_assert_eq(protocol_lm.read_reply(&in, &reply), PARSE_BROKEN);
    }
    int32_write(from, LM_CODE_OK);
    int32_write(from + 4, -1);
    struct cursor in = {from, from + sizeof(from), 0};
    struct reply_head reply = {.verb = VERB_GET, .dialect = LM_V1};
    cr_assert_eq(protocol_lm.read_reply(&in, &reply), PARSE_BROKEN);
}

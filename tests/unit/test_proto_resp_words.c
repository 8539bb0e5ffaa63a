/* SPDX-License-Identifier: Apache-2.0 */
/* RESP beside its requests: the table, arguments, reply words, tokens. */
#include "proto/resp.h"

#include <criterion/criterion.h>
#include <float.h>
#include <inttypes.h>
#include <math.h>

static struct bytes
text(const char *string)
{
    return (struct bytes){(const uint8_t *)string, strlen(string)};
}

Test(resp_command, is_found_in_any_case)
{
    static const char *const names[] = {"get", "GET", "gEt"};
    for (unsigned i = 0; i < 3; i++) {
        struct bytes name = text(names[i]);
        cr_assert_eq(resp_command_find(name.at, name.size)->id,
                     RESP_COMMAND_GET);
    }
}

Test(resp_command, has_a_row_for_each_id_and_for_none)
{
    for (int id = 0; id <= RESP_COMMAND_UNKNOWN; id++) {
        const struct resp_command *row =
            resp_command_row((enum resp_command_id)id);
        cr_assert_eq((int)row->id, id);
        cr_assert_neq(row->arity, 0);
        struct bytes name = text(row->name);
        cr_assert_eq(resp_command_find(name.at, name.size), row);
        for (size_t i = 0; i < name.size; i++)
            cr_assert(name.at[i] == '.' ||
                          (name.at[i] >= 'a' && name.at[i] <= 'z'),
                      "%s", row->name);
    }
    static const char *const unknown[] = {"",     "ge",   "gett",
                                          "get ", "hsex", "G\xc5T"};
    for (unsigned i = 0; i < sizeof(unknown) / sizeof(*unknown); i++) {
        struct bytes name = text(unknown[i]);
        cr_assert_eq(resp_command_find(name.at, name.size)->id,
                     RESP_COMMAND_UNKNOWN);
    }
}

Test(resp_command, takes_as_many_arguments_as_its_arity_says)
{
    const struct resp_command *get = resp_command_row(RESP_COMMAND_GET);
    cr_assert_not(resp_command_takes(get, 1));
    cr_assert(resp_command_takes(get, 2));
    cr_assert_not(resp_command_takes(get, 3));
    const struct resp_command *set = resp_command_row(RESP_COMMAND_SET);
    cr_assert_not(resp_command_takes(set, 2));
    cr_assert(resp_command_takes(set, 3));
    cr_assert(resp_command_takes(set, UINT32_MAX));
}

Test(resp_argument, is_compared_whole_and_in_any_case)
{
    struct bytes argument = text("Ex");
    cr_assert(argument_is(&argument, "EX"));
    cr_assert(argument_is(&argument, "ex"));
    cr_assert_not(argument_is(&argument, "EXAT"));
    cr_assert_not(argument_is(&argument, "E"));
    argument = text("[X");
    cr_assert_not(argument_is(&argument, "{x"), "only letters have a case");
}

Test(resp_argument, is_an_integer_in_one_spelling_only)
{
    static const struct {
        const char *text;
        int64_t value;
    } good[] = {{"0", 0},
                {"7", 7},
                {"-1", -1},
                {"60", 60},
                {"9223372036854775807", INT64_MAX},
                {"-9223372036854775808", INT64_MIN}};
    static const char *const bad[] = {"",
                                      "-",
                                      "+1",
                                      "01",
                                      "-0",
                                      "-01",
                                      " 1",
                                      "1 ",
                                      "1.0",
                                      "0x10",
                                      "1e3",
                                      "9223372036854775808",
                                      "00",
                                      "--1",
                                      "1-",
                                      "-9223372036854775809",
                                      "a",
                                      "1\r",
                                      "18446744073709551616",
                                      "99999999999999999999999"};
    for (unsigned i = 0; i < sizeof(good) / sizeof(*good); i++) {
        struct bytes argument = text(good[i].text);
        int64_t value = 42;
        cr_assert(argument_integer(&argument, &value), "%s", good[i].text);
        cr_assert_eq(value, good[i].value);
    }
    for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct bytes argument = text(bad[i]);
        int64_t value = 42;
        cr_assert_not(argument_integer(&argument, &value), "%s", bad[i]);
        cr_assert_eq(value, 42, "written only where there is one");
    }
}

#define EXPECT(expected, call)                                                 \
    do {                                                                       \
        const size_t size = sizeof(expected) - 1;                              \
        uint8_t into[256];                                                     \
        struct cursor out = {into, into + sizeof(into), 0};                    \
        cr_assert(call);                                                       \
        cr_assert_eq((size_t)(out.at - into), size);                           \
        cr_assert_arr_eq(into, expected, size);                                \
        for (size_t room = 0; room < size; room++) {                           \
            out = (struct cursor){into, into + room, 0};                       \
            cr_assert_not(call, "room for %zu", room);                         \
            cr_assert_eq(out.at, into, "whole or nothing");                    \
            cr_assert_gt(out.short_by, 0);                                     \
        }                                                                      \
    } while (0)

Test(resp_word, is_spelled_the_same_in_both_dialects)
{
    EXPECT("+OK\r\n", resp_simple(&out, "OK"));
    EXPECT("-ERR no\r\n", resp_error(&out, "ERR no"));
    EXPECT("-ERR a  b \r\n", resp_error(&out, "ERR a\r\nb\n"));
    EXPECT(":0\r\n", resp_integer(&out, 0));
    EXPECT(":-2\r\n", resp_integer(&out, -2));
    EXPECT(":-9223372036854775808\r\n", resp_integer(&out, INT64_MIN));
    EXPECT("$5\r\na\0b\r\n\r\n", resp_bulk(&out, "a\0b\r\n", 5));
    EXPECT("$0\r\n\r\n", resp_bulk(&out, NULL, 0));
    EXPECT("$2\r\nhi\r\n", resp_bulk_text(&out, "hi"));
    EXPECT("$18446744073709551615\r\n", resp_bulk_head(&out, UINT64_MAX));
    EXPECT("*4294967295\r\n", resp_array(&out, UINT32_MAX));
    EXPECT("\r\n", resp_crlf(&out));
}

Test(resp_word, differs_where_the_dialects_do)
{
    EXPECT("$-1\r\n", resp_null(&out, 2));
    EXPECT("_\r\n", resp_null(&out, 3));
    EXPECT("*-1\r\n", resp_null_array(&out, 2));
    EXPECT("_\r\n", resp_null_array(&out, 3));
    EXPECT("*4\r\n", resp_map(&out, 2, 2));
    EXPECT("%2\r\n", resp_map(&out, 3, 2));
    EXPECT("*8589934590\r\n", resp_map(&out, 2, UINT32_MAX));
    EXPECT("*3\r\n", resp_set(&out, 2, 3));
    EXPECT("~3\r\n", resp_set(&out, 3, 3));
    EXPECT("$1\r\n3\r\n", resp_double(&out, 2, 3));
    EXPECT(",3\r\n", resp_double(&out, 3, 3));
    EXPECT("$19\r\n0.10000000000000001\r\n", resp_double(&out, 2, 0.1));
    EXPECT(",-1.7976931348623157e+308\r\n", resp_double(&out, 3, -DBL_MAX));
    EXPECT("$4\r\n-inf\r\n", resp_double(&out, 2, -HUGE_VAL));
    EXPECT(",inf\r\n", resp_double(&out, 3, HUGE_VAL));
    EXPECT("$2\r\nhi\r\n", resp_verbatim(&out, 2, "hi", 2));
    EXPECT("=6\r\ntxt:hi\r\n", resp_verbatim(&out, 3, "hi", 2));
}

Test(resp_word, of_a_client_is_a_whole_command)
{
    struct bytes argv[] = {text("SELECT"), text("3"), text("")};
    EXPECT("*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n", resp_request(&out, 2, argv));
    EXPECT("*3\r\n$6\r\nSELECT\r\n$1\r\n3\r\n$0\r\n\r\n",
           resp_request(&out, 3, argv));
}

static enum parse
read_token(const char *bytes, size_t size, struct resp_token *out, size_t *used)
{
    static uint8_t copy[128];
    memcpy(copy, bytes, size);
    struct cursor in = {copy, copy + size, 0};
    enum parse parse = resp_read_token(&in, out);
    *used = (size_t)(in.at - copy);
    if (parse == PARSE_MORE)
        cr_assert_gt(in.short_by, 0);
    return parse;
}

Test(resp_token, is_read_once_it_is_whole)
{
    static const struct {
        const char *bytes;
        enum resp_type type;
        int64_t number;
        const char *text;
    } cases[] = {
        {"+OK\r\n", RESP_SIMPLE, 0, "OK"},
        {"+\r\n", RESP_SIMPLE, 0, ""},
        {"-ERR x\r\n", RESP_ERROR, 0, "ERR x"},
        {":-42\r\n", RESP_INTEGER, -42, NULL},
        {"$0\r\n", RESP_BULK, 0, NULL},
        {"$4294967296\r\n", RESP_BULK, 1ll << 32, NULL},
        {"=15\r\n", RESP_BULK, 15, NULL},
        {"$-1\r\n", RESP_NULL, 0, NULL},
        {"*-1\r\n", RESP_NULL, 0, NULL},
        {"_\r\n", RESP_NULL, 0, NULL},
        {"*0\r\n", RESP_ARRAY, 0, NULL},
        {"*12\r\n", RESP_ARRAY, 12, NULL},
        {"~2\r\n", RESP_ARRAY, 2, NULL},
        {">3\r\n", RESP_ARRAY, 3, NULL},
        {"%7\r\n", RESP_MAP, 14, NULL},
    };
    for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct resp_token token;
        size_t used, size = strlen(cases[i].bytes);
        for (size_t n = 0; n < size; n++) {
            cr_assert_eq(read_token(cases[i].bytes, n, &token, &used),
                         PARSE_MORE, "%zu of case %u", n, i);
            cr_assert_eq(used, 0);
        }
        cr_assert_eq(read_token(cases[i].bytes, size, &token, &used),
                     PARSE_DONE, "case %u", i);
        cr_assert_eq(used, size);
        cr_assert_eq(token.type, cases[i].type, "case %u", i);
        cr_assert_eq(token.number, cases[i].number, "case %u", i);
        if (cases[i].text != NULL) {
            cr_assert_eq(token.text.size, strlen(cases[i].text));
            cr_assert_arr_eq(token.text.at, cases[i].text, token.text.size);
        }
    }
}

Test(resp_token, is_broken_where_no_server_would_send_it)
{
    static const char *const broken[] = {
        "OK\r\n",          "\r\n",    ":\r\n",
        ":1x\r\n",         "$-2\r\n", "$4294967297\r\n",
        "*2147483648\r\n", "%-1\r\n", "_x\r\n",
        "+a\rb\r\n",       ":1\rx",   ":000000000000000000000000000000001\r\n"};
    for (unsigned i = 0; i < sizeof(broken) / sizeof(*broken); i++) {
        struct resp_token token;
        size_t used;
        cr_assert_eq(read_token(broken[i], strlen(broken[i]), &token, &used),
                     PARSE_BROKEN, "case %u", i);
        cr_assert_eq(used, 0);
    }
}

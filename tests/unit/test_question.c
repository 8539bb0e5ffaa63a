/* SPDX-License-Identifier: Apache-2.0 */
/* What the HTTP port is asked, from bytes. */
#include "server/observe/question.h"

#include <criterion/criterion.h>
#include <string.h>

static struct question_problem problem;

static struct bytes
bytes_of(const char *text)
{
    return (struct bytes){(const uint8_t *)text, strlen(text)};
}

static bool
is(struct bytes bytes, const char *text)
{
    return bytes.size == strlen(text) &&
           memcmp(bytes.at, text, bytes.size) == 0;
}

Test(question, of_a_prefix_has_keys_in_order)
{
    struct bytes body = bytes_of(
        "{\"keys\":[\"a\",\"\",\"m@\\u00e9\"],\"ranks\":3,\"namespace\":255,"
        "\"with_tiers\":true}");
    struct question_prefix question;

    cr_assert_eq(question_read_prefix(&body, &question, &problem), STATUS_OK);
    cr_assert_eq(question.count, 3);
    cr_assert(is(question.keys[0], "a"));
    cr_assert(is(question.keys[1], ""));
    cr_assert(is(question.keys[2], "m@\xc3\xa9"));
    cr_assert_eq(question.ranks, 3);
    cr_assert_eq(question.space, 255);
    cr_assert(question.with_tiers);
    cr_assert_not(question.has_lease);
    cr_assert_not(question.has_promotion);
    question_free_prefix(&question);
}

Test(question, of_a_prefix_says_if_it_would_change_something)
{
    struct bytes body =
        bytes_of("{\"keys\":[],\"lease_ms\":0,\"promote\":true}");
    struct question_prefix question;

    cr_assert_eq(question_read_prefix(&body, &question, &problem), STATUS_OK);
    cr_assert_eq(question.count, 0);
    cr_assert_eq(question.ranks, 1);
    cr_assert(question.has_lease);
    cr_assert(question.has_promotion);
    question_free_prefix(&question);
}

Test(question, of_a_prefix_that_is_wrong_is_told_why)
{
    static const char *const wrong[][2] = {
        {"", "no JSON"},
        {"[]", "no JSON object"},
        {"{\"keys\":[\"a\"]} x", "no JSON"},
        {"{}", "keys is not an array"},
        {"{\"keys\":\"a\"}", "keys is not an array"},
        {"{\"keys\":[1]}", "keys[0] is not a string"},
        {"{\"keys\":[\"a\"],\"keys\":[]}", "no JSON"},
        {"{\"keys\":[\"a\"],\"key\":[]}", "\"key\" is not known"},
        {"{\"keys\":[\"a\"],\"ranks\":0}", "ranks is not a whole number"},
        {"{\"keys\":[\"a\"],\"ranks\":4097}", "ranks is not a whole number"},
        {"{\"keys\":[\"a\"],\"ranks\":1.5}", "ranks is not a whole number"},
        {"{\"keys\":[\"a\"],\"ranks\":2}", "is not a multiple of ranks"},
        {"{\"keys\":[\"a\"],\"namespace\":256}", "namespace is not a whole"},
        {"{\"keys\":[\"a\"],\"with_tiers\":1}", "neither true nor false"},
        {"{\"keys\":[\"\\ud800\"]}", "no JSON"},
        {"{\"keys\":[\"\\u0000\"]}", "no JSON"},
    };
    struct question_prefix question;

    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct bytes body = bytes_of(wrong[i][0]);

        cr_assert_eq(question_read_prefix(&body, &question, &problem),
                     STATUS_BAD_REQUEST, "%s", wrong[i][0]);
        cr_assert_not_null(strstr(problem.text, wrong[i][1]), "%s: %s",
                           wrong[i][0], problem.text);
    }
}

Test(question, of_hashes_takes_numbers_of_64_bits_and_texts)
{
    struct question_hashes question;
    struct template_hash *hashes;
    struct bytes body = bytes_of(
        "{\"block_hashes\":[5,-5,9223372036854775807,-9223372036854775808,"
        "9223372036854775808,18446744073709551615,\"00ff\",0],"
        "\"model_name\":\"m \\\"18446744073709551615\\\\\",\"other\":[{}],"
        "\"tenant_id\":\"t\",\"block_size\":16}");

    cr_assert_eq(question_read_hashes(&body, &question, &problem), STATUS_OK,
                 "%s", problem.text);
    hashes = question.hashes;
    cr_assert_eq(question.count, 8);
    cr_assert(hashes[0].magnitude == 5 && !hashes[0].is_negative);
    cr_assert(hashes[1].magnitude == 5 && hashes[1].is_negative);
    cr_assert(hashes[2].magnitude == INT64_MAX && !hashes[2].is_negative);
    cr_assert(hashes[3].magnitude == (uint64_t)INT64_MAX + 1);
    cr_assert(hashes[3].is_negative);
    cr_assert(hashes[4].magnitude == (uint64_t)INT64_MAX + 1);
    cr_assert_not(hashes[4].is_negative);
    cr_assert_eq(hashes[5].magnitude, UINT64_MAX);
    cr_assert(is(hashes[6].text, "00ff"));
    cr_assert(hashes[7].magnitude == 0 && hashes[7].text.at == NULL);
    cr_assert(is(question.model, "m \"18446744073709551615\\"));
    cr_assert(is(question.tenant, "t"));
    cr_assert_eq(question.salt.size, 0);
    cr_assert_eq(question.block_tokens, 16);
    question_free_hashes(&question);
}

Test(question, of_hashes_may_leave_out_the_tenant)
{
    struct bytes body = bytes_of("{\"block_hashes\":[],\"model\":\"m\","
                                 "\"tenant_id\":null,\"cache_salt\":\"s\"}");
    struct question_hashes question;

    cr_assert_eq(question_read_hashes(&body, &question, &problem), STATUS_OK);
    cr_assert(is(question.tenant, "default"));
    cr_assert(is(question.model, "m"));
    cr_assert(is(question.salt, "s"));
    cr_assert_eq(question.block_tokens, 0);
    question_free_hashes(&question);
}

Test(question, of_hashes_that_is_wrong_is_told_why)
{
    static const char *const wrong[][2] = {
        {"{\"block_hashes\":[1]}", "model_name is missing"},
        {"{\"model_name\":\"m\"}", "block_hashes is not an array"},
        {"{\"model_name\":5,\"block_hashes\":[]}", "model_name is not"},
        {"{\"model_name\":\"m\",\"block_hashes\":[1,1.5]}",
         "block_hashes[1] is neither"},
        {"{\"model_name\":\"m\",\"block_hashes\":[1,\"\"]}",
         "block_hashes[1] is neither"},
        {"{\"model_name\":\"m\",\"block_hashes\":[null]}",
         "block_hashes[0] is neither"},
        {"{\"model_name\":\"m\",\"block_hashes\":[18446744073709551616]}",
         "block_hashes[0] is neither"},
        {"{\"model_name\":\"m\",\"block_hashes\":[-9223372036854775809]}",
         "block_hashes[0] is neither"},
        {"{\"model_name\":\"m\",\"block_hashes\":[[\"1\",\"2\"]]}",
         "block_hashes[0] is neither"},
        {"{\"model_name\":\"m\",\"block_hashes\":[],\"block_size\":0}",
         "block_size is not"},
        {"{\"model_name\":\"m\",\"block_hashes\":[1", "no JSON"},
        {"\"\\", "no JSON"},
    };
    struct question_hashes question;

    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct bytes body = bytes_of(wrong[i][0]);

        cr_assert_eq(question_read_hashes(&body, &question, &problem),
                     STATUS_BAD_REQUEST, "%s", wrong[i][0]);
        cr_assert_not_null(strstr(problem.text, wrong[i][1]), "%s: %s",
                           wrong[i][0], problem.text);
    }
}

Test(question, of_a_query_string_is_decoded)
{
    struct bytes query = bytes_of("keys=a%2Cb,c+%zz&k=%41%00b&empty=&n=7&k=2");
    struct bytes found;
    uint8_t room[8];

    cr_assert_eq(question_find(&query, "k", room, sizeof(room), &found),
                 STATUS_OK);
    cr_assert_eq(found.size, 3);
    cr_assert_arr_eq(found.at, "A\0b", 3);
    cr_assert_eq(question_find(&query, "empty", room, sizeof(room), &found),
                 STATUS_OK);
    cr_assert_eq(found.size, 0);
    cr_assert_eq(question_find(&query, "key", room, sizeof(room), &found),
                 STATUS_MISS);
    cr_assert_eq(question_find(&query, "keys", room, sizeof(room), &found),
                 STATUS_BAD_REQUEST, "%%zz is nothing");
    query = bytes_of("x=1234%200+");
    cr_assert_eq(question_find(&query, "x", room, 7, &found), STATUS_OK);
    cr_assert(is(found, "1234 0 "));
    cr_assert_eq(question_find(&query, "x", room, 6, &found),
                 STATUS_BAD_REQUEST);
    query = bytes_of("x=%2");
    cr_assert_eq(question_find(&query, "x", room, sizeof(room), &found),
                 STATUS_BAD_REQUEST);
    query = (struct bytes){NULL, 0};
    cr_assert_eq(question_find(&query, "x", room, sizeof(room), &found),
                 STATUS_MISS);
}

Test(question, of_a_query_string_has_numbers_within_bounds)
{
    struct bytes query = bytes_of(
        "a=7&b=&c=-1&d=18446744073709551615&e=18446744073709551616&f=8");
    uint64_t number = 99;

    cr_assert_eq(question_find_number(&query, "a", 7, &number), STATUS_OK);
    cr_assert_eq(number, 7);
    cr_assert_eq(question_find_number(&query, "d", UINT64_MAX, &number),
                 STATUS_OK);
    cr_assert_eq(number, UINT64_MAX);
    cr_assert_eq(question_find_number(&query, "x", 7, &number), STATUS_MISS);
    for (const char *name = "b\0c\0e\0f\0"; *name != '\0'; name += 2)
        cr_assert_eq(question_find_number(
                         &query, name, *name == 'f' ? 7 : UINT64_MAX, &number),
                     STATUS_BAD_REQUEST, "%s", name);
    cr_assert_eq(number, UINT64_MAX, "as it was");
}

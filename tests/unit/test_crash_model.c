/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of the crash loop, with times of our own: each of them can be
 * broken, and is then found broken. */
#include "client/wire.h"
#include "tests/crash/model.h"
#include "tests/crash/value.h"

#include <criterion/criterion.h>
#include <stdatomic.h>
#include <stdlib.h>

#define SECOND UINT64_C(1000000000)
#define START  (100 * SECOND)
#define WINDOW 1000u

static struct key key;
static struct life life;

static void
open_life(void)
{
    key_open(&key);
    life = (struct life){.window = WINDOW};
}

static void
close_life(void)
{
    key_close(&key);
}

TestSuite(crash_model, .init = open_life, .fini = close_life);

/* Answered a tenth of a second after it was asked. */
static void
ask(uint32_t version, uint64_t now_ns)
{
    key_begin(&key, version, now_ns, 0);
    key_done(&key, now_ns + SECOND / 10);
}

static void
flush(uint64_t begun_ns, uint64_t done_ns)
{
    atomic_store(&life.flush_begun_ns, begun_ns);
    atomic_store(&life.flush_done_ns, done_ns);
}

static struct judgement
judge(uint32_t version)
{
    const struct finding found = {
        .version = version, .is_whole = true, .is_sure = true};

    return key_judge(&key, &life, &found);
}

static void
settle(uint32_t version, bool is_sure)
{
    const struct finding found = {
        .version = version, .is_whole = true, .is_sure = is_sure};

    key_settle(&key, &life, &found);
    life = (struct life){.window = WINDOW};
}

static void
kill_at(uint64_t now_ns)
{
    life.killed_ns = now_ns;
}

#define expect(version, wanted) cr_assert_eq(judge(version).verdict, wanted)

Test(crash_model, what_was_sealed_must_be_there)
{
    ask(1, START);
    kill_at(START + 3 * SECOND);
    expect(1, MODEL_FINE);
    cr_assert(judge(1).is_expected);
    cr_assert_not(judge(1).is_base);
    expect(MODEL_MISS, MODEL_LOST);
    expect(2, MODEL_UNKNOWN);
}

Test(crash_model, what_was_put_just_before_may_be_lost)
{
    ask(1, START);
    kill_at(START + SECOND);
    expect(1, MODEL_FINE);
    expect(MODEL_MISS, MODEL_FINE);
    cr_assert_not(judge(1).is_expected);
}

Test(crash_model, a_put_that_was_not_answered_may_be_there_and_never_must)
{
    key_begin(&key, 1, START, 0);
    kill_at(START + 10 * SECOND);
    expect(1, MODEL_FINE);
    expect(MODEL_MISS, MODEL_FINE);
}

Test(crash_model, a_sealed_version_hides_the_older_ones)
{
    ask(1, START);
    ask(2, START + SECOND);
    ask(3, START + 9 * SECOND);
    kill_at(START + 10 * SECOND);
    expect(1, MODEL_OLD);
    expect(2, MODEL_FINE);
    expect(3, MODEL_FINE);
    expect(MODEL_MISS, MODEL_LOST);
}

Test(crash_model, a_sealed_deletion_holds)
{
    ask(1, START);
    ask(MODEL_MISS, START + SECOND);
    kill_at(START + 10 * SECOND);
    expect(1, MODEL_OLD);
    expect(MODEL_MISS, MODEL_FINE);
}

Test(crash_model, a_deletion_just_before_allows_both)
{
    ask(1, START);
    ask(MODEL_MISS, START + 9 * SECOND);
    kill_at(START + 10 * SECOND);
    expect(1, MODEL_FINE);
    expect(MODEL_MISS, MODEL_FINE);
    cr_assert_not(judge(1).is_expected);
}

Test(crash_model, a_flush_that_was_answered_holds_however_late)
{
    ask(1, START);
    flush(START + 9 * SECOND, START + 10 * SECOND - 2);
    kill_at(START + 10 * SECOND);
    expect(1, MODEL_OLD);
    expect(MODEL_MISS, MODEL_FINE);
}

Test(crash_model, a_flush_takes_what_was_found_before_too)
{
    ask(1, START);
    kill_at(START + 3 * SECOND);
    settle(1, true);
    flush(START + 4 * SECOND, START + 4 * SECOND + 1);
    kill_at(START + 4 * SECOND + 2);
    expect(1, MODEL_OLD);
}

Test(crash_model, a_flush_without_an_answer_allows_both)
{
    ask(1, START);
    flush(START + 9 * SECOND, 0);
    kill_at(START + 10 * SECOND);
    expect(1, MODEL_FINE);
    expect(MODEL_MISS, MODEL_FINE);
}

Test(crash_model, what_is_put_beside_a_flush_may_be_either)
{
    key_begin(&key, 1, START, 0);
    flush(START + 1, START + 2);
    key_done(&key, START + 3);
    kill_at(START + 10 * SECOND);
    expect(1, MODEL_FINE);
    expect(MODEL_MISS, MODEL_FINE);
}

Test(crash_model, what_is_put_after_a_flush_must_be_there)
{
    flush(START, START + 1);
    ask(1, START + 2);
    kill_at(START + 10 * SECOND);
    expect(MODEL_MISS, MODEL_LOST);
}

Test(crash_model, what_was_found_once_must_be_found_again)
{
    ask(1, START);
    ask(2, START + 1);
    kill_at(START + SECOND);
    settle(1, true);
    kill_at(START + SECOND + 1);
    expect(MODEL_MISS, MODEL_LOST);
    cr_assert(judge(1).is_base);
    expect(1, MODEL_FINE);
    expect(2, MODEL_OLD);
}

Test(crash_model, what_was_missed_once_never_comes_back)
{
    ask(1, START);
    kill_at(START + 1);
    settle(MODEL_MISS, true);
    kill_at(START + 2);
    expect(1, MODEL_OLD);
    expect(MODEL_MISS, MODEL_FINE);
}

Test(crash_model, a_miss_that_is_not_sure_keeps_all_that_may_be)
{
    ask(1, START);
    ask(2, START + 9 * SECOND);
    kill_at(START + 10 * SECOND);
    settle(MODEL_MISS, false);
    kill_at(START + 20 * SECOND);
    expect(1, MODEL_FINE);
    expect(2, MODEL_FINE);
    expect(MODEL_MISS, MODEL_FINE);
    flush(START + 11 * SECOND, START + 12 * SECOND);
    expect(1, MODEL_OLD);
}

Test(crash_model, what_the_log_has_passed_need_not_be_there)
{
    ask(1, START);
    kill_at(START + 3 * SECOND);
    life.end_position = WINDOW - 1;
    expect(MODEL_MISS, MODEL_LOST);
    life.end_position = WINDOW;
    expect(MODEL_MISS, MODEL_FINE);
    expect(1, MODEL_FINE);
}

Test(crash_model, a_pair_must_be_whole_if_it_was_left_alone)
{
    struct finding half = {.version = 1, .is_sure = true};

    ask(1, START);
    kill_at(START + 3 * SECOND);
    cr_assert_eq(key_judge(&key, &life, &half).verdict, MODEL_LOST);
    ask(2, START + 2 * SECOND);
    half.version = 2;
    cr_assert_eq(key_judge(&key, &life, &half).verdict, MODEL_FINE);
    key_settle(&key, &life, &half);
    cr_assert_not(key_is_whole(&key));
    kill_at(START + 10 * SECOND);
    cr_assert_eq(key_judge(&key, &life, &half).verdict, MODEL_FINE);
}

Test(crash_model, while_it_lives_only_the_last_is_right)
{
    ask(1, START);
    ask(2, START + SECOND);
    cr_assert_eq(key_judge_live(&key, &life, 2, START + 2 * SECOND),
                 MODEL_FINE);
    cr_assert_eq(key_judge_live(&key, &life, MODEL_MISS, START + 2 * SECOND),
                 MODEL_FINE);
    cr_assert_eq(key_judge_live(&key, &life, 1, START + 2 * SECOND), MODEL_OLD);
    flush(START + 3 * SECOND, START + 4 * SECOND);
    cr_assert_eq(key_judge_live(&key, &life, 2, START + 4 * SECOND - 1),
                 MODEL_FINE);
    cr_assert_eq(key_judge_live(&key, &life, 2, START + 4 * SECOND + 1),
                 MODEL_OLD);
}

/* --- Values. --- */

static struct values values;
static uint8_t *room;

static void
open_values(void)
{
    cr_assert_eq(values_open(42, &values), STATUS_OK);
    room = malloc(VALUE_MOST);
    cr_assert_not_null(room);
}

static void
close_values(void)
{
    free(room);
    values_close(&values);
}

TestSuite(crash_value, .init = open_values, .fini = close_values);

static const char *
check(uint32_t number, size_t size)
{
    uint32_t version = 0;
    const char *why =
        value_check(&values, number, (struct bytes){room, size}, &version);

    if (why == NULL)
        cr_assert_eq(version, 7);
    return why;
}

Test(crash_value, any_bit_that_is_turned_is_found)
{
    uint32_t size = value_write(&values, 3, 7, room);

    cr_assert_null(check(3, size));
    for (uint32_t at = 0; at < size; at += at < 64 ? 1 : 4001) {
        room[at] ^= 1u << at % 8;
        cr_assert_not_null(check(3, size), "byte %u", at);
        room[at] ^= 1u << at % 8;
    }
    room[size - 1] ^= 1;
    cr_assert_not_null(check(3, size));
}

Test(crash_value, anothers_and_a_torn_one_are_found)
{
    uint32_t size = value_write(&values, 3, 7, room);

    cr_assert_not_null(check(4, size));
    cr_assert_not_null(check(3, size - 1));
    cr_assert_not_null(check(3, 10));
    value_write(&values, 3, 8, room + size / 2);
    cr_assert_not_null(check(3, size));
}

Test(crash_value, sizes_stay_between_their_limits)
{
    for (uint32_t i = 0; i < 10000; i++) {
        uint32_t size = value_size(&values, i, i % 50);

        cr_assert_geq(size, VALUE_LEAST);
        cr_assert_leq(size, VALUE_MOST);
    }
}

Test(crash_value, names_tell_their_number)
{
    char text[NAME_ROOM];

    cr_assert_eq(value_number(value_name(0xabcdef, "", text)), 0xabcdef);
    cr_assert_eq(value_number(value_name(0, "kv_bytes", text)), 0);
    cr_assert_eq(value_number(wire_text("crash@1@0@0000")), VALUE_NO_KEY);
    cr_assert_eq(value_number(wire_text("other@1@0@00000000@")), VALUE_NO_KEY);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What INFO says, by name. */
#include "tools/cli/facts.h"

#include <criterion/criterion.h>

static struct facts facts;

static void
read_text(const char *text)
{
    facts_drop(&facts);
    cr_assert_eq(facts_read(text, &facts), STATUS_OK);
}

static void
close_all(void)
{
    facts_drop(&facts);
}

TestSuite(facts, .fini = close_all);

Test(facts, names_have_values_whatever_stands_between)
{
    read_text("# Server\r\nstate:serving\r\nput_bytes 12\r\n\r\n# Stats\n"
              "get_bytes:0034\nnothing\nlast:5");
    cr_assert_str_eq(facts_text(&facts, "state"), "serving");
    cr_assert_eq(facts_number(&facts, "put_bytes"), 12);
    cr_assert_eq(facts_number(&facts, "get_bytes"), 34);
    cr_assert_eq(facts_number(&facts, "last"), 5);
    cr_assert_eq(facts.count, 4);
}

Test(facts, what_is_not_said_is_no_error)
{
    double value = 7;

    read_text("");
    cr_assert_null(facts_text(&facts, "state"));
    cr_assert_eq(facts_number(&facts, "state"), 0);
    cr_assert_not(facts_fraction(&facts, "state", &value));
    cr_assert_eq(value, 7);
}

Test(facts, only_whole_numbers_are_numbers)
{
    read_text("a:-1\nb:1x\nc:18446744073709551615\nd:18446744073709551616\n"
              "e: 1\nf:0x10\n");
    cr_assert_eq(facts_number(&facts, "a"), 0);
    cr_assert_eq(facts_number(&facts, "b"), 0);
    cr_assert_eq(facts_number(&facts, "c"), UINT64_MAX);
    cr_assert_eq(facts_number(&facts, "d"), 0);
    cr_assert_eq(facts_number(&facts, "e"), 0);
    cr_assert_eq(facts_number(&facts, "f"), 0);
}

Test(facts, a_fraction_is_read_and_none_is_none)
{
    double value = -1;

    read_text("hit_ratio:0.2500\nprefix_hit_ratio_1m:none\nwhole:3\n");
    cr_assert(facts_fraction(&facts, "hit_ratio", &value));
    cr_assert_float_eq(value, .25, 1e-9);
    cr_assert(facts_fraction(&facts, "whole", &value));
    cr_assert_float_eq(value, 3, 1e-9);
    cr_assert_not(facts_fraction(&facts, "prefix_hit_ratio_1m", &value));
}

Test(facts, a_models_name_may_hold_commas_colons_and_equals)
{
    struct facts_model model;

    read_text("prefix_model_0:namespace=3,queries=20,hits=5,puts=7,"
              "hit_ratio_1m=none,hit_ratio_start=0.2500,"
              "model=a,queries=9:b=c d,model=e\r\n"
              "prefix_model_1:namespace=0,queries=1,hits=1,puts=0,model=m\r\n");
    cr_assert(facts_model(&facts, 0, &model));
    cr_assert_str_eq(model.name, "a,queries=9:b=c d,model=e");
    cr_assert_eq(model.space, 3);
    cr_assert_eq(model.queries, 20);
    cr_assert_eq(model.hits, 5);
    cr_assert_eq(model.puts, 7);
    cr_assert(facts_model(&facts, 1, &model));
    cr_assert_str_eq(model.name, "m");
    cr_assert_not(facts_model(&facts, 2, &model));
}

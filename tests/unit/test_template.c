/* SPDX-License-Identifier: Apache-2.0 */
/* Keys that are spelled from hashes. */
#include "server/index/template.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static struct template_hash hash = {.magnitude = 0xff};
static struct template_values values = {.model = {(const uint8_t *)"m/x", 3},
                                        .tenant = {(const uint8_t *)"t", 1},
                                        .salt = {(const uint8_t *)"", 0},
                                        .hash = &hash,
                                        .rank = 3,
                                        .ranks = 8};

static const char *
spell(const char *text)
{
    static char key[256];
    size_t size;

    cr_assert_null(template_check(text), "%s", text);
    size = template_spell(text, &values, (uint8_t *)key, sizeof(key) - 1);
    key[size] = '\0';
    return key;
}

Test(template, puts_values_in_their_places)
{
    cr_assert_str_eq(spell("{model}@{ranks}@{rank}@{hash:x}@half"),
                     "m/x@8@3@ff@half");
    cr_assert_str_eq(spell("{hash}"), "255");
    cr_assert_str_eq(spell("{tenant}/{salt}/{hash:d}{{}}"), "t//255{}");
}

Test(template, formats_numbers_as_python_does)
{
    cr_assert_str_eq(spell("{rank:08x}@{hash:4x}"), "00000003@  ff");
    cr_assert_str_eq(spell("{hash:06}|{hash:1x}|{hash:0}"), "000255|ff|255");
    hash.is_negative = true;
    cr_assert_str_eq(spell("{hash:x} {hash:06x} {hash:6} {hash}"),
                     "-ff -000ff   -255 -255");
    hash = (struct template_hash){.magnitude = UINT64_MAX};
    cr_assert_str_eq(spell("{hash:x} {hash}"),
                     "ffffffffffffffff 18446744073709551615");
    hash = (struct template_hash){.is_negative = true,
                                  .magnitude = (uint64_t)INT64_MAX + 1};
    cr_assert_str_eq(spell("{hash}"), "-9223372036854775808");
}

Test(template, takes_a_text_for_a_hash_as_it_is)
{
    hash.text = (struct bytes){(const uint8_t *)"00aB", 4};
    cr_assert_str_eq(spell("{model}@{hash:x}"), "m/x@00aB");
}

Test(template, spells_nothing_that_is_too_long)
{
    uint8_t *room = malloc(15);

    cr_assert_eq(template_spell("{model}@{ranks}@{rank}@{hash:x}@half", &values,
                                room, 15),
                 15);
    cr_assert_eq(template_spell("{model}@{ranks}@{rank}@{hash:x}@half.",
                                &values, room, 15),
                 0);
    free(room);
}

Test(template, says_what_is_wrong_with_it)
{
    static const char *const wrong[] = {
        "",           "model",         "{model}",
        "{hash",      "{hash:",        "{hash:y}",
        "{hash:x",    "{hash:99x}",    "{hash:123d}",
        "{}{hash}",   "{hash}}",       "{hash}{",
        "}{hash}",    "{hashes}",      "{model:x}{hash}",
        "{hash:xx}",  "{hash:x0}",     "{{hash}}",
        "{hash:-1}",  "{salt:}{hash}", "{hash",
        "{hash}{foo}"};

    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        cr_assert_not_null(template_check(wrong[i]), "%s", wrong[i]);
    cr_assert_null(template_check("{hash:}"), "as Python has it");
}

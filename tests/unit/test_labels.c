/* SPDX-License-Identifier: Apache-2.0 */
/* Which models are told apart. */
#include "server/index/labels.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#define MODELS 4u

static struct labels *labels;

static void
start(void)
{
    cr_assert_eq(labels_open(MODELS, &labels), STATUS_OK);
}

static void
end(void)
{
    labels_close(&labels);
    cr_assert_null(labels);
}

TestSuite(labels, .init = start, .fini = end);

static unsigned
find_bytes(uint16_t space, const char *key, size_t size, unsigned guess)
{
    struct bytes bytes = {(const uint8_t *)key, size};

    return labels_find(labels, space, &bytes, guess);
}

static unsigned
find(const char *key)
{
    return find_bytes(0, key, strlen(key), 0);
}

Test(labels, a_model_is_the_text_before_the_first_at)
{
    unsigned label = find("Qwen/Qwen3-0.6B@1@0@abc@half");

    cr_assert_geq(label, LABELS_SPACES);
    cr_assert_str_eq(labels_model(labels, label), "Qwen/Qwen3-0.6B");
    cr_assert_eq(labels_space(labels, label), 0u);
    cr_assert_eq(find("Qwen/Qwen3-0.6B@8@7@def"), label);
    cr_assert_neq(find("Qwen/Qwen3-0.6@1"), label);
    cr_assert_neq(find("Qwen/Qwen3-0.6BB@1"), label);
}

Test(labels, a_brace_before_it_is_not_of_the_model)
{
    unsigned label = find("{m@1@0@abc}:kv_bytes");

    cr_assert_str_eq(labels_model(labels, label), "m");
    cr_assert_eq(find("m@1@0@abckv_bytes"), label);
}

Test(labels, each_namespace_has_its_own)
{
    unsigned one = find_bytes(1, "m@1", 3, 0);

    cr_assert_neq(find("m@1"), one);
    cr_assert_eq(labels_space(labels, one), 1u);
    cr_assert_eq(find_bytes(1, "m@2", 3, 0), one);
}

Test(labels, a_guess_changes_nothing_but_the_cost)
{
    unsigned one = find("one@1"), two = find("two@1");

    cr_assert_eq(find_bytes(0, "one@2", 5, one), one);
    cr_assert_eq(find_bytes(0, "one@2", 5, two), one);
    cr_assert_eq(find_bytes(0, "one@2", 5, LABELS_SPACES - 1), one);
    cr_assert_neq(find_bytes(7, "one@2", 5, one), one);
    cr_assert_eq(find_bytes(0, "", 0, one), 0u);
}

Test(labels, what_has_no_name_is_other)
{
    static const char *const keys[] = {"",
                                       "plain",
                                       "@1",
                                       "{@1",
                                       "{",
                                       "other@1",
                                       "a\tb@1",
                                       "a\x7f@1",
                                       "\xff@1",
                                       "\xc3@1",
                                       "\xc0\x80@1",
                                       "\xed\xa0\x80@1",
                                       "\xf4\x90\x80\x80@1",
                                       "\xe2\x82@1"};

    for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        cr_assert_eq(find(keys[i]), 0u, "key %u", i);
    cr_assert_eq(find_bytes(0, "a\0b@1", 5, 0), 0u);
    cr_assert_eq(find_bytes(255, "plain", 5, 0), 255u);
    cr_assert_eq(labels_count(labels), LABELS_SPACES);
    cr_assert_str_eq(labels_model(labels, 255), "other");
    cr_assert_eq(labels_space(labels, 255), 255u);
}

Test(labels, other_letters_than_ascii_are_names_too)
{
    cr_assert_geq(find("/\xe6\xa8\xa1\xe5\x9e\x8b/qwen@1"), LABELS_SPACES);
    cr_assert_geq(find("\xc3\xa9t\xc3\xa9@1"), LABELS_SPACES);
    cr_assert_geq(find("\xf0\x9f\x90\x89@1"), LABELS_SPACES);
    cr_assert_str_eq(labels_model(labels, LABELS_SPACES + 2),
                     "\xf0\x9f\x90\x89");
}

Test(labels, a_name_that_is_too_long_is_other)
{
    char key[LABELS_MODEL_MAX + 3];

    memset(key, 'm', sizeof(key));
    key[LABELS_MODEL_MAX + 1] = '@';
    cr_assert_eq(find_bytes(0, key, sizeof(key), 0), 0u);
    key[LABELS_MODEL_MAX] = '@';
    cr_assert_geq(find_bytes(0, key, sizeof(key), 0), LABELS_SPACES);
    cr_assert_eq(strlen(labels_model(labels, LABELS_SPACES)), LABELS_MODEL_MAX);
}

Test(labels, later_models_are_other_and_earlier_ones_stay)
{
    unsigned first[MODELS];
    char key[16];

    for (unsigned i = 0; i < 10; i++) {
        unsigned label;

        snprintf(key, sizeof(key), "m%u@1", i);
        label = find_bytes(3, key, strlen(key), 0);
        if (i < MODELS)
            first[i] = label;
        else
            cr_assert_eq(label, 3u);
    }
    for (unsigned i = 0; i < MODELS; i++) {
        snprintf(key, sizeof(key), "m%u@1", i);
        cr_assert_eq(find_bytes(3, key, strlen(key), 0), first[i]);
        cr_assert_geq(first[i], LABELS_SPACES);
    }
    cr_assert_eq(labels_count(labels), labels_most(labels));
}

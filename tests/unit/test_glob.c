/* SPDX-License-Identifier: Apache-2.0 */
/* Redis's patterns. */
#include "server/request/glob.h"
#include "tests/lib/store_values.h"

#include <criterion/criterion.h>

static bool
matches(const char *pattern, const char *text)
{
    struct bytes its_pattern = {(const uint8_t *)pattern, strlen(pattern)};
    struct bytes its_text = {(const uint8_t *)text, strlen(text)};

    return glob_matches(&its_pattern, &its_text);
}

Test(glob, matches_as_redis_does)
{
    static const struct {
        const char *pattern, *text;
        bool is_match;
    } cases[] = {
        {"", "", true},
        {"", "a", false},
        {"*", "", true},
        {"*", "anything", true},
        {"**", "", true},
        {"?", "", false},
        {"?", "a", true},
        {"a?c", "abc", true},
        {"a?c", "ac", false},
        {"a*c", "ac", true},
        {"a*c", "abcbc", true},
        {"a*c", "abcb", false},
        {"*b*", "abc", true},
        {"*b*d*", "abcde", true},
        {"*b*d*", "adcb", false},
        {"h[ae]llo", "hello", true},
        {"h[ae]llo", "hillo", false},
        {"h[^e]llo", "hallo", true},
        {"h[^e]llo", "hello", false},
        {"[a-c]", "b", true},
        {"[a-c]", "d", false},
        {"[c-a]", "b", true},
        {"[^a-c]", "b", false},
        {"[^a-c]", "d", true},
        {"[a-cx]", "x", true},
        {"[xa-c]", "-", false},
        {"[]", "]", false},
        {"[^]", "x", true},
        {"[abc", "b", true},
        {"[abc", "d", false},
        {"[\\]]", "]", true},
        {"[\\^]", "^", true},
        {"\\*", "*", true},
        {"\\*", "a", false},
        {"\\?", "?", true},
        {"\\?", "a", false},
        {"\\[a]", "[a]", true},
        {"a\\", "a\\", true},
        {"\\a", "a", true},
        {"key-*", "key-1", true},
        {"*metadata", "Kmetadata", true},
        {"*[0-9]", "key-7", true},
        {"*[0-9]", "key-x", false},
        {"Key", "key", false},
    };

    for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        cr_assert_eq(matches(cases[i].pattern, cases[i].text),
                     cases[i].is_match, "'%s' and '%s'", cases[i].pattern,
                     cases[i].text);
}

Test(glob, takes_a_nul_for_a_byte_like_any_other)
{
    static const uint8_t text[] = {'a', 0, 'b', 0xff};
    struct bytes it = {text, sizeof(text)};
    struct bytes whole = {(const uint8_t *)"a?b?", 4};
    struct bytes same = {text, sizeof(text)};
    struct bytes shorter = {text, 2};

    cr_assert(glob_matches(&whole, &it));
    cr_assert(glob_matches(&same, &it));
    cr_assert_not(glob_matches(&shorter, &it));
}

/* What the pattern means, tried in every way. */
static bool
means(const char *pattern, const char *text)
{
    if (*pattern == '\0')
        return *text == '\0';
    if (*pattern == '*')
        return means(pattern + 1, text) ||
               (*text != '\0' && means(pattern, text + 1));
    return *text != '\0' && (*pattern == '?' || *pattern == *text) &&
           means(pattern + 1, text + 1);
}

Test(glob, agrees_with_trying_every_way)
{
    static const char letters[] = "ab*?";
    uint64_t random = 13;
    unsigned hits = 0;

    for (unsigned i = 0; i < 100000; i++) {
        char pattern[9] = {0}, text[13] = {0};
        unsigned pattern_size = random_below(&random, sizeof(pattern));
        unsigned text_size = random_below(&random, sizeof(text));

        for (unsigned k = 0; k < pattern_size; k++)
            pattern[k] = letters[random_below(&random, 4)];
        for (unsigned k = 0; k < text_size; k++)
            text[k] = letters[random_below(&random, 2)];
        cr_assert_eq(matches(pattern, text), means(pattern, text),
                     "'%s' and '%s'", pattern, text);
        hits += matches(pattern, text);
    }
    cr_assert_gt(hits, 5000);
}

Test(glob, reads_only_its_own_bytes)
{
    static const char pattern[] = "[^a-\\]*?[";

    for (unsigned size = 0; size < sizeof(pattern); size++) {
        /* Exactly as long as said, so that a byte more is an error seen. */
        uint8_t *its_bytes = malloc(size + 1);
        struct bytes its_pattern = {its_bytes + 1, size};
        struct bytes text = {(const uint8_t *)"b-]", 3};

        cr_assert_not_null(its_bytes);
        memcpy(its_bytes + 1, pattern, size);
        (void)glob_matches(&its_pattern, &text);
        free(its_bytes);
    }
}

Test(glob, is_not_led_into_exponential_work, .timeout = 20)
{
    static uint8_t text[100000];
    struct bytes pattern = {(const uint8_t *)"*a*a*a*a*a*a*a*a*a*a*a*a*b", 26};
    struct bytes it = {text, sizeof(text)};

    memset(text, 'a', sizeof(text));
    cr_assert_not(glob_matches(&pattern, &it));
}

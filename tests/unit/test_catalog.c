/* SPDX-License-Identifier: Apache-2.0 */
/* The router's index: what a key holds, and how keys are told apart. */
#include "tests/lib/catalog_keys.h"
#include "tests/lib/store_values.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#define MIB (1u << 20)

static struct catalog *catalog;

static void
start(void)
{
    cr_assert_eq(catalog_open(4 * MIB, &catalog), STATUS_OK);
}

static void
stop(void)
{
    catalog_close(&catalog);
    cr_assert_null(catalog);
}

TestSuite(catalog, .init = start, .fini = stop);

Test(catalog, a_hash_keeps_its_fields_in_the_order_they_came)
{
    cr_assert_eq(put_field(catalog, "8703025237158681905", "b"), STATUS_OK);
    cr_assert_eq(put_field(catalog, "8703025237158681905", "a"), STATUS_OK);
    cr_assert_eq(put_field(catalog, "8703025237158681905", "c"), STATUS_OK);
    cr_assert_eq(put_field(catalog, "8703025237158681905", "b"), STATUS_OK);
    cr_assert(is_shown_as(catalog, "8703025237158681905", "b a c"));
    cr_assert(take_field(catalog, "8703025237158681905", "a"));
    cr_assert_not(take_field(catalog, "8703025237158681905", "a"));
    cr_assert(is_shown_as(catalog, "8703025237158681905", "b c"));
    cr_assert(is_shown_as(catalog, "8703025237158681906", ""));
}

Test(catalog, a_field_keeps_its_place_when_its_value_changes)
{
    cr_assert_eq(put_field(catalog, "k", "a"), STATUS_OK);
    cr_assert_eq(put_value(catalog, "k", "b", "2"), STATUS_OK);
    cr_assert_eq(put_field(catalog, "k", "c"), STATUS_OK);
    cr_assert(is_shown_as(catalog, "k", "a b=2 c"));
    cr_assert_eq(put_value(catalog, "k", "a", "x"), STATUS_OK);
    cr_assert_eq(put_value(catalog, "k", "b", ""), STATUS_OK);
    cr_assert_eq(put_value(catalog, "k", "c", "x"), STATUS_OK);
    cr_assert_eq(put_value(catalog, "k", "", "empty"), STATUS_OK);
    cr_assert(is_shown_as(catalog, "k", "a=x b c=x =empty"));
}

Test(catalog, a_key_goes_with_its_last_item)
{
    struct catalog_usage before = usage_of(catalog), after;

    cr_assert_eq(put_value(catalog, "k", "a", "1"), STATUS_OK);
    cr_assert_eq(put_value(catalog, "k", "b", "2"), STATUS_OK);
    cr_assert_eq(catalog_keys(catalog, 0), 1);
    cr_assert(take_field(catalog, "k", "a"));
    cr_assert(take_field(catalog, "k", "b"));
    cr_assert_eq(catalog_keys(catalog, 0), 0);
    cr_assert_eq(put_member(catalog, "k", "a", 1), STATUS_OK);
    cr_assert(drop_key(catalog, "k"));
    cr_assert_not(drop_key(catalog, "k"));
    after = usage_of(catalog);
    cr_assert_eq(after.words, 0);
    cr_assert_eq(after.items, 0);
    cr_assert_eq(after.hashes + after.sets, 0);
    /* The page that says where words are stays. */
    cr_assert_leq(after.used, before.used + 4096);
}

Test(catalog, members_stand_by_score_and_then_by_their_bytes)
{
    cr_assert_eq(put_member(catalog, "engine:1", "300", 2), STATUS_OK);
    cr_assert_eq(put_member(catalog, "engine:1", "20", 2), STATUS_OK);
    cr_assert_eq(put_member(catalog, "engine:1", "2", 2), STATUS_OK);
    cr_assert_eq(put_member(catalog, "engine:1", "7", 3), STATUS_OK);
    cr_assert_eq(put_member(catalog, "engine:1", "9", -1), STATUS_OK);
    cr_assert(is_shown_as(catalog, "engine:1", "9:-1 2:2 20:2 300:2 7:3"));
    cr_assert_eq(put_member(catalog, "engine:1", "7", -5), STATUS_OK);
    cr_assert(is_shown_as(catalog, "engine:1", "7:-5 9:-1 2:2 20:2 300:2"));
    cr_assert_eq(put_member(catalog, "engine:1", "x", 2), STATUS_OK);
    cr_assert_eq(put_member(catalog, "engine:1", "20", 0.5), STATUS_OK);
    cr_assert_eq(put_member(catalog, "engine:1", "9", HUGE_VAL), STATUS_OK);
    cr_assert_eq(put_member(catalog, "engine:1", "2", 1e300), STATUS_OK);
    cr_assert(is_shown_as(catalog, "engine:1",
                          "7:-5 20:0.5 300:2 x:2 2:1e+300 9:inf"));
}

Test(catalog, one_set_of_one_member_takes_any_score)
{
    cr_assert_eq(put_member(catalog, "k", "18446744073709551615", 0.25),
                 STATUS_OK);
    cr_assert_eq(put_member(catalog, "k", "18446744073709551615", 1),
                 STATUS_OK);
    cr_assert(is_shown_as(catalog, "k", "18446744073709551615:1"));
    cr_assert_eq(put_member(catalog, "l", "a", 2147483648.0), STATUS_OK);
    cr_assert_eq(put_member(catalog, "l", "b", -2147483648.0), STATUS_OK);
    cr_assert(is_shown_as(catalog, "l", "b:-2.14748e+09 a:2.14748e+09"));
}

/* Each of these is a key of its own, whatever is kept of it as a number. */
Test(catalog, names_that_spell_one_number_in_two_ways_are_two)
{
    static const char *const names[] = {
        "0",
        "1",
        "01",
        "+1",
        "-1",
        "1 ",
        "",
        "engine:",
        "engine:1",
        "engine:01",
        "engine:-1",
        "Engine:1",
        "engine:1a",
        "engine",
        "18446744073709551615",
        "engine:0",
        "00",
        "18446744073709551616",
        "99999999999999999999",
        "engine:18446744073709551615",
        "184467440737095516150",
        "engine:18446744073709551616",
        "28446744073709551615",
        "1e3",
        "18446744073709551614",
        "engine: 1",
    };
    unsigned count = sizeof(names) / sizeof(names[0]);

    for (unsigned i = 0; i < count; i++)
        cr_assert_eq(put_field(catalog, names[i], names[i]), STATUS_OK);
    cr_assert_eq(catalog_keys(catalog, CATALOG_ALL_SPACES), count);
    for (unsigned i = 0; i < count; i++)
        cr_assert(is_shown_as(catalog, names[i], names[i]), "%s", names[i]);
    for (unsigned i = 0; i < count; i++)
        cr_assert_eq(put_member(catalog, "members", names[i], 1), STATUS_OK);
    for (unsigned i = 0; i < count; i++)
        cr_assert_not_null(strstr(show(catalog, "members"), names[i]));
    cr_assert_eq(usage_of(catalog).items, 2 * count);
}

Test(catalog, a_key_is_of_one_type)
{
    struct catalog_key key = key_of("7");
    struct catalog_view view;

    cr_assert_not(catalog_view(catalog, &key, &view));
    cr_assert_eq(put_field(catalog, "7", "a"), STATUS_OK);
    cr_assert_eq(put_member(catalog, "7", "a", 1), STATUS_UNMET);
    cr_assert(catalog_view(catalog, &key, &view));
    cr_assert_eq(view.type, CATALOG_HASH);
    cr_assert_eq(view.count, 1);
    cr_assert_gt(view.memory, 20);
    cr_assert(drop_key(catalog, "7"));
    cr_assert_eq(put_member(catalog, "7", "a", 1), STATUS_OK);
    cr_assert_eq(put_field(catalog, "7", "a"), STATUS_UNMET);
    cr_assert(catalog_view(catalog, &key, &view));
    cr_assert_eq(view.type, CATALOG_SORTED);
}

Test(catalog, namespaces_are_apart_and_flushed_apart)
{
    struct bytes name = text_of("5"), field = text_of("f"), none = text_of("");
    struct catalog_look look;
    struct catalog_edit edit;
    struct catalog_key key;
    bool is_new;

    for (unsigned space = 0; space < CATALOG_SPACES; space++) {
        cr_assert(catalog_key_read((uint8_t)space, &name, &key));
        cr_assert_eq(catalog_edit(catalog, &key, CATALOG_HASH, &edit),
                     STATUS_OK);
        cr_assert_eq(catalog_edit_field(&edit, &field, &none, &is_new),
                     STATUS_OK);
        cr_assert(is_new);
        catalog_edit_end(&edit);
    }
    flush_keys(catalog, 7);
    for (unsigned space = 0; space < CATALOG_SPACES; space++) {
        bool is_there;

        cr_assert(catalog_key_read((uint8_t)space, &name, &key));
        is_there = catalog_look(catalog, &key, &look);
        if (is_there)
            catalog_look_end(&look);
        cr_assert_eq(is_there, space != 7);
        cr_assert_eq(catalog_keys(catalog, space), space != 7);
    }
    flush_keys(catalog, CATALOG_ALL_SPACES);
    cr_assert_eq(catalog_keys(catalog, CATALOG_ALL_SPACES), 0);
}

static void
make_name(char name[32], const char *prefix, unsigned number)
{
    snprintf(name, 32, "%s%u", prefix, number);
}

/* Grows beyond one object, then beyond a page, and shrinks again. */
Test(catalog, a_hash_of_thousands_keeps_every_field)
{
    char name[32], value[32];
    struct catalog_key key = key_of("1");
    struct catalog_look look;
    struct catalog_item item;
    struct bytes field;

    for (unsigned i = 0; i < 3000; i++) {
        make_name(name, "f", i);
        cr_assert_eq(put_field(catalog, "1", name), STATUS_OK);
    }
    for (unsigned i = 0; i < 3000; i += 3) {
        make_name(name, "f", i);
        cr_assert(take_field(catalog, "1", name));
    }
    for (unsigned i = 1; i < 3000; i += 3) {
        make_name(name, "f", i);
        make_name(value, "v", i);
        cr_assert_eq(put_value(catalog, "1", name, value), STATUS_OK);
    }
    cr_assert(catalog_look(catalog, &key, &look));
    cr_assert_eq(look.count, 2000);
    for (unsigned i = 0, at = 0; i < 3000; i++) {
        if (i % 3 == 0)
            continue;
        make_name(name, "f", i);
        make_name(value, "v", i);
        field = text_of(name);
        catalog_look_item(&look, at++, &item);
        cr_assert_eq(item.name.size, field.size);
        cr_assert_arr_eq(item.name.at, field.at, field.size);
        cr_assert(catalog_look_find(&look, &field, &item));
        cr_assert_eq(item.value.size, i % 3 == 1 ? strlen(value) : 0);
    }
    catalog_look_end(&look);
    for (unsigned i = 0; i < 3000; i++) {
        make_name(name, "f", i);
        cr_assert_eq(take_field(catalog, "1", name), i % 3 != 0);
    }
    cr_assert_eq(usage_of(catalog).words, 0);
}

/* Members of two kinds: numbers below `widened`, then words. */
static void
put_members(unsigned members, unsigned widened, unsigned count)
{
    uint64_t state = members + widened + count;
    char name[32];

    for (unsigned i = 0; i < count; i++) {
        make_name(name, i >= widened ? "w" : "", 1000 + i * 11 % members);
        cr_assert_eq(put_member(catalog, "engine:1", name,
                                (double)random_below(&state, 50)),
                     STATUS_OK);
    }
}

static void
check_order(unsigned members)
{
    struct catalog_key key = key_of("engine:1");
    char text[32], before[32] = "";
    double score = -HUGE_VAL;
    struct catalog_look look;
    struct catalog_item item;

    cr_assert(catalog_look(catalog, &key, &look));
    cr_assert_eq(look.count, members);
    for (unsigned i = 0; i < members; i++) {
        catalog_look_item(&look, i, &item);
        snprintf(text, sizeof(text), "%.*s", (int)item.name.size,
                 (const char *)item.name.at);
        cr_assert(item.score > score ||
                  (item.score == score && strcmp(before, text) < 0));
        score = item.score;
        strcpy(before, text);
    }
    catalog_look_end(&look);
}

/* Put in any order, and then half of them with other scores. */
static void
check_set(unsigned members, unsigned widened)
{
    put_members(members, widened, members);
    check_order(members);
    put_members(members, widened, members / 2);
    check_order(members);
    cr_assert(drop_key(catalog, "engine:1"));
    cr_assert_eq(usage_of(catalog).words, 0);
}

Test(catalog, sets_of_any_size_stay_in_order)
{
    check_set(10, 10);
    check_set(82, 82);
    check_set(83, 83);
    check_set(84, 40);
    check_set(1500, 1500);
    check_set(1500, 700);
    check_set(1500, 0);
}

Test(catalog, a_look_says_how_long_a_reply_may_be)
{
    struct catalog_key key = key_of("1");
    char long_value[CATALOG_TEXT_MAX + 1];
    struct catalog_look look;

    memset(long_value, 'x', sizeof(long_value) - 1);
    long_value[sizeof(long_value) - 1] = '\0';
    cr_assert_eq(put_value(catalog, "1", "a", long_value), STATUS_OK);
    cr_assert(catalog_look(catalog, &key, &look));
    cr_assert_geq(look.reply_max, CATALOG_TEXT_MAX + 1 + 20);
    catalog_look_end(&look);
    cr_assert_eq(put_value(catalog, "1", "a", "x"), STATUS_OK);
    cr_assert(catalog_look(catalog, &key, &look));
    cr_assert_lt(look.reply_max, 1000);
    catalog_look_end(&look);
}

static void
count_seen(void *arg, const struct catalog_seen *seen)
{
    unsigned *times = arg;
    char name[32];

    snprintf(name, sizeof(name), "%.*s", (int)seen->name.size,
             (const char *)seen->name.at);
    times[strtoul(name, NULL, 10)]++;
}

/* Tables grow while they are walked. */
Test(catalog, a_walk_meets_each_key_that_is_there_all_the_time)
{
    static unsigned times[20000];
    uint64_t cursor = 0;
    unsigned added = 5000;
    char name[32];

    for (unsigned i = 0; i < 5000; i++) {
        make_name(name, "", i);
        cr_assert_eq(put_field(catalog, name, "f"), STATUS_OK);
    }
    do {
        catalog_walk(catalog, &cursor, 10, count_seen, times);
        cr_assert_lt(cursor, 1ull << 48);
        for (unsigned i = 0; i < 10 && added < 15000; i++) {
            make_name(name, "", added++);
            cr_assert_eq(put_field(catalog, name, "f"), STATUS_OK);
        }
    } while (cursor != 0);
    for (unsigned i = 0; i < 5000; i++)
        cr_assert_neq(times[i], 0, "%u", i);
}

Test(catalog, a_walk_from_any_cursor_ends)
{
    static const uint64_t cursors[] = {UINT64_MAX, 1ull << 32, UINT32_MAX,
                                       0xffffffff00000000u, 1ull << 47};
    static unsigned times[2];

    cr_assert_eq(put_field(catalog, "1", "f"), STATUS_OK);
    for (unsigned i = 0; i < sizeof(cursors) / sizeof(cursors[0]); i++) {
        uint64_t cursor = cursors[i];
        unsigned steps = 0;

        do
            catalog_walk(catalog, &cursor, 1, count_seen, times);
        while (cursor != 0 && ++steps < 100);
        cr_assert_eq(cursor, 0);
    }
}

/* catalog_prune()'s others, from a list of names. */
struct names {
    const char *const *names;
    unsigned at;
};

static bool
next_name(void *arg, struct catalog_key *out)
{
    struct names *names = arg;

    if (names->names[names->at] == NULL) {
        names->at = 0;
        return false;
    }
    *out = key_of(names->names[names->at++]);
    return true;
}

static enum status
prune(const char *name, const char *const *others)
{
    struct catalog_key key = key_of(name);
    struct names names = {others, 0};
    struct catalog_others them = {next_name, &names};

    return catalog_prune(catalog, &key, &them);
}

Test(catalog, a_key_is_pruned_when_no_other_has_fields)
{
    static const char *const none[] = {NULL}, *const one[] = {"1", NULL},
                             *const three[] = {"2", "1", "3", NULL},
                             *const mixed[] = {"2", "engine:9", "1", NULL};

    cr_assert_eq(put_member(catalog, "engine:9", "1", 0), STATUS_OK);
    cr_assert_eq(put_field(catalog, "1", "f"), STATUS_OK);
    cr_assert_eq(prune("engine:9", one), STATUS_UNMET);
    cr_assert_eq(prune("engine:9", three), STATUS_UNMET);
    cr_assert_eq(prune("engine:8", mixed), STATUS_BAD_REQUEST);
    cr_assert(is_shown_as(catalog, "engine:9", "1:0"));
    cr_assert(drop_key(catalog, "1"));
    cr_assert_eq(prune("engine:9", three), STATUS_OK);
    cr_assert(is_shown_as(catalog, "engine:9", ""));
    cr_assert_eq(prune("engine:9", three), STATUS_OK);
    cr_assert_eq(put_field(catalog, "1", "f"), STATUS_OK);
    cr_assert_eq(prune("1", one), STATUS_UNMET);
    cr_assert_eq(prune("1", none), STATUS_OK);
    cr_assert(is_shown_as(catalog, "1", ""));
}

/* SPDX-License-Identifier: Apache-2.0 */
/* How engines spell names, and the census of them. */
#include "tools/cli/doctor_census.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct doctor_shape shape;

static void
read_key(const char *key)
{
    doctor_shape_read((struct bytes){(const uint8_t *)key, strlen(key)},
                      &shape);
}

static void
expect(struct bytes bytes, const char *text)
{
    cr_assert_eq(bytes.size, strlen(text), "%.*s", (int)bytes.size, bytes.at);
    cr_assert_eq(memcmp(bytes.at, text, bytes.size), 0);
}

Test(doctor_shape, a_name_of_today_has_workers_rank_hash_and_type)
{
    read_key("meta-llama/L-3.1@8@3@-1f2e3d4c5b6a7988@bfloat16@12@tag%a");
    cr_assert_eq(shape.layout, DOCTOR_LAYOUT_CURRENT);
    expect(shape.model, "meta-llama/L-3.1");
    expect(shape.label, "meta-llama/L-3.1");
    expect(shape.dtype, "bfloat16");
    expect(shape.hash_text, "-1f2e3d4c5b6a7988");
    cr_assert_eq(shape.workers, 8);
    cr_assert_eq(shape.rank, 3);
    cr_assert(shape.is_negative);
    cr_assert_eq(shape.hash, DOCTOR_HASH_SHORT);
}

Test(doctor_shape, an_older_name_has_a_format_first)
{
    read_key("vllm@/models/l@2@1@00ff");
    cr_assert_eq(shape.layout, DOCTOR_LAYOUT_OLDER);
    expect(shape.label, "vllm");
    expect(shape.model, "/models/l");
    cr_assert_eq(shape.workers, 2);
    cr_assert_eq(shape.rank, 1);
    expect(shape.hash_text, "00ff");
}

Test(doctor_shape, a_name_of_several_processes_has_eight_digits)
{
    read_key("m@0000000b@0@00112233445566778899aabbccddeeff@salt");
    cr_assert_eq(shape.layout, DOCTOR_LAYOUT_PROCESSES);
    cr_assert_eq(shape.rank, 11);
    cr_assert_eq(shape.workers, 0);
    cr_assert_eq(shape.hash, DOCTOR_HASH_MIDDLE);
}

Test(doctor_shape, hashes_are_told_apart_by_their_digits)
{
    static const struct {
        const char *key;
        enum doctor_hash hash;
    } cases[] = {
        {"m@1@0@1@h", DOCTOR_HASH_SHORT},
        {"m@1@0@0123456789abcdef@h", DOCTOR_HASH_SHORT},
        {"m@1@0@8703025237158681905@h", DOCTOR_HASH_DECIMAL},
        {"m@1@0@-8703025237158681905@h", DOCTOR_HASH_DECIMAL},
        {"m@1@0@14853297508287041162@h", DOCTOR_HASH_DECIMAL},
        {"m@1@0@0123456789abcdef0@h", DOCTOR_HASH_MIDDLE},
        {"m@1@0@"
         "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
         "@h",
         DOCTOR_HASH_LONG},
        {"m@1@0@hello@h", DOCTOR_HASH_OTHER},
        {"m@1@0@-@h", DOCTOR_HASH_OTHER},
        {"m@1@0@@h", DOCTOR_HASH_OTHER},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        read_key(cases[i].key);
        cr_assert_eq(shape.hash, cases[i].hash, "%s", cases[i].key);
        cr_assert_eq(shape.layout, DOCTOR_LAYOUT_CURRENT, "%s", cases[i].key);
    }
}

Test(doctor_shape, any_other_name_is_taken_as_it_is)
{
    static const char *const keys[] = {
        "k",         "@",          "@@@@@@@@@",     "m@", "m@1@0", "m@1@0x@",
        "m@x@y@z@w", "\xff\xfe@1", "m@1234567@0@ab"};

    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        read_key(keys[i]);
        cr_assert_eq(shape.layout, DOCTOR_LAYOUT_OTHER, "%s", keys[i]);
        cr_assert_eq(shape.hash_text.size, 0);
    }
}

static struct doctor_census *census;

static void
open_census(void)
{
    census = calloc(1, sizeof *census);
}

static void
close_census(void)
{
    free(census);
}

static void
add(const char *key, int kind)
{
    static struct prefixcache_entry entry;

    entry.key_size = strlen(key);
    memcpy(entry.key, key, entry.key_size);
    entry.body_size = 100;
    entry.kind = kind;
    doctor_census_add(census, &entry, false);
}

TestSuite(doctor_census, .init = open_census, .fini = close_census);

Test(doctor_census, groups_what_differs_in_rank_and_hash_alone)
{
    add("m@2@0@ab@h", PREFIXCACHE_OBJECT);
    add("m@2@1@-ab@h", PREFIXCACHE_OBJECT);
    add("m@4@1@ab@h", PREFIXCACHE_OBJECT);
    add("m@2@1@ab@f", PREFIXCACHE_OBJECT);
    add("n@2@1@ab@f", PREFIXCACHE_OBJECT);
    cr_assert_eq(census->keys, 5);
    cr_assert_eq(census->bytes, 500);
    cr_assert_eq(census->group_count, 4);
    cr_assert_eq(census->groups[0].keys, 2);
    cr_assert_eq(census->groups[0].negative, 1);
    cr_assert_eq(census->groups[0].ranks, 3);
}

Test(doctor_census, more_groups_than_there_is_room_for_are_counted)
{
    char key[32];

    for (unsigned i = 0; i < DOCTOR_CENSUS_GROUPS + 10; i++) {
        snprintf(key, sizeof key, "m%u@1@0@ab@h", i);
        add(key, PREFIXCACHE_PLAIN);
    }
    cr_assert_eq(census->group_count, DOCTOR_CENSUS_GROUPS);
    cr_assert_eq(census->ungrouped, 10);
    cr_assert_eq(census->keys, DOCTOR_CENSUS_GROUPS + 10);
}

Test(doctor_census, a_long_model_is_cut)
{
    char key[1024];

    memset(key, 'm', 600);
    strcpy(key + 600, "@1@0@ab@h");
    add(key, PREFIXCACHE_PLAIN);
    cr_assert_eq(strlen(census->groups[0].model), DOCTOR_CENSUS_NAME - 1);
}

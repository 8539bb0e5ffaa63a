/* SPDX-License-Identifier: Apache-2.0 */
/* The names and the metadata of LMCache's objects in Redis. */
#include "proto/int32.h"
#include "proto/object_name.h"

#include <criterion/criterion.h>
#include <string.h>

static void
expect(const char *name, const char *stem, enum name_form form,
       enum name_half half)
{
    struct object_name split;
    cr_assert(object_name_split(name, strlen(name), &split), "%s", name);
    cr_assert_eq(split.form, form, "%s", name);
    cr_assert_eq(split.half, half, "%s", name);
    cr_assert_eq(split.stem.size, strlen(stem), "%s", name);
    cr_assert_arr_eq(split.stem.at, stem, split.stem.size);

    char joined[64];
    size_t size = strlen(name);
    cr_assert_eq(object_name_join(&split, joined, sizeof(joined)), size);
    cr_assert_arr_eq(joined, name, size);
    cr_assert_eq(object_name_join(&split, joined, size), size);
    cr_assert_eq(object_name_join(&split, joined, size - 1), 0);
}

Test(object_name, is_split_by_its_longest_suffix)
{
    expect("Kkv_bytes", "K", FORM_SUFFIX, HALF_BYTES);
    expect("Kmetadata", "K", FORM_SUFFIX, HALF_METADATA);
    expect("K:kv_bytes", "K", FORM_COLON, HALF_BYTES);
    expect("K:metadata", "K", FORM_COLON, HALF_METADATA);
    expect("{K}:kv_bytes", "K", FORM_BRACES, HALF_BYTES);
    expect("{K}:metadata", "K", FORM_BRACES, HALF_METADATA);
}

Test(object_name, is_split_as_written_where_braces_are_not_whole)
{
    expect("{K}metadata", "{K}", FORM_SUFFIX, HALF_METADATA);
    expect("{K}x:metadata", "{K}x", FORM_COLON, HALF_METADATA);
    expect("x{K}:metadata", "x{K}", FORM_COLON, HALF_METADATA);
    expect("{:kv_bytes", "{", FORM_COLON, HALF_BYTES);
    expect("}:kv_bytes", "}", FORM_COLON, HALF_BYTES);
    expect("K::kv_bytes", "K:", FORM_COLON, HALF_BYTES);
    expect("metadatakv_bytes", "metadata", FORM_SUFFIX, HALF_BYTES);
    expect("Kmetadatametadata", "Kmetadata", FORM_SUFFIX, HALF_METADATA);
}

Test(object_name, needs_a_suffix_and_something_before_it)
{
    static const char *const names[] = {
        "",          "K",           "metadata",    "kv_bytes", ":metadata",
        ":kv_bytes", "{}:kv_bytes", "{}:metadata", "kv_byte",  "Kmetadata2",
        "KMETADATA", "Kkv_bytes ",  "etadata"};
    struct object_name split;
    for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++)
        cr_assert_not(object_name_split(names[i], strlen(names[i]), &split),
                      "%s", names[i]);
}

Test(object_name, of_an_lm_object_is_the_bare_stem)
{
    struct object_name name = {.stem = {(const uint8_t *)"m@1@0@ab", 8},
                               .form = FORM_LM};
    char joined[16];
    for (name.half = HALF_BYTES; name.half <= HALF_METADATA; name.half++) {
        cr_assert_eq(object_name_join(&name, joined, sizeof(joined)), 8);
        cr_assert_arr_eq(joined, "m@1@0@ab", 8);
    }
}

Test(object_metadata, is_28_bytes_and_20_for_each_further_group)
{
    uint8_t meta[CHUNK_META_MAX + 40] = {0};
    for (size_t size = 0; size <= sizeof(meta); size++) {
        bool fits =
            size >= 28 && size <= CHUNK_META_MAX && (size - 28) % 20 == 0;
        cr_assert_eq(object_metadata_is_plausible(meta, size), fits, "%zu",
                     size);
    }
}

Test(object_metadata, has_small_numbers_where_format_and_dtype_stand)
{
    static const struct {
        int32_t len, format, dtype;
        bool is_plausible;
    } cases[] = {
        {0, 0, 0, true},   {INT32_MAX, 7, 8, true}, {1, 15, 15, true},
        {-1, 2, 3, false}, {1, 16, 3, false},       {1, 2, 16, false},
        {1, -1, 3, false}, {1, 2, -1, false},       {INT32_MIN, 2, 3, false},
    };
    for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        uint8_t meta[CHUNK_META_LM] = {0};
        int32_write(meta, cases[i].len);
        int32_write(meta + 4, cases[i].format);
        int32_write(meta + 8, cases[i].dtype);
        cr_assert_eq(object_metadata_is_plausible(meta, sizeof(meta)),
                     cases[i].is_plausible, "case %u", i);
    }
    cr_assert_not(object_metadata_is_plausible("twenty-eight letters of text",
                                               CHUNK_META_LM));
}

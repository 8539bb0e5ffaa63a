/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of the native wire, and its codes. */
#include "tests/unit/native_frames.h"

static struct bytes
list_of(struct frame_text *text)
{
    return (struct bytes){text->bytes, text->size};
}

/* Where `size` is that of the key that is spelled, or is not. */
static void
add_key(struct frame_text *text, uint16_t size, const char *key)
{
    uint8_t head[2];
    number_write(head, size, 2);
    add_bytes(text, head, 2);
    add_bytes(text, key, strlen(key));
}

Test(native_list, keys_come_in_their_order)
{
    static const char *const keys[] = {"a", "longer", "a", "\x80\xff"};
    uint8_t into[64];
    struct cursor out = {into, into + sizeof(into), 0};
    for (unsigned i = 0; i < 4; i++)
        cr_assert(native_put_key(&out, keys[i], (uint16_t)strlen(keys[i])));
    struct bytes list = {into, (size_t)(out.at - into)};
    cr_assert(native_list_is_whole(list, 4));
    for (unsigned i = 0; i < 4; i++) {
        struct bytes key;
        cr_assert(native_next_key(&list, &key));
        cr_assert_eq(key.size, strlen(keys[i]));
        cr_assert_arr_eq(key.at, keys[i], key.size);
    }
    struct bytes key = {NULL, 77};
    cr_assert_not(native_next_key(&list, &key));
    cr_assert_eq(list.size, 0);
    cr_assert_eq(key.size, 77, "left alone");
}

Test(native_list, a_size_is_two_bytes_least_first)
{
    uint8_t into[2 + 0x102], key[0x102] = {'k'};
    struct cursor out = {into, into + sizeof(into), 0};
    cr_assert(native_put_key(&out, key, sizeof(key)));
    cr_assert_eq(out.at, out.end);
    cr_assert_arr_eq(into, "\x02\x01k", 3);
}

Test(native_list, a_key_has_1_to_4096_bytes)
{
    static uint8_t into[2 + KEY_SIZE_MAX + 1];
    for (size_t size = 0; size <= KEY_SIZE_MAX + 1; size++) {
        struct bytes list = {into, 2 + size}, before = list, key;
        number_write(into, size, 2);
        bool is_key = size > 0 && size <= KEY_SIZE_MAX;
        cr_assert_eq(native_next_key(&list, &key), is_key);
        cr_assert_eq(list.size, is_key ? 0 : before.size);
        cr_assert_eq(native_list_is_whole(before, 1), is_key);
    }
}

Test(native_list, a_cut_list_is_no_list)
{
    struct frame_text text = {.size = 0};
    add_key(&text, 1, "a");
    add_key(&text, 4, "bcde");
    for (size_t size = 0; size <= text.size; size++) {
        struct bytes list = {text.bytes, size};
        for (uint32_t count = 0; count < 4; count++) {
            bool is_whole = (size == 0 && count == 0) ||
                            (size == 3 && count == 1) ||
                            (size == text.size && count == 2);
            cr_assert_eq(native_list_is_whole(list, count), is_whole,
                         "%zu bytes, %u keys", size, count);
        }
    }
    cr_assert_not(native_list_is_whole(list_of(&text), UINT32_MAX));
}

Test(native_list, what_stops_a_walk_stays)
{
    struct frame_text text = {.size = 0};
    add_key(&text, 1, "a");
    add_key(&text, 9, "too short");
    text.size--;
    struct bytes list = list_of(&text), key;
    cr_assert(native_next_key(&list, &key));
    struct bytes rest = list;
    cr_assert_not(native_next_key(&list, &key));
    cr_assert_eq(list.at, rest.at);
    cr_assert_eq(list.size, rest.size);
}

Test(native_list, as_many_keys_as_there_may_be)
{
    static uint8_t into[NATIVE_KEYS_MAX * 3];
    struct cursor out = {into, into + sizeof(into), 0};
    for (unsigned i = 0; i < NATIVE_KEYS_MAX; i++)
        cr_assert(native_put_key(&out, "k", 1));
    struct native_request request = {.verb = NATIVE_EXISTS,
                                     .count = NATIVE_KEYS_MAX,
                                     .list = {into, sizeof(into)}};
    static uint8_t text[NATIVE_FRAME_MAX + sizeof(into)];
    struct cursor frame = {text, text + sizeof(text), 0};
    cr_assert(native_write_request(&frame, &request));
    struct cursor in = {text, frame.at, 0};
    struct native_request got;
    const char *why;
    cr_assert_eq(native_read_request(&in, &got, &why), PARSE_DONE);
    cr_assert_null(why);
    cr_assert_eq(got.verb, NATIVE_EXISTS);
    cr_assert_eq(got.list.size, sizeof(into));
}

Test(native_list, a_key_that_does_not_fit_is_not_begun)
{
    uint8_t into[7];
    memset(into, 0x55, sizeof(into));
    for (size_t room = 0; room < 7; room++) {
        struct cursor out = {into, into + room, 0};
        cr_assert_not(native_put_key(&out, "abcde", 5));
        cr_assert_eq(out.short_by, 7 - room);
        cr_assert_eq(out.at, into);
        cr_assert_eq(into[0], 0x55);
    }
}

static void
expect_entry(const struct native_entry *got,
             const struct native_entry *expected)
{
    cr_assert_eq(got->space, expected->space);
    cr_assert_eq(got->kind, expected->kind);
    cr_assert_eq(got->form, expected->form);
    cr_assert_eq(got->tiers, expected->tiers);
    cr_assert_eq(got->body_size, expected->body_size);
    expect_list(&got->key, &expected->key);
}

Test(native_list, entries_come_through_byte_by_byte)
{
    struct native_entry entry = {.key = {(const uint8_t *)"key", 3},
                                 .space = 255,
                                 .kind = NATIVE_OBJECT,
                                 .form = 3,
                                 .tiers = 6,
                                 .body_size = 0x04030201};
    uint8_t into[26];
    struct cursor out = {into, into + sizeof(into), 0};
    cr_assert(native_put_entry(&out, &entry));
    cr_assert_arr_eq(into, "\xff\2\3\6\1\2\3\4\3\0key", 13);
    cr_assert(native_put_entry(&out, &entry));
    cr_assert_eq(out.at, out.end);
    struct bytes list = {into, sizeof(into)};
    for (unsigned i = 0; i < 2; i++) {
        struct native_entry got;
        cr_assert(native_next_entry(&list, &got));
        expect_entry(&got, &entry);
    }
    cr_assert_eq(list.size, 0);
}

Test(native_list, an_entry_that_is_cut_is_none)
{
    struct native_entry entry = {.key = {(const uint8_t *)"key", 3}};
    uint8_t into[13];
    for (size_t size = 0; size < sizeof(into); size++) {
        struct cursor out = {into, into + size, 0};
        cr_assert_not(native_put_entry(&out, &entry));
        cr_assert_eq(out.at, into);
        cr_assert_eq(out.short_by, sizeof(into) - size);
    }
    struct cursor out = {into, into + sizeof(into), 0};
    cr_assert(native_put_entry(&out, &entry));
    for (size_t size = 0; size < sizeof(into); size++) {
        struct bytes list = {into, size};
        struct native_entry got;
        cr_assert_not(native_next_entry(&list, &got));
        cr_assert_eq(list.size, size);
    }
}

Test(native_list, each_status_has_a_code_and_back)
{
    static const enum native_code codes[] = {
        [STATUS_OK] = NATIVE_OK,
        [STATUS_MISS] = NATIVE_MISS,
        [STATUS_UNMET] = NATIVE_UNMET,
        [STATUS_BUSY] = NATIVE_BUSY,
        [STATUS_TOO_BIG] = NATIVE_TOO_BIG,
        [STATUS_NO_SPACE] = NATIVE_NO_SPACE,
        [STATUS_BAD_REQUEST] = NATIVE_BAD_REQUEST,
        [STATUS_CORRUPT] = NATIVE_CORRUPT,
        [STATUS_LATE] = NATIVE_LATE,
        [STATUS_BROKEN] = NATIVE_MISS,
        [STATUS_GONE] = NATIVE_MISS,
        [STATUS_IO] = NATIVE_MISS};
    for (unsigned i = 0; i < sizeof(codes) / sizeof(*codes); i++) {
        enum status status = (enum status)i;
        cr_assert_eq(native_code_of(status), codes[i]);
        bool has_none = status == STATUS_BROKEN || status == STATUS_GONE ||
                        status == STATUS_IO;
        cr_assert_eq(native_status_of(codes[i]),
                     has_none ? STATUS_MISS : status);
    }
    cr_assert_eq(native_status_of(NATIVE_UNSUPPORTED), STATUS_BAD_REQUEST);
}

Test(native_list, a_number_that_is_no_code_is_a_miss)
{
    for (unsigned number = NATIVE_UNSUPPORTED + 1; number < 256; number++)
        cr_assert_eq(native_status_of((enum native_code)number), STATUS_MISS);
}

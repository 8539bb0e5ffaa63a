/* SPDX-License-Identifier: Apache-2.0 */
/* Frames of the native wire and their heads; lists are test_native_list.c's,
 * the examples of PROTOCOLS test_native_examples.c's. */
#include "tests/unit/native_frames.h"

#define TWO_KEYS "\1\0a\2\0bc"

static struct bytes
two_keys(void)
{
    return (struct bytes){(const uint8_t *)TWO_KEYS, sizeof(TWO_KEYS) - 1};
}

static struct frame_text
request_text(const struct native_request *request)
{
    struct frame_text text;
    struct cursor out = {text.bytes, text.bytes + sizeof(text.bytes), 0};
    cr_assert(native_write_request(&out, request));
    text.size = (size_t)(out.at - text.bytes);
    return text;
}

static struct frame_text
reply_text(const struct native_reply *reply)
{
    struct frame_text text;
    struct cursor out = {text.bytes, text.bytes + sizeof(text.bytes), 0};
    cr_assert(native_write_reply(&out, reply));
    text.size = (size_t)(out.at - text.bytes);
    return text;
}

static struct native_reply
read_reply(struct frame_text *text)
{
    struct cursor in = text_cursor(text);
    struct native_reply reply;
    const char *why = "never set";
    cr_assert_eq(native_read_reply(&in, &reply, &why), PARSE_DONE);
    cr_assert_eq(in.at, in.end);
    cr_assert_null(why);
    return reply;
}

static void
expect_no_reply(struct frame_text text, const char *expected)
{
    struct cursor in = text_cursor(&text);
    struct native_reply reply;
    const char *why = NULL;
    cr_assert_eq(native_read_reply(&in, &reply, &why), PARSE_BROKEN);
    cr_assert_eq(in.at, text.bytes);
    cr_assert_str_eq(why, expected);
}

Test(native, a_request_with_nothing_in_it_is_a_prefix)
{
    struct native_request nothing = {.id = 0};
    struct frame_text text = request_text(&nothing);
    struct frame_text expected = prefix_text(1, 0, 0, 0);
    cr_assert_eq(text.size, NATIVE_PREFIX_SIZE);
    cr_assert_arr_eq(text.bytes, expected.bytes, text.size);
    expect_refused(text, 0, NULL);
}

Test(native, every_field_of_a_request_comes_through)
{
    struct native_request full = full_request(two_keys());
    struct frame_text text = request_text(&full);
    const char *why;
    struct native_request got = read_request(&text, &why);
    cr_assert_null(why);
    expect_request(&got, &full);
    cr_assert_eq(got.list.at, text.bytes + text.size - full.list.size);
}

Test(native, every_verb_kind_and_condition_comes_through)
{
    for (unsigned i = NATIVE_HELLO; i <= NATIVE_WALK; i++) {
        struct native_request request = {.id = i,
                                         .verb = (enum native_verb)i,
                                         .kind = (enum native_kind)(i % 3),
                                         .condition =
                                             (enum native_condition)(i / 3)};
        struct frame_text text = request_text(&request);
        const char *why;
        struct native_request got = read_request(&text, &why);
        cr_assert_null(why);
        expect_request(&got, &request);
    }
}

Test(native, every_field_of_a_reply_comes_through)
{
    struct native_reply full = full_reply(two_keys());
    struct frame_text text = reply_text(&full);
    cr_assert_leq(text.size, NATIVE_FRAME_MAX + full.list.size);
    struct native_reply got = read_reply(&text);
    expect_reply(&got, &full);
}

Test(native, a_reply_of_nothing_is_an_ok)
{
    struct native_reply nothing = {.code = NATIVE_OK};
    struct frame_text text = reply_text(&nothing);
    cr_assert_eq(text.size, NATIVE_PREFIX_SIZE);
    struct native_reply got = read_reply(&text);
    expect_reply(&got, &nothing);
}

Test(native, what_is_optional_may_be_there_and_nothing)
{
    struct native_request put = {.verb = NATIVE_PUT, .has_checksum = true};
    struct frame_text text = request_text(&put);
    const char *why;
    struct native_request got = read_request(&text, &why);
    cr_assert(got.has_checksum);
    cr_assert_eq(got.checksum, 0);
    struct native_reply reply = {
        .has_load_us = true, .tier_count = 1, .tiers[0] = {.has_get_us = true}};
    text = reply_text(&reply);
    struct native_reply said = read_reply(&text);
    cr_assert(said.has_load_us && said.tiers[0].has_get_us);
    cr_assert_not(said.has_checksum || said.tiers[0].has_bytes_per_second);
}

Test(native, a_cut_frame_asks_for_no_more_than_is_missing)
{
    struct native_request full = full_request(two_keys());
    struct frame_text text = request_text(&full);
    for (size_t size = 0; size < text.size; size++) {
        struct cursor in = {text.bytes, text.bytes + size, 0};
        struct native_request got;
        const char *why;
        cr_assert_eq(native_read_request(&in, &got, &why), PARSE_MORE);
        cr_assert_null(why);
        cr_assert_eq(in.at, text.bytes);
        size_t whole =
            size < NATIVE_PREFIX_SIZE ? NATIVE_PREFIX_SIZE : text.size;
        cr_assert_eq(in.short_by, whole - size, "cut at %zu", size);
    }
}

Test(native, so_does_a_cut_reply)
{
    struct native_reply full = full_reply(two_keys());
    struct frame_text text = reply_text(&full);
    for (size_t size = 0; size < text.size; size++) {
        struct cursor in = {text.bytes, text.bytes + size, 0};
        struct native_reply got;
        const char *why;
        cr_assert_eq(native_read_reply(&in, &got, &why), PARSE_MORE);
        cr_assert_eq(in.at, text.bytes);
        cr_assert_leq(in.short_by, text.size - size);
        cr_assert_gt(in.short_by, 0);
    }
}

Test(native, a_body_is_not_waited_for)
{
    struct native_request put = {.verb = NATIVE_PUT,
                                 .count = 2,
                                 .list = two_keys(),
                                 .body_size = 1 << 20};
    struct frame_text text = request_text(&put);
    add_bytes(&text, "body", 4);
    struct cursor in = text_cursor(&text);
    struct native_request got;
    const char *why;
    cr_assert_eq(native_read_request(&in, &got, &why), PARSE_DONE);
    cr_assert_eq(in.at, in.end - 4);
    cr_assert_eq(got.body_size, 1 << 20);
}

Test(native, another_first_byte_is_broken_at_once)
{
    for (unsigned byte = 0; byte < 256; byte++) {
        uint8_t first = (uint8_t)byte;
        struct cursor in = {&first, &first + 1, 0};
        struct native_prefix prefix;
        const char *why = NULL;
        enum parse parse = native_read_prefix(&in, &prefix, &why);
        cr_assert_eq(parse, byte == 0xc5 ? PARSE_MORE : PARSE_BROKEN);
        cr_assert_eq(why == NULL, byte == 0xc5);
        cr_assert_eq(in.at, &first);
    }
}

static void
expect_sizes(const struct native_prefix *sizes, const char *expected)
{
    struct frame_text text = prefix_text(sizes->version, sizes->head_size,
                                         sizes->list_size, sizes->body_size);
    struct cursor in = text_cursor(&text);
    struct native_prefix got;
    struct native_request request;
    const char *why = "never set";
    enum parse parse = native_read_prefix(&in, &got, &why);
    if (expected != NULL) {
        cr_assert_eq(parse, PARSE_BROKEN);
        cr_assert_str_eq(why, expected);
        cr_assert_eq(in.at, text.bytes);
        cr_assert_eq(native_read_request(&in, &request, &why), PARSE_BROKEN);
        cr_assert_eq(in.at, text.bytes);
        return;
    }
    cr_assert_eq(parse, PARSE_DONE);
    cr_assert_null(why);
    cr_assert_eq(in.at, in.end);
    cr_assert_eq(got.version, sizes->version);
    cr_assert_eq(got.head_size, sizes->head_size);
    cr_assert_eq(got.list_size, sizes->list_size);
    cr_assert_eq(got.body_size, sizes->body_size);
}

Test(native, sizes_end_at_their_limits_whatever_the_version)
{
    for (unsigned version = 0; version < 256; version++) {
        struct native_prefix sizes = {(uint8_t)version, NATIVE_HEAD_MAX,
                                      NATIVE_LIST_MAX, NATIVE_BODY_MAX};
        expect_sizes(&sizes, NULL);
        sizes.head_size++;
        expect_sizes(&sizes, "the head is over its limit");
        sizes.head_size = UINT16_MAX;
        expect_sizes(&sizes, "the head is over its limit");
        sizes.head_size = 0;
        sizes.list_size++;
        expect_sizes(&sizes, "the list is over its limit");
        sizes.list_size = UINT32_MAX;
        expect_sizes(&sizes, "the list is over its limit");
        sizes.list_size = 0;
        sizes.body_size++;
        expect_sizes(&sizes, "the body is over its limit");
        sizes.body_size = UINT64_MAX;
        expect_sizes(&sizes, "the body is over its limit");
    }
}

/* id 7, then what a later version might have added: a number, 8 bytes, a text,
 * 4 bytes; then GET. */
#define NEWER_HEAD                                                             \
    "\x08\x07\xa0\x06\x01\xa9\x06"                                             \
    "12345678\xb2\x06\x03"                                                     \
    "abc\xbd\x06"                                                              \
    "1234\x10\x02"

Test(native, fields_that_are_not_known_are_skipped)
{
    struct frame_text text = FRAME(NEWER_HEAD, "");
    const char *why;
    struct native_request request = read_request(&text, &why);
    cr_assert_null(why);
    cr_assert_eq(request.id, 7);
    cr_assert_eq(request.verb, NATIVE_GET);
    struct native_reply reply = read_reply(&text);
    cr_assert_eq(reply.id, 7);
    cr_assert_eq(reply.code, NATIVE_UNMET);
}

Test(native, the_last_of_a_field_that_came_twice_counts)
{
    struct frame_text text = FRAME("\x10\x05\x08\x01\x10\x02\x08\x09", "");
    const char *why;
    struct native_request request = read_request(&text, &why);
    cr_assert_null(why);
    cr_assert_eq(request.id, 9);
    cr_assert_eq(request.verb, NATIVE_GET);
}

Test(native, another_version_is_unsupported_and_has_an_id)
{
    for (unsigned version = 0; version < 256; version++) {
        struct frame_text text = FRAME(NEWER_HEAD, "no list of keys");
        text.bytes[1] = (uint8_t)version;
        if (version != NATIVE_VERSION)
            expect_refused(text, 7, NULL);
        else
            expect_refused(
                text, 7,
                "the list is not made of as many keys as were counted");
    }
    struct frame_text text = FRAME("\xff", "");
    text.bytes[1] = 2;
    expect_refused(text, 0, NULL);
}

Test(native, a_reply_of_another_version_is_broken)
{
    struct frame_text text = FRAME("\x08\x01", "");
    text.bytes[1] = 2;
    expect_no_reply(text, "a reply of another version");
}

Test(native, a_verb_that_is_not_known_is_unsupported)
{
    expect_refused(FRAME("\x08\x05\x10\x09", ""), 5, NULL);
    expect_refused(FRAME("\x08\x05\x10\xff\xff\xff\xff\x0f", ""), 5, NULL);
    expect_refused(FRAME("\x08\x05", ""), 5, NULL);
    /* Its list may be made of anything. */
    expect_refused(FRAME("\x08\x05\x10\x63\x28\x07", "anything"), 5, NULL);
}

Test(native, another_enum_s_unknown_number_is_as_if_not_there)
{
    struct frame_text text = FRAME("\x10\x03\x20\x07\x60\x63", "");
    const char *why;
    struct native_request request = read_request(&text, &why);
    cr_assert_null(why);
    cr_assert_eq(request.verb, NATIVE_PUT);
    cr_assert_eq(request.kind, NATIVE_ANY);
    cr_assert_eq(request.condition, NATIVE_ALWAYS);
    text = FRAME("\x38\x07", "");
    cr_assert_eq(read_reply(&text).kind, NATIVE_ANY);
}

Test(native, a_code_that_is_not_known_is_a_miss)
{
    for (unsigned code = 0; code < 128; code++) {
        struct frame_text text = FRAME("\x10\x00", "");
        text.bytes[NATIVE_PREFIX_SIZE + 1] = (uint8_t)code;
        enum native_code got = read_reply(&text).code;
        unsigned expected = code <= NATIVE_UNSUPPORTED ? code : NATIVE_MISS;
        cr_assert_eq((unsigned)got, expected);
    }
}

#define NO_REQUEST "the head is no request, or a part of it is too long"
#define NO_REPLY   "the head is no reply, or a part of it is too long"

Test(native, a_head_that_is_no_message_is_a_bad_request)
{
    expect_refused(FRAME("\x08\x05\x10\x02\xff", ""), 5, NO_REQUEST);
    expect_refused(FRAME("\x08\x05\x10", ""), 5, NO_REQUEST);
    expect_refused(FRAME("\x08\x05\x00\x01", ""), 5, NO_REQUEST);
    expect_refused(FRAME("\x08\x05\x41\x01\x02", ""), 5, NO_REQUEST);
    expect_refused(FRAME("\x08\x05\x4a\x7f\x01", ""), 5, NO_REQUEST);
    /* The id as a text, and as a number of more than 64 bits. */
    expect_refused(FRAME("\x0a\x01x", ""), 0, NO_REQUEST);
    expect_refused(FRAME("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f", ""), 0,
                   NO_REQUEST);
    expect_no_reply(FRAME("\x08\x05\x10", ""), NO_REPLY);
    expect_no_reply(FRAME("\x08\x05\x7a\x02\x0a\x05", ""), NO_REPLY);
}

Test(native, a_part_of_a_head_over_its_bound_is_a_bad_request)
{
    struct frame_text text = prefix_text(1, 2 + 3 + 129, 0, 77);
    uint8_t meta[129] = {0};
    add_bytes(&text, "\x08\x05\x4a\x81\x01", 5);
    add_bytes(&text, meta, sizeof(meta));
    const char *why;
    struct native_request request = read_request(&text, &why);
    cr_assert_eq(request.verb, NATIVE_NONE);
    cr_assert_eq(request.id, 5);
    cr_assert_eq(request.body_size, 77, "so that it can be skipped");
    cr_assert_str_eq(why, NO_REQUEST);
    /* field 6 of a reply, and one tier too many. */
    text.bytes[NATIVE_PREFIX_SIZE + 2] = 0x32;
    expect_no_reply(text, NO_REPLY);
    expect_no_reply(FRAME("\x7a\0\x7a\0\x7a\0\x7a\0\x7a\0", ""), NO_REPLY);
}

Test(native, what_no_server_has_is_a_bad_request)
{
    static const char *const texts[] = {
        "the namespace is over 255", "the form is none that there is",
        "the list has too many keys",
        "the list is not made of as many keys as were counted"};
    expect_refused(FRAME("\x08\x05\x10\x02\x18\x80\x02", ""), 5, texts[0]);
    expect_refused(FRAME("\x08\x05\x10\x03\x50\x04", ""), 5, texts[1]);
    expect_refused(FRAME("\x08\x05\x10\x02\x28\x81\x40", ""), 5, texts[2]);
    expect_refused(FRAME("\x08\x05\x10\x02\x28\x01", ""), 5, texts[3]);
    expect_refused(FRAME("\x08\x05\x10\x02\x28\x01", TWO_KEYS), 5, texts[3]);
    expect_refused(FRAME("\x08\x05\x10\x01", "\1\0a"), 5, texts[3]);
}

Test(native, nothing_is_written_where_it_does_not_fit)
{
    struct native_request full = full_request(two_keys());
    size_t whole = request_text(&full).size;
    uint8_t into[NATIVE_FRAME_MAX];
    for (size_t room = 0; room < whole; room++) {
        struct cursor out = {into, into + room, 0};
        memset(into, 0x55, sizeof(into));
        cr_assert_not(native_write_request(&out, &full));
        cr_assert_eq(out.at, into);
        cr_assert_eq(out.short_by, whole - room);
        cr_assert_eq(into[0], 0x55);
    }
    struct cursor out = {into, into + whole, 0};
    cr_assert(native_write_request(&out, &full));
    cr_assert_eq(out.at, into + whole);
}

Test(native, frame_max_takes_any_reply_without_its_list)
{
    struct native_reply full =
        full_reply((struct bytes){NULL, NATIVE_LIST_MAX});
    uint8_t into[NATIVE_FRAME_MAX];
    struct cursor out = {into, into + sizeof(into), 0};
    cr_assert(native_write_reply(&out, &full));
    struct native_prefix prefix;
    struct cursor in = {into, out.at, 0};
    const char *why;
    cr_assert_eq(native_read_prefix(&in, &prefix, &why), PARSE_DONE);
    cr_assert_eq(prefix.list_size, NATIVE_LIST_MAX);
    cr_assert_eq((size_t)(out.at - in.at), prefix.head_size);
}

Test(native, texts_without_an_end_are_cut)
{
    struct native_reply reply = {.tier_count = 1};
    memset(reply.why, 'w', sizeof(reply.why));
    memset(reply.tier, 't', sizeof(reply.tier));
    memset(reply.server, 's', sizeof(reply.server));
    memset(reply.tiers[0].name, 'n', sizeof(reply.tiers[0].name));
    struct frame_text text = reply_text(&reply);
    struct native_reply got = read_reply(&text);
    cr_assert_eq(strlen(got.why), NATIVE_TEXT_MAX);
    cr_assert_eq(strlen(got.tier), sizeof(reply.tier) - 1);
    cr_assert_eq(strlen(got.server), sizeof(reply.server) - 1);
    cr_assert_eq(strlen(got.tiers[0].name), sizeof(reply.tiers[0].name) - 1);
}

Test(native, a_cursor_that_was_short_before_reads_nothing)
{
    struct frame_text text = FRAME("\x08\x05\x10\x01", "");
    struct cursor in = text_cursor(&text);
    struct native_request got;
    const char *why;
    in.short_by = 3;
    cr_assert_eq(native_read_request(&in, &got, &why), PARSE_MORE);
    cr_assert_eq(in.at, text.bytes);
    cr_assert_eq(in.short_by, 3);
}

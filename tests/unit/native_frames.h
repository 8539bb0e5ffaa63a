/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames of the native wire for tests: spelled byte by byte where the codec
 * must not help, and full structs to be compared after they went through it.
 */
#ifndef UNIT_NATIVE_FRAMES_H
#define UNIT_NATIVE_FRAMES_H

#include "proto/native.h"
#include "proto/number.h"

#include <criterion/criterion.h>

struct frame_text {
    uint8_t bytes[NATIVE_FRAME_MAX + 4096];
    size_t size;
};

static inline void
add_bytes(struct frame_text *text, const void *bytes, size_t size)
{
    cr_assert_leq(text->size + size, sizeof(text->bytes));
    if (size > 0)
        memcpy(text->bytes + text->size, bytes, size);
    text->size += size;
}

static inline struct frame_text
prefix_text(uint8_t version, uint16_t head, uint32_t list, uint64_t body)
{
    struct frame_text text = {.size = NATIVE_PREFIX_SIZE};
    text.bytes[0] = NATIVE_MAGIC;
    text.bytes[1] = version;
    number_write(text.bytes + 2, head, 2);
    number_write(text.bytes + 4, list, 4);
    number_write(text.bytes + 8, body, 8);
    return text;
}

/* A head and a list of so many bytes, which are string literals here. */
static inline struct frame_text
frame_text(const char *head, size_t head_size, const char *list,
           size_t list_size)
{
    struct frame_text text = prefix_text(NATIVE_VERSION, (uint16_t)head_size,
                                         (uint32_t)list_size, 0);
    add_bytes(&text, head, head_size);
    add_bytes(&text, list, list_size);
    return text;
}
#define FRAME(head, list)                                                      \
    frame_text("" head, sizeof(head) - 1, "" list, sizeof(list) - 1)

static inline struct cursor
text_cursor(struct frame_text *text)
{
    return (struct cursor){text->bytes, text->bytes + text->size, 0};
}

static inline struct native_request
read_request(struct frame_text *text, const char **why_out)
{
    struct cursor in = text_cursor(text);
    struct native_request request;
    *why_out = "never set";
    cr_assert_eq(native_read_request(&in, &request, why_out), PARSE_DONE);
    cr_assert_eq(in.at, in.end);
    cr_assert_eq(in.short_by, 0);
    return request;
}

/* A request that can only be answered with an error, which `why` is. */
static inline void
expect_refused(struct frame_text text, uint64_t id, const char *why)
{
    const char *said;
    struct native_request request = read_request(&text, &said);
    cr_assert_eq(request.verb, NATIVE_NONE);
    cr_assert_eq(request.id, id);
    if (why == NULL)
        cr_assert_null(said, "%s", said);
    else
        cr_assert_str_eq(said, why);
}

/* Each field something else, and as large as it can be. */
static inline struct native_request
full_request(struct bytes list)
{
    struct native_request request = {.id = UINT64_MAX,
                                     .verb = NATIVE_PUT,
                                     .space = 255,
                                     .kind = NATIVE_OBJECT,
                                     .count = 2,
                                     .deadline_ms = UINT32_MAX,
                                     .wants_checksum = true,
                                     .has_checksum = true,
                                     .is_quiet = true,
                                     .promote = true,
                                     .wants_states = true,
                                     .checksum = 0x8877665544332211,
                                     .meta.size = CHUNK_META_MAX,
                                     .form = 3,
                                     .lifetime_ms = UINT64_MAX - 1,
                                     .condition = NATIVE_IF_PRESENT,
                                     .lease_ms = UINT32_MAX - 2,
                                     .ranks = UINT32_MAX - 3,
                                     .cursor = UINT64_MAX - 4,
                                     .least = UINT32_MAX - 5,
                                     .list = list,
                                     .body_size = NATIVE_BODY_MAX};
    for (unsigned i = 0; i < CHUNK_META_MAX; i++)
        request.meta.bytes[i] = (uint8_t)(i * 7);
    return request;
}

static inline void
expect_meta(const struct chunk_meta *got, const struct chunk_meta *expected)
{
    cr_assert_eq(got->size, expected->size);
    cr_assert_arr_eq(got->bytes, expected->bytes, expected->size);
}

static inline void
expect_list(const struct bytes *got, const struct bytes *expected)
{
    cr_assert_eq(got->size, expected->size);
    if (got->size > 0)
        cr_assert_arr_eq(got->at, expected->at, got->size);
}

static inline void
expect_request(const struct native_request *got,
               const struct native_request *expected)
{
    cr_assert_eq(got->id, expected->id);
    cr_assert_eq(got->verb, expected->verb);
    cr_assert_eq(got->space, expected->space);
    cr_assert_eq(got->kind, expected->kind);
    cr_assert_eq(got->count, expected->count);
    cr_assert_eq(got->deadline_ms, expected->deadline_ms);
    cr_assert_eq(got->wants_checksum, expected->wants_checksum);
    cr_assert_eq(got->has_checksum, expected->has_checksum);
    cr_assert_eq(got->is_quiet, expected->is_quiet);
    cr_assert_eq(got->promote, expected->promote);
    cr_assert_eq(got->wants_states, expected->wants_states);
    cr_assert_eq(got->checksum, expected->checksum);
    expect_meta(&got->meta, &expected->meta);
    cr_assert_eq(got->form, expected->form);
    cr_assert_eq(got->lifetime_ms, expected->lifetime_ms);
    cr_assert_eq(got->condition, expected->condition);
    cr_assert_eq(got->lease_ms, expected->lease_ms);
    cr_assert_eq(got->ranks, expected->ranks);
    cr_assert_eq(got->cursor, expected->cursor);
    cr_assert_eq(got->least, expected->least);
    expect_list(&got->list, &expected->list);
    cr_assert_eq(got->body_size, expected->body_size);
}

/* The same of a reply; texts fill their room. */
static inline struct native_reply
full_reply(struct bytes list)
{
    struct native_reply reply = {.id = UINT64_MAX,
                                 .code = NATIVE_UNSUPPORTED,
                                 .index = UINT32_MAX,
                                 .has_checksum = true,
                                 .has_load_us = true,
                                 .checksum = 0x1122334455667788,
                                 .meta.size = CHUNK_META_MAX,
                                 .kind = NATIVE_OBJECT,
                                 .form = UINT32_MAX - 1,
                                 .tier = "eleven char",
                                 .lifetime_ms = UINT64_MAX - 2,
                                 .matched = UINT32_MAX - 3,
                                 .bytes = UINT64_MAX - 4,
                                 .load_us = UINT64_MAX - 5,
                                 .lease_ms = UINT32_MAX - 6,
                                 .tier_count = NATIVE_TIERS_MAX,
                                 .cursor = UINT64_MAX - 7,
                                 .version = UINT32_MAX - 8,
                                 .value_max = UINT64_MAX - 9,
                                 .key_max = UINT32_MAX - 10,
                                 .keys_max = UINT32_MAX - 11,
                                 .list_max = UINT32_MAX - 12,
                                 .instance = UINT64_MAX - 13,
                                 .list = list,
                                 .body_size = NATIVE_BODY_MAX};
    memset(reply.why, 'w', sizeof(reply.why) - 1);
    memset(reply.server, 's', sizeof(reply.server) - 1);
    for (unsigned i = 0; i < NATIVE_TIERS_MAX; i++) {
        reply.tiers[i] =
            (struct native_tier){.name = "tier number",
                                 .matched = UINT32_MAX - i,
                                 .unbroken = UINT32_MAX - 20 - i,
                                 .bytes = UINT64_MAX - i,
                                 .has_get_us = true,
                                 .has_bytes_per_second = true,
                                 .get_us = UINT64_MAX - 40 - i,
                                 .bytes_per_second = UINT64_MAX - 60 - i};
    }
    return reply;
}

static inline void
expect_tier(const struct native_tier *got, const struct native_tier *expected)
{
    cr_assert_str_eq(got->name, expected->name);
    cr_assert_eq(got->matched, expected->matched);
    cr_assert_eq(got->unbroken, expected->unbroken);
    cr_assert_eq(got->bytes, expected->bytes);
    cr_assert_eq(got->has_get_us, expected->has_get_us);
    cr_assert_eq(got->has_bytes_per_second, expected->has_bytes_per_second);
    cr_assert_eq(got->get_us, expected->get_us);
    cr_assert_eq(got->bytes_per_second, expected->bytes_per_second);
}

static inline void
expect_reply(const struct native_reply *got,
             const struct native_reply *expected)
{
    cr_assert_eq(got->id, expected->id);
    cr_assert_eq(got->code, expected->code);
    cr_assert_eq(got->index, expected->index);
    cr_assert_str_eq(got->why, expected->why);
    cr_assert_eq(got->has_checksum, expected->has_checksum);
    cr_assert_eq(got->has_load_us, expected->has_load_us);
    cr_assert_eq(got->checksum, expected->checksum);
    expect_meta(&got->meta, &expected->meta);
    cr_assert_eq(got->kind, expected->kind);
    cr_assert_eq(got->form, expected->form);
    cr_assert_str_eq(got->tier, expected->tier);
    cr_assert_eq(got->lifetime_ms, expected->lifetime_ms);
    cr_assert_eq(got->matched, expected->matched);
    cr_assert_eq(got->bytes, expected->bytes);
    cr_assert_eq(got->load_us, expected->load_us);
    cr_assert_eq(got->lease_ms, expected->lease_ms);
    cr_assert_eq(got->tier_count, expected->tier_count);
    for (unsigned i = 0; i < expected->tier_count; i++)
        expect_tier(&got->tiers[i], &expected->tiers[i]);
    cr_assert_eq(got->cursor, expected->cursor);
    cr_assert_str_eq(got->server, expected->server);
    cr_assert_eq(got->version, expected->version);
    cr_assert_eq(got->value_max, expected->value_max);
    cr_assert_eq(got->key_max, expected->key_max);
    cr_assert_eq(got->keys_max, expected->keys_max);
    cr_assert_eq(got->list_max, expected->list_max);
    cr_assert_eq(got->instance, expected->instance);
    expect_list(&got->list, &expected->list);
    cr_assert_eq(got->body_size, expected->body_size);
}

#endif

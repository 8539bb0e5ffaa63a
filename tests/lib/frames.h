/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of the native wire say over a late session (late_session.h), and
 * what they are answered with, frame by frame.
 */
#ifndef LIB_FRAMES_H
#define LIB_FRAMES_H

#include "proto/native.h"
#include "tests/lib/late_session.h"

#define FRAMES_KEYS 64u

static uint64_t frames_last_id;
static size_t frames_taken; /* bytes of client.reply that were looked at */

/* Spells a request; keys are parted by spaces. */
static inline uint64_t
frames_spell(struct cursor *out, struct native_request request,
             const char *keys, size_t body_size)
{
    static uint8_t list[FRAMES_KEYS * 64];
    struct cursor at = {list, list + sizeof(list), 0};
    char words[FRAMES_KEYS * 64], *rest = words, *word;

    snprintf(words, sizeof(words), "%s", keys);
    while ((word = strsep(&rest, " ")) != NULL && *word != '\0') {
        cr_assert(native_put_key(&at, word, (uint16_t)strlen(word)));
        request.count++;
    }
    request.id = ++frames_last_id;
    request.list = (struct bytes){list, (size_t)(at.at - list)};
    request.body_size = body_size;
    cr_assert(native_write_request(out, &request));
    return request.id;
}

static inline uint64_t
frames_ask(struct native_request request, const char *keys, const void *body,
           size_t body_size)
{
    static uint8_t text[NATIVE_FRAME_MAX + FRAMES_KEYS * 64];
    struct cursor out = {text, text + sizeof(text), 0};
    uint64_t id = frames_spell(&out, request, keys, body_size);

    inline_client_send(&client, text, (size_t)(out.at - text));
    inline_client_send(&client, body, body_size);
    return id;
}

static inline uint64_t
frames_get(const char *keys)
{
    return frames_ask((struct native_request){.verb = NATIVE_GET}, keys, NULL,
                      0);
}

/* The next reply that has come; false where none has. */
static inline bool
frames_take(struct native_reply *out, struct bytes *body_out)
{
    uint8_t *at = (uint8_t *)client.reply + frames_taken;
    struct cursor in = {at, (uint8_t *)client.reply + client.size, 0};
    const char *why;
    enum parse parse = native_read_reply(&in, out, &why);

    cr_assert_neq(parse, PARSE_BROKEN);
    if (parse == PARSE_MORE || cursor_left(&in) < out->body_size)
        return false;
    *body_out = (struct bytes){in.at, (size_t)out->body_size};
    frames_taken += (size_t)(in.at - at) + body_out->size;
    return true;
}

/* The next reply is this one. */
static inline void
frames_expect(uint64_t id, uint32_t index, enum native_code code,
              const char *value)
{
    struct native_reply reply;
    struct bytes body = {NULL, 0};

    inline_client_settle(&client);
    cr_assert(frames_take(&reply, &body), "no reply to %lu", (unsigned long)id);
    cr_assert_eq(reply.id, id);
    cr_assert_eq(reply.index, index);
    cr_assert_eq(reply.code, code);
    cr_assert_eq(body.size, strlen(value));
    cr_assert(memcmp(body.at, value, body.size) == 0, "%s", value);
}

static inline void
frames_expect_nothing(void)
{
    inline_client_settle(&client);
    cr_assert_eq(frames_taken, client.size);
}

static inline void
frames_have(const char *key, const char *value)
{
    uint64_t id = frames_ask((struct native_request){.verb = NATIVE_PUT}, key,
                             value, strlen(value));

    frames_expect(id, 0, NATIVE_OK, "");
}

#endif

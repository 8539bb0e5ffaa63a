/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A whole session of the native wire of arbitrary bytes, read as requests and as
 * replies until one is not whole or none at all; bodies are stepped over.  What
 * was understood is spelled again and must read the same, and so must the bytes
 * taken for lists.
 */
#include "proto/native.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool is_so)
{
    if (!is_so)
        abort();
}

static bool
is_equal(const struct bytes *a, const struct bytes *b)
{
    return a->size == b->size &&
           (a->size == 0 || memcmp(a->at, b->at, a->size) == 0);
}

/* A buffer of just the room that a frame with this list may take. */
static struct cursor
make_room(size_t list_size)
{
    size_t size = NATIVE_FRAME_MAX + list_size;
    uint8_t *into = malloc(size);
    require(into != NULL);
    return (struct cursor){into, into + size, 0};
}

static void
check_request(const struct native_request *request)
{
    struct bytes list = request->list, key;
    uint32_t count = 0;

    require(request->verb <= NATIVE_WALK && request->space <= 255);
    require(request->kind <= NATIVE_OBJECT);
    require(request->condition <= NATIVE_IF_PRESENT);
    require(request->meta.size <= CHUNK_META_MAX);
    while (native_next_key(&list, &key))
        count++;
    require(count == request->count && list.size == 0);
}

static void
respell_request(const struct native_request *request)
{
    struct cursor out = make_room(request->list.size);
    uint8_t *first = out.at;
    struct native_request again;
    const char *why;

    require(native_write_request(&out, request));
    struct cursor in = {first, out.at, 0};
    require(native_read_request(&in, &again, &why) == PARSE_DONE);
    require(in.at == out.at && why == NULL);
    require(is_equal(&again.list, &request->list));
    require(again.id == request->id && again.verb == request->verb);
    require(again.body_size == request->body_size);
    require(again.meta.size == request->meta.size);
    /* Each other field by its spelling, of which there is one. */
    struct cursor twice = make_room(again.list.size);
    uint8_t *second = twice.at;
    require(native_write_request(&twice, &again));
    require(twice.at - second == out.at - first);
    require(memcmp(first, second, (size_t)(out.at - first)) == 0);
    free(first);
    free(second);
}

static void
respell_reply(const struct native_reply *reply)
{
    struct cursor out = make_room(reply->list.size);
    uint8_t *first = out.at;
    struct native_reply again;
    const char *why;

    require(native_write_reply(&out, reply));
    struct cursor in = {first, out.at, 0};
    require(native_read_reply(&in, &again, &why) == PARSE_DONE);
    require(in.at == out.at && why == NULL);
    require(is_equal(&again.list, &reply->list));
    require(again.id == reply->id && again.code == reply->code);
    require(again.body_size == reply->body_size);
    require(again.tier_count == reply->tier_count);
    struct cursor twice = make_room(again.list.size);
    uint8_t *second = twice.at;
    require(native_write_reply(&twice, &again));
    require(twice.at - second == out.at - first);
    require(memcmp(first, second, (size_t)(out.at - first)) == 0);
    free(first);
    free(second);
}

/* What is true of every read. */
static void
check_parse(enum parse parse, const struct cursor *in, const uint8_t *start,
            const char *why)
{
    size_t left = (size_t)(in->end - in->at);
    require(in->at <= in->end);
    require(parse == PARSE_DONE || in->at == start);
    require((parse == PARSE_MORE) == (in->short_by > 0));
    require(parse != PARSE_BROKEN || why != NULL);
    require(parse != PARSE_MORE || why == NULL);
    require(in->short_by <= NATIVE_FRAME_MAX + (size_t)NATIVE_LIST_MAX - left);
}

static void
read_requests(uint8_t *bytes, size_t size)
{
    struct cursor in = {bytes, bytes + size, 0};
    for (;;) {
        struct native_request request;
        const char *why = NULL;
        uint8_t *start = in.at;
        enum parse parse = native_read_request(&in, &request, &why);
        check_parse(parse, &in, start, why);
        if (parse != PARSE_DONE)
            return;
        require(request.list.at + request.list.size == in.at);
        require(why == NULL || request.verb == NATIVE_NONE);
        if (request.verb != NATIVE_NONE) {
            check_request(&request);
            respell_request(&request);
        }
        if (!cursor_skip(&in, (size_t)request.body_size))
            return;
    }
}

static void
read_replies(uint8_t *bytes, size_t size)
{
    struct cursor in = {bytes, bytes + size, 0};
    for (;;) {
        struct native_reply reply;
        const char *why = NULL;
        uint8_t *start = in.at;
        enum parse parse = native_read_reply(&in, &reply, &why);
        check_parse(parse, &in, start, why);
        if (parse != PARSE_DONE)
            return;
        require(reply.code <= NATIVE_UNSUPPORTED);
        require(reply.tier_count <= NATIVE_TIERS_MAX);
        require(memchr(reply.why, '\0', sizeof(reply.why)) != NULL);
        respell_reply(&reply);
        if (!cursor_skip(&in, (size_t)reply.body_size))
            return;
    }
}

/* Keys, then entries, until they end; each is spelled as it was read. */
static void
read_lists(const uint8_t *bytes, size_t size)
{
    uint8_t *into = malloc(size + 1);
    struct bytes list = {bytes, size}, key;
    struct native_entry entry;
    uint32_t count = 0;

    require(into != NULL);
    struct cursor out = {into, into + size, 0};
    for (; native_next_key(&list, &key); count++)
        require(native_put_key(&out, key.at, (uint16_t)key.size));
    require((size_t)(out.at - into) + list.size == size);
    require(size == 0 || memcmp(into, bytes, size - list.size) == 0);
    require(native_list_is_whole((struct bytes){bytes, size}, count) ==
            (list.size == 0));
    require(!native_list_is_whole((struct bytes){bytes, size}, count + 1));

    out.at = into;
    list = (struct bytes){bytes, size};
    while (native_next_entry(&list, &entry))
        require(native_put_entry(&out, &entry));
    require((size_t)(out.at - into) + list.size == size);
    require(size == 0 || memcmp(into, bytes, size - list.size) == 0);
    free(into);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);
    require(copy != NULL);
    if (size > 0)
        memcpy(copy, data, size);
    read_requests(copy, size);
    read_replies(copy, size);
    read_lists(copy, size);
    free(copy);
    return 0;
}

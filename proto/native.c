/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames of the native wire, and their heads by nanopb, whose structs stay in
 * here: they have a new layout whenever native.proto has, ours only when we
 * want it.  native_list.c does the lists.
 */
#include "proto/native.h"

#include "proto/native.pb.h"
#include "proto/number.h"
#include "proto/object_name.h"

#include <assert.h>
#include <pb_decode.h>
#include <pb_encode.h>

/* Where the parts of a prefix stand. */
#define VERSION_AT   1u
#define HEAD_SIZE_AT 2u
#define LIST_SIZE_AT 4u
#define BODY_SIZE_AT 8u

#define SPACE_MAX 255u

/* Enums go through by their numbers. */
_Static_assert((int)NATIVE_HELLO == (int)prefixcache_Verb_HELLO &&
                   (int)NATIVE_WALK == (int)prefixcache_Verb_WALK,
               "verbs are those of the wire");
_Static_assert((int)NATIVE_OK == (int)prefixcache_Code_CODE_OK &&
                   (int)NATIVE_UNSUPPORTED ==
                       (int)prefixcache_Code_CODE_UNSUPPORTED,
               "codes are those of the wire");
_Static_assert((int)NATIVE_OBJECT == (int)prefixcache_Kind_KIND_OBJECT,
               "kinds are those of the wire");
_Static_assert((int)NATIVE_IF_PRESENT == (int)prefixcache_Condition_IF_PRESENT,
               "conditions are those of the wire");
_Static_assert(prefixcache_Request_size <= NATIVE_HEAD_MAX &&
                   prefixcache_Reply_size <= NATIVE_HEAD_MAX,
               "each message fits into a head");
_Static_assert(sizeof(((prefixcache_Reply *)0)->why) == NATIVE_TEXT_MAX + 1,
               "texts are as long here as there");
_Static_assert(sizeof(((prefixcache_Reply *)0)->tiers) ==
                   NATIVE_TIERS_MAX * sizeof(prefixcache_TierMatch),
               "there are as many tiers here as there");

struct frame {
    struct native_prefix prefix;
    struct bytes head, list;
};

static enum parse
refuse(const char *why, const char **why_out)
{
    *why_out = why;
    return PARSE_BROKEN;
}

enum parse
native_read_prefix(struct cursor *in, struct native_prefix *out,
                   const char **why_out)
{
    const uint8_t *at = in->at;
    *why_out = NULL;
    if (cursor_left(in) > 0 && at[0] != NATIVE_MAGIC)
        return refuse("no native frame begins so", why_out);
    if (!cursor_has(in, NATIVE_PREFIX_SIZE))
        return PARSE_MORE;
    struct native_prefix prefix = {
        .version = at[VERSION_AT],
        .head_size = (uint16_t)number_read(at + HEAD_SIZE_AT, 2),
        .list_size = (uint32_t)number_read(at + LIST_SIZE_AT, 4),
        .body_size = number_read(at + BODY_SIZE_AT, 8)};
    if (prefix.head_size > NATIVE_HEAD_MAX)
        return refuse("the head is over its limit", why_out);
    if (prefix.list_size > NATIVE_LIST_MAX)
        return refuse("the list is over its limit", why_out);
    if (prefix.body_size > NATIVE_BODY_MAX)
        return refuse("the body is over its limit", why_out);
    *out = prefix;
    in->at += NATIVE_PREFIX_SIZE;
    return PARSE_DONE;
}

/* Consumes all of it or nothing. */
static enum parse
read_frame(struct cursor *in, struct frame *out, const char **why_out)
{
    struct cursor walk = *in;
    enum parse parse = native_read_prefix(&walk, &out->prefix, why_out);
    if (parse == PARSE_DONE) {
        out->head = (struct bytes){walk.at, out->prefix.head_size};
        out->list =
            (struct bytes){walk.at + out->head.size, out->prefix.list_size};
        if (!cursor_skip(&walk, out->head.size + out->list.size))
            parse = PARSE_MORE;
    }
    in->short_by = walk.short_by;
    if (parse == PARSE_DONE)
        in->at = walk.at;
    return parse;
}

/* Into a message of zeros. */
static bool
decode(struct bytes head, const pb_msgdesc_t *type, void *message)
{
    pb_istream_t stream = pb_istream_from_buffer(head.at, head.size);
    return pb_decode_ex(&stream, type, message, PB_DECODE_NOINIT);
}

/* A number that this version does not know is as if it had not been there. */
static unsigned
known(unsigned number, unsigned most)
{
    return number <= most ? number : 0;
}

static void
copy_meta(struct chunk_meta *to, const uint8_t *bytes, size_t size)
{
    to->size = (uint8_t)size;
    memcpy(to->bytes, bytes, size);
}

/* Texts end in a zero within their room, wherever they come from. */
static void
copy_text(char *to, const char *from, size_t room)
{
    size_t size = strnlen(from, room - 1);
    memcpy(to, from, size);
    to[size] = '\0';
}

static void
take_request(const prefixcache_Request *message, struct native_request *out)
{
    *out = (struct native_request){
        .id = message->id,
        .verb = (enum native_verb)known(message->verb, NATIVE_WALK),
        .space = message->space,
        .kind = (enum native_kind)known(message->kind, NATIVE_OBJECT),
        .count = message->count,
        .deadline_ms = message->deadline_ms,
        .wants_checksum = message->wants_checksum,
        .has_checksum = message->has_checksum,
        .is_quiet = message->is_quiet,
        .promote = message->promote,
        .wants_states = message->wants_states,
        .checksum = message->checksum,
        .form = message->form,
        .lifetime_ms = message->lifetime_ms,
        .condition =
            (enum native_condition)known(message->condition, NATIVE_IF_PRESENT),
        .lease_ms = message->lease_ms,
        .ranks = message->ranks,
        .cursor = message->cursor,
        .least = message->least};
    copy_meta(&out->meta, message->meta.bytes, message->meta.size);
}

/* What is wrong with a request of a known verb, or NULL. */
static const char *
find_fault(const struct native_request *request)
{
    if (request->space > SPACE_MAX)
        return "the namespace is over 255";
    if (request->form >= FORM_COUNT)
        return "the form is none that there is";
    if (request->count > NATIVE_KEYS_MAX)
        return "the list has too many keys";
    if (!native_list_is_whole(request->list, request->count))
        return "the list is not made of as many keys as were counted";
    return NULL;
}

enum parse
native_read_request(struct cursor *in, struct native_request *out,
                    const char **why_out)
{
    prefixcache_Request message = prefixcache_Request_init_zero;
    struct frame frame;
    enum parse parse = read_frame(in, &frame, why_out);
    if (parse != PARSE_DONE)
        return parse;
    /* What was read before it failed is kept: the id is the first. */
    bool is_read = decode(frame.head, prefixcache_Request_fields, &message);
    take_request(&message, out);
    out->list = frame.list;
    out->body_size = frame.prefix.body_size;
    if (frame.prefix.version != NATIVE_VERSION)
        out->verb = NATIVE_NONE;
    else if (!is_read)
        *why_out = "the head is no request, or a part of it is too long";
    else if (out->verb != NATIVE_NONE)
        *why_out = find_fault(out);
    if (*why_out != NULL)
        out->verb = NATIVE_NONE;
    return PARSE_DONE;
}

static void
take_tier(const prefixcache_TierMatch *message, struct native_tier *out)
{
    *out = (struct native_tier){.matched = message->matched,
                                .unbroken = message->unbroken,
                                .bytes = message->bytes,
                                .has_get_us = message->has_get_us,
                                .has_bytes_per_second =
                                    message->has_bytes_per_second,
                                .get_us = message->get_us,
                                .bytes_per_second = message->bytes_per_second};
    copy_text(out->name, message->name, sizeof(out->name));
}

static void
take_reply(const prefixcache_Reply *message, struct native_reply *out)
{
    *out = (struct native_reply){
        .id = message->id,
        /* Whatever it means, it is not that all went well. */
        .code = message->code <= prefixcache_Code_CODE_UNSUPPORTED
                    ? (enum native_code)message->code
                    : NATIVE_MISS,
        .index = message->index,
        .has_checksum = message->has_checksum,
        .has_load_us = message->has_load_us,
        .checksum = message->checksum,
        .kind = (enum native_kind)known(message->kind, NATIVE_OBJECT),
        .form = message->form,
        .lifetime_ms = message->lifetime_ms,
        .matched = message->matched,
        .bytes = message->bytes,
        .load_us = message->load_us,
        .lease_ms = message->lease_ms,
        .tier_count = message->tiers_count,
        .cursor = message->cursor,
        .version = message->version,
        .value_max = message->value_max,
        .key_max = message->key_max,
        .keys_max = message->keys_max,
        .list_max = message->list_max,
        .instance = message->instance};
    copy_meta(&out->meta, message->meta.bytes, message->meta.size);
    copy_text(out->why, message->why, sizeof(out->why));
    copy_text(out->tier, message->tier, sizeof(out->tier));
    copy_text(out->server, message->server, sizeof(out->server));
    for (unsigned i = 0; i < out->tier_count; i++)
        take_tier(&message->tiers[i], &out->tiers[i]);
}

enum parse
native_read_reply(struct cursor *in, struct native_reply *out,
                  const char **why_out)
{
    prefixcache_Reply message = prefixcache_Reply_init_zero;
    struct cursor walk = *in;
    struct frame frame;
    enum parse parse = read_frame(&walk, &frame, why_out);
    in->short_by = walk.short_by;
    if (parse != PARSE_DONE)
        return parse;
    if (frame.prefix.version != NATIVE_VERSION)
        return refuse("a reply of another version", why_out);
    if (!decode(frame.head, prefixcache_Reply_fields, &message))
        return refuse("the head is no reply, or a part of it is too long",
                      why_out);
    take_reply(&message, out);
    out->list = frame.list;
    out->body_size = frame.prefix.body_size;
    in->at = walk.at;
    return PARSE_DONE;
}

/* The head is spelled elsewhere first: its size stands before it. */
static bool
write_frame(struct cursor *out, struct bytes head, struct bytes list,
            uint64_t body_size)
{
    uint8_t prefix[NATIVE_PREFIX_SIZE] = {NATIVE_MAGIC, NATIVE_VERSION};
    size_t list_here = list.at != NULL ? list.size : 0;

    assert(list.size <= NATIVE_LIST_MAX && body_size <= NATIVE_BODY_MAX);
    if (!cursor_has(out, sizeof(prefix) + head.size + list_here))
        return false;
    number_write(prefix + HEAD_SIZE_AT, head.size, 2);
    number_write(prefix + LIST_SIZE_AT, list.size, 4);
    number_write(prefix + BODY_SIZE_AT, body_size, 8);
    cursor_put(out, prefix, sizeof(prefix));
    cursor_put(out, head.at, head.size);
    if (list_here > 0)
        cursor_put(out, list.at, list_here);
    return true;
}

bool
native_write_request(struct cursor *out, const struct native_request *request)
{
    uint8_t head[prefixcache_Request_size];
    pb_ostream_t stream = pb_ostream_from_buffer(head, sizeof(head));
    prefixcache_Request message = {
        .id = request->id,
        .verb = (prefixcache_Verb)request->verb,
        .space = request->space,
        .kind = (prefixcache_Kind)request->kind,
        .count = request->count,
        .deadline_ms = request->deadline_ms,
        .wants_checksum = request->wants_checksum,
        .has_checksum = request->has_checksum,
        .checksum = request->checksum,
        .meta.size = request->meta.size,
        .form = request->form,
        .lifetime_ms = request->lifetime_ms,
        .condition = (prefixcache_Condition)request->condition,
        .is_quiet = request->is_quiet,
        .lease_ms = request->lease_ms,
        .promote = request->promote,
        .ranks = request->ranks,
        .wants_states = request->wants_states,
        .cursor = request->cursor,
        .least = request->least};

    assert(request->meta.size <= CHUNK_META_MAX);
    memcpy(message.meta.bytes, request->meta.bytes, request->meta.size);
    bool fits = pb_encode(&stream, prefixcache_Request_fields, &message);
    assert(fits);
    return write_frame(out, (struct bytes){head, stream.bytes_written},
                       request->list, request->body_size);
}

static void
give_tier(const struct native_tier *tier, prefixcache_TierMatch *out)
{
    *out = (prefixcache_TierMatch){.matched = tier->matched,
                                   .unbroken = tier->unbroken,
                                   .bytes = tier->bytes,
                                   .has_get_us = tier->has_get_us,
                                   .get_us = tier->get_us,
                                   .has_bytes_per_second =
                                       tier->has_bytes_per_second,
                                   .bytes_per_second = tier->bytes_per_second};
    copy_text(out->name, tier->name, sizeof(out->name));
}

static void
give_reply(const struct native_reply *reply, prefixcache_Reply *out)
{
    *out = (prefixcache_Reply){.id = reply->id,
                               .code = (prefixcache_Code)reply->code,
                               .index = reply->index,
                               .has_checksum = reply->has_checksum,
                               .checksum = reply->checksum,
                               .meta.size = reply->meta.size,
                               .kind = (prefixcache_Kind)reply->kind,
                               .form = reply->form,
                               .lifetime_ms = reply->lifetime_ms,
                               .matched = reply->matched,
                               .bytes = reply->bytes,
                               .has_load_us = reply->has_load_us,
                               .load_us = reply->load_us,
                               .lease_ms = reply->lease_ms,
                               .tiers_count = (pb_size_t)reply->tier_count,
                               .cursor = reply->cursor,
                               .version = reply->version,
                               .value_max = reply->value_max,
                               .key_max = reply->key_max,
                               .keys_max = reply->keys_max,
                               .list_max = reply->list_max,
                               .instance = reply->instance};
    memcpy(out->meta.bytes, reply->meta.bytes, reply->meta.size);
    copy_text(out->why, reply->why, sizeof(out->why));
    copy_text(out->tier, reply->tier, sizeof(out->tier));
    copy_text(out->server, reply->server, sizeof(out->server));
    for (unsigned i = 0; i < reply->tier_count; i++)
        give_tier(&reply->tiers[i], &out->tiers[i]);
}

bool
native_write_reply(struct cursor *out, const struct native_reply *reply)
{
    uint8_t head[prefixcache_Reply_size];
    pb_ostream_t stream = pb_ostream_from_buffer(head, sizeof(head));
    prefixcache_Reply message;

    assert(reply->meta.size <= CHUNK_META_MAX);
    assert(reply->tier_count <= NATIVE_TIERS_MAX);
    give_reply(reply, &message);
    bool fits = pb_encode(&stream, prefixcache_Reply_fields, &message);
    assert(fits);
    return write_frame(out, (struct bytes){head, stream.bytes_written},
                       reply->list, reply->body_size);
}

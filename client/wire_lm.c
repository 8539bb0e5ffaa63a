/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lm:// verbs of a wire, in the newest generation of that protocol (v1).
 * A PUT has no reply there, so that what went wrong with it shows only in what
 * is asked next.
 */
#include "client/wire_verbs.h"
#include "proto/lm.h"
#include "proto/protocol.h"

static enum status
check_name(struct wire *wire, struct bytes name)
{
    if (name.size > LM_KEY_SIZE)
        return stream_fail(&wire->stream, STATUS_BAD_REQUEST,
                           "a key of %zu bytes is too long for lm://: at most "
                           "%u",
                           name.size, LM_KEY_SIZE);
    if (name.at[name.size - 1] == ' ')
        return stream_fail(&wire->stream, STATUS_BAD_REQUEST,
                           "lm:// cannot carry a key that ends in a space");
    return STATUS_OK;
}

static enum status
send_request(struct wire *wire, const struct request_head *head,
             struct bytes body)
{
    uint8_t room[LM_REQUEST_MAX];
    struct cursor out = {.at = room, .end = room + sizeof room};
    struct iovec pieces[2];

    if (!protocol_lm.write_request(&out, head))
        return stream_fail(&wire->stream, STATUS_BAD_REQUEST,
                           "lm:// cannot carry this request");
    pieces[0] = (struct iovec){room, (size_t)(out.at - room)};
    /* iovec has no const form; sending only reads. */
    pieces[1] = (struct iovec){(void *)(uintptr_t)body.at, body.size};
    return stream_send(&wire->stream, pieces, 2);
}

static enum status
read_reply(struct wire *wire, enum verb verb, struct reply_head *reply)
{
    struct stream *s = &wire->stream;

    for (;;) {
        struct cursor in = stream_cursor(s);
        enum parse parse = PARSE_MORE;
        enum status status;

        *reply = (struct reply_head){.verb = verb, .dialect = LM_V1};
        if (in.at < in.end)
            parse = protocol_lm.read_reply(&in, reply);
        if (parse == PARSE_DONE) {
            stream_take(s, &in);
            return STATUS_OK;
        }
        if (parse == PARSE_BROKEN)
            return stream_fail(s, STATUS_BROKEN,
                               "%s does not speak lm://: its reply is no "
                               "reply head",
                               s->peer);
        status = stream_more(s);
        if (status != STATUS_OK)
            return status;
    }
}

static enum status
ask(struct wire *wire, enum verb verb, struct bytes name,
    struct reply_head *reply)
{
    struct request_head head = {.verb = verb, .dialect = LM_V1, .name = name};
    enum status status = send_request(wire, &head, (struct bytes){NULL, 0});

    if (status == STATUS_OK)
        status = read_reply(wire, verb, reply);
    return status == STATUS_OK ? reply->status : status;
}

static void
put_length(struct chunk_meta *meta, uint32_t size)
{
    for (unsigned i = 0; i < 4; i++)
        meta->bytes[i] = (uint8_t)(size >> (8 * i));
}

static enum status
put(struct wire *wire, struct bytes name, struct bytes body,
    const struct chunk_meta *meta)
{
    struct request_head head = {.verb = VERB_PUT,
                                .dialect = LM_V1,
                                .name = name,
                                .meta = {.size = CHUNK_META_LM},
                                .has_body = true,
                                .body_size = body.size};

    if (body.size > LM_BODY_MAX)
        return stream_fail(&wire->stream, STATUS_BAD_REQUEST,
                           "lm:// cannot carry a value of %zu bytes: at most "
                           "%u",
                           body.size, LM_BODY_MAX);
    if (meta != NULL && meta->size != CHUNK_META_LM)
        return stream_fail(&wire->stream, STATUS_BAD_REQUEST,
                           "lm:// cannot carry %u bytes of metadata: exactly "
                           "%u",
                           meta->size, CHUNK_META_LM);
    if (meta != NULL)
        head.meta = *meta;
    put_length(&head.meta, (uint32_t)body.size);
    return send_request(wire, &head, body);
}

static enum status
get(struct wire *wire, struct bytes name, struct iovec into, size_t *size_out,
    struct chunk_meta *meta_out)
{
    struct reply_head reply;
    enum status status = ask(wire, VERB_GET, name, &reply);

    if (status != STATUS_OK)
        return status;
    *size_out = (size_t)reply.body_size;
    *meta_out = reply.meta;
    return wire_receive_body(wire, into, reply.body_size, 0);
}

static enum status
exists(struct wire *wire, struct bytes name)
{
    struct reply_head reply;

    return ask(wire, VERB_EXISTS, name, &reply);
}

static enum status
drop(struct wire *wire, struct bytes name)
{
    (void)name;
    return stream_fail(&wire->stream, STATUS_BAD_REQUEST,
                       "lm:// has no word for deleting");
}

static enum status
ping(struct wire *wire)
{
    struct reply_head reply;
    enum status status = ask(wire, VERB_PING, (struct bytes){NULL, 0}, &reply);

    if (status == STATUS_MISS)
        return stream_fail(&wire->stream, STATUS_BAD_REQUEST,
                           "%s says that it is not healthy", wire->stream.peer);
    return status;
}

const struct wire_verbs wire_verbs_lm = {
    .check_name = check_name,
    .put = put,
    .get = get,
    .exists = exists,
    .drop = drop,
    .ping = ping,
};

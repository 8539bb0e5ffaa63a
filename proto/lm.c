/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LMCache's lm:// wire in its three generations (WIRES section 1).  Decodes and
 * spells heads; what a name or its metadata mean, and whether metadata fits the
 * body it is stored with, is asked by others.
 */
#include "proto/lm.h"

#include "proto/int32.h"
#include "proto/protocol.h"

#include <assert.h>

/* Where things stand in a request.  All generations begin `command len`. */
struct layout {
    unsigned request_size, reply_size;
    unsigned key_at;
    unsigned shape_at; /* 0: neither format nor shape */
};

static const struct layout layouts[LM_DIALECT_COUNT] = {
    [LM_V0] = {158, 8, 8, 0},
    [LM_EXP] = {182, 32, 32, 16},
    [LM_V1] = {186, LM_REPLY_MAX, 36, 20},
};

#define LEN_AT    4u
#define FORMAT_AT 8u
#define DTYPE_AT  12u

/* In the metadata and, one integer later, in a reply: len, format, dtype. */
#define META_FORMAT_AT 4u
#define META_SHAPE_AT  12u
#define SHAPE_SIZE     16u

/* What a miss says of the format and dtype of nothing. */
#define NO_FORMAT 1
#define NO_DTYPE  2

/* No format is larger, and no printable character is as small. */
#define FORMAT_MAX 15

unsigned
lm_request_size(uint8_t dialect)
{
    assert(dialect < LM_DIALECT_COUNT);
    return layouts[dialect].request_size;
}

unsigned
lm_reply_size(uint8_t dialect)
{
    assert(dialect < LM_DIALECT_COUNT);
    return layouts[dialect].reply_size;
}

bool
lm_meta_fits(const struct chunk_meta *meta, uint64_t body_size)
{
    if (meta->size != CHUNK_META_LM)
        return false;
    int32_t len = int32_read(meta->bytes);
    return len >= 0 && (uint64_t)len == body_size;
}

static bool
claims(const uint8_t *first, size_t n)
{
    return n > 0 && *first >= LM_PUT && *first <= LM_HEALTH;
}

/* Bytes above ASCII count: a model's name may be spelled in any script. */
static bool
is_printable(uint8_t byte)
{
    return byte >= 0x20 && byte != 0x7f;
}

/* Told by where the key begins: what stands there before it is the high byte of
 * a small number, which is no character of a name. */
static uint8_t
tell(const uint8_t *head)
{
    int32_t format = int32_read(head + FORMAT_AT);
    if (format < 0 || format > FORMAT_MAX)
        return is_printable(head[8]) ? LM_V0 : DIALECT_UNKNOWN;
    if (head[35] < 0x20)
        return LM_V1;
    for (unsigned i = 32; i < LM_TELL_SIZE; i++) {
        if (!is_printable(head[i]))
            return DIALECT_UNKNOWN;
    }
    return LM_EXP;
}

static struct bytes
trim(const uint8_t *key)
{
    struct bytes name = {key, LM_KEY_SIZE};
    while (name.size > 0 && key[name.size - 1] == ' ')
        name.size--;
    return name;
}

static void
read_meta(const uint8_t *head, const struct layout *layout,
          struct chunk_meta *out)
{
    out->size = CHUNK_META_LM;
    memset(out->bytes, 0, CHUNK_META_LM);
    memcpy(out->bytes, head + LEN_AT, 4);
    if (layout->shape_at == 0)
        return;
    memcpy(out->bytes + META_FORMAT_AT, head + FORMAT_AT, 8);
    memcpy(out->bytes + META_SHAPE_AT, head + layout->shape_at, SHAPE_SIZE);
}

/* False for a number that is no command. */
static bool
read_verb(int32_t command, enum verb *out)
{
    switch (command) {
    case LM_PUT:
        *out = VERB_PUT;
        return true;
    case LM_GET:
        *out = VERB_GET;
        return true;
    case LM_EXIST:
        *out = VERB_EXISTS;
        return true;
    case LM_LIST:
        *out = VERB_LIST;
        return true;
    case LM_HEALTH:
        *out = VERB_PING;
        return true;
    default: /* the peer's number, not an enumerator of ours */
        return false;
    }
}

static enum parse
refuse(struct request_head *out, const char *why)
{
    out->why = why;
    return PARSE_BROKEN;
}

static bool
is_about_a_chunk(enum verb verb)
{
    return verb == VERB_PUT || verb == VERB_GET || verb == VERB_EXISTS;
}

static enum parse
decode(const uint8_t *head, const struct layout *layout,
       struct request_head *out)
{
    int32_t len = int32_read(head + LEN_AT);
    if (len < 0)
        return refuse(out, "negative length");
    out->name = trim(head + layout->key_at);
    if (out->name.size == 0 && is_about_a_chunk(out->verb))
        return refuse(out, "blank key");
    if (out->verb == VERB_PUT) {
        read_meta(head, layout, &out->meta);
        out->has_body = true;
        out->body_size = (uint64_t)len;
    }
    return PARSE_DONE;
}

static enum parse
read_request(struct cursor *in, uint8_t *dialect, struct request_head *out)
{
    memset(out, 0, sizeof(*out));
    in->short_by = 0;
    if (!cursor_has(in, LM_TELL_SIZE)) {
        /* No generation has a shorter head than the first. */
        in->short_by += layouts[LM_V0].request_size - LM_TELL_SIZE;
        return PARSE_MORE;
    }
    const uint8_t *head = in->at;
    if (!read_verb(int32_read(head), &out->verb))
        return refuse(out, "unknown command");
    if (*dialect == DIALECT_UNKNOWN)
        *dialect = tell(head);
    if (*dialect >= LM_DIALECT_COUNT)
        return refuse(out, "a head of no known generation");
    out->dialect = *dialect;

    const struct layout *layout = &layouts[*dialect];
    if (!cursor_has(in, layout->request_size))
        return PARSE_MORE;
    enum parse parse = decode(head, layout, out);
    if (parse == PARSE_DONE)
        in->at += layout->request_size;
    return parse;
}

static enum parse
read_more(struct cursor *in, struct request_head *head)
{
    (void)in;
    head->has_body = false;
    head->body_size = 0;
    return PARSE_DONE;
}

/* The wire has two codes; whatever is not the bytes asked for is a miss. */
static int32_t
code(enum status status)
{
    switch (status) {
    case STATUS_OK:
        return LM_CODE_OK;
    case STATUS_MISS:
    case STATUS_UNMET:
    case STATUS_BUSY:
    case STATUS_TOO_BIG:
    case STATUS_NO_SPACE:
    case STATUS_BAD_REQUEST:
    case STATUS_CORRUPT:
    case STATUS_LATE:
    case STATUS_BROKEN:
    case STATUS_GONE:
    case STATUS_IO:
        return LM_CODE_FAIL;
    }
    return LM_CODE_FAIL;
}

static bool
has_reply(enum verb verb, uint8_t dialect)
{
    switch (verb) {
    case VERB_GET:
    case VERB_EXISTS:
    case VERB_PING:
        return true;
    case VERB_LIST:
        return dialect == LM_V0;
    case VERB_PUT:
    case VERB_DROP:
    case VERB_COMMAND:
        return false;
    }
    return false;
}

static bool
write_reply(struct cursor *out, const struct reply_head *reply)
{
    assert(reply->dialect < LM_DIALECT_COUNT);
    if (!has_reply(reply->verb, reply->dialect))
        return true;
    uint8_t head[LM_REPLY_MAX] = {0};
    int32_write(head, code(reply->status));
    int32_write(head + 8, NO_FORMAT);
    int32_write(head + 12, NO_DTYPE);
    bool has_body = reply->verb == VERB_GET || reply->verb == VERB_LIST;
    if (has_body && reply->status == STATUS_OK) {
        assert(reply->body_size <= LM_BODY_MAX);
        if (reply->meta.size >= CHUNK_META_LM)
            memcpy(head + 4, reply->meta.bytes, CHUNK_META_LM);
        int32_write(head + 4, (int32_t)reply->body_size);
    }
    return cursor_put(out, head, layouts[reply->dialect].reply_size);
}

/* Nothing of lm follows a body, in either direction. */
static bool
write_tail(struct cursor *out, const struct reply_head *reply)
{
    (void)out;
    (void)reply;
    return true;
}

/* 0 for what lm:// can not say. */
static int32_t
spell_verb(enum verb verb)
{
    switch (verb) {
    case VERB_PUT:
        return LM_PUT;
    case VERB_GET:
        return LM_GET;
    case VERB_EXISTS:
        return LM_EXIST;
    case VERB_LIST:
        return LM_LIST;
    case VERB_PING:
        return LM_HEALTH;
    case VERB_DROP:
    case VERB_COMMAND:
        return 0;
    }
    return 0;
}

/* Padding can not be told from a space at a name's end. */
static bool
may_be_key(const struct request_head *head)
{
    const struct bytes *name = &head->name;
    if (name->size == 0)
        return !is_about_a_chunk(head->verb);
    return name->size <= LM_KEY_SIZE && name->at[name->size - 1] != ' ';
}

static bool
write_request(struct cursor *out, const struct request_head *head)
{
    assert(head->dialect < LM_DIALECT_COUNT);
    const struct layout *layout = &layouts[head->dialect];
    uint8_t text[LM_REQUEST_MAX] = {0};
    int32_write(text, spell_verb(head->verb));
    if (int32_read(text) == 0 || !may_be_key(head))
        return false;
    if (head->verb == VERB_PUT) {
        if (head->body_size > LM_BODY_MAX)
            return false;
        int32_write(text + LEN_AT, (int32_t)head->body_size);
        if (layout->shape_at != 0 && head->meta.size >= CHUNK_META_LM) {
            memcpy(text + FORMAT_AT, head->meta.bytes + META_FORMAT_AT, 8);
            memcpy(text + layout->shape_at, head->meta.bytes + META_SHAPE_AT,
                   SHAPE_SIZE);
        }
    }
    memset(text + layout->key_at, ' ', LM_KEY_SIZE);
    if (head->name.size > 0)
        memcpy(text + layout->key_at, head->name.at, head->name.size);
    return cursor_put(out, text, layout->request_size);
}

static bool
write_request_tail(struct cursor *out, const struct request_head *head)
{
    (void)out;
    (void)head;
    return true;
}

static enum parse
read_reply(struct cursor *in, struct reply_head *out)
{
    assert(out->dialect < LM_DIALECT_COUNT);
    out->status = STATUS_OK;
    out->meta.size = 0;
    out->body_size = 0;
    out->number = 0;
    in->short_by = 0;
    if (!has_reply(out->verb, out->dialect))
        return PARSE_DONE;
    unsigned size = layouts[out->dialect].reply_size;
    if (!cursor_has(in, size))
        return PARSE_MORE;
    int32_t number = int32_read(in->at);
    int32_t len = int32_read(in->at + 4);
    if ((number != LM_CODE_OK && number != LM_CODE_FAIL) || len < 0)
        return PARSE_BROKEN;
    out->status = number == LM_CODE_OK ? STATUS_OK : STATUS_MISS;
    if (number == LM_CODE_OK && out->verb != VERB_PING) {
        out->number = 1;
        out->meta.size = CHUNK_META_LM;
        memset(out->meta.bytes, 0, CHUNK_META_LM);
        memcpy(out->meta.bytes, in->at + 4,
               size < LM_REPLY_MAX ? size - 4 : CHUNK_META_LM);
        if (out->verb != VERB_EXISTS)
            out->body_size = (uint64_t)len;
    }
    in->at += size;
    return PARSE_DONE;
}

const struct protocol protocol_lm = {
    .name = "lm",
    .claims = claims,
    .read_request = read_request,
    .read_more = read_more,
    .write_reply = write_reply,
    .write_tail = write_tail,
    .write_request = write_request,
    .write_request_tail = write_request_tail,
    .read_reply = read_reply,
};

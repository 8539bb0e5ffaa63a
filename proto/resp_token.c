/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replies from a client's side, a token at a time.  Putting tokens together is
 * left to who knows what was asked.
 */
#include "proto/resp.h"

#include "proto/resp_line.h"

#define ELEMENTS_MAX INT32_MAX

static enum parse
read_text(struct cursor *in, struct resp_token *out)
{
    const uint8_t *text = in->at + 1;
    size_t left = cursor_left(in) - 1;
    const uint8_t *end = left > 0 ? memchr(text, '\r', left) : NULL;
    if (end == NULL || end + 1 == in->end) {
        in->short_by = end == NULL ? 2 : 1;
        return PARSE_MORE;
    }
    if (end[1] != '\n')
        return PARSE_BROKEN;
    out->text = (struct bytes){text, (size_t)(end - text)};
    in->at += out->text.size + 3;
    return PARSE_DONE;
}

/* RESP3's own null is a marker and nothing else. */
static enum parse
read_null(struct cursor *in, struct resp_token *out)
{
    enum parse parse = read_text(in, out);
    if (parse == PARSE_DONE && out->text.size != 0)
        return PARSE_BROKEN;
    out->text = (struct bytes){NULL, 0};
    return parse;
}

static enum parse
read_number(struct cursor *in, struct resp_token *out)
{
    switch (resp_line_read(in, &out->number)) {
    case RESP_LINE_WHOLE:
        return PARSE_DONE;
    case RESP_LINE_SHORT:
        return PARSE_MORE;
    case RESP_LINE_LONG:
    case RESP_LINE_WRONG:
        return PARSE_BROKEN;
    }
    return PARSE_BROKEN;
}

/* A size or a count, of which -1 is RESP2's null. */
static enum parse
read_size(struct cursor *in, uint64_t most, struct resp_token *out)
{
    enum parse parse = read_number(in, out);
    if (parse != PARSE_DONE)
        return parse;
    if (out->number == -1 && out->type != RESP_MAP) {
        out->type = RESP_NULL;
        out->number = 0;
        return PARSE_DONE;
    }
    if (out->number < 0 || (uint64_t)out->number > most)
        return PARSE_BROKEN;
    if (out->type == RESP_MAP)
        out->number *= 2;
    return PARSE_DONE;
}

static enum parse
read_typed(struct cursor *in, struct resp_token *out)
{
    switch (*in->at) {
    case '+':
        out->type = RESP_SIMPLE;
        return read_text(in, out);
    case '-':
        out->type = RESP_ERROR;
        return read_text(in, out);
    case ':':
        out->type = RESP_INTEGER;
        return read_number(in, out);
    case '$':
    case '=':
        out->type = RESP_BULK;
        return read_size(in, RESP_BODY_SIZE_MAX, out);
    case '*':
    case '~':
    case '>':
        out->type = RESP_ARRAY;
        return read_size(in, ELEMENTS_MAX, out);
    case '%':
        out->type = RESP_MAP;
        return read_size(in, ELEMENTS_MAX, out);
    case '_':
        out->type = RESP_NULL;
        return read_null(in, out);
    default: /* the peer's byte, not an enumerator of ours */
        return PARSE_BROKEN;
    }
}

enum parse
resp_read_token(struct cursor *in, struct resp_token *out)
{
    memset(out, 0, sizeof(*out));
    in->short_by = 0;
    if (!cursor_has(in, 1)) {
        in->short_by = 3; /* no token is shorter */
        return PARSE_MORE;
    }
    uint8_t *start = in->at;
    enum parse parse = read_typed(in, out);
    if (parse != PARSE_DONE)
        in->at = start;
    return parse;
}

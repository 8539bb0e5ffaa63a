/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A whole RESP session of arbitrary bytes: commands, their bodies stepped over,
 * until one is not whole or broken.  The session is read again in two pieces
 * and must come to the same.  The bytes are also taken for replies, and for a
 * name of one of LMCache's halves.
 */
#include "proto/object_name.h"
#include "proto/protocol.h"
#include "proto/resp.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool is_so)
{
    if (!is_so)
        abort();
}

/* Every argument in the walk lies in what was consumed. */
static uint32_t
check_walk(const struct request_head *head, const uint8_t *from,
           const uint8_t *to)
{
    struct argument_walk walk = head->arguments;
    struct bytes argument;
    uint32_t count = 0;
    while (argument_next(&walk, &argument)) {
        int64_t number;
        require(argument.at >= from && argument.at + argument.size <= to);
        require(argument.size <= RESP_ARGUMENT_MAX);
        if (argument_integer(&argument, &number))
            require(argument.size <= 20);
        count++;
    }
    require(count == head->arguments.left && walk.at == walk.end);
    return count;
}

/* One part of a command, of which `seen` arguments have been met before. */
static uint32_t
check_part(const struct request_head *head, const struct cursor *in,
           const uint8_t *start, uint32_t seen)
{
    seen += check_walk(head, start, in->at) + (head->has_body ? 1 : 0);
    require(head->command != NULL);
    require(seen + head->arguments_left == head->argument_count);
    require(head->has_body || head->arguments_left == 0);
    require(head->body_size <= RESP_BODY_SIZE_MAX);
    return seen;
}

/* Where a session stops; nothing is consumed by what is not whole. */
static enum parse
read_session(struct cursor *in)
{
    for (;;) {
        struct request_head head;
        uint8_t dialect = 3;
        uint8_t *start = in->at;
        enum parse parse = protocol_resp.read_request(in, &dialect, &head);
        uint32_t seen = 0;
        while (parse == PARSE_DONE) {
            seen = check_part(&head, in, start, seen);
            if (!head.has_body)
                break;
            if (!cursor_skip(in, head.body_size))
                return PARSE_MORE;
            start = in->at;
            parse = protocol_resp.read_more(in, &head);
        }
        require(parse == PARSE_DONE || in->at == start);
        require(parse != PARSE_MORE || in->short_by > 0);
        require(parse != PARSE_BROKEN || head.why != NULL);
        if (parse != PARSE_DONE)
            return parse;
    }
}

/* A head that is whole stays the same when more arrives behind it, and one
 * that is broken is not mended. */
static void
read_in_two(uint8_t *bytes, size_t size, size_t cut)
{
    struct cursor whole = {bytes, bytes + size, 0};
    struct cursor first = {bytes, bytes + cut, 0};
    struct request_head all, some;
    uint8_t dialect = 2;
    enum parse late = protocol_resp.read_request(&whole, &dialect, &all);
    enum parse early = protocol_resp.read_request(&first, &dialect, &some);
    if (early == PARSE_MORE) {
        require(late != PARSE_DONE || all.is_refused ||
                (size_t)(whole.at - bytes) >= cut + first.short_by);
        return;
    }
    require(early == late && first.at == whole.at);
    require(early != PARSE_DONE || some.command == all.command);
    require(early != PARSE_DONE || some.body_size == all.body_size);
}

static void
read_replies(uint8_t *bytes, size_t size)
{
    struct cursor in = {bytes, bytes + size, 0};
    struct resp_token token;
    uint8_t *start = in.at;
    while (resp_read_token(&in, &token) == PARSE_DONE) {
        require(in.at > start && in.at <= in.end);
        require(token.text.at == NULL ||
                (token.text.at > start &&
                 token.text.at + token.text.size <= in.at));
        if (token.type == RESP_BULK) {
            require(token.number >= 0);
            cursor_skip(&in, (size_t)token.number + 2);
        }
        start = in.at;
    }
    require(in.at == start);
}

static void
split_name(const uint8_t *bytes, size_t size)
{
    struct object_name name;
    object_metadata_is_plausible(bytes, size);
    if (!object_name_split(bytes, size, &name))
        return;
    require(name.stem.size > 0 && name.stem.at >= bytes);
    require(name.stem.at + name.stem.size <= bytes + size);
    uint8_t *joined = malloc(size);
    require(joined != NULL);
    require(object_name_join(&name, joined, size) == size);
    require(memcmp(joined, bytes, size) == 0);
    require(object_name_join(&name, joined, size - 1) == 0);
    name.form = FORM_LM;
    require(object_name_join(&name, joined, size) == name.stem.size);
    free(joined);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);
    require(copy != NULL);
    memcpy(copy, data, size);
    struct cursor in = {copy, copy + size, 0};
    read_session(&in);
    if (size > 0)
        read_in_two(copy, size, copy[size - 1] % size);
    read_replies(copy, size);
    split_name(copy, size);
    free(copy);
    return 0;
}

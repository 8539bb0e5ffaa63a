/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A whole lm:// session of arbitrary bytes: heads are read until one is not
 * whole or no head at all, bodies are stepped over.  A head that was understood
 * is spelled again and must read the same; the bytes are also taken for a
 * reply of each kind.
 */
#include "proto/lm.h"
#include "proto/protocol.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool is_so)
{
    if (!is_so)
        abort();
}

static bool
may_respell(const struct request_head *head)
{
    return head->verb == VERB_LIST || head->verb == VERB_PING ||
           head->name.size > 0;
}

static void
respell(const struct request_head *head)
{
    uint8_t into[LM_REQUEST_MAX];
    struct cursor out = {into, into + sizeof(into), 0};
    require(may_respell(head) && protocol_lm.write_request(&out, head));
    struct cursor in = {into, out.at, 0};
    struct request_head again;
    uint8_t dialect = head->dialect;
    require(protocol_lm.read_request(&in, &dialect, &again) == PARSE_DONE);
    require(in.at == out.at && again.verb == head->verb);
    require(again.name.size == head->name.size);
    require(memcmp(again.name.at, head->name.at, head->name.size) == 0);
    require(again.has_body == head->has_body);
    require(again.body_size == head->body_size);
    require(again.meta.size == head->meta.size);
    require(memcmp(again.meta.bytes, head->meta.bytes, head->meta.size) == 0);
}

static void
answer(const struct request_head *head)
{
    for (int status = STATUS_OK; status <= STATUS_IO; status++) {
        uint8_t into[REPLY_HEAD_MAX];
        struct cursor out = {into, into + sizeof(into), 0};
        struct reply_head reply = {.verb = head->verb,
                                   .dialect = head->dialect,
                                   .status = (enum status)status,
                                   .meta = head->meta,
                                   .body_size = head->body_size};
        require(protocol_lm.write_reply(&out, &reply));
        if (out.at == into)
            continue;
        struct reply_head got = {.verb = head->verb, .dialect = head->dialect};
        struct cursor in = {into, out.at, 0};
        require(protocol_lm.read_reply(&in, &got) == PARSE_DONE);
        require(in.at == out.at);
        require(got.status == (status == STATUS_OK ? STATUS_OK : STATUS_MISS));
    }
}

static void
read_session(uint8_t *bytes, size_t size)
{
    struct cursor in = {bytes, bytes + size, 0};
    uint8_t dialect = DIALECT_UNKNOWN;
    for (;;) {
        struct request_head head;
        uint8_t *start = in.at;
        enum parse parse = protocol_lm.read_request(&in, &dialect, &head);
        require(parse == PARSE_DONE || in.at == start);
        require(parse != PARSE_MORE || in.short_by > 0);
        require(parse != PARSE_BROKEN || head.why != NULL);
        if (parse != PARSE_DONE)
            return;
        require(protocol_lm.claims(start, 1));
        require((size_t)(in.at - start) == lm_request_size(dialect));
        require(head.name.at >= start);
        require(head.name.at + head.name.size <= in.at);
        respell(&head);
        answer(&head);
        if (!cursor_skip(&in, head.body_size))
            return;
        require(protocol_lm.read_more(&in, &head) == PARSE_DONE);
    }
}

static void
read_replies(uint8_t *bytes, size_t size)
{
    static const enum verb verbs[] = {VERB_GET, VERB_EXISTS, VERB_LIST};
    for (unsigned i = 0; i < sizeof(verbs) / sizeof(*verbs); i++) {
        for (uint8_t dialect = 0; dialect < LM_DIALECT_COUNT; dialect++) {
            struct cursor in = {bytes, bytes + size, 0};
            struct reply_head got = {.verb = verbs[i], .dialect = dialect};
            enum parse parse = protocol_lm.read_reply(&in, &got);
            require(in.at <= in.end);
            require(parse == PARSE_DONE || in.at == bytes);
        }
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);
    require(copy != NULL);
    memcpy(copy, data, size);
    read_session(copy, size);
    read_replies(copy, size);
    free(copy);
    return 0;
}

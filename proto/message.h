/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every wire decodes into and every reply is spelled from.  Nothing here
 * is allocated: a request head points into the buffer it was read from and
 * lives as long as that buffer is left alone.
 */
#ifndef PROTO_MESSAGE_H
#define PROTO_MESSAGE_H

#include "proto/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum verb {
    VERB_GET,
    VERB_PUT,
    VERB_EXISTS,
    VERB_DROP,
    VERB_LIST,
    VERB_PING,   /* lm: HEALTH; RESP: PING */
    VERB_COMMAND /* RESP: see request_head.command and .arguments */
};

/*
 * What a client wants back beside the bytes, verbatim: LMCache's metadata is
 * 28 bytes for one KV group and 20 more for each further one (WIRES 2.1).
 */
#define CHUNK_META_MAX 128u
#define CHUNK_META_LM  28u /* int32 LE: len fmt dtype s0 s1 s2 s3 */
struct chunk_meta {
    uint8_t size;
    uint8_t bytes[CHUNK_META_MAX];
};

/* Bytes somebody else owns. */
struct bytes {
    const uint8_t *at;
    size_t size;
};

/* RESP arguments, walked in the buffer they arrived in, never copied. */
struct argument_walk {
    const uint8_t *at, *end;
    uint32_t left; /* arguments still to walk */
};

struct resp_command;

struct request_head {
    enum verb verb;
    uint8_t dialect; /* lm 0, 1, 2 (v0, exp, v1); RESP 2 or 3 */

    /* lm: the name, without its padding. */
    struct bytes name;
    struct chunk_meta meta; /* lm PUT: the 28 bytes made from the header */

    /* RESP: never NULL there (an unknown one has its own row), and the
     * arguments before the body, the command's name first. */
    const struct resp_command *command;
    struct argument_walk arguments;
    uint32_t argument_count; /* of the whole command, its name included */

    /* A body follows the head and is not part of it. */
    bool has_body;
    bool is_refused;    /* the body is an argument too long for this command:
                           drain it, go on with read_more(), answer an error */
    uint64_t body_size; /* bytes */
    uint32_t arguments_left; /* RESP: what stands behind the body (SET's
                                options, MSET's next key): read_more() */
    const char *why;         /* PARSE_BROKEN: what is wrong, English */
};

/* Enough to spell the reply of a common verb in any wire. */
struct reply_head {
    enum verb verb;
    uint8_t dialect;
    enum status status;
    struct chunk_meta meta; /* lm: the PUT's 28 bytes */
    uint64_t body_size;
    int64_t number; /* what EXISTS or DROP counted */
};

#endif

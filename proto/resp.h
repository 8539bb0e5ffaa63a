/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RESP2 and RESP3 (the Redis protocol) beside the codec in protocol.h: the
 * table of commands, the walk over arguments, and the words replies are
 * spelled from.  Parse, process and compose stay three things: this file does
 * the first and the last.
 */
#ifndef PROTO_RESP_H
#define PROTO_RESP_H

#include "proto/cursor.h"
#include "proto/message.h"
#include "proto/protocol.h"

#define RESP_ARGUMENTS_MAX 1048576u     /* as Redis's own limit */
#define RESP_ARGUMENT_MAX  65536u       /* of an argument that is no body */
#define RESP_BODY_SIZE_MAX (4ull << 30) /* a longer one is a broken peer */

/* RESP_COMMAND_GET and so on, in the order of resp_command.def, then
 * RESP_COMMAND_UNKNOWN. */
enum resp_command_id {
#define COMMAND(name, word, arity, flags, first, last, step, body, every,      \
                group, summary)                                                \
    RESP_COMMAND_##name,
#include "proto/resp_command.def"
#undef COMMAND
    RESP_COMMAND_UNKNOWN
};

/* What COMMAND answers about a command, as Redis's own table has it. */
enum {
    RESP_FLAG_WRITE = 1,
    RESP_FLAG_READONLY = 2,
    RESP_FLAG_FAST = 4,
    RESP_FLAG_ADMIN = 8,
    RESP_FLAG_DENYOOM = 16,
    RESP_FLAG_LOADING = 32,
    RESP_FLAG_STALE = 64,
    RESP_FLAG_NOSCRIPT = 128
};

struct resp_command {
    enum resp_command_id id;
    const char *name;      /* lower case */
    int arity;             /* exact with the name, or minus the least */
    unsigned flags;        /* RESP_FLAG_ */
    int first, last, step; /* which arguments are keys */
    unsigned body;         /* the argument that is a body, 0: none ... */
    unsigned every;        /* ... and each every-th after it, 0: only that */
    const char *group, *summary;
};

/*
 * What protocol_resp makes of a command:
 * - "*0" and "*-1" are PARSE_DONE with argument_count 0: skip them;
 * - the head ends at the length of a body, or at that of another argument
 *   longer than RESP_ARGUMENT_MAX (is_refused); what stood before is in
 *   `arguments`, and after the body read_more() goes on.  Nothing of a refused
 *   command is to be stored: read_more() still ends PARSE_DONE with has_body
 *   false, is_refused true;
 * - in->short_by counts what a well-formed peer has to send up to the next body
 *   or the end, later arguments included: wait for that much before parsing
 *   again, or a long command costs the square of its size;
 * - a wrong number of arguments is well framed: resp_command_takes().
 * write_reply spells no error where a cache may lose a value or not find one;
 * write_request is false, with short_by 0, for LIST and COMMAND.
 */

/* The row of an id; of RESP_COMMAND_UNKNOWN too. */
const struct resp_command *resp_command_row(enum resp_command_id);
/* By name, any case; the UNKNOWN row if there is none. */
const struct resp_command *resp_command_find(const uint8_t *name, size_t size);
/* Does a command of argument_count arguments, name included, fit its row? */
bool resp_command_takes(const struct resp_command *, uint32_t argument_count);

/* The next argument of a walk the parser has made; false at its end. */
bool argument_next(struct argument_walk *, struct bytes *out);
/* ASCII, any case, whole argument. */
bool argument_is(const struct bytes *, const char *word);
/* A decimal int64, whole argument, no spaces, as Redis reads it. */
bool argument_integer(const struct bytes *, int64_t *out);

/*
 * Words of replies.  Each writes whole or not at all (cursor.short_by).
 * `dialect` 2 or 3: a null is "$-1" or "_", a map is a flat array or "%n".
 */
bool resp_simple(struct cursor *, const char *text);             /* +text  */
bool resp_error(struct cursor *, const char *text);              /* -text; CR
                                    and LF in it become spaces; starts with
                                    its own code word, such as ERR */
bool resp_integer(struct cursor *, int64_t);                     /* :n     */
bool resp_bulk(struct cursor *, const void *bytes, size_t size); /* whole  */
bool resp_bulk_text(struct cursor *, const char *text);          /* whole  */
bool resp_bulk_head(struct cursor *, uint64_t size); /* $n, body and CRLF
                                                        follow */
bool resp_verbatim(struct cursor *, uint8_t dialect, const void *bytes,
                   size_t size); /* "=n txt:" in 3, a bulk in 2 */
/* As Redis 7.0 spells a score, with 17 digits: ",n" in 3, a bulk in 2. */
bool resp_double(struct cursor *, uint8_t dialect, double);
bool resp_null(struct cursor *, uint8_t dialect);
bool resp_null_array(struct cursor *, uint8_t dialect); /* "*-1" or "_" */
bool resp_array(struct cursor *, uint32_t count);
bool resp_set(struct cursor *, uint8_t dialect, uint32_t count);
bool resp_map(struct cursor *, uint8_t dialect, uint32_t pairs);
bool resp_crlf(struct cursor *);

/* A whole command of our own, for clients: argv[i] of sizes[i] bytes. */
bool resp_request(struct cursor *, unsigned argc, const struct bytes *argv);

/* One reply's next token, for clients.  A bulk that is not all there yet is
 * PARSE_DONE with its head consumed: `size` bytes and CRLF follow; so is an
 * aggregate: `number` elements follow (a map's counted twice).  A verbatim
 * string is a BULK whose bytes begin "txt:"; sets and pushes are ARRAYs. */
enum resp_type {
    RESP_SIMPLE,
    RESP_ERROR,
    RESP_INTEGER,
    RESP_BULK,
    RESP_ARRAY,
    RESP_MAP,
    RESP_NULL
};
struct resp_token {
    enum resp_type type;
    int64_t number;    /* INTEGER's value, ARRAY's and MAP's element count,
                          BULK's size */
    struct bytes text; /* SIMPLE and ERROR, in the cursor's buffer */
};
enum parse resp_read_token(struct cursor *in, struct resp_token *out);

#endif

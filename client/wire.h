/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One blocking connection to a server, over the codecs: lm:// (v1), redis://
 * (RESP2) and memcached:// (its text protocol, for comparisons).  The command
 * line tools stand on it.  Not thread-safe: one thread a wire.
 *
 * lm:// objects and redis:// strings are different things to a client: over
 * lm:// a value carries metadata, over redis:// it is the name that was SET.
 */
#ifndef CLIENT_WIRE_H
#define CLIENT_WIRE_H

#include "proto/message.h"
#include "proto/resp.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

enum wire_kind { WIRE_LM, WIRE_RESP, WIRE_MEMCACHED };

struct wire_url {
    enum wire_kind kind;
    char host[256]; /* or the path of a Unix socket */
    char port[16];
    bool is_unix;
    unsigned space; /* redis://host:port/N */
};

/* lm://h[:p], redis://h[:p][/n], resp://h[:p][/n], memcached://h[:p], and
 * lm+unix:///path, redis+unix:///path; the port defaults to 7654 (11211 for
 * memcached).  BAD_REQUEST and a sentence in why[room] if it is none. */
enum status wire_url_parse(const char *text, struct wire_url *out, char *why,
                           size_t room) MUST_USE;

struct wire;

/* GONE when nobody answers within timeout_ms (0: no limit); why says what went
 * wrong.  Later calls are LATE when no byte moves for as long.  redis://h/N
 * sends SELECT N here, whose refusal is BAD_REQUEST. */
enum status wire_open(const struct wire_url *, unsigned timeout_ms,
                      struct wire **wire_out, char *why, size_t room) MUST_USE;
void wire_close(struct wire **);
const char *wire_why(const struct wire *); /* text of the last failure */

/* Each: OK, MISS, or a failure after which only wire_close() is left (GONE,
 * BROKEN, LATE) or not (BAD_REQUEST: an error reply, text in wire_why()). */

/* Sends from `body` without a copy.  Over lm:// no reply is awaited and meta
 * NULL means format 0, dtype 0, shape 0; over redis:// meta must be NULL. */
enum status wire_put(struct wire *, struct bytes name, struct bytes body,
                     const struct chunk_meta *meta) MUST_USE;

/* Receives straight into `into`; TOO_BIG (body skipped) when it has no room.
 * *size_out is the body's size in any case. meta_out may be NULL. */
enum status wire_get(struct wire *, struct bytes name, struct iovec into,
                     size_t *size_out, struct chunk_meta *meta_out) MUST_USE;
enum status wire_exists(struct wire *, struct bytes name) MUST_USE;
enum status wire_drop(struct wire *, struct bytes name) MUST_USE; /* not lm */
enum status wire_ping(struct wire *) MUST_USE;

/* RESP only: sends a command; then read its reply token by token. */
enum status wire_command(struct wire *, unsigned argc,
                         const struct bytes *argv) MUST_USE;
/* A BULK's bytes are in *text_out (valid until the next call). */
enum status wire_token(struct wire *, struct resp_token *out,
                       struct bytes *text_out) MUST_USE;

/* Bytes as a C string names them. */
struct bytes wire_text(const char *);

#endif

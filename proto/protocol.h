/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A wire format, as pure functions over memory: no sockets, no allocation, no
 * state between calls but the dialect, which the connection keeps.  A head is
 * parsed again from its first byte once the missing bytes have arrived; heads
 * are small, and this is what lets one codec serve the server, the client, the
 * tests and the fuzzer unchanged.
 *
 * Bodies never pass through here.  read_request says how many bytes follow and
 * the connection receives them straight into a chunk; write_reply writes what
 * goes before a body and write_tail what goes after it.
 */
#ifndef PROTO_PROTOCOL_H
#define PROTO_PROTOCOL_H

#include "proto/cursor.h"
#include "proto/message.h"

enum parse {
    PARSE_MORE,  /* not all there yet (in->short_by: at least how many bytes
                    are missing); nothing was consumed */
    PARSE_DONE,  /* the head is decoded and consumed, a body may follow */
    PARSE_BROKEN /* this can not be our peer (out->why): close after at most
                    one error reply */
};

struct protocol {
    const char *name; /* in options, logs and counter labels */

    /* Could a connection that opens with these n (at least 1) bytes be ours?
     * Looks at the first byte only, so that it never has to wait. */
    bool (*claims)(const uint8_t *first, size_t n);

    /* Reads one head from in->at.  *dialect is the connection's: lm sets it
     * when it has told the generation (DIALECT_UNKNOWN before), RESP only
     * reads it.  On PARSE_DONE in->at stands behind the head. */
    enum parse (*read_request)(struct cursor *in, uint8_t *dialect,
                               struct request_head *out);

    /* Reads what stands behind a body, into the same head: sets arguments to
     * those walked now and has_body, body_size, arguments_left anew.  For lm
     * nothing follows and this is PARSE_DONE at once. */
    enum parse (*read_more)(struct cursor *in, struct request_head *);

    /* Both false when the cursor was too short; REPLY_HEAD_MAX always does. */
    bool (*write_reply)(struct cursor *out, const struct reply_head *);
    bool (*write_tail)(struct cursor *out, const struct reply_head *);

    /* The other end, for the client and for round-trip tests.  write_request
     * spells GET, PUT, EXISTS, DROP, LIST and PING of head->name (a PUT's body
     * and write_request_tail follow it); read_reply reads what
     * comes before a body: out->body_size bytes follow when status is OK and
     * the verb (set by the caller, with the dialect) is GET or LIST. */
    bool (*write_request)(struct cursor *out, const struct request_head *);
    bool (*write_request_tail)(struct cursor *out, const struct request_head *);
    enum parse (*read_reply)(struct cursor *in, struct reply_head *out);
};

#define DIALECT_UNKNOWN 0xffu
#define REPLY_HEAD_MAX  128u

extern const struct protocol protocol_lm, protocol_resp;

#endif

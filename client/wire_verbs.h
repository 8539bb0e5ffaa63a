/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside a wire: its stream, and the verbs of the one protocol it speaks.
 * Each kind of wire is one file that fills one struct wire_verbs; wire.c checks
 * what all of them would have to check and calls it.  Not for tools: they use
 * client/wire.h.
 */
#ifndef CLIENT_WIRE_VERBS_H
#define CLIENT_WIRE_VERBS_H

#include "client/stream.h"
#include "client/wire.h"

/* The contracts are those of the functions of the same name in wire.h. */
struct wire_verbs {
    /* OK, or BAD_REQUEST and why: can this protocol carry such a name? */
    enum status (*check_name)(struct wire *, struct bytes name);
    enum status (*put)(struct wire *, struct bytes name, struct bytes body,
                       const struct chunk_meta *meta);
    /* *size_out is set as soon as it is known; meta_out is never NULL. */
    enum status (*get)(struct wire *, struct bytes name, struct iovec into,
                       size_t *size_out, struct chunk_meta *meta_out);
    enum status (*exists)(struct wire *, struct bytes name);
    enum status (*drop)(struct wire *, struct bytes name);
    enum status (*ping)(struct wire *);
};

struct wire {
    enum wire_kind kind;
    const struct wire_verbs *verbs;
    uint8_t *text; /* the last bulk of wire_token() */
    size_t text_room;
    struct stream stream;
};

extern const struct wire_verbs wire_verbs_lm, wire_verbs_resp,
    wire_verbs_memcached;

/* Receives a body of `size` bytes into `into`, or skips it and says TOO_BIG
 * where it has no room; `tail` bytes behind it are skipped in both cases. */
enum status wire_receive_body(struct wire *, struct iovec into, uint64_t size,
                              size_t tail) MUST_USE;

/* SELECT n, for a redis:// URL that names a namespace. */
enum status wire_resp_select(struct wire *, unsigned space) MUST_USE;

#endif

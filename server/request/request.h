/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What requests ask for, whatever wire they came by.  The turn of a connection
 * calls these in the order read, begin, (body_key and read_more for each body),
 * run; each wire has its own files that do them.  All on the connection's
 * worker.
 */
#ifndef REQUEST_REQUEST_H
#define REQUEST_REQUEST_H

#include "server/net/connection.h"

enum run {
    RUN_DONE,  /* the reply, if any, is in the outbox */
    RUN_AGAIN, /* a part of it is: call again once that has been sent */
    RUN_WAIT,  /* storage has to answer first: call again when is_waiting is
                  over.  What comes before the question is done again then */
    RUN_CLOSE  /* as DONE, and the connection closes behind it */
};

/* A wire, as it is served: what request_NAME() does of it. */
struct request_wire {
    const char *name;   /* in logs */
    uint8_t dialect;    /* of a connection, before it says another */
    bool may_read_more; /* the next head may be received with a body's end */

    /* Could a connection that opens with these n (at least 1) bytes be its?
     * Looks at the first byte only. */
    bool (*claims)(const uint8_t *first, size_t n);
    enum parse (*read)(struct connection *, struct cursor *in);
    enum parse (*read_more)(struct connection *, struct cursor *in);
    void (*begin)(struct connection *);
    enum status (*body_key)(struct connection *, struct key *key_out);
    void (*lose)(struct connection *, const struct key *, enum status why);
    enum run (*run)(struct connection *);
    /* Answers the oldest order that is done; false where none is.  NULL for a
     * wire that has no orders. */
    bool (*deliver)(struct connection *);
    /* The error reply, if there is any. */
    void (*refuse)(struct connection *, const char *why);
    void (*settle)(struct connection *);
    /* Bytes to ask for of the head behind a large body. */
    uint32_t (*head_size)(const struct connection *);
};
extern const struct request_wire lm_wire, resp_wire, native_wire;

/* Which wire begins with these n bytes; NULL: none. */
const struct request_wire *request_wire_of(const uint8_t *first, size_t n);

/* Reads a head into request.head, or what stands behind a body, as struct
 * protocol says. */
enum parse request_read(struct connection *, struct cursor *in);
enum parse request_read_more(struct connection *, struct cursor *in);

/* A head was read: counts it and makes the request ready. */
void request_begin(struct connection *);

/* The key a body is to be stored under.  Another status than OK: nobody wants
 * it (an argument that is too long, a key too long, a failed MSET). */
enum status request_body_key(struct connection *, struct key *key_out) MUST_USE;

/* A body will not be kept, for this reason.  Whoever sent it may never hear of
 * that, and then must not be given what it was to replace. */
void request_lose(struct connection *, const struct key *, enum status why);

/* The whole request is there: performs it. */
enum run request_run(struct connection *) MUST_USE;
/* It waits, and its connection's turn ends: gives a buffer back whose few bytes
 * may wait elsewhere. */
void request_settle(struct connection *);
/* Answers one order that is done, whatever request is under way; false where
 * none is.  No body is in the outbox. */
bool request_deliver(struct connection *);

/* The peer can not go on: one last error reply where the wire has any, then
 * the connection closes. */
void request_refuse(struct connection *, const char *why);

/* For the wires' files: room for n bytes of reply text.  NO_SPACE closes the
 * connection, for a reply left out would lose the order. */
enum status request_text(struct connection *, size_t n,
                         struct cursor *out) MUST_USE;
void request_text_done(struct connection *, const struct cursor *);

/* Looks a value up; who answers counts.  number: which of the request's GETs
 * this is, the same each time it is run.  FINISHED: get->status says; on OK
 * get->chunk is a reference of the caller's (NULL: metadata only).  PENDING: the
 * request waits, the caller answers RUN_WAIT. */
enum progress request_get(struct connection *, uint32_t number,
                          const struct store_name *,
                          struct store_get *get) MUST_USE;
/* The next value that goes into the outbox is this one, whole: how long it took
 * is counted from the first request_get() for it. */
void request_time(struct connection *, const struct store_get *);
/* Counts what a GET of one key, as the client has spelled it, has found (of a
 * hit, a body), and what an EXISTS has (where that is OK, with the promise). */
void request_count_hit(struct connection *, const struct bytes *key,
                       const struct store_get *);
void request_count_miss(struct connection *, const struct bytes *key,
                        const struct store_get *);
void request_count_exists(struct connection *, const struct bytes *key,
                          enum status, const struct store_promise *);

#endif

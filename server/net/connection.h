/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One client's connection: what arrived, the request under way, what is to be
 * sent.  Belongs to one worker for all its life; other threads see only its
 * row in the roster.
 *
 *   phase      the next bytes are        goes on to
 *   HEAD       a request's head          BODY, DRAIN, RUNNING, HEAD
 *   WAITING    (not read: the PUT waits  BODY, DRAIN
 *              for the in-flight budget)
 *   BODY       a value, into its chunk   MORE, DRAIN
 *   DRAIN      a value nobody keeps      MORE
 *   MORE       what stands behind it     BODY, DRAIN, RUNNING, HEAD
 *   RUNNING    (not read: a reply of     HEAD
 *              many parts is being sent)
 *   CLOSING    (not read: the last       closed
 *              reply is being sent)
 *
 * Requests are answered one after the other.  While a reply can not be sent
 * nothing more is read, which is all the back-pressure there is.
 */
#ifndef NET_CONNECTION_H
#define NET_CONNECTION_H

#include "base/counters.h"
#include "proto/protocol.h"
#include "server/net/input.h"
#include "server/net/outbox.h"
#include "server/net/roster.h"
#include "storage/store.h"

#include <stdbool.h>
#include <stdint.h>

struct server;
struct watch;
struct worker;

enum phase {
    PHASE_HEAD,
    PHASE_WAITING,
    PHASE_BODY,
    PHASE_DRAIN,
    PHASE_MORE,
    PHASE_RUNNING,
    PHASE_CLOSING
};

/* The request under way.  `head` points into the input while the phase is HEAD
 * or RUNNING; later only its counts and its command hold. */
struct request {
    struct request_head head;
    struct store_put put;
    bool has_put;              /* put was started and has not ended */
    enum status refusal;       /* why the body is being drained, or OK */
    uint64_t refused_size;     /* of that body, or of a key that is too long */
    struct chunk_meta meta;    /* lm PUT */
    const char *complaint;     /* BAD_REQUEST: the error to answer with */
    uint32_t step;             /* of a request of many parts; 0 at first */
    struct argument_walk walk; /* RUNNING: the arguments still to answer */
    int64_t tally;             /* EXISTS, DEL: what was counted so far */
    uint64_t cursor;           /* FLUSHALL: how far it has come */
    int64_t lifetime;          /* SETEX, PSETEX: the argument before the body */
    uint8_t half, form;        /* RESP: what the PUT's name is (resp_put.c) */
};

struct connection {
    unsigned magic;
    int fd;
    struct worker *worker;
    struct server *server;
    struct counters *counters; /* the worker's */
    struct store_port *port;   /* the worker's */
    struct watch *watch;
    struct connection *previous, *next; /* the worker's list */
    struct roster_row row;

    const struct protocol *protocol; /* NULL until the first byte */
    uint8_t dialect;
    uint8_t space; /* SELECT n */
    enum phase phase;
    bool may_read;     /* the socket may have more to give this turn */
    bool is_finishing; /* connection_finish() was called */
    bool is_in_turn;   /* a turn is on the stack: done() only takes notes */
    enum counter_id end_reason; /* of a close that was asked for */
    uint32_t head_expected; /* bytes to ask for of a head; 0: all there are */
    size_t head_least;      /* bytes it has at least; 0: not known */
    uint32_t turn_left;     /* bytes this turn may still move */
    uint64_t turn_until_ns; /* when it ends at the latest */
    bool must_go_on;        /* it ended with requests still in the input */

    struct input input;
    struct outbox outbox;
    struct request request;
    uint64_t body_left; /* of the body in BODY or DRAIN */

    /* For limits; monotonic ns. */
    uint64_t head_since_ns; /* of an unfinished head's first byte; 0: none */
    uint64_t body_moved_ns; /* last progress of a body */
    uint64_t slow_since_ns; /* when the present MiB of a body began */
    uint64_t slow_bytes;    /* gained since then */
};

/* Takes the descriptor over, also on failure (then it is closed). */
enum status connection_open(struct worker *, int fd, const char *peer) MUST_USE;
/* Frees everything; why is the counter of the reason. */
void connection_close(struct connection *, enum counter_id why);

/* Checks its deadlines; may close it. */
void connection_check(struct connection *, uint64_t now_ns);
/* Nothing of a request is under way and all is sent. */
bool connection_is_idle(const struct connection *);
/* Since when it keeps a buffer for a head that is not whole, for output that
 * is not read or for what waits behind that; 0: it does not. */
uint64_t connection_kept_since_ns(const struct connection *);
/* The server drains: close once what has arrived has been answered. */
void connection_finish(struct connection *);

#endif

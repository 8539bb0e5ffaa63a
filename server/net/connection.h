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
 *              many parts is being sent,
 *              or storage has to answer)
 *   CLOSING    (not read: the last       closed
 *              replies are being sent)
 *
 * Requests are answered one after the other, but for those of the native wire
 * that wait for a device: they are orders, and answered between others.  While a
 * reply can not be sent nothing more is read, which is all the back-pressure
 * there is.
 */
#ifndef NET_CONNECTION_H
#define NET_CONNECTION_H

#include "base/counters.h"
#include "proto/native.h"
#include "server/index/prefix.h"
#include "server/net/fetch.h"
#include "server/net/input.h"
#include "server/net/order.h"
#include "server/net/outbox.h"
#include "server/net/roster.h"
#include "storage/policy_run.h"
#include "storage/store.h"

#include <stdbool.h>
#include <stdint.h>

struct group;
struct request_wire;
struct server;
struct watch;

enum phase {
    PHASE_HEAD,
    PHASE_WAITING,
    PHASE_BODY,
    PHASE_DRAIN,
    PHASE_MORE,
    PHASE_RUNNING,
    PHASE_CLOSING
};

/* A request of the native wire; `head` has its body alone. */
struct connection_native {
    struct native_request request; /* its list: what is still to do of it, while
                                      the phase is HEAD or RUNNING */
    uint32_t list_size;            /* bytes of all of it */
    uint32_t found;                /* EXISTS, DROP: keys that were there */
    uint64_t deadline_ns; /* GET: what waits longer is late; 0: never */
    bool is_matched;      /* PREFIX: no key was missing so far */
};

/* The request under way.  `head` points into the input while the phase is HEAD
 * or RUNNING; later only its counts and its command hold. */
struct request {
    struct request_head head;
    struct fetch_list fetches;
    struct store_flush flush;
    bool has_flush;  /* flush was started and has not ended */
    bool is_waiting; /* for fetches or flush; connection_wake() ends
                                  it */
    struct connection_native native;
    struct store_put put;
    bool has_put;               /* put was started and has not ended */
    enum status refusal;        /* why the body is being drained, or OK */
    uint64_t refused_size;      /* of that body, or of a key that is too long */
    struct chunk_meta meta;     /* lm PUT */
    const char *complaint;      /* BAD_REQUEST: the error to answer with */
    uint32_t step;              /* of a request of many parts; 0 at first */
    struct argument_walk walk;  /* RUNNING: the arguments still to answer */
    struct argument_walk ahead; /* MGET: the arguments still to read ahead */
    uint32_t ahead_step;        /* of the first of them; 0: not reading ahead */
    int64_t tally;              /* EXISTS, DEL: what was counted so far */
    uint64_t cursor;            /* FLUSHALL: how far it has come */
    struct prefix prefix;       /* PREFIX.MATCH */
    uint64_t asked_ns;          /* when its present value was first asked for;
                                   0: not yet */
    int64_t lifetime;   /* SETEX, PSETEX: the argument before the body */
    uint8_t half, form; /* RESP: what the PUT's name is (resp_put.c) */
};

#define CONNECTION_MAGIC 0x636f6e6eu

struct connection {
    unsigned magic;
    int fd;
    struct group *group;       /* the worker's */
    struct server *server;     /* for those above net/ */
    struct counters *counters; /* the worker's */
    struct store_port *port;   /* the worker's */
    struct watch *watch;
    struct connection *previous, *next; /* the group's list */
    struct roster_row row;

    const struct request_wire *wire; /* NULL until the first byte */
    uint8_t dialect;
    uint8_t space; /* SELECT n */
    enum phase phase;
    bool may_read;     /* the socket may have more to give this turn */
    bool is_finishing; /* turn_finish() was called */
    bool is_in_turn;   /* a turn is on the stack: done() only takes notes */
    enum counter_id end_reason; /* of a close that was asked for */
    uint32_t head_expected; /* bytes to ask for of a head; 0: all there are */
    size_t head_least;      /* bytes it has at least; 0: not known */
    uint32_t turn_left;     /* bytes this turn may still move */
    uint64_t turn_until_ns; /* when it ends at the latest */
    bool must_go_on;        /* it ended with requests still in the input */
    bool is_long;           /* its time is used up */

    struct input input;
    struct outbox outbox;
    struct request request;
    struct order_list orders; /* not answered yet */
    struct policy_run run;    /* which of its accesses belong together */
    unsigned label;           /* of the model it asked for last (labels.h) */
    uint64_t missed_object;   /* hash of the one whose metadata was its last GET
                               that missed; 0: it was something else's */
    uint64_t body_left;       /* of the body in BODY or DRAIN */

    /* For limits; monotonic ns. */
    uint64_t head_since_ns; /* of an unfinished head's first byte; 0: none */
    uint64_t body_moved_ns; /* last progress of a body */
    uint64_t slow_since_ns; /* when the present MiB of a body began */
    uint64_t slow_bytes;    /* gained since then */
};

/* Takes the descriptor over, also on failure (then it is closed). */
enum status connection_open(struct group *, int fd, const char *peer) MUST_USE;
/* Frees everything; why is the counter of the reason. */
void connection_close(struct connection *, enum counter_id why);

/* What its request has waited for is there: its turn comes soon. */
void connection_wake(struct connection *);

/* limits.head_memory is used up: closes the connection, but not `spared`, that
 * has kept a buffer longest without getting on; or else the one that waits for
 * storage with the longest request.  False: there is none. */
bool connection_shed(struct group *, const struct connection *spared);

/* Nothing of a request is under way, and all is answered and sent. */
bool connection_is_idle(const struct connection *);

#endif

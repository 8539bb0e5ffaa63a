/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection to a shard, and the asks it has.
 *
 *   state      | socket | ends by
 *   -----------+--------+-------------------------------------------------------
 *   PAUSED     | none   | its timer
 *   CONNECTING | yes    | connected; its timer (connect_ms), then PAUSED
 *   GREETING   | yes    | HELLO is answered; the same timer, then PAUSED
 *   UP         | yes    | the peer, or what it sends, or link_condemn()
 *
 * At most LINK_WINDOW asks are sent and not answered; the rest waits here, reads
 * before puts.  The id of a request is its slot, and how often that was used: an
 * answer to an ask that is over is told by its old number, and skipped.
 *
 * A body is received by readv straight into the memory of the item it is for.
 * Only what came along with a head is copied.
 *
 * All of its engine's thread, but for link_load(), link_reach() and
 * link_condemn(), which any thread may call.
 */
#ifndef CLIENT_LINK_H
#define CLIENT_LINK_H

#include "client/ask.h"
#include "client/prefixcache.h"
#include "proto/native.h"

#include <stdatomic.h>
#include <stdbool.h>

struct engine;
struct shard;

#define LINK_WINDOW     64u
#define LINK_INPUT_SIZE (16u << 10) /* at first: heads and what is small */

enum link_state { LINK_PAUSED, LINK_CONNECTING, LINK_GREETING, LINK_UP };
enum link_reach {
    LINK_NONE, /* asks are answered GONE */
    LINK_SOON, /* asks wait until it stands */
    LINK_READY
};

/* One writer, the engine; read by anybody. */
struct link_counts {
    _Atomic uint64_t requests, misses_late, misses_gone, bytes_in, bytes_out;
};

struct link {
    struct shard *shard;
    struct engine *engine;
    struct link *next_due; /* itself where it is the last */
    unsigned number;       /* of its engine's */
    uint32_t life;         /* how many sockets it had */
    int fd;
    enum link_state state;
    uint64_t timer_ns;    /* UINT64_MAX: none */
    uint64_t given_up_ns; /* when this attempt is */
    unsigned attempts;    /* in a row that failed */
    unsigned relapses;    /* times it was lost in a row without an answer but to
                          its greeting */
    bool has_answered;    /* since then */
    unsigned address;     /* which is tried next */
    unsigned tried;       /* of the addresses, in this attempt */
    uint64_t seed;        /* of its jitter */

    struct ask_queue reads, writes, sending;
    uint64_t sent;        /* bytes of the first of `sending` */
    uint64_t unsent;      /* of all of them */
    bool is_full;         /* the socket takes no more, */
    bool is_room_watched; /* and EPOLLOUT says when it does */
    struct ask *slots[LINK_WINDOW];
    uint32_t uses[LINK_WINDOW];
    unsigned used_count;

    uint8_t *input;
    size_t input_begin, input_end, input_room;
    bool is_bulky;        /* a large body came last: read little ahead */
    struct ask *receiver; /* whose body comes; NULL: it is skipped */
    uint32_t receiver_index;
    uint8_t *body_at;
    uint64_t body_left;

    unsigned late_count;  /* in a row */
    uint64_t progress_ns; /* when a reply was whole, or it took more, or much
                              of a body came */
    size_t unnoticed;     /* bytes that came since */
    struct link_counts counts;
    _Atomic uint64_t load;
    _Atomic int reach;
    _Atomic bool is_condemned;
};

/* NO_SPACE. */
enum status link_open(struct link *, struct shard *, struct engine *) MUST_USE;
void link_close(struct link *);
/* Begins to connect; before its engine runs, or on its thread. */
void link_connect(struct link *);

/* What the engine tells it. */
void link_take(struct link *, struct ask *); /* from the inbox */
void link_ready(struct link *, uint32_t events);
void link_timer(struct link *);
void link_late(struct link *, struct ask *); /* its deadline is over */
void link_flush(struct link *);              /* sends what it may */

/* Gives the socket up: what was sent is GONE, what waits goes to another link of
 * the shard, or is GONE; then a pause. */
void link_lose(struct link *);
/* Any thread: its engine loses it soon. */
void link_condemn(struct link *);

/* Its asks, for link_*.c: one is over. */
void link_finish(struct link *, struct ask *, enum status);
/* The bytes of a frame are all sent. */
void link_ask_sent(struct link *, struct ask *);
/* Both false: the peer is gone, or is none of ours. */
bool link_send(struct link *);
bool link_receive(struct link *);
/* A frame's head and list were read, and its body follows. */
bool link_answer(struct link *, const struct native_reply *);
/* The body is there, whole. */
void link_body_done(struct link *);
/* HELLO was answered: the link stands. */
void link_greeted(struct link *, const struct native_reply *);

/* Any thread. */
static inline uint64_t
link_load(const struct link *link)
{
    return atomic_load_explicit(&link->load, memory_order_relaxed);
}

static inline enum link_reach
link_reach(const struct link *link)
{
    return (enum link_reach)atomic_load_explicit(&link->reach,
                                                 memory_order_relaxed);
}

#endif

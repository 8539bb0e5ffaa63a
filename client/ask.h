/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request on its way to one shard: a frame with the keys of some items of
 * one call, and what is still to be told to them.
 *
 *   state   | in                          | memory of the caller's
 *   --------+-----------------------------+-------------------------------------
 *   MADE    | nobody's or an inbox        | -
 *   WAITING | its link's waiting queue    | -
 *   SENDING | its link's sending queue    | the body of a PUT is read
 *   SENT    | its link's slots            | the bodies of a GET are written
 *
 * An ask is over once its items have their statuses and its call was told; from
 * then on it touches nothing of the caller's.  One that is over while a part of
 * its frame was sent stays in SENDING until the rest was, as a frame can not be
 * taken back.
 *
 * One thread at a time: who makes it, then the engine of the link it was given
 * to.
 */
#ifndef CLIENT_ASK_H
#define CLIENT_ASK_H

#include "client/prefixcache.h"
#include "proto/native.h"
#include "proto/status.h"

#include <stdbool.h>
#include <sys/queue.h>

struct call;
struct call_answer;
struct link;
struct shard;

/* Prefix and head of any request without metadata, with room to spare. */
#define ASK_HEAD_ROOM (256u + CHUNK_META_MAX)

enum ask_state { ASK_MADE, ASK_WAITING, ASK_SENDING, ASK_SENT };

struct ask {
    TAILQ_ENTRY(ask) queue;
    struct ask *below, *beside, *before; /* in its engine's deadlines */
    struct call *call;          /* NULL: nobody is told (HELLO, put behind) */
    struct call_answer *answer; /* PREFIX, STATS, WALK: the call's */
    struct shard *shard;
    struct link *link;
    enum ask_state state;
    bool is_over;
    bool is_timed;    /* in the engine's list of deadlines */
    bool has_verdict; /* a PUT that was answered before all of it was sent */
    enum status verdict;
    uint8_t moves; /* how often it was given to another link */
    uint32_t slot; /* of its link, while it has an id */
    uint64_t deadline_ns, sent_ns;
    size_t cost; /* bytes that it adds to its link's load */
    struct native_request head;
    const uint8_t *body; /* of a PUT: the caller's, or `copied` */
    uint8_t *copied;     /* of a put behind: its own, */
    uint64_t queued;     /* and what it has of the queue */
    uint32_t count;      /* items */
    uint32_t left;       /* of them, not answered */
    uint32_t *items;     /* their places in the call; ASK_ANSWERED */
    uint8_t *list;       /* the keys, behind `items` */
    size_t list_size, list_room;
    uint16_t frame_size; /* prefix and head, as they go out */
    uint8_t frame[ASK_HEAD_ROOM];
};
#define ASK_ANSWERED UINT32_MAX

TAILQ_HEAD(ask_queue, ask);

/* Room for so many keys, and so many bytes in the list of them.  call: NULL, or
 * it gets a reference.  NO_SPACE. */
enum status ask_new(struct call *call, uint32_t count, size_t list_room,
                    struct ask **out) MUST_USE;
/* One that is over, or that nobody was told of; what it had of the queue of puts
 * is given back. */
void ask_free(struct ask **);

/* The next key, of the item at this place of the call. */
void ask_add(struct ask *, uint32_t item, const void *key, size_t key_size);

/* A PUT of this item's body from where it is, with what else it says. */
void ask_fill_put(struct ask *, const struct prefixcache_item *,
                  bool wants_checksum);

/* Writes prefix and head into `frame`. */
void ask_write(struct ask *, uint64_t id, uint64_t now_ns);
/* Bytes of the whole frame, once its head was written. */
uint64_t ask_size(const struct ask *);

/* The item of its key `index` that was not answered yet; NULL: no such. */
struct prefixcache_item *ask_item(struct ask *, uint32_t index);
/* That item is answered with this. */
void ask_settle(struct ask *, uint32_t index, enum status);

/* All that is left is answered with this, and its call is told. */
void ask_finish(struct ask *, enum status);

/* What a caller sees: a GET that is late, or whose shard is gone, has missed. */
int ask_public_status(enum native_verb, enum status);

#endif

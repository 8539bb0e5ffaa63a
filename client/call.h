/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One call of the caller's: some items, which become asks (ask.h), and who is
 * told when all of those are over.  A call is over once; its items are its
 * asks' until then, and whoever waited may look at them afterwards.
 *
 *   state     | by                        | items belong to
 *   ----------+---------------------------+----------------------------------
 *   new       | call_new()                | the thread that made it
 *   under way | call_send()               | each to the engine of its ask
 *   over      | the last call_done()      | whoever waits, or drains
 *
 * References: one of whoever waits (or of the completions), one of each ask.
 */
#ifndef CLIENT_CALL_H
#define CLIENT_CALL_H

#include "client/prefixcache.h"
#include "proto/native.h"
#include "proto/status.h"

#include <stdatomic.h>
#include <sys/queue.h>

struct ask;
struct shard;

/* What a shard said to an ask whose answer is no item's: PREFIX, STATS, WALK.
 * Written by the ask's engine until the call is over. */
struct call_answer {
    struct call_answer *next;
    struct shard *shard;
    enum status status;
    struct native_reply reply; /* its list and body point into `bytes` */
    uint32_t *items;           /* which of the call's were asked for, */
    uint32_t count;            /* so many, in the order of the list */
    uint8_t *bytes;            /* copied: list, then body */
};

/* What the body of an item is to have, and who said so. */
struct call_checksum {
    uint64_t value;
    struct shard *shard;
};

enum call_progress { CALL_UNDER_WAY, CALL_WAITED_FOR, CALL_OVER };

struct call {
    struct prefixcache *cache;
    _Atomic unsigned references;
    _Atomic unsigned left; /* asks that are not over; 1 while they are made */
    struct native_request head; /* what all its asks have in common */
    uint64_t deadline_ns;
    struct prefixcache_item *items;
    size_t count;
    struct call_checksum *checksums; /* of each item; NULL: not asked for */
    struct call_answer *answers;

    uint64_t ticket; /* 0: somebody waits */
    STAILQ_ENTRY(call) completion;

    _Atomic uint32_t progress; /* enum call_progress, a futex */
};

/* Fills the deadline, the space and what the cache's options say.  NO_SPACE. */
enum status call_new(struct prefixcache *cache, enum native_verb verb,
                     struct prefixcache_item *items, size_t count,
                     struct call **out) MUST_USE;
/* Gives one reference up. */
void call_drop(struct call **);

/* May these items be asked for? */
bool call_may(enum native_verb verb, const struct prefixcache_item *items,
              size_t count);

/* Makes asks of all items and gives them to the links.  Items nothing could be
 * made of, or whose shard is gone, have their status already.  Once a call. */
void call_send(struct call *);
/* The same for a call without items: one ask, of this shard. */
void call_send_to(struct call *, struct shard *);

/* An ask of it is over: gives the ask's reference up as well.  Any thread. */
void call_done(struct call *);

/* Until it is over. */
void call_wait(struct call *);

/* Of a call that is over: compares what was got with its checksums, and counts
 * the items that are OK. */
size_t call_judge(struct call *);

#endif

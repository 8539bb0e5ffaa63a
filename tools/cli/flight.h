/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values on their way: some gets or puts at a time over libprefixcache, each
 * with memory of its own, seen to in the order they were begun.
 *
 *     while (flight_has_room(flight, size))
 *         parcel = flight_begin(flight, size), ... flight_submit(...)
 *     while ((parcel = flight_oldest(flight)) != NULL)
 *         parcel->item.status ..., flight_end(flight)
 *
 * Memory is bounded: by the number of parcels, and by bytes, but for one value
 * that is larger than that alone.  One thread.
 */
#ifndef CLI_FLIGHT_H
#define CLI_FLIGHT_H

#include "client/prefixcache.h"

#include <stdbool.h>

struct parcel {
    struct prefixcache_item item; /* its key and body point into this parcel */
    uint8_t key[PREFIXCACHE_KEY_MAX];
    unsigned space;
    uint64_t mark;             /* the verb's own */
    struct prefixcache *cache; /* where it is under way */
    uint64_t ticket;           /* 0: nothing is under way */
    size_t room;               /* of its body */
};

struct flight {
    struct parcel *parcels;
    unsigned count, first, used; /* those in use are a ring */
    uint64_t room_max;           /* bytes of all bodies */
};

#define FLIGHT_JOBS  8u
#define FLIGHT_BYTES (256ull << 20)

/* False where there is no memory. */
bool flight_open(struct flight *, unsigned jobs, uint64_t bytes);
/* Waits for what is under way. */
void flight_close(struct flight *);

bool flight_has_room(const struct flight *, uint64_t size);
/* The next parcel, with nothing in it but room for a body of that size
 * (item.body, item.body_size).  There was room for it, or none is in use.  NULL:
 * no memory. */
struct parcel *flight_begin(struct flight *, uint64_t size);
/* Copies a key into its item. */
void flight_set_key(struct parcel *, const void *key, size_t key_size);
/* Begins a call with the parcel's item: one of enum prefixcache_verb.  False
 * where nothing was begun; its status says why. */
bool flight_submit(struct parcel *, struct prefixcache *, int verb);
/* Of those that were begun the first, when its call is over; NULL: none. */
struct parcel *flight_oldest(struct flight *);
/* Is there one, and its call over?  Without waiting. */
bool flight_has_come(struct flight *);
/* More room for the body of the oldest, whose call is over.  False: no memory. */
bool flight_grow(struct flight *, struct parcel *, uint64_t size);
/* Swaps memory, key, space and item: `to` has what `from` had. */
void flight_hand_over(struct parcel *from, struct parcel *to);
/* The oldest is done with. */
void flight_end(struct flight *);
/* The youngest is not needed: nothing of it is under way. */
void flight_cancel(struct flight *);

#endif

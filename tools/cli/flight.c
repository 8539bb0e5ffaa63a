/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A ring of parcels.  Only the oldest is waited for, and so only the completions
 * of its cache; what else comes with them is noted.
 */
#include "tools/cli/flight.h"

#include <assert.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define DRAIN_COUNT 32u
/* The library ends each call at its deadline; this is only how long a wakeup
 * that was missed would cost. */
#define LOOK_MS 100

bool
flight_open(struct flight *flight, unsigned jobs, uint64_t bytes)
{
    *flight = (struct flight){.count = jobs, .room_max = bytes};
    flight->parcels = calloc(jobs, sizeof *flight->parcels);
    return flight->parcels != NULL;
}

void
flight_close(struct flight *flight)
{
    while (flight->parcels != NULL && flight_oldest(flight) != NULL)
        flight_end(flight);
    for (unsigned i = 0; flight->parcels != NULL && i < flight->count; i++)
        free(flight->parcels[i].item.body);
    free(flight->parcels);
    *flight = (struct flight){.parcels = NULL};
}

static struct parcel *
parcel_at(const struct flight *flight, unsigned index)
{
    return &flight->parcels[(flight->first + index) % flight->count];
}

/* Of the first so many: those in use, or all. */
static uint64_t
room_of(const struct flight *flight, unsigned count)
{
    uint64_t room = 0;

    for (unsigned i = 0; i < count; i++)
        room += parcel_at(flight, i)->room;
    return room;
}

bool
flight_has_room(const struct flight *flight, uint64_t size)
{
    return flight->used == 0 ||
           (flight->used < flight->count &&
            room_of(flight, flight->used) + size <= flight->room_max);
}

static void
drop_body(struct parcel *parcel)
{
    free(parcel->item.body);
    parcel->item.body = NULL;
    parcel->room = 0;
}

bool
flight_grow(struct flight *flight, struct parcel *parcel, uint64_t size)
{
    /* At least a byte, so that there is a body to point to. */
    size_t room = size == 0 ? 1 : (size_t)size;

    if (room > parcel->room) {
        drop_body(parcel);
        /* Bodies of parcels that are not in use are kept while they fit. */
        for (unsigned i = flight->used; i < flight->count; i++)
            if (room_of(flight, flight->count) + room > flight->room_max)
                drop_body(parcel_at(flight, i));
        parcel->item.body = malloc(room);
        if (parcel->item.body == NULL)
            return false;
        parcel->room = room;
    }
    parcel->item.body_size = (size_t)size;
    return true;
}

struct parcel *
flight_begin(struct flight *flight, uint64_t size)
{
    struct parcel *parcel = parcel_at(flight, flight->used);

    assert(flight->used < flight->count);
    parcel->item = (struct prefixcache_item){.body = parcel->item.body};
    parcel->ticket = 0;
    parcel->mark = 0;
    flight->used++;
    if (flight_grow(flight, parcel, size))
        return parcel;
    flight->used--;
    return NULL;
}

void
flight_set_key(struct parcel *parcel, const void *key, size_t key_size)
{
    assert(key_size <= sizeof parcel->key);
    memcpy(parcel->key, key, key_size);
    parcel->item.key = parcel->key;
    parcel->item.key_size = key_size;
}

bool
flight_submit(struct parcel *parcel, struct prefixcache *cache, int verb)
{
    parcel->cache = cache;
    parcel->ticket = prefixcache_submit(cache, verb, &parcel->item, 1);
    if (parcel->ticket == 0 && parcel->item.status == PREFIXCACHE_OK)
        parcel->item.status = PREFIXCACHE_NO_SPACE;
    return parcel->ticket != 0;
}

static void
note_over(struct flight *flight, const struct prefixcache *cache,
          uint64_t ticket)
{
    for (unsigned i = 0; i < flight->used; i++) {
        struct parcel *parcel = parcel_at(flight, i);

        if (parcel->cache == cache && parcel->ticket == ticket) {
            parcel->ticket = 0;
            return;
        }
    }
}

static bool
drain(struct flight *flight, struct prefixcache *cache)
{
    struct prefixcache_completion over[DRAIN_COUNT];
    size_t count = prefixcache_drain(cache, over, DRAIN_COUNT);

    for (size_t i = 0; i < count; i++)
        note_over(flight, cache, over[i].ticket);
    return count > 0;
}

static void
await(struct prefixcache *cache)
{
    struct pollfd event = {.fd = prefixcache_event_fd(cache), .events = POLLIN};

    poll(&event, event.fd < 0 ? 0 : 1, LOOK_MS);
}

bool
flight_has_come(struct flight *flight)
{
    const struct parcel *parcel = &flight->parcels[flight->first];

    if (flight->used == 0)
        return false;
    while (parcel->ticket != 0 && drain(flight, parcel->cache))
        ;
    return parcel->ticket == 0;
}

struct parcel *
flight_oldest(struct flight *flight)
{
    struct parcel *parcel = &flight->parcels[flight->first];

    if (flight->used == 0)
        return NULL;
    while (parcel->ticket != 0)
        if (!drain(flight, parcel->cache))
            await(parcel->cache);
    return parcel;
}

void
flight_hand_over(struct parcel *from, struct parcel *to)
{
    struct prefixcache_item item = to->item;
    size_t room = to->room;

    assert(from->ticket == 0 && to->ticket == 0);
    to->item = from->item;
    to->room = from->room;
    to->space = from->space;
    to->mark = from->mark;
    flight_set_key(to, from->key, from->item.key_size);
    from->item = item;
    from->room = room;
}

void
flight_end(struct flight *flight)
{
    assert(flight->used > 0);
    flight->first = (flight->first + 1) % flight->count;
    flight->used--;
}

void
flight_cancel(struct flight *flight)
{
    assert(flight->used > 0);
    flight->used--;
}

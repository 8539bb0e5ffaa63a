/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The GETs of one connection's request.  A value that has to be read from a
 * device comes later: the request is told PENDING, and asks again once it was
 * woken.  It numbers its GETs, so that it is given what it asked for before and
 * the store is not asked once more.
 *
 *   fetch      goes on to
 *   PENDING    DONE, by the store
 *   DONE       given by fetch_get()
 *
 * fetch_forget() ends either.  All on the worker's own thread.
 */
#ifndef NET_FETCH_H
#define NET_FETCH_H

#include "storage/store.h"

#include <stdbool.h>
#include <stdint.h>

struct fetch;

/* A worker's objects, so that a GET of what is in memory allocates nothing. */
struct fetch_stock {
    struct store_port *port; /* the worker's */
    struct fetch *kept;
    unsigned kept_count;
};

/* Frees what is kept; the lists are empty. */
void fetch_stock_close(struct fetch_stock *);

struct fetch_list {
    struct fetch_stock *stock;
    struct policy_run *run;            /* the connection's */
    void (*wake)(struct fetch_list *); /* one that was asked for is DONE */
    struct fetch *first;
};

/* FINISHED: *out is the result, its chunk the caller's; MISS too where there is
 * no memory for the asking.  PENDING: wake() will be called, once; it may be
 * called from under another call of the store. */
enum progress fetch_get(struct fetch_list *, uint32_t number,
                        const struct store_name *,
                        struct store_get *out) MUST_USE;
/* Begins one of `size` bytes that will be asked for; wakes nobody until then.
 */
void fetch_ahead(struct fetch_list *, uint32_t number,
                 const struct store_name *, uint32_t size);
/* Those with a number below are not asked for any more. */
#define FETCH_ALL UINT32_MAX
void fetch_forget(struct fetch_list *, uint32_t below);

/* Those PENDING or DONE, and the bytes of what was begun ahead. */
unsigned fetch_count(const struct fetch_list *);
uint64_t fetch_bytes(const struct fetch_list *);

#endif

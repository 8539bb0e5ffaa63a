/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys of the native wire's GETs that are not answered yet.  A value that has to
 * be read from a device comes when it comes, and is answered then, whatever was
 * asked for since: an order is all that is known of its request by that time.
 *
 *   order      goes on to
 *   PENDING    DONE, by the store or by order_expire()
 *   DONE       taken by order_take()
 *
 * order_forget() ends either.  All on the worker's own thread.
 */
#ifndef NET_ORDER_H
#define NET_ORDER_H

#include "proto/native.h"
#include "storage/store.h"

#include <stdbool.h>
#include <stdint.h>

/* Of one connection at one time; a value that was in memory and leaves it just
 * then may make one more, up to the last. */
#define ORDERS_MAX  32u
#define ORDERS_LAST (2u * ORDERS_MAX)

struct order;

/* A worker's objects, so that a GET of what is in memory allocates nothing. */
struct order_stock {
    struct store_port *port; /* the worker's */
    struct order *kept;
    unsigned kept_count;
};

/* Frees what is kept; the lists are empty. */
void order_stock_close(struct order_stock *);

/* What its reply has to say. */
struct order_terms {
    uint64_t id;    /* of the request */
    uint32_t index; /* which key of its list */
    enum native_kind kind;
    bool wants_checksum;
    uint64_t asked_ns;    /* monotonic */
    uint64_t deadline_ns; /* after that it is late; 0: never */
    unsigned label;       /* of its key (server/index/labels.h) */
};

struct order_list {
    struct order_stock *stock;
    struct policy_run *run;            /* the connection's */
    void (*wake)(struct order_list *); /* one is DONE */
    struct order *first;               /* the oldest */
    unsigned count, done_count;
    uint64_t bytes; /* of their values */
};

/* FINISHED: *out is the result, its chunk the caller's; MISS too where there is
 * no memory for the asking.  PENDING: it is an order now, and wake() will be
 * called once, perhaps from under another call of the store; the name is not
 * needed any more.  There are fewer than ORDERS_LAST. */
enum progress order_start(struct order_list *, const struct order_terms *,
                          const struct store_name *,
                          struct store_get *out) MUST_USE;
/* The oldest that is DONE, which is no order any more: its chunk is the
 * caller's.  False where none is. */
bool order_take(struct order_list *, struct order_terms *terms_out,
                struct store_get *out);
/* Those that are PENDING past their deadline are DONE, and LATE. */
void order_expire(struct order_list *, uint64_t now_ns);
/* Nobody waits for any of them any more. */
void order_forget(struct order_list *);

#endif

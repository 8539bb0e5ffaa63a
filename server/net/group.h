/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The connections of one worker, and what they use of it.  All on the worker's
 * own thread, but for the count.
 */
#ifndef NET_GROUP_H
#define NET_GROUP_H

#include "base/counters.h"
#include "server/index/speed.h"
#include "server/net/buffers.h"
#include "server/net/fetch.h"
#include "server/net/order.h"
#include "server/net/roster.h"
#include "server/net/watch.h"
#include "storage/store.h"

#include <stdint.h>

#define GROUP_SCRATCH (256u << 10)

struct connection;
struct rates_table;
struct server;

struct group {
    struct server *server; /* what all workers share; for those above net/ */
    struct roster *roster;
    struct counters *counters; /* the worker's */
    struct store_port *port;   /* the worker's */
    struct speed *speed;       /* the worker's */
    struct rates_table *rates; /* the worker's */
    unsigned number;           /* the worker's */
    struct buffers buffers;
    struct fetch_stock fetches;
    struct order_stock orders;
    struct watch_group watches;
    watch_ready_fn *on_ready; /* a connection's turn; arg: the connection */
    struct connection *first;
    _Atomic unsigned count; /* connections, those on their way here included;
                               any thread reads it */
    uint8_t scratch[GROUP_SCRATCH]; /* for now: good until the next turn */
};

/* Any thread: one connection more, or less. */
void group_join(struct group *);
void group_leave(struct group *);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker's side of storage, and the in-flight budget that PUTs on all ports
 * share: who finds none waits in its port's line and is woken by who gives
 * some back.
 */
#include "storage/mover.h"
#include "storage/store_state.h"

#include "base/clock.h"

#include <assert.h>
#include <stdlib.h>
#include <unistd.h>

enum status
store_port_open(struct store *store, struct counters *counters,
                struct store_port **port_out)
{
    struct store_port *port = calloc(1, sizeof(*port));
    struct tier *nvme = store->tiers[TIER_NVME];

    assert(store->port_count < STORE_PORTS_MAX);
    if (port == NULL)
        return STATUS_NO_SPACE;
    port->store = store;
    port->counters = counters;
    if (port_open(nvme == NULL ? NULL : nvme_engine(nvme), port, &port->port) !=
        STATUS_OK) {
        free(port);
        return STATUS_NO_SPACE;
    }
    store->ports[store->port_count++] = port;
    *port_out = port;
    return STATUS_OK;
}

/* What one port waits for may be another's read. */
static void
run_all(struct store *store)
{
    for (unsigned i = 0; i < store->port_count; i++)
        if (store->ports[i] != NULL &&
            store->ports[i] != mover_store_port(store->mover))
            store_port_run(store->ports[i]);
}

void
store_port_close(struct store_port **port_in)
{
    struct store_port *port = *port_in;

    if (port == NULL)
        return;
    *port_in = NULL;
    assert(port->first_waiting == NULL && port->first_waiter == NULL);
    while (port->under_way != 0) {
        run_all(port->store);
        (void)usleep(200);
    }
    for (unsigned i = 0; i < port->store->port_count; i++)
        if (port->store->ports[i] == port)
            port->store->ports[i] = NULL;
    port_close(&port->port);
    free(port);
}

int
store_port_fd(const struct store_port *port)
{
    return port_fd(port->port);
}

void
store_port_submit(struct store_port *port)
{
    port_submit(port->port);
}

bool
store_budget_take(struct store *store, uint64_t bytes)
{
    uint64_t used = atomic_load(&store->inflight_used);

    do {
        if (bytes > store->inflight_size - used)
            return false;
    } while (!atomic_compare_exchange_weak(&store->inflight_used, &used,
                                           used + bytes));
    return true;
}

void
store_budget_give(struct store *store, uint64_t bytes)
{
    if (bytes == 0)
        return;
    atomic_fetch_sub(&store->inflight_used, bytes);
    if (atomic_load(&store->waiting) == 0)
        return;
    for (unsigned i = 0; i < store->port_count; i++)
        if (store->ports[i] != NULL)
            port_wake(store->ports[i]->port);
}

static void
leave_line(struct store_port *port)
{
    struct store_put *put = port->first_waiting;

    port->first_waiting = put->next;
    if (put->next == NULL)
        port->last_waiting = NULL;
    put->next = NULL;
    put->is_waiting = false;
    atomic_fetch_sub(&port->store->waiting, 1);
}

/* PUTs that wait for the budget: those that get it, and those that have waited
 * too long. */
static void
run_line(struct store_port *port, uint64_t now_ns)
{
    while (port->first_waiting != NULL) {
        struct store_put *put = port->first_waiting;

        if (store_budget_take(port->store, put->budget)) {
            put->status = STATUS_OK;
        } else if (put->deadline_ns <= now_ns) {
            put->budget = 0;
            put->status = STATUS_BUSY;
        } else {
            return;
        }
        leave_line(port);
        put->done(put);
    }
}

void
store_port_run(struct store_port *port)
{
    uint64_t now_ns = clock_now_ns();

    port_run(port->port);
    run_line(port, now_ns);
    store_flight_expire(port, now_ns);
    store_flush_expire(port, now_ns);
    port_submit(port->port);
}

/* The one that comes first; 0 is none. */
static uint64_t
sooner(uint64_t a_ns, uint64_t b_ns)
{
    if (a_ns == 0 || b_ns == 0)
        return a_ns + b_ns;
    return a_ns < b_ns ? a_ns : b_ns;
}

uint64_t
store_port_deadline_ns(const struct store_port *port)
{
    uint64_t put_ns =
        port->first_waiting == NULL ? 0 : port->first_waiting->deadline_ns;

    return sooner(put_ns, sooner(store_flight_deadline_ns(port),
                                 store_flush_deadline_ns(port)));
}

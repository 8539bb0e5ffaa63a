/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker's side of storage, and the in-flight budget that PUTs on all ports
 * share: who finds none waits in its port's line and is woken by who gives
 * some back.
 */
#include "storage/store_state.h"

#include "base/clock.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum status
store_port_open(struct store *store, struct counters *counters,
                struct store_port **port_out)
{
    struct store_port *port = calloc(1, sizeof(*port));

    assert(store->port_count < STORE_PORTS_MAX);
    if (port == NULL)
        return STATUS_NO_SPACE;
    port->store = store;
    port->counters = counters;
    port->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (port->fd < 0) {
        free(port);
        return STATUS_NO_SPACE;
    }
    store->ports[store->port_count++] = port;
    *port_out = port;
    return STATUS_OK;
}

void
store_port_close(struct store_port **port_in)
{
    struct store_port *port = *port_in;

    if (port == NULL)
        return;
    *port_in = NULL;
    assert(port->first_waiting == NULL);
    for (unsigned i = 0; i < port->store->port_count; i++)
        if (port->store->ports[i] == port)
            port->store->ports[i] = NULL;
    close(port->fd);
    free(port);
}

int
store_port_fd(const struct store_port *port)
{
    return port->fd;
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
            eventfd_write(store->ports[i]->fd, 1);
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

void
store_port_run(struct store_port *port)
{
    eventfd_t wakes;
    uint64_t now_ns = clock_now_ns();

    (void)eventfd_read(port->fd, &wakes);
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

uint64_t
store_port_deadline_ns(const struct store_port *port)
{
    return port->first_waiting == NULL ? 0 : port->first_waiting->deadline_ns;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads of bodies that are not in DRAM.  One read serves all GETs of its key:
 *
 *   flight   one read, on the port of the GET that began it.  Its entry knows
 *            it until one of them ends.
 *   waiter   one GET that waits for it, on whatever port.  Belongs to that
 *            port's thread; once it hangs in a flight, its result is written
 *            by the flight's thread, which then posts it home.
 *
 * A GET that is cancelled or has waited too long leaves its waiter behind, and
 * the read goes on for the others.
 */
#include "storage/store_state.h"

#include "base/clock.h"

#include <assert.h>
#include <string.h>

/* Reads that nobody waits for yet are begun while a port has fewer under way, and
 * all reads are of fewer bytes: a guess must not stand before what is asked for. */
#define AHEAD_MOST  16u
#define AHEAD_SHARE 16u /* of the pool */
#define AHEAD_BYTES (16u << 20)
/* So many that come after one that is asked for; one where many ask. */
#define AHEAD_STEPS 2u
#define AHEAD_FEW   5u

struct waiter {
    struct post post;
    struct store_port *home;
    bool is_first;         /* it began the read */
    struct store_get *get; /* NULL: nobody wants it any more */
    uint64_t deadline_ns;
    struct waiter *older, *newer; /* at home, while get != NULL */
    struct waiter *next;          /* of the flight; by flight_lock */
    struct chunk *chunk;          /* the result, from the flight's thread */
    enum status status;
};

struct flight {
    struct transfer transfer;
    struct store_port *home;
    enum tier_kind tier; /* it reads from */
    struct entry *entry; /* by its part's lock; NULL: the entry is gone */
    struct policy_access access; /* likewise: the last GET's */
    bool has_access;
    struct waiter *waiters; /* by flight_lock */
    uint8_t key[];
};

static void
stand_in_line(struct store_port *port, struct waiter *waiter)
{
    struct waiter *before = port->last_waiter;

    /* Some tiers are waited for longer than others. */
    while (before != NULL && before->deadline_ns > waiter->deadline_ns)
        before = before->older;
    waiter->older = before;
    waiter->newer = before == NULL ? port->first_waiter : before->newer;
    if (before != NULL)
        before->newer = waiter;
    else
        port->first_waiter = waiter;
    if (waiter->newer != NULL)
        waiter->newer->older = waiter;
    else
        port->last_waiter = waiter;
}

/* Its GET has an answer, or wants none: the waiter no longer counts. */
static void
leave_line(struct waiter *waiter)
{
    struct store_port *port = waiter->home;

    assert(waiter->get != NULL);
    if (waiter->older != NULL)
        waiter->older->newer = waiter->newer;
    else
        port->first_waiter = waiter->newer;
    if (waiter->newer != NULL)
        waiter->newer->older = waiter->older;
    else
        port->last_waiter = waiter->older;
    waiter->get->waiter = NULL;
    waiter->get = NULL;
}

/* At home: hands the result to the GET. */
static void
arrive(struct post *post)
{
    struct waiter *waiter = (struct waiter *)post;
    struct store_port *home = waiter->home;
    struct store_get *get = waiter->get;

    if (get != NULL) {
        leave_line(waiter);
        get->status = waiter->status;
        get->chunk = waiter->chunk;
        if (get->status == STATUS_OK)
            count(home->counters, tier_counters[get->tier].hits, 1);
    } else {
        chunk_drop(&waiter->chunk);
    }
    index_object_free(home->store->index, waiter, sizeof(*waiter));
    home->under_way--;
    if (get != NULL)
        get->done(get);
}

static void
count_read(const struct flight *flight)
{
    const struct tier_counters *row = &tier_counters[flight->tier];
    struct counters *counters = flight->home->counters;

    switch (flight->transfer.status) {
    case STATUS_OK:
        count(counters, row->reads_good, 1);
        return;
    case STATUS_CORRUPT:
        count(counters, row->reads_corrupt, 1);
        return;
    case STATUS_IO:
    case STATUS_LATE:
        count(counters, row->reads_failed, 1);
        return;
    case STATUS_NO_SPACE:
        count(counters, row->reads_no_space, 1);
        return;
    default:
        count(counters, row->reads_stale, 1);
    }
}

/* What was read comes to DRAM; a place that did not give its bytes is no
 * place.  A sick device keeps what it has for when it is well again. */
static void
settle_entry(struct flight *flight)
{
    struct store_port *port = flight->home;
    struct store *store = port->store;
    struct transfer *transfer = &flight->transfer;
    struct part *part = index_lock(store->index, transfer->key.hash);
    struct entry *entry = flight->entry;

    if (entry == NULL) {
        index_unlock(part);
        return;
    }
    entry->flight = NULL;
    if (transfer->status == STATUS_OK && store_chunk(entry) == NULL) {
        store_place_dram(store, part, entry, transfer->chunk,
                         flight->has_access ? &flight->access : NULL);
        entry->ahead = flight->has_access ? 0 : (uint8_t)flight->tier;
    } else if (transfer->status == STATUS_CORRUPT ||
               transfer->status == STATUS_MISS ||
               (transfer->status == STATUS_IO &&
                lower_may_read(store->tiers[flight->tier]))) {
        if (entry_is_in(entry, flight->tier) &&
            memcmp(&entry->places[flight->tier], &transfer->place,
                   sizeof(transfer->place)) == 0)
            store_forget_place(port, part, entry, flight->tier);
    }
    index_unlock(part);
}

static struct waiter *
take_waiters(struct flight *flight)
{
    struct store *store = flight->home->store;
    struct waiter *waiters;

    pthread_mutex_lock(&store->flight_lock);
    waiters = flight->waiters;
    flight->waiters = NULL;
    pthread_mutex_unlock(&store->flight_lock);
    return waiters;
}

static size_t
flight_size(const struct flight *flight)
{
    return sizeof(*flight) + flight->transfer.key.size;
}

/* On the flight's thread, its read at an end.  The result of `mine` is left in
 * it; all others are sent home. */
static void
land(struct flight *flight, struct waiter *mine)
{
    struct store_port *port = flight->home;
    struct transfer *transfer = &flight->transfer;
    struct waiter *waiter, *next, *here = NULL;

    count_read(flight);
    settle_entry(flight);
    for (waiter = take_waiters(flight); waiter != NULL; waiter = next) {
        next = waiter->next;
        waiter->post.run = arrive;
        waiter->status =
            transfer->status == STATUS_OK ? STATUS_OK : STATUS_MISS;
        if (transfer->status == STATUS_OK)
            waiter->chunk = chunk_hold(transfer->chunk);
        if (waiter == mine)
            continue;
        if (waiter->home != port) {
            port_post(waiter->home->port, &waiter->post);
            continue;
        }
        waiter->next = here;
        here = waiter;
    }
    atomic_fetch_sub_explicit(&port->store->reading_bytes, transfer->size,
                              memory_order_relaxed);
    chunk_drop(&transfer->chunk);
    index_object_free(port->store->index, flight, flight_size(flight));
    port->under_way--;
    for (; here != NULL; here = next) {
        next = here->next;
        arrive(&here->post);
    }
}

static void
on_read(struct transfer *transfer)
{
    land((struct flight *)transfer, NULL);
}

/* With the part locked; some tier that has the body answers. */
static struct flight *
new_flight(struct store_port *port, struct entry *entry, enum tier_kind tier)
{
    struct key key = entry_key(entry);
    struct flight *flight =
        index_object_new(port->store->index, sizeof(*flight) + key.size);

    if (flight == NULL)
        return NULL;
    memset(flight, 0, sizeof(*flight));
    memcpy(flight->key, key.bytes, key.size);
    flight->home = port;
    flight->tier = tier;
    flight->entry = entry;
    key.bytes = flight->key;
    flight->transfer = (struct transfer){.key = key,
                                         .sequence = entry->sequence,
                                         .size = entry->body_size,
                                         .place = entry->places[tier],
                                         .port = port->port,
                                         .done = on_read};
    entry->flight = flight;
    port->under_way++;
    atomic_fetch_add_explicit(&port->store->reading_bytes, entry->body_size,
                              memory_order_relaxed);
    return flight;
}

static uint64_t
read_wait_ns(const struct store *store, enum tier_kind tier)
{
    return atomic_load_explicit(&store->lower[tier].read_wait_ns,
                                memory_order_relaxed);
}

static struct waiter *
new_waiter(struct store_port *port, struct store_get *get, enum tier_kind tier)
{
    struct store *store = port->store;
    struct waiter *waiter = index_object_new(store->index, sizeof(*waiter));

    if (waiter == NULL)
        return NULL;
    memset(waiter, 0, sizeof(*waiter));
    waiter->home = port;
    waiter->get = get;
    waiter->deadline_ns = clock_now_ns() + read_wait_ns(store, tier);
    get->waiter = waiter;
    get->tier = tier;
    stand_in_line(port, waiter);
    port->under_way++;
    return waiter;
}

/* With the entry's part locked, so that the read is not at its end. */
static void
join(struct flight *flight, struct waiter *waiter)
{
    struct store *store = waiter->home->store;

    pthread_mutex_lock(&store->flight_lock);
    waiter->next = flight->waiters;
    flight->waiters = waiter;
    pthread_mutex_unlock(&store->flight_lock);
}

/* Without a read: it ends here. */
static void
give_up(struct waiter *waiter)
{
    struct store_port *port = waiter->home;

    leave_line(waiter);
    index_object_free(port->store->index, waiter, sizeof(*waiter));
    port->under_way--;
}

/* Where it is read from.  A tier may go out of service at any moment: it then says
 * so itself. */
static enum tier_kind
tier_of(const struct store *store, const struct entry *entry)
{
    enum tier_kind tier = store_best_tier(store, entry);

    if (tier == TIER_COUNT)
        tier = entry_is_in(entry, TIER_NVME) ? TIER_NVME : TIER_SPILL;
    return tier;
}

static enum progress
read_from(struct flight *flight)
{
    return tier_get(flight->home->store->tiers[flight->tier],
                    &flight->transfer);
}

/* The read is this GET's own. */
static enum progress
fly(struct flight *flight, struct waiter *waiter)
{
    struct store_get *get = waiter->get;

    if (read_from(flight) == PENDING)
        return PENDING;
    land(flight, waiter);
    get->status = waiter->status;
    get->chunk = waiter->chunk;
    give_up(waiter);
    return FINISHED;
}

enum progress
store_flight_join(struct store_port *port, struct part *part,
                  struct entry *entry, struct store_get *get,
                  const struct policy_access *access)
{
    struct flight *flight = entry->flight;
    bool is_own = flight == NULL;
    enum tier_kind tier = is_own ? tier_of(port->store, entry) : flight->tier;
    struct waiter *waiter = new_waiter(port, get, tier);

    if (waiter != NULL && is_own)
        flight = new_flight(port, entry, tier);
    if (waiter == NULL || flight == NULL) {
        index_unlock(part);
        count(port->counters, tier_counters[tier].reads_no_space, 1);
        if (waiter != NULL)
            give_up(waiter);
        return FINISHED;
    }
    flight->access = *access;
    flight->has_access = true;
    join(flight, waiter);
    index_unlock(part);
    if (is_own) {
        waiter->is_first = true;
        return fly(flight, waiter);
    }
    count(port->counters, tier_counters[tier].reads_joined, 1);
    return PENDING;
}

/* Where what leaves DRAM is written first, a guess must not push it out. */
static bool
has_room_ahead(const struct store *store, const struct entry *entry)
{
    return atomic_load_explicit(&store->write, memory_order_relaxed) !=
               STORE_WRITE_EVICTED ||
           pool_free_bytes(store->pool) >= chunk_footprint(entry->body_size);
}

static bool
may_ahead(const struct store_port *port, const struct entry *entry)
{
    const struct store *store = port->store;
    uint64_t bytes =
        atomic_load_explicit(&store->reading_bytes, memory_order_relaxed);

    return entry->flight == NULL && port->under_way < AHEAD_MOST &&
           bytes + entry->body_size <= AHEAD_BYTES &&
           bytes + entry->body_size <= pool_size(store->pool) / AHEAD_SHARE &&
           has_room_ahead(store, entry);
}

void
store_flight_ahead(struct store_port *port, struct part *part,
                   struct entry *entry)
{
    bool may = may_ahead(port, entry);
    enum tier_kind tier = tier_of(port->store, entry);
    struct flight *flight = may ? new_flight(port, entry, tier) : NULL;

    if (flight != NULL) {
        count(port->counters, tier_counters[tier].reads_ahead, 1);
    }
    index_unlock(part);
    if (flight != NULL && read_from(flight) == FINISHED)
        land(flight, NULL);
}

void
store_flight_follow(struct store_port *port, const struct policy_access *access,
                    uint64_t next)
{
    struct store *store = port->store;
    unsigned steps = port->under_way > AHEAD_FEW ? 1 : AHEAD_STEPS;

    if (store->mover == NULL || access->previous == 0 ||
        !index_follow(store->index, access->previous, access->hash))
        return;
    for (unsigned i = 0; i < steps && next != 0; i++) {
        struct part *part = index_lock(store->index, next);
        struct entry *entry = part_guess(part, next);

        next = entry == NULL ? 0 : entry->next;
        if (entry != NULL && entry_has_body(entry) &&
            store_chunk(entry) == NULL && store_is_readable(store, entry))
            store_flight_ahead(port, part, entry);
        else
            index_unlock(part);
    }
}

void
store_flight_leave(struct entry *entry)
{
    if (entry->flight != NULL)
        entry->flight->entry = NULL;
    entry->flight = NULL;
}

void
store_flight_move(struct entry *entry, struct entry *old)
{
    entry->flight = old->flight;
    old->flight = NULL;
    if (entry->flight != NULL)
        entry->flight->entry = entry;
}

void
store_get_cancel(struct store_port *port, struct store_get *get)
{
    assert(get->waiter == NULL || get->waiter->home == port);
    (void)port;
    if (get->waiter != NULL)
        leave_line(get->waiter);
}

/* Once for each read, by the GET that began it. */
static void
report_late(const struct waiter *waiter)
{
    const struct store *store = waiter->home->store;
    enum tier_kind tier = waiter->get->tier;

    if (waiter->is_first)
        lower_report_late(store->tiers[tier], read_wait_ns(store, tier));
}

void
store_flight_expire(struct store_port *port, uint64_t now_ns)
{
    struct waiter *waiter;

    while ((waiter = port->first_waiter) != NULL &&
           waiter->deadline_ns <= now_ns) {
        struct store_get *get = waiter->get;

        assert(get != NULL);
        report_late(waiter);
        leave_line(waiter);
        count(port->counters, tier_counters[get->tier].reads_late, 1);
        get->status = STATUS_MISS;
        get->done(get);
    }
}

uint64_t
store_flight_deadline_ns(const struct store_port *port)
{
    return port->first_waiter == NULL ? 0 : port->first_waiter->deadline_ns;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One spill tier, too small for what is put: a mover that writes and reclaims,
 * two getters, and one thread that deletes, flushes and has the databases opened
 * again, all on the same keys.  Every byte that is got follows from its key and
 * sequence; after a restart what was deleted or flushed is not there.  For
 * ThreadSanitizer.
 */
#include "tests/lib/spill_tier.h"

#include <pthread.h>

#define KEYS      64u
#define GETTERS   2u
#define WINDOW    4u
#define PUTS      12u
#define OLD       16u
#define SIZE_MOST (400u << 10)
#define NS_LEAST  NS_PER_SECOND
#define NS_MOST   (60 * NS_PER_SECOND)
#define STRIKES   5u
#define FAULTS    3u

struct slot {
    pthread_mutex_t lock;
    struct spill_kept kept;
    uint64_t gone; /* PUTs up to it are */
};

struct getter {
    pthread_t thread;
    struct port *port;
    uint64_t random;
    uint64_t hits, misses, refused;
    /* Places that may be of nothing by now: right bytes or a miss. */
    struct spill_kept old[OLD];
    unsigned old_number[OLD];
    bool is_wrong;
};

struct transfer_of {
    struct spill_transfer its; /* first */
    unsigned number;
    bool is_free;
};

struct flush {
    struct lower_flush inner; /* first */
    bool is_done;
};

static struct spill_tier spill;
static struct slot slots[KEYS];
static struct getter getters[GETTERS];
static _Atomic uint64_t next_sequence;
static _Atomic bool is_over, is_wrong;
static _Atomic uint64_t puts_done, reclaimed, missed;
static uint64_t deleted, flushed;

static void
wait_for(struct port *port)
{
    struct pollfd ready = {.fd = port_fd(port), .events = POLLIN};

    port_submit(port);
    (void)poll(&ready, 1, 5);
    port_run(port);
}

/* --- The mover's. --- */

static void
forget(struct slot *slot)
{
    if (slot->kept.is_there)
        tier_drop(spill.tier, &slot->kept.place, slot->kept.size);
    slot->kept.is_there = false;
}

/* Whoever forgets a value, or never had it, tells the tier. */
static void
note_dropped(unsigned number, uint64_t sequence)
{
    uint8_t bytes[32];
    const struct tier_found item = {.kind = TIER_FOUND_DROPPED,
                                    .key = spill_key(bytes, number),
                                    .sequence = sequence + 1};

    lower_note(spill.tier, &item);
}

static void
take_place(struct slot *slot, const struct transfer *transfer, unsigned number)
{
    if (transfer->sequence <= slot->gone ||
        transfer->sequence <= slot->kept.sequence) {
        tier_drop(spill.tier, &transfer->place, transfer->size);
        note_dropped(number, transfer->sequence);
        return;
    }
    if (slot->kept.is_there)
        note_dropped(number, slot->kept.sequence);
    forget(slot);
    slot->kept = (struct spill_kept){.is_there = true,
                                     .sequence = transfer->sequence,
                                     .size = transfer->size,
                                     .place = transfer->place};
}

static void
on_put(struct transfer *transfer)
{
    struct transfer_of *put = (struct transfer_of *)transfer;
    struct slot *slot = &slots[put->number];

    pthread_mutex_lock(&slot->lock);
    if (transfer->status == STATUS_OK) {
        take_place(slot, transfer, put->number);
        puts_done++;
    } else {
        /* Part of it may be there. */
        note_dropped(put->number, transfer->sequence);
    }
    pthread_mutex_unlock(&slot->lock);
    chunk_drop(&transfer->chunk);
    put->is_free = true;
}

static void
start_put(struct transfer_of *put, uint64_t *random)
{
    uint32_t size = random_below(random, 3) == 0
                        ? random_below(random, SIZE_MOST)
                        : random_below(random, 9000);
    struct transfer *transfer = &put->its.transfer;
    enum progress progress;
    struct slot *slot;

    put->number = random_below(random, KEYS);
    slot = &slots[put->number];
    pthread_mutex_lock(&slot->lock);
    spill_prepare(&spill, &put->its, put->number,
                  atomic_fetch_add(&next_sequence, 1), size);
    transfer->done = on_put;
    transfer->chunk =
        spill_sealed(&spill, size, spill_seed(put->number, transfer->sequence));
    progress = tier_put(spill.tier, transfer);
    pthread_mutex_unlock(&slot->lock);
    put->is_free = progress == FINISHED;
    if (put->is_free)
        chunk_drop(&transfer->chunk);
}

static void
reclaim(void)
{
    struct lower_victim *victim;
    struct tier_found item;

    if (!lower_wants_reclaim(spill.tier) ||
        lower_victim_start(spill.tier, spill.port, &victim) != STATUS_OK)
        return;
    /* IO: the databases are being opened again. */
    if (lower_victim_retire(victim) != STATUS_OK)
        return;
    while (spill_victim_tells(victim, &item)) {
        struct slot *slot = &slots[spill_number_of(&item)];

        pthread_mutex_lock(&slot->lock);
        if (slot->kept.is_there &&
            memcmp(&slot->kept.place, &item.place, sizeof(item.place)) == 0)
            forget(slot);
        pthread_mutex_unlock(&slot->lock);
    }
    lower_victim_finish(&victim);
    reclaimed++;
}

/* What went otherwise. */
static void
forget_lost(void)
{
    static uint64_t told;
    uint64_t losses = lower_losses(spill.tier);

    for (unsigned i = 0; i < KEYS && told != losses; i++) {
        pthread_mutex_lock(&slots[i].lock);
        if (slots[i].kept.is_there &&
            lower_has_lost(spill.tier, &slots[i].kept.place))
            forget(&slots[i]);
        pthread_mutex_unlock(&slots[i].lock);
    }
    told = losses;
}

static void *
move(void *arg)
{
    static struct transfer_of puts[PUTS];
    uint64_t random = 1;
    unsigned busy;

    (void)arg;
    for (unsigned i = 0; i < PUTS; i++)
        puts[i].is_free = true;
    do {
        busy = 0;
        lower_care(spill.tier, spill.port);
        reclaim();
        forget_lost();
        for (unsigned i = 0; i < PUTS; i++) {
            if (puts[i].is_free && !is_over)
                start_put(&puts[i], &random);
            busy += !puts[i].is_free;
        }
        lower_submit(spill.tier, spill.port);
        wait_for(spill.port);
    } while (!is_over || busy != 0);
    return NULL;
}

/* --- The getters'. --- */

static void
on_got(struct transfer *transfer)
{
    struct transfer_of *get = (struct transfer_of *)transfer;
    struct getter *getter = port_owner(transfer->port);

    if (transfer->status == STATUS_OK) {
        getter->hits++;
        if (!value_fills(transfer->chunk,
                         spill_seed(get->number, transfer->sequence)))
            getter->is_wrong = true;
    } else if (transfer->status == STATUS_MISS) {
        getter->misses++;
        missed++;
    } else if (transfer->status == STATUS_IO) {
        getter->refused++;
    } else {
        getter->is_wrong = true;
    }
    chunk_drop(&transfer->chunk);
    get->is_free = true;
}

static void
start_get(struct getter *getter, struct transfer_of *get)
{
    unsigned old = random_below(&getter->random, OLD);
    struct slot *slot;
    struct spill_kept kept;

    get->number = random_below(&getter->random, KEYS);
    slot = &slots[get->number];
    pthread_mutex_lock(&slot->lock);
    kept = slot->kept;
    pthread_mutex_unlock(&slot->lock);
    if (getter->old[old].is_there && random_below(&getter->random, 4) == 0) {
        kept = getter->old[old];
        get->number = getter->old_number[old];
    } else if (kept.is_there && (!getter->old[old].is_there ||
                                 random_below(&getter->random, 100) == 0)) {
        getter->old[old] = kept;
        getter->old_number[old] = get->number;
    }
    if (!kept.is_there)
        return;
    spill_prepare(&spill, &get->its, get->number, kept.sequence, kept.size);
    get->its.transfer.port = getter->port;
    get->its.transfer.place = kept.place;
    get->its.transfer.done = on_got;
    get->is_free = false;
    if (tier_get(spill.tier, &get->its.transfer) == FINISHED)
        on_got(&get->its.transfer);
}

static void *
get(void *arg)
{
    struct getter *getter = arg;
    struct transfer_of *gets = calloc(WINDOW, sizeof(*gets));
    unsigned busy;

    for (unsigned i = 0; i < WINDOW; i++)
        gets[i].is_free = true;
    do {
        busy = 0;
        for (unsigned i = 0; i < WINDOW; i++) {
            if (gets[i].is_free && !is_over)
                start_get(getter, &gets[i]);
            busy += !gets[i].is_free;
        }
        wait_for(getter->port);
    } while (!is_over || busy != 0);
    free(gets);
    return NULL;
}

/* --- Deletes, flushes, faults. --- */

static void delete (unsigned number)
{
    struct slot *slot = &slots[number];

    pthread_mutex_lock(&slot->lock);
    slot->gone = atomic_fetch_add(&next_sequence, 1);
    if (slot->kept.is_there)
        note_dropped(number, slot->kept.sequence);
    forget(slot);
    pthread_mutex_unlock(&slot->lock);
    deleted++;
}

static void
on_flushed(struct lower_flush *inner)
{
    ((struct flush *)inner)->is_done = true;
}

/* Of the odd keys.  IO while the databases are opened again. */
static void
flush(struct port *port)
{
    struct flush flush = {
        .inner = {.space = 1,
                  .sequence = atomic_fetch_add(&next_sequence, 1),
                  .port = port,
                  .done = on_flushed}};

    lower_flush(spill.tier, &flush.inner);
    while (!flush.is_done)
        wait_for(port);
    for (unsigned i = 1; i < KEYS; i += 2) {
        pthread_mutex_lock(&slots[i].lock);
        if (slots[i].kept.sequence < flush.inner.sequence)
            forget(&slots[i]);
        if (slots[i].gone < flush.inner.sequence)
            slots[i].gone = flush.inner.sequence;
        pthread_mutex_unlock(&slots[i].lock);
    }
    flushed++;
}

/* Until all of it has happened. */
static bool
goes_on(uint64_t started_ns)
{
    uint64_t passed_ns = clock_now_ns() - started_ns;

    return passed_ns < NS_LEAST ||
           (passed_ns < NS_MOST &&
            (reclaimed == 0 || missed == 0 || flushed == 0 ||
             spill_used(&spill).reopened < FAULTS));
}

static void *
note(void *arg)
{
    struct port *port = arg;
    uint64_t random = 99, started_ns = clock_now_ns();
    unsigned faults = 0;

    for (unsigned i = 0; goes_on(started_ns); i++) {
        struct spill_usage usage = spill_used(&spill);

        if (usage.corrupt != 0 || usage.read_errors != 0)
            is_wrong = true;
        delete (random_below(&random, KEYS));
        if (random_below(&random, 50) == 0)
            flush(port);
        for (unsigned strike = 0; i % 50 == 49 && usage.may_read &&
                                  faults < FAULTS && strike < STRIKES;
             strike++)
            lower_report_late(spill.tier, 1);
        faults += i % 50 == 49 && usage.may_read;
        wait_for(port);
    }
    return NULL;
}

/* --- Afterwards. --- */

static void
check_again(void)
{
    if (spill_tier_open(&spill) != STATUS_OK) {
        is_wrong = true;
        return;
    }
    for (unsigned i = 0; i < KEYS; i++) {
        const struct spill_kept *now = &spill.kept[i], *was = &slots[i].kept;

        if (now->is_there != was->is_there ||
            (now->is_there && (now->sequence != was->sequence ||
                               spill_get(&spill, i) != STATUS_OK))) {
            printf("key %u: %d %llu, was %d %llu, gone %llu\n", i,
                   now->is_there, (unsigned long long)now->sequence,
                   was->is_there, (unsigned long long)was->sequence,
                   (unsigned long long)slots[i].gone);
            is_wrong = true;
        }
    }
    spill_tier_close(&spill);
}

static bool
report(uint64_t reopened)
{
    uint64_t hits = 0, misses = 0, refused = 0;

    for (unsigned i = 0; i < GETTERS; i++) {
        hits += getters[i].hits;
        misses += getters[i].misses;
        refused += getters[i].refused;
        is_wrong = is_wrong || getters[i].is_wrong;
    }
    printf("%llu puts, %llu hits, %llu misses, %llu refused, %llu reclaimed, "
           "%llu deleted, %llu flushes, opened again %llu times\n",
           (unsigned long long)puts_done, (unsigned long long)hits,
           (unsigned long long)misses, (unsigned long long)refused,
           (unsigned long long)reclaimed, (unsigned long long)deleted,
           (unsigned long long)flushed, (unsigned long long)reopened);
    return !is_wrong && hits != 0 && misses != 0 && reclaimed != 0 &&
           flushed != 0 && reopened >= FAULTS;
}

/* Notes have been written when nothing is out of service. */
static uint64_t
settle(struct port *port)
{
    uint64_t end_ns = clock_now_ns() + SPILL_WAIT_NS;

    while (!spill_used(&spill).may_write && clock_now_ns() < end_ns)
        wait_for(port);
    return spill_used(&spill).reopened;
}

static bool
run(void)
{
    pthread_t mover, noter;
    struct port *port;
    uint64_t reopened;

    next_sequence = 1;
    for (unsigned i = 0; i < KEYS; i++)
        pthread_mutex_init(&slots[i].lock, NULL);
    if (!spill_tier_make(&spill, 16u << 20) ||
        spill_tier_open(&spill) != STATUS_OK ||
        port_open(NULL, NULL, &port) != STATUS_OK ||
        pthread_create(&mover, NULL, move, NULL) != 0)
        return false;
    for (unsigned i = 0; i < GETTERS; i++) {
        struct getter *getter = &getters[i];

        getter->random = 1000 + i;
        if (port_open(NULL, getter, &getter->port) != STATUS_OK ||
            pthread_create(&getter->thread, NULL, get, getter) != 0)
            return false;
    }
    if (pthread_create(&noter, NULL, note, port) != 0)
        return false;
    pthread_join(noter, NULL);
    is_over = true;
    pthread_join(mover, NULL);
    for (unsigned i = 0; i < GETTERS; i++) {
        pthread_join(getters[i].thread, NULL);
        port_close(&getters[i].port);
    }
    reopened = settle(port);
    port_close(&port);
    spill_tier_close(&spill);
    check_again();
    return report(reopened) && spill_tier_remove(&spill);
}

int
main(void)
{
    bool is_fine;

    if (tier_kinds[TIER_SPILL]->lower == NULL) {
        puts("built without the spill tier");
        return 77;
    }
    is_fine = run();
    puts(is_fine ? "every byte was right, nothing came back" : "WRONG");
    return is_fine ? 0 : 1;
}

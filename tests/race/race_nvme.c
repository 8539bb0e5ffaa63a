/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One NVMe tier, too small for what is put: a mover that writes and reclaims,
 * two getters, and one thread that deletes and flushes, all on the same keys.
 * Every byte that is got follows from its key and sequence; after a restart
 * what was deleted or flushed is not there.  For ThreadSanitizer.
 */
#include "tests/lib/nvme_tier.h"

#include <pthread.h>

#define KEYS      64u
#define GETTERS   2u
#define WINDOW    4u
#define PUTS      12u
#define OLD       16u
#define SIZE_MOST (400u << 10)
#define NS_IN_ALL (1500 * NS_PER_MS)

struct slot {
    pthread_mutex_t lock;
    struct nvme_kept kept;
    uint64_t gone; /* PUTs up to it are */
};

struct getter {
    pthread_t thread;
    struct port *port;
    uint64_t random;
    uint64_t hits, misses;
    /* Places that may be another's by now: right bytes or a miss. */
    struct nvme_kept old[OLD];
    unsigned old_number[OLD];
    bool is_wrong;
};

struct transfer_of {
    struct nvme_transfer its; /* first */
    unsigned number;
    bool is_free;
};

struct flush {
    struct lower_flush inner; /* first */
    bool is_done;
};

static struct nvme_tier nvme;
static struct slot slots[KEYS];
static struct getter getters[GETTERS];
static _Atomic uint64_t next_sequence;
static _Atomic bool is_over, is_wrong;
static uint64_t puts_done, reclaimed, deleted, flushed;

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
        tier_drop(nvme.tier, &slot->kept.place, slot->kept.size);
    slot->kept.is_there = false;
}

static void
on_put(struct transfer *transfer)
{
    struct transfer_of *put = (struct transfer_of *)transfer;
    struct slot *slot = &slots[put->number];

    pthread_mutex_lock(&slot->lock);
    if (transfer->status == STATUS_OK) {
        if (transfer->sequence > slot->gone &&
            transfer->sequence > slot->kept.sequence) {
            forget(slot);
            slot->kept = (struct nvme_kept){.is_there = true,
                                            .sequence = transfer->sequence,
                                            .size = transfer->size,
                                            .place = transfer->place};
        } else {
            tier_drop(nvme.tier, &transfer->place, transfer->size);
        }
        puts_done++;
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
    nvme_prepare(&nvme, &put->its, put->number,
                 atomic_fetch_add(&next_sequence, 1), size);
    transfer->done = on_put;
    transfer->chunk =
        nvme_sealed(&nvme, size, nvme_seed(put->number, transfer->sequence));
    progress = tier_put(nvme.tier, transfer);
    pthread_mutex_unlock(&slot->lock);
    put->is_free = progress == FINISHED;
    if (put->is_free)
        chunk_drop(&transfer->chunk);
}

static void
reclaim(void)
{
    struct nvme_victim *victim;

    if (!nvme_wants_reclaim(nvme.tier) ||
        nvme_victim_start(nvme.tier, nvme.port, &victim) != STATUS_OK)
        return;
    if (nvme_victim_retire(victim) != STATUS_OK) {
        is_wrong = true;
        return;
    }
    for (unsigned i = 0; i < KEYS; i++) {
        pthread_mutex_lock(&slots[i].lock);
        if (slots[i].kept.is_there &&
            !nvme_holds(nvme.tier, &slots[i].kept.place))
            forget(&slots[i]);
        pthread_mutex_unlock(&slots[i].lock);
    }
    nvme_victim_finish(&victim);
    reclaimed++;
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
        nvme_care(nvme.tier, nvme.port);
        reclaim();
        for (unsigned i = 0; i < PUTS; i++) {
            if (puts[i].is_free && !is_over)
                start_put(&puts[i], &random);
            busy += !puts[i].is_free;
        }
        nvme_submit(nvme.tier, nvme.port);
        wait_for(nvme.port);
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
                         nvme_seed(get->number, transfer->sequence)))
            getter->is_wrong = true;
    } else {
        getter->misses++;
        if (transfer->status != STATUS_MISS)
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
    struct nvme_kept kept;

    get->number = random_below(&getter->random, KEYS);
    slot = &slots[get->number];
    pthread_mutex_lock(&slot->lock);
    kept = slot->kept;
    pthread_mutex_unlock(&slot->lock);
    if (getter->old[old].is_there && random_below(&getter->random, 4) == 0) {
        kept = getter->old[old];
        get->number = getter->old_number[old];
    } else if (random_below(&getter->random, 16) == 0) {
        getter->old[old] = kept;
        getter->old_number[old] = get->number;
    }
    if (!kept.is_there)
        return;
    nvme_prepare(&nvme, &get->its, get->number, kept.sequence, kept.size);
    get->its.transfer.port = getter->port;
    get->its.transfer.place = kept.place;
    get->its.transfer.done = on_got;
    get->is_free = false;
    if (tier_get(nvme.tier, &get->its.transfer) == FINISHED)
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

/* --- Deletes and flushes. --- */

static void delete (unsigned number)
{
    struct slot *slot = &slots[number];
    uint8_t bytes[KEY_SIZE_MAX];
    struct nvme_item item = {.kind = NVME_TOMBSTONE};

    pthread_mutex_lock(&slot->lock);
    slot->gone = atomic_fetch_add(&next_sequence, 1);
    forget(slot);
    item.key = nvme_key(&nvme, bytes, number);
    item.sequence = slot->gone;
    nvme_note(nvme.tier, &item);
    pthread_mutex_unlock(&slot->lock);
    deleted++;
}

static void
on_flushed(struct lower_flush *inner)
{
    ((struct flush *)inner)->is_done = true;
    if (inner->status != STATUS_OK)
        is_wrong = true;
}

/* Of the odd keys. */
static void
flush(struct port *port)
{
    struct flush flush = {
        .inner = {.space = 1,
                  .sequence = atomic_fetch_add(&next_sequence, 1),
                  .port = port,
                  .done = on_flushed}};

    nvme_flush(nvme.tier, &flush.inner);
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

static void *
note(void *arg)
{
    struct port *port = arg;
    uint64_t random = 99, end_ns = clock_now_ns() + NS_IN_ALL;

    while (clock_now_ns() < end_ns) {
        struct nvme_usage usage = nvme_used(&nvme);

        if (usage.corrupt != 0 || !usage.may_read || !usage.may_write)
            is_wrong = true;
        delete (random_below(&random, KEYS));
        if (random_below(&random, 50) == 0)
            flush(port);
        wait_for(port);
    }
    return NULL;
}

/* --- Afterwards. --- */

static void
check_again(void)
{
    if (nvme_tier_open(&nvme) != STATUS_OK) {
        is_wrong = true;
        return;
    }
    for (unsigned i = 0; i < KEYS; i++) {
        const struct nvme_kept *now = &nvme.kept[i], *was = &slots[i].kept;

        if (now->is_there != was->is_there ||
            (now->is_there && (now->sequence != was->sequence ||
                               nvme_get(&nvme, i) != STATUS_OK))) {
            printf("key %u: %d %llu, was %d %llu, gone %llu\n", i,
                   now->is_there, (unsigned long long)now->sequence,
                   was->is_there, (unsigned long long)was->sequence,
                   (unsigned long long)slots[i].gone);
            is_wrong = true;
        }
    }
    nvme_tier_close(&nvme);
}

static bool
report(void)
{
    uint64_t hits = 0, misses = 0;

    for (unsigned i = 0; i < GETTERS; i++) {
        hits += getters[i].hits;
        misses += getters[i].misses;
        is_wrong = is_wrong || getters[i].is_wrong;
    }
    printf("%llu puts, %llu hits, %llu misses, %llu reclaimed, %llu deleted, "
           "%llu flushes\n",
           (unsigned long long)puts_done, (unsigned long long)hits,
           (unsigned long long)misses, (unsigned long long)reclaimed,
           (unsigned long long)deleted, (unsigned long long)flushed);
    return !is_wrong && hits != 0 && misses != 0 && reclaimed != 0 &&
           flushed != 0;
}

static bool
run(enum io_engine_kind engine)
{
    pthread_t mover, noter;
    struct port *port;

    memset(slots, 0, sizeof(slots));
    memset(getters, 0, sizeof(getters));
    puts_done = reclaimed = deleted = flushed = 0;
    is_over = false;
    next_sequence = 1;
    for (unsigned i = 0; i < KEYS; i++)
        pthread_mutex_init(&slots[i].lock, NULL);
    if (!nvme_tier_make(&nvme, engine, 16u << 20) ||
        nvme_tier_open(&nvme) != STATUS_OK ||
        port_open(NULL, NULL, &port) != STATUS_OK ||
        pthread_create(&mover, NULL, move, NULL) != 0)
        return false;
    for (unsigned i = 0; i < GETTERS; i++) {
        struct getter *getter = &getters[i];

        getter->random = 1000 + i;
        if (port_open(nvme_engine(nvme.tier), getter, &getter->port) !=
                STATUS_OK ||
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
    port_close(&port);
    nvme_tier_close(&nvme);
    check_again();
    return report() && nvme_tier_remove(&nvme);
}

int
main(void)
{
    bool is_fine = run(IO_AUTO) && run(IO_THREADS);

    puts(is_fine ? "every byte was right, nothing came back" : "WRONG");
    return is_fine ? 0 : 1;
}

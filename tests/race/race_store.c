/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several threads with a port each do everything that a store offers, all on
 * the same few keys, in a store too small for them, with too little in-flight
 * budget; first in DRAM alone, then with a small NVMe device behind it.  Every
 * byte that is got follows from its key and the version that stands before it;
 * in the end nothing is held.  For ThreadSanitizer.
 */
#include "tests/lib/store_values.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#define THREADS   4u
#define KEYS      48u
#define KINDS     2u
#define SIZE_MOST (192u << 10)
#define NS_IN_ALL (1500 * NS_PER_MS)

struct user {
    pthread_t thread;
    struct store_port *port;
    struct counters counters;
    uint64_t random;
    uint64_t hits, misses, stored, refused, waited;
    uint64_t changed; /* metadata set, expiries, leases */
    bool is_wrong;
};

static struct store *store;
static uint64_t end_ns;
static _Atomic uint64_t next_version;

static uint32_t
any(struct user *user, uint32_t end)
{
    return random_below(&user->random, end);
}

/* The version stands in the first eight bytes. */
static uint64_t
seed_of(unsigned key, uint64_t version)
{
    return version * KEYS * KINDS + key;
}

static struct key
any_key(struct user *user, struct key_text *text, unsigned *number_out)
{
    unsigned number = any(user, KEYS * KINDS);

    *number_out = number;
    return key_numbered(text, number % KINDS == 0 ? KEY_PLAIN : KEY_OBJECT,
                        number);
}

static bool
is_right(const struct chunk *chunk, unsigned number)
{
    uint64_t version, seed;
    struct chunk_cursor cursor = chunk_cursor_at(chunk, 8);
    uint32_t at = 8;

    chunk_copy_out(chunk, 0, &version, 8);
    seed = seed_of(number, version);
    while (at < chunk->size) {
        struct iovec piece;

        if (chunk_cursor_vectors(&cursor, &piece, 1, chunk->size - at) != 1 ||
            !value_is(piece.iov_base, seed, at, (uint32_t)piece.iov_len))
            return false;
        at += (uint32_t)piece.iov_len;
        chunk_cursor_advance(&cursor, (uint32_t)piece.iov_len);
    }
    return true;
}

static struct chunk_meta
meta_of(unsigned number, uint64_t version, uint8_t size)
{
    struct chunk_meta meta = {.size = size};

    value_write(meta.bytes, seed_of(number, version), 0, size);
    memcpy(meta.bytes, &version, 8);
    return meta;
}

static bool
is_meta_right(const struct chunk_meta *meta, unsigned number)
{
    struct chunk_meta expected;
    uint64_t version;

    if (meta->size == 0)
        return true;
    memcpy(&version, meta->bytes, 8);
    expected = meta_of(number, version, meta->size);
    return memcmp(expected.bytes, meta->bytes, meta->size) == 0;
}

/* Some bytes with the head, the rest in slices; now and then not to the end. */
static bool
receive(struct user *user, struct value_put *value, unsigned number)
{
    uint64_t version = atomic_fetch_add(&next_version, 1);
    uint64_t seed = seed_of(number, version);
    uint32_t left;

    if (store_put_copy(user->port, &value->put, &version, 8) != STATUS_OK)
        return false;
    while ((left = chunk_missing(value->put.chunk)) != 0) {
        uint32_t slice = 1 + any(user, 100000);

        if (any(user, 64) == 0 ||
            value_receive(user->port, value, seed, slice < left ? slice : left))
            return false;
    }
    return true;
}

static struct store_terms
any_terms(struct user *user, unsigned number, const struct chunk_meta *meta)
{
    struct store_terms terms = {.present_forms = STORE_ANY_FORM};

    if (any(user, 8) == 0)
        terms.condition =
            any(user, 2) == 0 ? STORE_IF_ABSENT : STORE_IF_PRESENT;
    if (any(user, 8) == 0)
        terms.expires_ns = clock_now_ns() + any(user, 20) * NS_PER_MS;
    if (number % KINDS == 0)
        return terms;
    terms.form = (uint8_t)any(user, FORM_COUNT);
    terms.is_half = terms.form != FORM_LM;
    if (!terms.is_half)
        terms.meta = meta;
    return terms;
}

static void
put(struct user *user, const struct key *key, unsigned number)
{
    uint32_t size =
        8 + (any(user, 3) == 0 ? any(user, SIZE_MOST) : any(user, 4000));
    struct chunk_meta meta =
        meta_of(number, atomic_fetch_add(&next_version, 1), CHUNK_META_LM);
    struct store_terms terms = any_terms(user, number, &meta);
    struct value_put value;

    if (value_begin(user->port, &value, key, size) == PENDING) {
        user->waited++;
        if (any(user, 8) == 0) {
            store_put_cancel(user->port, &value.put);
            return;
        }
        (void)value_await(user->port, &value);
    }
    if (value.put.status != STATUS_OK) {
        store_put_cancel(user->port, &value.put);
        user->refused++;
        return;
    }
    if (!receive(user, &value, number)) {
        store_put_cancel(user->port, &value.put);
        user->refused++;
        return;
    }
    if (store_put_finish(user->port, &value.put, &terms) == STATUS_OK)
        user->stored++;
}

static void
get(struct user *user, const struct store_name *name, unsigned number)
{
    struct value_get value;
    struct store_get *got = &value.get;

    value_ask(user->port, &value, name);
    if (!value.is_done && any(user, 16) == 0) {
        store_get_cancel(user->port, got);
        return;
    }
    if (!value_await_get(user->port, &value)) {
        user->is_wrong = true;
        return;
    }
    if (got->status != STATUS_OK) {
        user->misses++;
        return;
    }
    user->hits++;
    if (!is_meta_right(&got->meta, number))
        user->is_wrong = true;
    if (got->chunk != NULL && !is_right(got->chunk, number))
        user->is_wrong = true;
    chunk_drop(&got->chunk);
}

static void
set_meta(struct user *user, const struct key *key, unsigned number)
{
    uint8_t size = (uint8_t)(CHUNK_META_LM + any(user, 3) * 20);
    struct chunk_meta meta =
        meta_of(number, atomic_fetch_add(&next_version, 1), size);
    struct store_terms terms = {.meta = &meta,
                                .form = (uint8_t)(FORM_SUFFIX + any(user, 3))};

    if (number % KINDS != 0 &&
        store_set_meta(user->port, key, &terms) == STATUS_OK)
        user->changed++;
}

static void
on_seen(void *arg, const struct store_seen *seen)
{
    struct user *user = arg;

    if (!seen->has_body && !seen->has_meta)
        user->is_wrong = true;
}

static void
look_around(struct user *user)
{
    struct store_usage usage;
    uint64_t cursor = 0;

    store_walk(user->port, &cursor, 20, on_seen, user);
    store_sweep(user->port);
    store_usage(store, &usage);
    if (usage.dram_used > usage.dram_size ||
        usage.index_used > usage.index_size ||
        usage.inflight_used > usage.inflight_size)
        user->is_wrong = true;
    if (any(user, 50) == 0)
        flush_now(user->port, any(user, 2) == 0 ? 0 : STORE_ALL_SPACES);
}

static void
change(struct user *user, const struct store_name *name)
{
    struct store_view view;
    uint64_t now_ns = clock_now_ns();

    switch (any(user, 5)) {
    case 0:
        (void)store_drop(user->port, name);
        break;
    case 1:
        store_withdraw_meta(user->port, name);
        break;
    case 2:
        if (store_expire(user->port, name, now_ns + NS_PER_MS) == STATUS_OK)
            user->changed++;
        break;
    case 3:
        if (store_view(user->port, name, &view) == STATUS_OK &&
            !view.has_body && name->part == PART_BODY)
            user->is_wrong = true;
        break;
    default:
        look_around(user);
        break;
    }
}

static void *
use(void *arg)
{
    struct user *user = arg;

    while (clock_now_ns() < end_ns) {
        struct key_text text = {0};
        unsigned number, what = any(user, 16);
        struct key key = any_key(user, &text, &number);
        struct store_name name = {key, STORE_ANY_FORM,
                                  any(user, 4) == 0 ? PART_META : PART_BODY};

        if (what < 6)
            get(user, &name, number);
        else if (what < 10)
            put(user, &key, number);
        else if (what < 12)
            set_meta(user, &key, number);
        else if (what < 14)
            user->changed += store_exists(user->port, &name) == STATUS_OK;
        else
            change(user, &name);
    }
    return NULL;
}

static bool
report(const struct user *users, const struct store_usage *usage)
{
    uint64_t hits = 0, misses = 0, stored = 0, waited = 0, read = 0;
    bool is_fine = true;

    for (unsigned i = 0; i < THREADS; i++) {
        hits += users[i].hits;
        misses += users[i].misses;
        stored += users[i].stored;
        waited += users[i].waited;
        read += counter_read(&users[i].counters, COUNTER_hits_nvme);
        is_fine =
            is_fine && !users[i].is_wrong &&
            counter_read(&users[i].counters, COUNTER_nvme_reads_corrupt) == 0;
    }
    printf("%llu hits, %llu of them read, %llu misses, %llu stored, %llu "
           "waited\n",
           (unsigned long long)hits, (unsigned long long)read,
           (unsigned long long)misses, (unsigned long long)stored,
           (unsigned long long)waited);
    return is_fine && hits != 0 && stored != 0 &&
           (read != 0) == usage->has_nvme;
}

/* Nothing waits to be written, so that nothing is held for that. */
static void
settle(void)
{
    struct store_usage usage;
    uint64_t until_ns = clock_now_ns() + 20 * NS_PER_SECOND;

    do {
        usleep(1000);
        store_usage(store, &usage);
    } while (usage.queue_bytes != 0 && clock_now_ns() < until_ns);
}

static bool
run(struct store_limits *limits)
{
    static struct user users[THREADS];
    struct store_usage at_start, usage;
    bool is_fine;

    memset(users, 0, sizeof(users));
    if (store_open(limits, &store) != STATUS_OK)
        return false;
    for (unsigned i = 0; i < THREADS; i++) {
        users[i].random = (uint64_t)(i + 1) << 32;
        if (store_port_open(store, &users[i].counters, &users[i].port) !=
            STATUS_OK)
            return false;
    }
    store_usage(store, &at_start);
    end_ns = clock_now_ns() + NS_IN_ALL;
    for (unsigned i = 0; i < THREADS; i++)
        if (pthread_create(&users[i].thread, NULL, use, &users[i]) != 0)
            return false;
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(users[i].thread, NULL);
    store_usage(store, &usage);
    is_fine = report(users, &usage);
    flush_now(users[0].port, STORE_ALL_SPACES);
    settle();
    for (unsigned i = 0; i < THREADS; i++)
        store_port_close(&users[i].port);
    is_fine = store_is_empty(store, &at_start) && is_fine;
    puts(is_fine ? "every byte was right, nothing is left" : "WRONG");
    store_close(&store);
    return is_fine;
}

static bool
run_with_nvme(struct store_limits *limits, enum io_engine_kind engine)
{
    static struct counters mover;
    const char *parent = getenv("PREFIXCACHE_TMP");
    char directory[128], path[160];
    bool is_fine;

    memset(&mover, 0, sizeof(mover));
    snprintf(directory, sizeof(directory), "%s/race-XXXXXX",
             parent == NULL ? "/tmp" : parent);
    if (mkdtemp(directory) == NULL)
        return false;
    limits->nvme = (struct store_nvme_limits){
        .device = {directory, 16u << 20, engine, 2, 2u << 20, SIZE_MOST + 8,
                   NS_PER_SECOND},
        .queue = 1u << 20,
        .read_wait_ns = 10 * NS_PER_SECOND,
        .reinsert = 50};
    limits->mover_counters = &mover;
    is_fine = run(limits);
    snprintf(path, sizeof(path), "%s/prefixcache.nvme", directory);
    unlink(path);
    rmdir(directory);
    return is_fine;
}

int
main(void)
{
    struct store_limits limits = store_small_limits();
    bool is_fine;

    limits.dram_size = 2u << 20;
    limits.inflight = 320u << 10;
    limits.value_max = SIZE_MOST + 8;
    limits.put_wait_ns = 2 * NS_PER_MS;
    limits.lease_ns = 5 * NS_PER_MS;
    limits.workers = THREADS;
    is_fine = run(&limits);
    is_fine = run_with_nvme(&limits, IO_AUTO) && is_fine;
    is_fine = run_with_nvme(&limits, IO_THREADS) && is_fine;
    return is_fine ? 0 : 1;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lookups by threads without a port, and by one that leases and promotes, while
 * others put, get and delete the very keys that are asked for, in a store too
 * small for them; first in DRAM alone, then with a small NVMe device behind it.
 * A value's size follows from its key, and so the bytes of every match are
 * known.  For ThreadSanitizer.
 */
#include "server/index/prefix.h"
#include "tests/lib/store_values.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#define WRITERS   2u
#define READERS   2u
#define USERS     (WRITERS + 1 + READERS) /* the one between them leases */
#define KEYS      64u
#define NS_IN_ALL (1000 * NS_PER_MS)

struct user {
    pthread_t thread;
    unsigned number;
    struct store_port *port; /* NULL of readers */
    struct counters counters;
    uint64_t random, lookups, matched;
    bool is_wrong;
};

static struct store *store;
static struct speed speeds[WRITERS];
static uint64_t end_ns;

static uint32_t
size_of(unsigned key)
{
    return 4000 + key * 1000;
}

static struct key
key_of(struct key_text *text, unsigned number)
{
    return key_numbered(text, KEY_PLAIN, number);
}

static void
write_some(struct user *user)
{
    unsigned number = random_below(&user->random, KEYS);
    struct store_terms terms = {0};
    struct key_text text;
    struct key key = key_of(&text, number);
    struct store_name name = name_body(&key);

    switch (random_below(&user->random, 6)) {
    case 0:
        store_drop(user->port, &name);
        break;
    case 1:
        user->is_wrong |=
            value_check(user->port, &name, number) == STATUS_CORRUPT;
        break;
    default:
        (void)value_store(user->port, &key, size_of(number), number, &terms);
    }
    speed_note(&speeds[user->number], TIER_DRAM, size_of(number), 1000);
}

/* Keys from 0 on are asked for, so that a match of n has n known values. */
static uint64_t
bytes_of(uint32_t count)
{
    uint64_t bytes = 0;

    for (unsigned i = 0; i < count; i++)
        bytes += size_of(i);
    return bytes;
}

static void
look(struct user *user)
{
    struct prefix_terms terms = {
        .ranks = 1u << random_below(&user->random, 3),
        .key_most = KEY_SIZE_MAX,
        .wants_all = random_below(&user->random, 2) == 0,
        .is_leased = user->port != NULL && random_below(&user->random, 2) == 0,
        .is_promoted =
            user->port != NULL && random_below(&user->random, 2) == 0,
        .lease_ns = NS_PER_MS};
    struct key_text texts[KEYS];
    struct bytes keys[KEYS];
    struct prefix_key states[KEYS];
    struct prefix_sum sum;
    struct prefix prefix;

    for (unsigned i = 0; i < KEYS; i++) {
        struct key key = key_of(&texts[i], i);

        keys[i] = (struct bytes){key.bytes, key.size};
    }
    prefix_start(&prefix, &terms, store, user->port);
    (void)prefix_add(&prefix, keys, KEYS, states);
    prefix_end(&prefix, speeds, WRITERS, &sum);
    user->is_wrong |= sum.bytes != bytes_of(sum.matched * terms.ranks);
    for (unsigned i = 0; i < sum.matched * terms.ranks; i++)
        user->is_wrong |=
            states[i].state != PREFIX_HERE || states[i].bytes != size_of(i);
    user->lookups++;
    user->matched += sum.matched;
    if (user->port != NULL) {
        store_port_submit(user->port);
        store_port_run(user->port);
    }
}

static void *
use(void *arg)
{
    struct user *user = arg;

    while (clock_now_ns() < end_ns) {
        if (user->number < WRITERS)
            write_some(user);
        else
            look(user);
    }
    return NULL;
}

static bool
report(const struct user *users)
{
    bool is_wrong = false;

    for (unsigned i = 0; i < USERS; i++) {
        is_wrong |= users[i].is_wrong;
        if (i >= WRITERS)
            printf("%llu lookups, %llu matched\n",
                   (unsigned long long)users[i].lookups,
                   (unsigned long long)users[i].matched);
        is_wrong |= i >= WRITERS && users[i].matched == 0;
    }
    return !is_wrong;
}

static bool
run(const struct store_limits *limits)
{
    static struct user users[USERS];
    bool is_fine;

    memset(users, 0, sizeof(users));
    if (store_open(limits, &store) != STATUS_OK)
        return false;
    for (unsigned i = 0; i < USERS; i++) {
        users[i].number = i;
        users[i].random = (uint64_t)(i + 1) << 32;
        if (i <= WRITERS && store_port_open(store, &users[i].counters,
                                            &users[i].port) != STATUS_OK)
            return false;
    }
    end_ns = clock_now_ns() + NS_IN_ALL;
    for (unsigned i = 0; i < USERS; i++)
        if (pthread_create(&users[i].thread, NULL, use, &users[i]) != 0)
            return false;
    for (unsigned i = 0; i < USERS; i++)
        pthread_join(users[i].thread, NULL);
    is_fine = report(users);
    for (unsigned i = 0; i <= WRITERS; i++)
        store_port_close(&users[i].port);
    store_close(&store);
    return is_fine;
}

static bool
run_with_nvme(struct store_limits *limits)
{
    static struct counters mover;
    const char *parent = getenv("PREFIXCACHE_TMP");
    char directory[128], path[160];
    bool is_fine;

    snprintf(directory, sizeof(directory), "%s/race-XXXXXX",
             parent == NULL ? "/tmp" : parent);
    if (mkdtemp(directory) == NULL)
        return false;
    limits->nvme = (struct store_nvme_limits){
        .device = {directory, 16u << 20, IO_AUTO, 2, 2u << 20,
                   limits->value_max, NS_PER_SECOND},
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
    struct store_limits limits = {.dram_size = 2u << 20,
                                  .index_memory = 256u << 10,
                                  .inflight = 512u << 10,
                                  .value_max = 128u << 10,
                                  .put_wait_ns = NS_PER_MS,
                                  .lease_ns = 2 * NS_PER_MS,
                                  .workers = WRITERS};
    bool is_fine = run(&limits);

    is_fine = run_with_nvme(&limits) && is_fine;
    puts(is_fine ? "every match was what was put" : "WRONG");
    return is_fine ? 0 : 1;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The router's index: threads add blocks, look them up, take pods out and prune,
 * in an index so small that keys leave all the time, while one saves it again and
 * again and one walks it.  What is saved is whole each time, an engine key is
 * never pruned from under a block that has pods, and at the end the counts are
 * those of the keys there are.  For ThreadSanitizer.
 */
#include "base/clock.h"
#include "server/index/catalog_save.h"
#include "tests/lib/catalog_keys.h"
#include "tests/lib/store_values.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define THREADS 3u
#define BLOCKS  30000u
#define EACH    60000u
#define SECONDS 40u

static struct catalog *catalog;
static _Atomic unsigned finished, wrong;
static uint64_t end_ns;

static bool
is_over(void)
{
    return clock_now_ns() > end_ns;
}

static void
expect(bool is_so)
{
    if (!is_so)
        atomic_fetch_add(&wrong, 1);
}

static struct catalog_key
block_key(unsigned block, char name[32])
{
    snprintf(name, 32, "%llu", (unsigned long long)random_mix(block));
    return key_of(name);
}

static void
add(unsigned block, unsigned pod)
{
    char name[32], engine[32], field[64];

    snprintf(name, sizeof(name), "%llu", (unsigned long long)random_mix(block));
    snprintf(engine, sizeof(engine), "engine:%u", block);
    snprintf(field, sizeof(field), "{\"PodIdentifier\":\"10.0.0.%u\"}", pod);
    expect(put_member(catalog, engine, name, 0) == STATUS_OK);
    expect(put_value(catalog, name, field, pod % 8 == 0 ? field : "") ==
           STATUS_OK);
}

/* Every item is what somebody put. */
static void
look(unsigned block)
{
    char name[32];
    struct catalog_key key = block_key(block, name);
    struct catalog_look found;
    struct catalog_item item;

    if (!catalog_look(catalog, &key, &found))
        return;
    for (uint32_t i = 0; i < found.count; i++) {
        catalog_look_item(&found, i, &item);
        expect(item.name.size > 20 &&
               memcmp(item.name.at, "{\"PodIdentifier\":\"10.0.0.", 25) == 0);
    }
    catalog_look_end(&found);
}

struct others {
    unsigned block, given;
    char name[32];
};

static bool
next_other(void *arg, struct catalog_key *out)
{
    struct others *others = arg;

    others->given = !others->given;
    if (others->given)
        *out = block_key(others->block, others->name);
    return others->given;
}

/* A block of this thread's own: nobody else gives it pods. */
static void
prune(unsigned block)
{
    struct others others = {.block = block};
    struct catalog_others them = {next_other, &others};
    char engine[32], name[32];
    struct catalog_key key;
    struct catalog_view view;

    snprintf(engine, sizeof(engine), "engine:own%u", block);
    key = key_of(engine);
    add(block, 1);
    expect(put_member(catalog, engine, "1", 0) == STATUS_OK);
    if (catalog_prune(catalog, &key, &them) == STATUS_OK) {
        key = block_key(block, name); /* it was evicted just before */
        expect(!catalog_view(catalog, &key, &view));
    }
    (void)drop_key(catalog, engine);
}

static void *
work(void *arg)
{
    uint64_t state = (uint64_t)(uintptr_t)arg;
    unsigned own = BLOCKS + (unsigned)state;
    char name[32], field[64];

    for (unsigned i = 0; i < EACH && !is_over(); i++) {
        unsigned block = random_below(&state, BLOCKS);
        unsigned pod = random_below(&state, 40);

        switch (random_below(&state, 8)) {
        case 0:
        case 1:
        case 2:
            add(block, pod);
            break;
        case 3:
            snprintf(name, sizeof(name), "%llu",
                     (unsigned long long)random_mix(block));
            snprintf(field, sizeof(field), "{\"PodIdentifier\":\"10.0.0.%u\"}",
                     pod);
            (void)take_field(catalog, name, field);
            break;
        case 4:
            if (i % 16 == 0)
                prune(own);
            break;
        default:
            look(block);
            break;
        }
    }
    atomic_fetch_add(&finished, 1);
    return NULL;
}

static void *
save_all(void *arg)
{
    struct snapshot_writer *writer = malloc(sizeof(*writer));
    struct bytes *words = malloc(sizeof(*words) * SNAPSHOT_WORDS_MAX);
    struct snapshot_reader reader;
    struct snapshot_item item;
    struct snapshot_key key;

    (void)arg;
    while (atomic_load(&finished) < THREADS && !is_over()) {
        uint64_t cursor = 0;
        bool has_more = true;

        while (has_more) {
            struct snapshot_frame frame = {.is_last = false};

            snapshot_writer_start(writer);
            has_more = catalog_save_some(catalog, &cursor, writer);
            frame.size = (uint32_t)(writer->out.at - writer->payload);
            frame.keys = writer->keys;
            snapshot_reader_start(&reader, writer->payload, &frame, words);
            while (snapshot_reader_key(&reader, &key))
                while (snapshot_reader_item(&reader, &item))
                    continue;
            expect(snapshot_reader_is_good(&reader));
        }
    }
    free(words);
    free(writer);
    return NULL;
}

static void
count_seen(void *arg, const struct catalog_seen *seen)
{
    uint64_t *keys = arg;

    expect(seen->name.size != 0);
    ++*keys;
}

static uint64_t
walk(void)
{
    uint64_t cursor = 0, keys = 0;

    do
        catalog_walk(catalog, &cursor, 100, count_seen, &keys);
    while (cursor != 0);
    return keys;
}

static void *
walk_all(void *arg)
{
    (void)arg;
    while (atomic_load(&finished) < THREADS && !is_over())
        (void)walk();
    return NULL;
}

int
main(void)
{
    static void *(*const others[])(void *) = {save_all, walk_all};
    pthread_t threads[THREADS + 2];
    struct catalog_usage usage;
    unsigned started = 0;

    end_ns = clock_now_ns() + SECONDS * NS_PER_SECOND;
    if (catalog_open(2u << 20, &catalog) != STATUS_OK)
        return 2;
    for (; started < THREADS; started++)
        if (pthread_create(&threads[started], NULL, work,
                           (void *)(uintptr_t)(started + 1)))
            return 2;
    for (unsigned i = 0; i < 2; i++)
        if (pthread_create(&threads[started++], NULL, others[i], NULL))
            return 2;
    while (started > 0)
        pthread_join(threads[--started], NULL);
    catalog_usage(catalog, &usage);
    expect(usage.used <= usage.size);
    expect(walk() == usage.hashes + usage.sets);
    expect(catalog_keys(catalog, CATALOG_ALL_SPACES) ==
           usage.hashes + usage.sets);
    flush_keys(catalog, CATALOG_ALL_SPACES);
    catalog_usage(catalog, &usage);
    expect(usage.items == 0 && usage.words == 0);
    catalog_close(&catalog);
    printf("%u wrong\n", atomic_load(&wrong));
    return atomic_load(&wrong) == 0 ? 0 : 1;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads that put and get and ask over one cache for a while, each value judged
 * byte by byte, and each call's time.  Memory of a get is used again at once, by
 * the same thread, so that whatever is written to it late is found.
 *
 * Or, where `shards` is not 0, each thread asks one shard
 * alone, a key a call, and what it found is said shard by shard: how many gets
 * and hits, how long they took, and by how much they outlived the deadline.
 */
#ifndef TESTS_LIB_LIBRARY_LOAD_H
#define TESTS_LIB_LIBRARY_LOAD_H

#include "client/prefixcache.h"
#include "tests/lib/library_values.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define LIBRARY_LOAD_THREADS 64u
#define LIBRARY_LOAD_BATCH   4u
#define LIBRARY_LOAD_BINS    200000u /* of 10 us */

struct library_load {
    struct prefixcache *cache;
    unsigned threads, ms, keys;
    unsigned shards, get_ms; /* 0: all shards alike */
    size_t size;
    struct library_load_thread {
        struct library_load *load;
        pthread_t thread;
        unsigned shard;
        uint64_t seed, end_us;
        uint64_t gets, hits, wrong, puts, put_ok, asked;
        uint64_t longest_get_us, longest_ask_us;
        uint32_t *bins; /* of gets, by how long they took */
        uint8_t *memory;
    } all[LIBRARY_LOAD_THREADS];
};

static inline uint64_t
library_load_random(struct library_load_thread *thread)
{
    thread->seed ^= thread->seed << 13;
    thread->seed ^= thread->seed >> 7;
    thread->seed ^= thread->seed << 17;
    return thread->seed;
}

/* A key of the thread's own shard, if it has one. */
static inline uint64_t
library_load_pick(struct library_load_thread *thread, char key[32])
{
    uint64_t pick;

    do {
        pick = library_load_random(thread) % thread->load->keys;
        snprintf(key, 32, "load-%lu", (unsigned long)pick);
    } while (thread->load->shards > 0 &&
             prefixcache_shard_of(thread->load->cache, key, strlen(key)) !=
                 thread->shard);
    return pick;
}

/* All clients have the same value for a key: its number makes it. */
static inline size_t
library_load_size(const struct library_load *load, uint64_t number)
{
    return load->size / 2 + (number * 7919) % (load->size / 2 + 1);
}

static inline void
library_load_get(struct library_load_thread *thread)
{
    struct prefixcache_item items[LIBRARY_LOAD_BATCH];
    uint64_t numbers[LIBRARY_LOAD_BATCH], start_us, took_us;
    char keys[LIBRARY_LOAD_BATCH][32];
    unsigned count = thread->load->shards > 0 ? 1 : LIBRARY_LOAD_BATCH;
    size_t size = thread->load->size;

    memset(items, 0, sizeof items);
    for (unsigned i = 0; i < count; i++) {
        numbers[i] = library_load_pick(thread, keys[i]);
        items[i].key = keys[i];
        items[i].key_size = strlen(keys[i]);
        items[i].body = thread->memory + i * size;
        items[i].body_size = size;
    }
    start_us = library_values_now_us();
    prefixcache_get(thread->load->cache, items, count);
    took_us = library_values_now_us() - start_us;
    if (took_us > thread->longest_get_us)
        thread->longest_get_us = took_us;
    thread->bins[took_us / 10 < LIBRARY_LOAD_BINS ? took_us / 10
                                                  : LIBRARY_LOAD_BINS - 1]++;
    for (unsigned i = 0; i < count; i++) {
        thread->gets++;
        if (items[i].status != PREFIXCACHE_OK) {
            /* Who misses computes instead, and does not ask on in a circle,
             * which would take the time of those that hit. */
            if (thread->load->shards > 0)
                usleep(1000);
            continue;
        }
        thread->hits++;
        if (items[i].got != library_load_size(thread->load, numbers[i]) ||
            !library_values_match(items[i].body, items[i].got, numbers[i]))
            thread->wrong++;
    }
}

static inline void
library_load_put(struct library_load_thread *thread, bool is_behind)
{
    struct prefixcache_item item = {.body = thread->memory};
    char key[32];
    uint64_t pick = library_load_pick(thread, key);
    size_t size = library_load_size(thread->load, pick);

    item.key = key;
    item.key_size = strlen(key);
    item.body_size = size;
    library_values_fill(thread->memory, size, pick);
    if (is_behind)
        prefixcache_put_behind(thread->load->cache, &item, 1);
    else
        prefixcache_put(thread->load->cache, &item, 1);
    memset(thread->memory, 0, size);
    thread->puts++;
    thread->put_ok += item.status == PREFIXCACHE_OK;
}

static inline void
library_load_ask(struct library_load_thread *thread)
{
    struct prefixcache_item items[16];
    uint64_t start_us = library_values_now_us();
    char keys[16][32];

    memset(items, 0, sizeof items);
    for (unsigned i = 0; i < 16; i++) {
        library_load_pick(thread, keys[i]);
        items[i].key = keys[i];
        items[i].key_size = strlen(keys[i]);
    }
    prefixcache_exists(thread->load->cache, items, 16, 0);
    start_us = library_values_now_us() - start_us;
    if (start_us > thread->longest_ask_us)
        thread->longest_ask_us = start_us;
    thread->asked++;
}

static inline void *
library_load_thread(void *argument)
{
    struct library_load_thread *thread = argument;

    while (library_values_now_us() < thread->end_us) {
        unsigned what = library_load_random(thread) % 16;

        if (what < 3)
            library_load_put(thread, what == 0);
        else if (what < 6)
            library_load_ask(thread);
        else
            library_load_get(thread);
    }
    return NULL;
}

static inline void
library_load_run(struct library_load *load)
{
    uint64_t end_us = library_values_now_us() + load->ms * 1000ull;

    for (unsigned i = 0; i < load->threads; i++) {
        struct library_load_thread *thread = &load->all[i];

        memset(thread, 0, sizeof *thread);
        thread->load = load;
        thread->shard = load->shards > 0 ? i % load->shards : 0;
        thread->seed = 88172645463325252ull + i * 1000003;
        thread->end_us = end_us;
        thread->memory = calloc(LIBRARY_LOAD_BATCH, load->size + 1);
        thread->bins = calloc(LIBRARY_LOAD_BINS, sizeof *thread->bins);
        if (thread->memory == NULL || thread->bins == NULL ||
            pthread_create(&thread->thread, NULL, library_load_thread, thread))
            abort();
    }
    for (unsigned i = 0; i < load->threads; i++)
        pthread_join(load->all[i].thread, NULL);
}

/* The time that this share of the gets (a thousandth: 1000) did not exceed. */
static inline uint64_t
library_load_quantile_us(const struct library_load *load, uint64_t gets,
                         uint64_t one_in)
{
    uint64_t left = gets / LIBRARY_LOAD_BATCH / one_in;

    for (size_t bin = LIBRARY_LOAD_BINS; bin-- > 0;) {
        uint64_t count = 0;

        for (unsigned i = 0; i < load->threads; i++)
            count += load->all[i].bins[bin];
        if (count > left)
            return bin * 10 + 10;
        left -= count;
    }
    return 0;
}

/* One line: name=number, of all threads together. */
static inline void
library_load_say(struct library_load *load)
{
    struct library_load_thread sum = {0};

    for (unsigned i = 0; i < load->threads; i++) {
        struct library_load_thread *thread = &load->all[i];

        sum.gets += thread->gets;
        sum.hits += thread->hits;
        sum.wrong += thread->wrong;
        sum.puts += thread->puts;
        sum.put_ok += thread->put_ok;
        sum.asked += thread->asked;
        if (thread->longest_get_us > sum.longest_get_us)
            sum.longest_get_us = thread->longest_get_us;
        if (thread->longest_ask_us > sum.longest_ask_us)
            sum.longest_ask_us = thread->longest_ask_us;
    }
    printf("gets=%lu hits=%lu wrong=%lu puts=%lu put_ok=%lu asked=%lu "
           "longest_get_us=%lu p999_get_us=%lu p50_get_us=%lu "
           "longest_ask_us=%lu\n",
           (unsigned long)sum.gets, (unsigned long)sum.hits,
           (unsigned long)sum.wrong, (unsigned long)sum.puts,
           (unsigned long)sum.put_ok, (unsigned long)sum.asked,
           (unsigned long)sum.longest_get_us,
           (unsigned long)library_load_quantile_us(load, sum.gets, 1000),
           (unsigned long)library_load_quantile_us(load, sum.gets, 2),
           (unsigned long)sum.longest_ask_us);
    for (unsigned i = 0; i < load->threads; i++) {
        free(load->all[i].memory);
        free(load->all[i].bins);
    }
}

/* One line: of each shard SHARD:name=number.  over_us: how far the longest get
 * outlived its deadline, and all but one in a thousand. */
static inline void
library_load_say_pinned(struct library_load *load)
{
    struct library_load one = *load;
    uint64_t deadline_us = load->get_ms * 1000ull;

    for (unsigned shard = 0; shard < load->shards; shard++) {
        uint64_t gets = 0, hits = 0, wrong = 0, longest_us = 0, p999_us;

        one.threads = 0;
        for (unsigned i = shard; i < load->threads; i += load->shards) {
            const struct library_load_thread *thread = &load->all[i];

            one.all[one.threads++] = *thread;
            gets += thread->gets;
            hits += thread->hits;
            wrong += thread->wrong;
            if (thread->longest_get_us > longest_us)
                longest_us = thread->longest_get_us;
        }
        p999_us =
            library_load_quantile_us(&one, gets * LIBRARY_LOAD_BATCH, 1000);
        printf("%u:gets=%lu %u:hits=%lu %u:wrong=%lu %u:p50_us=%lu "
               "%u:p999_us=%lu %u:over_us=%ld %u:p999_over_us=%ld ",
               shard, (unsigned long)gets, shard, (unsigned long)hits, shard,
               (unsigned long)wrong, shard,
               (unsigned long)library_load_quantile_us(
                   &one, gets * LIBRARY_LOAD_BATCH, 2),
               shard, (unsigned long)p999_us, shard,
               (long)longest_us - (long)deadline_us, shard,
               (long)p999_us - (long)deadline_us);
    }
    printf("\n");
    for (unsigned i = 0; i < load->threads; i++) {
        free(load->all[i].memory);
        free(load->all[i].bins);
    }
}

#endif

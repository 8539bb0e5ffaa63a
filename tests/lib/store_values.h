/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of storage share: a store with one port, values whose every
 * byte follows from a seed, and whole PUTs and GETs of them.  Nothing here
 * knows a test framework: what may fail gives a status or a bool.
 */
#ifndef LIB_STORE_VALUES_H
#define LIB_STORE_VALUES_H

#include "base/clock.h"
#include "proto/object_name.h"
#include "storage/store.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>

#define VECTORS_MAX 8u

static inline uint64_t
random_mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15ull;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
    return x ^ (x >> 31);
}

/* A sequence that is the same in every run. */
static inline uint64_t
random_next(uint64_t *state)
{
    return random_mix((*state)++);
}

static inline uint32_t
random_below(uint64_t *state, uint32_t end)
{
    return (uint32_t)(random_next(state) % end);
}

/* All of it at once, of memory alone. */
static inline void
flush_now(struct store_port *port, unsigned space)
{
    uint64_t cursor = 0;
    bool has_more;

    do
        has_more = store_flush_some(port, space, &cursor);
    while (has_more);
}

static inline uint8_t
value_byte(uint64_t seed, uint32_t at)
{
    return (uint8_t)(random_mix(seed * 0x10001 + at / 8) >> (at % 8 * 8));
}

static inline void
value_write(uint8_t *into, uint64_t seed, uint32_t from, uint32_t n)
{
    uint64_t word = 0;

    for (uint32_t i = 0; i < n; i++) {
        if (i == 0 || (from + i) % 8 == 0)
            word = random_mix(seed * 0x10001 + (from + i) / 8);
        into[i] = (uint8_t)(word >> ((from + i) % 8 * 8));
    }
}

static inline bool
value_is(const uint8_t *at, uint64_t seed, uint32_t from, uint32_t n)
{
    uint8_t piece[512];

    for (uint32_t done = 0; done < n;) {
        uint32_t size = n - done < sizeof(piece) ? n - done : sizeof(piece);

        value_write(piece, seed, from + done, size);
        if (memcmp(at + done, piece, size) != 0)
            return false;
        done += size;
    }
    return true;
}

/* Are all bytes of a sealed chunk those of the seed? */
static inline bool
value_fills(const struct chunk *chunk, uint64_t seed)
{
    struct chunk_cursor cursor = chunk_cursor_at(chunk, 0);
    uint32_t at = 0;

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

/* A PUT that may have to stand in line. */
struct value_put {
    struct store_put put; /* first */
    bool is_done;
};

static inline void
value_on_put(struct store_put *put)
{
    ((struct value_put *)put)->is_done = true;
}

static inline enum progress
value_begin(struct store_port *port, struct value_put *value,
            const struct key *key, uint64_t size)
{
    value->put.done = value_on_put;
    value->is_done = false;
    return store_put_start(port, &value->put, key, size);
}

/* Runs the port, as a worker would, until the PUT is called back. */
static inline enum status
value_await(struct store_port *port, const struct value_put *value)
{
    while (!value->is_done) {
        struct pollfd poll_fd = {.fd = store_port_fd(port), .events = POLLIN};
        uint64_t due_ns = store_port_deadline_ns(port), now_ns = clock_now_ns();
        uint64_t wait_ns = due_ns > now_ns ? due_ns - now_ns : 0;

        (void)poll(&poll_fd, 1, (int)((wait_ns + NS_PER_MS - 1) / NS_PER_MS));
        store_port_run(port);
    }
    return value->put.status;
}

/* Fills `n` more bytes of the value; NO_SPACE, with the PUT still open. */
static inline enum status
value_receive(struct store_port *port, struct value_put *value, uint64_t seed,
              uint32_t n)
{
    while (n != 0) {
        struct iovec vectors[VECTORS_MAX];
        unsigned count =
            store_put_space(port, &value->put, vectors, VECTORS_MAX);

        if (count == 0)
            return STATUS_NO_SPACE;
        for (unsigned i = 0; i < count && n != 0; i++) {
            struct chunk *chunk = value->put.chunk;
            uint32_t size =
                vectors[i].iov_len < n ? (uint32_t)vectors[i].iov_len : n;

            value_write(vectors[i].iov_base, seed, chunk->filled, size);
            chunk_fill(chunk, size);
            n -= size;
        }
    }
    return STATUS_OK;
}

/* A whole PUT.  Any status of start, NO_SPACE of filling, or finish's. */
static inline enum status
value_store(struct store_port *port, const struct key *key, uint32_t size,
            uint64_t seed, const struct store_terms *terms)
{
    struct value_put value;
    enum status status;

    if (value_begin(port, &value, key, size) == PENDING)
        status = value_await(port, &value);
    else
        status = value.put.status;
    if (status != STATUS_OK) {
        store_put_cancel(port, &value.put);
        return status;
    }
    if (store_put_copy(port, &value.put, "", 0) != STATUS_OK ||
        value_receive(port, &value, seed, size) != STATUS_OK) {
        store_put_cancel(port, &value.put);
        return STATUS_NO_SPACE;
    }
    return store_put_finish(port, &value.put, terms);
}

/* A GET that may have to be waited for. */
struct value_get {
    struct store_get get; /* first */
    bool is_done;
};

static inline void
value_on_got(struct store_get *get)
{
    ((struct value_get *)get)->is_done = true;
}

static inline void
value_ask(struct store_port *port, struct value_get *value,
          const struct store_name *name)
{
    memset(value, 0, sizeof(*value));
    value->get.done = value_on_got;
    value->is_done = store_get_start(port, &value->get, name) == FINISHED;
}

/* Runs the port until the GET is done, for 20 s at most. */
static inline bool
value_await_get(struct store_port *port, struct value_get *value)
{
    uint64_t end_ns = clock_now_ns() + 20 * NS_PER_SECOND;

    store_port_submit(port);
    while (!value->is_done && clock_now_ns() < end_ns) {
        struct pollfd ready = {.fd = store_port_fd(port), .events = POLLIN};

        (void)poll(&ready, 1, 10);
        store_port_run(port);
    }
    return value->is_done;
}

/* Gets a name and lets go of it; CORRUPT where the bytes are not the seed's,
 * LATE where nothing came. */
static inline enum status
value_check(struct store_port *port, const struct store_name *name,
            uint64_t seed)
{
    struct value_get value;
    enum status status;

    value_ask(port, &value, name);
    if (!value_await_get(port, &value))
        return STATUS_LATE;
    status = value.get.status;
    if (status == STATUS_OK && value.get.chunk != NULL &&
        !value_fills(value.get.chunk, seed))
        status = STATUS_CORRUPT;
    chunk_drop(&value.get.chunk);
    return status;
}

/* Keys by number: the bytes lie in the caller's text. */
struct key_text {
    char text[32];
};

static inline struct key
key_numbered(struct key_text *into, enum key_kind kind, unsigned number)
{
    int size = snprintf(into->text, sizeof(into->text), "key-%u", number);

    return key_make(kind, 0, into->text, (uint16_t)size);
}

static inline struct store_name
name_body(const struct key *key)
{
    return (struct store_name){*key, STORE_ANY_FORM, PART_BODY};
}

static inline struct store_name
name_meta(const struct key *key)
{
    return (struct store_name){*key, STORE_ANY_FORM, PART_META};
}

struct store_fixture {
    struct store_limits limits;
    struct store *store;
    struct store_port *port;
    struct counters counters;
    struct store_usage at_start;
};

static inline struct store_limits
store_small_limits(void)
{
    return (struct store_limits){.dram_size = 8u << 20,
                                 .index_memory = 1u << 20,
                                 .inflight = 2u << 20,
                                 .value_max = 2u << 20,
                                 .put_wait_ns = 20 * NS_PER_MS,
                                 .lease_ns = 10 * NS_PER_SECOND,
                                 .workers = 1};
}

static inline bool
store_fixture_open(struct store_fixture *fixture,
                   const struct store_limits *limits)
{
    memset(fixture, 0, sizeof(*fixture));
    fixture->limits = *limits;
    if (store_open(limits, &fixture->store) != STATUS_OK ||
        store_port_open(fixture->store, &fixture->counters, &fixture->port) !=
            STATUS_OK)
        return false;
    store_usage(fixture->store, &fixture->at_start);
    return true;
}

/* Is nothing held beside what was held at the start? */
static inline bool
store_is_empty(struct store *store, const struct store_usage *at_start)
{
    struct store_usage now;
    uint64_t names = 0;

    store_usage(store, &now);
    for (unsigned space = 0; space < STORE_SPACES; space++)
        names |= store_names(store, space);
    return now.entries == 0 && now.tiers[TIER_DRAM].chunks == 0 &&
           now.tiers[TIER_DRAM].bytes_used == 0 && now.inflight_used == 0 &&
           names == 0 && now.dram_used == at_start->dram_used &&
           now.index_used == at_start->index_used;
}

/* Flushes, and says whether that gave everything back. */
static inline bool
store_fixture_close(struct store_fixture *fixture)
{
    bool is_empty;

    flush_now(fixture->port, STORE_ALL_SPACES);
    is_empty = store_is_empty(fixture->store, &fixture->at_start);
    store_port_close(&fixture->port);
    store_close(&fixture->store);
    return is_empty;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytes of one cached value, and the only place they are while in memory:
 * the socket receives into it, tiers read and write it, and replies are sent
 * from it.  A chunk is copied nowhere on the way.
 *
 *   state      who may touch the bytes     ends with
 *   FILLING    the one owner writes        chunk_seal() -> SEALED
 *                                          chunk_drop() -> freed, unseen
 *   SEALED     anyone holding a reference  the last chunk_drop() -> freed
 *              reads; nobody writes
 *
 * A chunk is a list of runs of pages (pool.h), each up to 1 MiB, so that any
 * mix of sizes fills the pool without fragments.  Pages are taken as bytes
 * arrive, not when they are announced: who promises 64 MiB and sends nothing
 * holds nothing.  A value of less than 2 KiB lives behind its own header.
 */
#ifndef STORAGE_CHUNK_H
#define STORAGE_CHUNK_H

#include "proto/checksum.h"
#include "proto/status.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pool;
struct iovec;

enum chunk_state { CHUNK_FILLING, CHUNK_SEALED };

struct chunk_run {
    uint8_t *data;
    uint32_t size; /* bytes of it that belong to the value's room */
};

/* Where the runs stand; the first few inside the chunk itself. */
struct run_table {
    struct run_table *next;
    uint32_t count, room;
    struct chunk_run runs[];
};

struct chunk {
    unsigned magic;
    atomic_uint refs;
    enum chunk_state state;
    uint32_t size;         /* bytes promised by the head */
    uint32_t filled;       /* bytes present; == size once sealed */
    uint32_t taken;        /* bytes of room in the runs so far */
    uint32_t object_size;  /* of this header in the pool */
    uint64_t checksum;     /* XXH3-64 of the bytes, known once sealed */
    struct checksum *hash; /* while FILLING; NULL for a small value ... */
    void *hash_object;     /* ... the pool's object it lies in */
    struct pool *pool;
    struct run_table *last; /* the table that takes the next run */
    struct run_table first; /* its runs[] ends the object */
};

/* One reference, FILLING, without pages yet.  NO_SPACE when the pool has not
 * even room for the header.  size may be 0. */
enum status chunk_new(struct pool *, uint32_t size,
                      struct chunk **chunk_out) MUST_USE;

/* One more reference, same pointer.  Any thread that has one. */
struct chunk *chunk_hold(struct chunk *);
/* Takes the reference: *p becomes NULL.  Any thread. */
void chunk_drop(struct chunk **);
/* Does somebody beside the caller's reference hold it?  A recent answer. */
bool chunk_is_shared(const struct chunk *);

/* Filling: the one owner.  Bytes still to come; bytes of room taken and not
 * filled yet. */
uint32_t chunk_missing(const struct chunk *);
uint32_t chunk_room(const struct chunk *);
/* Takes at least one and up to `bytes` more of room, in the longest runs the
 * pool has; NO_SPACE when it has none at all. */
enum status chunk_grow(struct chunk *, uint32_t bytes) MUST_USE;
/* The room not filled yet, as at most max vectors; returns how many. */
unsigned chunk_space(const struct chunk *, struct iovec *, unsigned max);
/* n more bytes have arrived; they are hashed here, while in cache. */
void chunk_fill(struct chunk *, uint32_t n);
/* The same for bytes that arrived elsewhere; there must be room. */
void chunk_copy_in(struct chunk *, const void *bytes, uint32_t n);
/* All bytes are there: the checksum is known, the bytes never change again. */
void chunk_seal(struct chunk *);

/* Reading a sealed chunk piece by piece; the reader keeps a reference. */
struct chunk_cursor {
    const struct run_table *table;
    uint32_t run, offset; /* inside the table, inside the run */
};
struct chunk_cursor chunk_cursor_at(const struct chunk *, uint32_t offset);
/* The next bytes, at most `limit` of them and `max` vectors; does not move.
 * Returns the number of vectors. */
unsigned chunk_cursor_vectors(const struct chunk_cursor *, struct iovec *,
                              unsigned max, uint32_t limit);
void chunk_cursor_advance(struct chunk_cursor *, uint32_t n);
/* Copies bytes out, for small values: offset + n <= size. */
void chunk_copy_out(const struct chunk *, uint32_t offset, void *into,
                    uint32_t n);

/* Bytes of the pool a chunk of this size takes, header and all, at least. */
uint32_t chunk_footprint(uint32_t size);

#endif

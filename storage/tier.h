/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A tier keeps chunks and gives them back.  It decides nothing: which chunk
 * goes where, when one moves and which one dies is the store's and the
 * policy's.
 *
 * To add one, write tier_<name>.c with a `const struct tier_ops`, add it to
 * tier_kinds[] in tier.c, and run the conformance suite over it
 * (tests/conformance/test_tiers.c walks that table).
 */
#ifndef STORAGE_TIER_H
#define STORAGE_TIER_H

#include "proto/key.h"
#include "storage/chunk.h"

#include <stdbool.h>

struct tier;
struct store_port;

/* Where a tier has put a chunk.  Only the tier that made it reads it. */
struct tier_place {
    uint64_t word[2];
};

/*
 * One transfer.  Lives inside the caller's own object, which must outlive it;
 * a transfer can not be cancelled, only waited for.
 */
struct transfer {
    struct key key;          /* lent until done */
    uint64_t sequence;       /* of the PUT, global; the highest one wins */
    uint32_t size;           /* get: what the index says it is */
    struct tier_place place; /* get, drop: in.  put: out, valid when OK. */
    struct chunk *chunk;     /* get: NULL in, out one reference, SEALED.
                                put: SEALED, lent until done. */
    enum status status;      /* the outcome, from FINISHED or in done() */
    struct store_port *port; /* the thread that started it; done() runs there */
    void (*done)(struct transfer *);
    struct transfer *next; /* the tier's own while PENDING */
};

enum progress {
    FINISHED, /* status is set, done() will not be called */
    PENDING   /* done() will be called exactly once, later, on port's thread */
};

struct tier_usage {
    uint64_t bytes_used; /* of values */
    uint64_t chunks;
};

struct tier_ops {
    const char *name;

    /* Main thread, before any port exists and after the last one is gone. */
    enum status (*open)(struct tier **tier_out);
    void (*close)(struct tier **);

    /* Any thread that owns a port, many at once.  A tier whose get() always
     * finishes at once may be asked under a lock of the index. */
    enum progress (*get)(struct tier *, struct transfer *);
    enum progress (*put)(struct tier *, struct transfer *);
    enum progress (*drop)(struct tier *, struct transfer *);

    /* Any thread; a recent value will do. */
    void (*usage)(const struct tier *, struct tier_usage *out);
};

struct tier { /* first member of every tier's own struct */
    const struct tier_ops *ops;
};

enum tier_kind { TIER_DRAM, TIER_COUNT };
extern const struct tier_ops *const tier_kinds[TIER_COUNT];

/* The rest of the program calls these, never ops: they check the contract
 * above, the same for every tier. */
enum status tier_open(enum tier_kind, struct tier **tier_out) MUST_USE;
void tier_close(struct tier **);
enum progress tier_get(struct tier *, struct transfer *) MUST_USE;
enum progress tier_put(struct tier *, struct transfer *) MUST_USE;
enum progress tier_drop(struct tier *, struct transfer *) MUST_USE;
void tier_usage(const struct tier *, struct tier_usage *out);

extern const struct tier_ops tier_dram;

#endif

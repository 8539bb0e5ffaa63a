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
#include "proto/message.h"
#include "storage/chunk.h"

#include <stdbool.h>

struct lower_ops;
struct nvme_options;
struct pool;
struct port;
struct spill_options;
struct tier;

/* Where a tier has put a chunk.  Only the tier that made it reads it. */
struct tier_place {
    uint64_t word[2];
};

/*
 * One transfer.  Lives inside the caller's own object, which must outlive it;
 * a transfer can not be cancelled, only waited for.
 */
struct transfer {
    struct key key;           /* lent until done */
    uint64_t sequence;        /* of the PUT, global; the highest one wins.
                                get: what the index says it is */
    uint64_t expires_unix_ms; /* put; 0: never */
    uint32_t size;            /* get: what the index says it is */
    uint8_t form;             /* put: enum name_form, kept for who named it */
    const struct chunk_meta *meta; /* put: NULL or lent until put() returns */
    struct tier_place place; /* get, drop: in.  put: out, valid when OK. */
    struct chunk *chunk;     /* get: NULL in, out one reference, SEALED.
                                put: SEALED, lent until done. */
    enum status status;      /* the outcome, from FINISHED or in done() */
    struct port *port;       /* the thread that started it; done() runs there */
    void (*done)(struct transfer *);
    struct transfer *next; /* the tier's own while PENDING */
    void *work;            /* the tier's own while PENDING */
};

enum progress {
    FINISHED, /* status is set, done() will not be called */
    PENDING   /* done() will be called exactly once, later, on port's thread */
};

struct tier_usage {
    uint64_t bytes_used; /* of values */
    uint64_t chunks;
};

/* What is known of a chunk that survived the last run.  Told in the order it
 * was written: what is told later of a key holds. */
struct tier_found {
    enum tier_found_kind {
        TIER_FOUND_VALUE,
        TIER_FOUND_DROPPED, /* values of the key with a lower sequence are gone */
        TIER_FOUND_CHANGED /* the one with this very sequence has this meta,
                               form and expiry now */
    } kind;
    struct key key; /* lent during the call */
    uint64_t sequence, checksum;
    uint64_t expires_unix_ms; /* 0: never */
    uint32_t size;
    uint8_t form;
    const struct chunk_meta *meta; /* lent during the call */
    struct tier_place place;       /* VALUE */
};
/* A VALUE counts as used; who does not keep it calls tier_drop(). */
typedef void tier_found_fn(void *arg, const struct tier_found *);

/* All of the outside a tier may touch, so that tests can give it another. */
struct tier_env {
    const struct nvme_options *nvme;
    const struct spill_options *spill;
    struct pool *pool; /* chunks for get() come from it */
    /* Makes so many bytes of the pool free, evicting; false: none may go.  On
     * the thread of the port that is given. */
    bool (*make_room)(struct port *, uint64_t bytes);
};

struct tier_ops {
    const char *name;

    /* Main thread, before any port exists and after the last one is gone. */
    enum status (*open)(const struct tier_env *, struct tier **tier_out);
    void (*close)(struct tier **);

    /* Main thread, once, after open: tells found() of all that survived, and
     * the highest sequence that was ever used.  MISS: the tier has given up all
     * that was told, after all.  NULL: nothing ever survives. */
    enum status (*recover)(struct tier *, tier_found_fn *found, void *arg,
                           uint64_t *sequence_out);

    /* Any thread that owns a port, many at once (nvme's put: one).  A tier
     * whose get() always finishes at once may be asked under a lock of the
     * index. */
    enum progress (*get)(struct tier *, struct transfer *);
    enum progress (*put)(struct tier *, struct transfer *);
    /* The place is no longer needed.  Any thread, under a lock of the index
     * too; always finishes at once. */
    void (*drop)(struct tier *, const struct tier_place *, uint32_t size);

    /* Any thread; a recent value will do. */
    void (*usage)(const struct tier *, struct tier_usage *out);

    const struct lower_ops *lower; /* lower.h; NULL: nothing ever survives */
};

struct tier { /* first member of every tier's own struct */
    const struct tier_ops *ops;
};

/* From the fastest to the largest. */
enum tier_kind { TIER_DRAM, TIER_NVME, TIER_SPILL, TIER_COUNT };
extern const struct tier_ops *const tier_kinds[TIER_COUNT];

/* The rest of the program calls these, never ops: they check the contract
 * above, the same for every tier. */
enum status tier_open(enum tier_kind, const struct tier_env *,
                      struct tier **tier_out) MUST_USE;
void tier_close(struct tier **);
enum status tier_recover(struct tier *, tier_found_fn *found, void *arg,
                         uint64_t *sequence_out) MUST_USE;
enum progress tier_get(struct tier *, struct transfer *) MUST_USE;
enum progress tier_put(struct tier *, struct transfer *) MUST_USE;
void tier_drop(struct tier *, const struct tier_place *, uint32_t size);
void tier_usage(const struct tier *, struct tier_usage *out);

extern const struct tier_ops tier_dram, tier_nvme, tier_spill;

#endif

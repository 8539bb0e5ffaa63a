/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much of a prompt is here.  A prompt is a list of keys in order; the match
 * is how many of them are here from the first on, and the first that is missing
 * ends it.
 *
 * Where a model runs on several ranks, each with chunks of its own, the keys of
 * one position of the prompt stand side by side: with r ranks, key i is that of
 * position i / r and rank i % r.  A position is here when all its r keys are, so
 * that the match is the shortest over the ranks, and is counted in positions.
 *
 * A key is a name as RESP has it (a value, or either half of an object), or the
 * bare name K of an object, however that was spelled when it was written; of an
 * object both halves must be here.
 *
 * A lookup touches nothing unless its terms say so: no recency, no counter of
 * hits, no lease.
 */
#ifndef INDEX_PREFIX_H
#define INDEX_PREFIX_H

#include "proto/message.h"
#include "server/index/speed.h"
#include "storage/store_look.h"

#define PREFIX_AT_ONCE   64u /* keys of one prefix_add() */
#define PREFIX_RANKS_MAX 4096u

struct prefix_terms {
    uint16_t space;
    uint32_t ranks;    /* 1 .. PREFIX_RANKS_MAX */
    uint64_t key_most; /* bytes: no longer key is here */
    bool wants_all;    /* of what comes behind the match, the states too */
    /* The rest needs a port. */
    bool is_leased; /* each key of the match, for lease_ns; one that is refused
                       its lease ends the match as if it were missing */
    bool is_promoted; /* reads into DRAM are begun, as many as may be */
    uint64_t lease_ns;
};

/* What became of one key. */
struct prefix_key {
    enum prefix_state {
        PREFIX_MISSING,
        PREFIX_HERE,
        PREFIX_UNLEASED /* here, but it was refused its lease */
    } state;
    uint8_t tiers;  /* bit t: here in tier t */
    uint32_t bytes; /* of its value */
};

/* A lookup under way; all numbers but `keys` are of whole positions of the
 * match. */
struct prefix {
    struct prefix_terms terms;
    struct store *store;
    struct store_port *port; /* NULL where the terms need none */
    uint32_t keys;           /* asked for so far */
    uint32_t matched;
    uint32_t promoted; /* keys whose reads were begun */
    bool is_over;      /* a key was missing */
    struct prefix_part {
        uint32_t keys;     /* whose fastest tier this is */
        uint32_t matched;  /* positions whose slowest key is here */
        uint32_t unbroken; /* positions before the first of a slower tier */
        uint64_t bytes;    /* of those keys */
    } parts[TIER_COUNT];
    struct prefix_part open[TIER_COUNT]; /* of the position not yet whole */
};

void prefix_start(struct prefix *, const struct prefix_terms *, struct store *,
                  struct store_port *port);
/* The next keys of the list, at most PREFIX_AT_ONCE, lent during the call.
 * keys_out: NULL, or what became of each.  False where nothing that follows
 * changes the answer. */
bool prefix_add(struct prefix *, const struct bytes *keys, unsigned count,
                struct prefix_key *keys_out);

/* The answer.  Tiers are cumulated: what is said of one holds for it and for all
 * faster ones together. */
struct prefix_sum {
    uint32_t matched; /* positions */
    uint64_t bytes;   /* of the match */
    /* How long one connection for each rank would take that GETs the match one
     * value after the other, by how long GETs took lately; negative where none
     * of a tier that is needed was measured yet. */
    double load_ns;
    struct {
        uint32_t matched;  /* positions of the match that are so fast */
        uint32_t unbroken; /* those from the first on */
        uint64_t bytes;    /* values of the match that are so fast */
    } tiers[TIER_COUNT];
};
void prefix_end(const struct prefix *, const struct speed *speeds,
                unsigned speed_count, struct prefix_sum *out);

/* "dram+nvme", "missing", "unleased": what is said of a key. */
#define PREFIX_WORD_MAX 32u
const char *prefix_word(const struct prefix_key *, char into[PREFIX_WORD_MAX]);

#endif

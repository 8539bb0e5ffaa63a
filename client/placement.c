/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Capped rendezvous hashing of slots over names.  Whatever changes a result
 * here sends clients of different versions to different shards: the golden
 * values of tests/unit/test_placement.c must stay.
 */
#include "client/placement.h"

#include "proto/checksum.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS      4u
#define HALF_BITS   7u
#define HALF        (1u << HALF_BITS)
#define RANK_BITS   (2u * HALF_BITS)
#define CAP_PERCENT 102u

_Static_assert(1u << RANK_BITS == SLOT_COUNT, "a rank for each slot");

struct placement {
    uint8_t shard_of[SLOT_COUNT];
};

/* A slot that a shard has, for now. */
struct claim {
    uint64_t weight;
    unsigned slot;
};

/* What one name has so far: a heap, the lightest claim first. */
struct candidate {
    struct claim claims[SLOT_COUNT];
    unsigned count;
};

struct election {
    unsigned count, cap;
    uint64_t *weights; /* of each slot, `count` of them */
    struct candidate *candidates;
};

/* The finalizer of SplitMix64. */
static uint64_t
mix(uint64_t bits)
{
    bits = (bits ^ bits >> 30) * 0xbf58476d1ce4e5b9u;
    bits = (bits ^ bits >> 27) * 0x94d049bb133111ebu;
    return bits ^ bits >> 31;
}

/*
 * A Feistel network over the bits of a slot gives each another rank.  Where two
 * names rank a slot the same, what stands below the rank decides.
 */
static void
rank_slots(struct election *election, unsigned candidate, const char *name)
{
    uint64_t seed = mix(checksum_of(name, strlen(name)));
    uint8_t rounds[ROUNDS][HALF];

    for (unsigned i = 0; i < ROUNDS; i++)
        for (unsigned half = 0; half < HALF; half++)
            rounds[i][half] = mix(seed + (i << 8) + half) & (HALF - 1);
    for (unsigned slot = 0; slot < SLOT_COUNT; slot++) {
        unsigned left = slot >> HALF_BITS, right = slot & (HALF - 1);

        for (unsigned i = 0; i < ROUNDS; i++) {
            unsigned mixed = left ^ rounds[i][right];

            left = right;
            right = mixed;
        }
        election->weights[slot * election->count + candidate] =
            (uint64_t)(left << HALF_BITS | right) << (64 - RANK_BITS) |
            mix(seed + slot) >> RANK_BITS;
    }
}

static void
sink(struct candidate *candidate)
{
    struct claim *claims = candidate->claims, moving = claims[0];
    unsigned at = 0, below;

    while ((below = 2 * at + 1) < candidate->count) {
        if (below + 1 < candidate->count &&
            claims[below + 1].weight < claims[below].weight)
            below++;
        if (moving.weight <= claims[below].weight)
            break;
        claims[at] = claims[below];
        at = below;
    }
    claims[at] = moving;
}

static void
rise(struct candidate *candidate)
{
    struct claim *claims = candidate->claims;
    unsigned at = candidate->count - 1;
    struct claim moving = claims[at];

    while (at > 0 && claims[(at - 1) / 2].weight > moving.weight) {
        claims[at] = claims[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    claims[at] = moving;
}

/*
 * Whom a slot asks after it was refused by `last` (none: count) with `weight`.
 * Equal weights are asked in the order of names, so that none is passed over.
 */
static unsigned
ask_next(const struct election *election, const struct claim *refused,
         unsigned last)
{
    const uint64_t *weights =
        election->weights + (size_t)refused->slot * election->count;
    unsigned best = election->count;
    uint64_t best_weight = 0;

    for (unsigned i = 0; i < election->count; i++) {
        uint64_t weight = weights[i];
        bool is_left = last == election->count || weight < refused->weight ||
                       (weight == refused->weight && i > last);

        if (is_left && (best == election->count || weight > best_weight)) {
            best = i;
            best_weight = weight;
        }
    }
    assert(best < election->count); /* the caps leave room for all */
    return best;
}

/* Finds a shard for the slot, and for those that are refused because of it. */
static void
settle(const struct election *election, unsigned slot)
{
    struct claim claim = {.slot = slot};
    unsigned last = election->count;

    for (;;) {
        unsigned asked = ask_next(election, &claim, last);
        struct candidate *candidate = &election->candidates[asked];

        claim.weight = election->weights[claim.slot * election->count + asked];
        if (candidate->count < election->cap) {
            candidate->claims[candidate->count++] = claim;
            rise(candidate);
            return;
        }
        if (candidate->claims[0].weight < claim.weight) {
            struct claim refused = candidate->claims[0];

            candidate->claims[0] = claim;
            sink(candidate);
            claim = refused;
        }
        last = asked;
    }
}

static int
compare_names(const void *one, const void *other)
{
    return strcmp(**(const char *const *const *)one,
                  **(const char *const *const *)other);
}

/* order[i] points to the name that is i-th by its bytes. */
static void
elect(struct election *election, const char *const *const *order)
{
    for (unsigned i = 0; i < election->count; i++)
        rank_slots(election, i, *order[i]);
    for (unsigned slot = 0; slot < SLOT_COUNT; slot++)
        settle(election, slot);
}

/* Into numbers of names as they were given. */
static struct placement *
conclude(const struct election *election, const char *const *const *order,
         const char *const *names)
{
    struct placement *placement = calloc(1, sizeof *placement);

    if (placement == NULL)
        return NULL;
    for (unsigned i = 0; i < election->count; i++) {
        const struct candidate *candidate = &election->candidates[i];

        for (unsigned j = 0; j < candidate->count; j++)
            placement->shard_of[candidate->claims[j].slot] =
                (uint8_t)(order[i] - names);
    }
    return placement;
}

enum status
placement_new(const char *const *names, unsigned count, struct placement **out)
{
    const char *const *order[PLACEMENT_SHARDS_MAX];
    struct election election = {.count = count};
    struct placement *placement = NULL;

    if (count == 0 || count > PLACEMENT_SHARDS_MAX)
        return STATUS_BAD_REQUEST;
    election.cap =
        count == 1 ? SLOT_COUNT : CAP_PERCENT * SLOT_COUNT / (100 * count);
    for (unsigned i = 0; i < count; i++)
        order[i] = &names[i];
    qsort(order, count, sizeof *order, compare_names);
    for (unsigned i = 0; i < count; i++)
        if (**order[i] == '\0' ||
            (i > 0 && strcmp(*order[i - 1], *order[i]) == 0))
            return STATUS_BAD_REQUEST;
    election.weights = calloc(SLOT_COUNT, count * sizeof *election.weights);
    election.candidates = calloc(count, sizeof *election.candidates);
    if (election.weights != NULL && election.candidates != NULL) {
        elect(&election, order);
        placement = conclude(&election, order, names);
    }
    free(election.weights);
    free(election.candidates);
    if (placement == NULL)
        return STATUS_NO_SPACE;
    *out = placement;
    return STATUS_OK;
}

void
placement_free(struct placement **placement)
{
    free(*placement);
    *placement = NULL;
}

unsigned
placement_shard_of_slot(const struct placement *placement, unsigned slot)
{
    assert(slot < SLOT_COUNT);
    return placement->shard_of[slot];
}

unsigned
placement_shard(const struct placement *placement, const void *key, size_t size)
{
    return placement->shard_of[slot_of(key, size)];
}

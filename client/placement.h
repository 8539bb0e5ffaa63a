/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which shard has a key.  Every client computes the same answer from the names
 * in its URL alone, so this is a contract between programs of all versions:
 *
 *   1. The slot of a key is slot_of() of its bytes (proto/slot.h): CRC16 and
 *      hash tags as in a Redis cluster, whatever its namespace and kind.  So K,
 *      an object over lm:// and here, and {K}:kv_bytes and {K}:metadata, its
 *      halves as cluster clients spell them, are in one slot.  Kkv_bytes,
 *      Kmetadata and the chunks of one prompt have no tag: they spread.
 *   2. Each name has all slots in an order of its own: a permutation made from
 *      XXH3-64 of the name (rank_slots() in placement.c).  How late a slot comes
 *      in it is how much it weighs to that name.  That is rendezvous hashing
 *      whose weights are spread evenly instead of drawn, which halves how much
 *      the shards differ before anything is capped.
 *   3. No shard has more than 1.02 * SLOT_COUNT / count slots, rounded down.
 *      Each slot asks the names in the order of its weights, heaviest first; a
 *      full one keeps the slots that weigh most to it, and those that it refuses
 *      ask on.  Who asks first changes nothing about where all end.
 *
 * The order of names does not matter.  One name more or less moved, over all sets
 * of names that were tried, at most 1.10 times the slots that have to move
 * (SLOT_COUNT over the larger count) up to 16 names, and 1.35 times up to 64.
 *
 * Immutable once made: any thread.
 */
#ifndef CLIENT_PLACEMENT_H
#define CLIENT_PLACEMENT_H

#include "proto/slot.h"
#include "proto/status.h"

#include <stddef.h>

#define PLACEMENT_SHARDS_MAX 64u

struct placement;

/* names[count] are those of cache_url_name(), 1 to PLACEMENT_SHARDS_MAX, and
 * are not kept.  BAD_REQUEST (another count, two names that are the same, one
 * that is empty) or NO_SPACE.  placement_free() makes it NULL; NULL is let go. */
enum status placement_new(const char *const *names, unsigned count,
                          struct placement **out) MUST_USE;
void placement_free(struct placement **);

/* Which of the names has the key, or the slot, which is below SLOT_COUNT. */
unsigned placement_shard(const struct placement *, const void *key,
                         size_t size);
unsigned placement_shard_of_slot(const struct placement *, unsigned slot);

#endif

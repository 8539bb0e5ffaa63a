/* SPDX-License-Identifier: Apache-2.0 */
/* Verdicts on values of the lower tiers. */
#include "storage/policy_lower.h"

#include <assert.h>

#define HITS_BITS 2u
#define HITS_MOST ((1u << HITS_BITS) - 1)
/* In the spill, before a value is worth a place in NVMe beside it.  At the
 * second one already, hits are no more, and writes are. */
#define HITS_TO_RISE 3u
#define THOUSAND     1000u

static unsigned
hits(const struct policy_lower *lower, enum policy_lower_tier tier)
{
    return lower->hits >> tier * HITS_BITS & HITS_MOST;
}

static bool
is_in(const struct policy_lower_facts *facts, enum policy_lower_tier tier)
{
    return (facts->tiers & (1u << tier)) != 0;
}

void
policy_lower_hit(struct policy_lower *lower)
{
    for (unsigned tier = 0; tier < POLICY_LOWER_TIERS; tier++)
        if (hits(lower, tier) < HITS_MOST)
            lower->hits = (uint8_t)(lower->hits + (1u << tier * HITS_BITS));
    lower->is_tail = false;
}

void
policy_lower_enter(struct policy_lower *lower, enum policy_lower_tier tier)
{
    lower->hits &= (uint8_t) ~(HITS_MOST << tier * HITS_BITS);
}

void
policy_lower_leave(struct policy_lower *lower, bool is_tail)
{
    lower->is_tail = is_tail;
}

/* Of one run all or none. */
static bool
is_chosen(const struct policy_lower_facts *facts)
{
    uint64_t mixed = facts->run * 0x9e3779b97f4a7c15u >> 32;

    return facts->uses > 1 || mixed % THOUSAND >= facts->held_back;
}

static bool
may_keep(const struct policy_lower *lower, enum policy_lower_tier tier,
         const struct policy_lower_facts *facts)
{
    return hits(lower, tier) != 0 && facts->size <= facts->room &&
           (tier == POLICY_LOWER_NVME || !is_in(facts, POLICY_LOWER_NVME));
}

enum policy_lower_verdict
policy_lower_end(const struct policy_lower *lower, enum policy_lower_tier tier,
                 const struct policy_lower_facts *facts)
{
    assert(tier == POLICY_LOWER_NVME || tier == POLICY_LOWER_SPILL);
    if (facts->is_leased)
        return POLICY_LOWER_KEEP;
    if (facts->leaves_written && is_in(facts, POLICY_LOWER_DRAM))
        return POLICY_LOWER_FORGET;
    if (may_keep(lower, tier, facts))
        return POLICY_LOWER_KEEP;
    if (tier == POLICY_LOWER_SPILL || is_in(facts, POLICY_LOWER_SPILL) ||
        !facts->has_below || lower->is_tail || !is_chosen(facts))
        return POLICY_LOWER_FORGET;
    return POLICY_LOWER_SINK;
}

bool
policy_lower_may_enter(const struct policy_lower *lower,
                       enum policy_lower_reason reason,
                       const struct policy_lower_facts *facts)
{
    if (is_in(facts, POLICY_LOWER_SPILL) &&
        hits(lower, POLICY_LOWER_SPILL) < HITS_TO_RISE)
        return false;
    if (reason == POLICY_LOWER_LEAVE && lower->is_tail)
        return false;
    return is_chosen(facts);
}

void
policy_lower_room_start(struct policy_lower_room *room, uint64_t unit_bytes,
                        unsigned percent)
{
    room->bytes += unit_bytes * percent / 100;
    if (room->bytes > unit_bytes)
        room->bytes = unit_bytes;
}

void
policy_lower_room_keep(struct policy_lower_room *room, uint32_t size)
{
    room->bytes -= size < room->bytes ? size : room->bytes;
}

uint32_t
policy_lower_hold_back(uint32_t held_back, bool was_short)
{
    if (!was_short)
        return held_back - (held_back + 255) / 256;
    held_back += (THOUSAND - held_back) / 64 + 1;
    return held_back < THOUSAND ? held_back : THOUSAND - 1;
}

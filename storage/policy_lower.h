/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is kept in the tiers below DRAM.  They are logs that give their space
 * back by whole units (segments, groups), the oldest first; at a unit's end each
 * of its values is forgotten, kept (written anew in the same tier) or sunk
 * (written one tier down).  So each tier is a clock: what was hit while it was
 * there goes round once more.
 *
 *   - Kept: what was hit, as long as there is room; in the spill not what NVMe
 *     has, too.
 *   - Sunk: the rest of NVMe, but for what the spill has already.
 *   - Neither: what is in DRAM, if it will be written when it leaves that.
 *   - The ends of runs that were used once, which hardly anybody asks for again,
 *     are not sunk, nor written when they leave DRAM.
 *   - A hit in the spill leaves the value where it is; from its third one on it
 *     may be written to NVMe, too.
 *   - If the next tier can not take all, whole runs are held back, and first what
 *     was used once: half a prompt is worth next to nothing.
 *
 * Pure: no clock, memory, locks or I/O.  A value's struct is the caller's, in its
 * index entry, guarded as that is.
 */
#ifndef STORAGE_POLICY_LOWER_H
#define STORAGE_POLICY_LOWER_H

#include <stdbool.h>
#include <stdint.h>

/* In the order of enum tier_kind, and of the bits of an entry's tiers. */
enum policy_lower_tier {
    POLICY_LOWER_DRAM,
    POLICY_LOWER_NVME,
    POLICY_LOWER_SPILL,
    POLICY_LOWER_TIERS
};

/* Of one value, as long as it is in any tier; all zero at first. */
struct policy_lower {
    uint8_t hits; /* two bits for each tier */
    bool is_tail;
};

/* What is known of a value when it is asked about. */
struct policy_lower_facts {
    uint8_t tiers;       /* bit t: it is in tier t */
    uint8_t uses;        /* as the DRAM's policy counts them (policy_node) */
    bool is_leased;      /* and a lower tier is to keep the promise */
    bool has_below;      /* the next tier down is there and takes writes */
    bool leaves_written; /* what leaves DRAM is written (nvme.write: evicted) */
    uint32_t run;        /* policy_node.run: equal for all of one run */
    uint32_t held_back;  /* by policy_lower_hold_back(), of where it is to go */
    uint32_t size;       /* bytes */
    uint64_t room;       /* bytes of this unit that may yet be kept */
};

enum policy_lower_verdict {
    POLICY_LOWER_FORGET,
    POLICY_LOWER_KEEP,
    POLICY_LOWER_SINK
};

/* It was got, or put again with the same bytes, wherever it is. */
void policy_lower_hit(struct policy_lower *);
/* It was written to a tier, for the first time there or anew. */
void policy_lower_enter(struct policy_lower *, enum policy_lower_tier);
/* It leaves DRAM; is_tail: policy_is_tail() of its node there. */
void policy_lower_leave(struct policy_lower *, bool is_tail);

/* What becomes of a value of the oldest unit of a tier, NVME or SPILL.  Leased
 * ones are kept, whatever the room. */
enum policy_lower_verdict policy_lower_end(const struct policy_lower *,
                                           enum policy_lower_tier,
                                           const struct policy_lower_facts *);

/* Is a value to be written to the tier below DRAM, if it is not there?
 *   PUT      behind its PUT (nvme.write: all)
 *   HIT      because it was hit, policy_lower_hit() first (all, reused)
 *   LEAVE    ahead of its leaving DRAM, policy_lower_leave() first (evicted) */
enum policy_lower_reason {
    POLICY_LOWER_PUT,
    POLICY_LOWER_HIT,
    POLICY_LOWER_LEAVE
};
bool policy_lower_may_enter(const struct policy_lower *,
                            enum policy_lower_reason,
                            const struct policy_lower_facts *);

/* How much of a unit may be kept: so many percent of its bytes, and what the
 * units before have left, up to the whole of it.  One struct for each tier, all
 * zero at first. */
struct policy_lower_room {
    uint64_t bytes; /* that may be kept now */
};
void policy_lower_room_start(struct policy_lower_room *, uint64_t unit_bytes,
                             unsigned percent);
void policy_lower_room_keep(struct policy_lower_room *, uint32_t size);

/* Of what is to be written to a tier, how much is not, in thousandths; 0 at
 * first.  To be called now and then (for each value, or each megabyte): was_short:
 * since the last call something had no place in that tier's line. */
uint32_t policy_lower_hold_back(uint32_t held_back, bool was_short);

#endif

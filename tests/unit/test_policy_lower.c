/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of values in the tiers below DRAM. */
#include "storage/policy_lower.h"

#include <criterion/criterion.h>

#define DRAM  (1u << POLICY_LOWER_DRAM)
#define NVME  (1u << POLICY_LOWER_NVME)
#define SPILL (1u << POLICY_LOWER_SPILL)
#define ROOM  1000u

static struct policy_lower value;

static void
hit(unsigned times)
{
    while (times-- != 0)
        policy_lower_hit(&value);
}

static struct policy_lower_facts
facts_in(unsigned tiers)
{
    return (struct policy_lower_facts){.tiers = (uint8_t)tiers,
                                       .uses = 1,
                                       .has_below = true,
                                       .size = ROOM,
                                       .room = ROOM};
}

static enum policy_lower_verdict
end_of_nvme(unsigned tiers)
{
    const struct policy_lower_facts facts = facts_in(tiers);

    return policy_lower_end(&value, POLICY_LOWER_NVME, &facts);
}

static enum policy_lower_verdict
end_of_spill(unsigned tiers)
{
    const struct policy_lower_facts facts = facts_in(tiers);

    return policy_lower_end(&value, POLICY_LOWER_SPILL, &facts);
}

static bool
may_enter(enum policy_lower_reason reason, unsigned tiers)
{
    const struct policy_lower_facts facts = facts_in(tiers);

    return policy_lower_may_enter(&value, reason, &facts);
}

Test(policy_lower, what_was_hit_stays_and_what_was_not_sinks)
{
    policy_lower_enter(&value, POLICY_LOWER_NVME);
    cr_assert_eq(end_of_nvme(NVME), POLICY_LOWER_SINK);
    hit(1);
    cr_assert_eq(end_of_nvme(NVME), POLICY_LOWER_KEEP);
}

Test(policy_lower, a_hit_is_good_for_one_more_round)
{
    policy_lower_enter(&value, POLICY_LOWER_NVME);
    hit(3);
    cr_assert_eq(end_of_nvme(NVME), POLICY_LOWER_KEEP);
    policy_lower_enter(&value, POLICY_LOWER_NVME);
    cr_assert_eq(end_of_nvme(NVME), POLICY_LOWER_SINK);
}

Test(policy_lower, each_tier_has_hits_of_its_own)
{
    policy_lower_enter(&value, POLICY_LOWER_NVME);
    hit(1);
    policy_lower_enter(&value, POLICY_LOWER_SPILL);
    cr_assert_eq(end_of_spill(SPILL), POLICY_LOWER_FORGET);
    cr_assert_eq(end_of_nvme(NVME), POLICY_LOWER_KEEP);
    hit(1);
    policy_lower_enter(&value, POLICY_LOWER_NVME);
    cr_assert_eq(end_of_spill(SPILL), POLICY_LOWER_KEEP);
}

Test(policy_lower, what_has_no_room_to_stay_sinks)
{
    struct policy_lower_facts facts = facts_in(NVME);

    hit(1);
    facts.room = ROOM - 1;
    cr_assert_eq(policy_lower_end(&value, POLICY_LOWER_NVME, &facts),
                 POLICY_LOWER_SINK);
    facts.has_below = false;
    cr_assert_eq(policy_lower_end(&value, POLICY_LOWER_NVME, &facts),
                 POLICY_LOWER_FORGET);
}

Test(policy_lower, what_is_leased_stays_without_room)
{
    struct policy_lower_facts facts = facts_in(SPILL);

    facts.is_leased = true;
    facts.room = 0;
    cr_assert_eq(policy_lower_end(&value, POLICY_LOWER_SPILL, &facts),
                 POLICY_LOWER_KEEP);
    cr_assert_eq(policy_lower_end(&value, POLICY_LOWER_NVME, &facts),
                 POLICY_LOWER_KEEP);
}

Test(policy_lower, what_the_spill_has_does_not_sink_again)
{
    cr_assert_eq(end_of_nvme(NVME | SPILL), POLICY_LOWER_FORGET);
}

Test(policy_lower, the_spill_does_not_keep_what_nvme_has)
{
    hit(1);
    cr_assert_eq(end_of_spill(SPILL | NVME), POLICY_LOWER_FORGET);
    cr_assert_eq(end_of_spill(SPILL | DRAM), POLICY_LOWER_KEEP);
}

Test(policy_lower, what_will_be_written_again_goes)
{
    struct policy_lower_facts facts = facts_in(SPILL | DRAM);

    hit(1);
    facts.leaves_written = true;
    cr_assert_eq(policy_lower_end(&value, POLICY_LOWER_SPILL, &facts),
                 POLICY_LOWER_FORGET);
    facts.tiers = NVME | DRAM;
    cr_assert_eq(policy_lower_end(&value, POLICY_LOWER_NVME, &facts),
                 POLICY_LOWER_FORGET);
    facts.is_leased = true;
    cr_assert_eq(policy_lower_end(&value, POLICY_LOWER_NVME, &facts),
                 POLICY_LOWER_KEEP);
    facts.is_leased = false;
    facts.tiers = SPILL;
    cr_assert_eq(policy_lower_end(&value, POLICY_LOWER_SPILL, &facts),
                 POLICY_LOWER_KEEP);
}

Test(policy_lower, the_end_of_a_run_does_not_sink_until_it_is_hit)
{
    policy_lower_leave(&value, true);
    cr_assert_eq(end_of_nvme(NVME), POLICY_LOWER_FORGET);
    hit(1);
    policy_lower_enter(&value, POLICY_LOWER_NVME);
    cr_assert_eq(end_of_nvme(NVME), POLICY_LOWER_SINK);
}

Test(policy_lower, the_end_of_a_run_is_not_written_when_it_leaves)
{
    policy_lower_leave(&value, true);
    cr_assert_not(may_enter(POLICY_LOWER_LEAVE, DRAM));
    cr_assert(may_enter(POLICY_LOWER_PUT, DRAM));
    policy_lower_leave(&value, false);
    cr_assert(may_enter(POLICY_LOWER_LEAVE, DRAM));
}

Test(policy_lower, the_third_hit_in_the_spill_makes_it_rise)
{
    policy_lower_enter(&value, POLICY_LOWER_SPILL);
    hit(2);
    cr_assert_not(may_enter(POLICY_LOWER_HIT, DRAM | SPILL));
    cr_assert_not(may_enter(POLICY_LOWER_LEAVE, DRAM | SPILL));
    hit(1);
    cr_assert(may_enter(POLICY_LOWER_HIT, DRAM | SPILL));
    hit(5);
    cr_assert(may_enter(POLICY_LOWER_LEAVE, DRAM | SPILL));
    policy_lower_enter(&value, POLICY_LOWER_SPILL);
    cr_assert_not(may_enter(POLICY_LOWER_HIT, DRAM | SPILL));
}

Test(policy_lower, runs_are_held_back_whole)
{
    struct policy_lower_facts facts = facts_in(NVME);
    unsigned sunk = 0;

    facts.held_back = 250;
    for (facts.run = 0; facts.run < 10000; facts.run++) {
        enum policy_lower_verdict first =
            policy_lower_end(&value, POLICY_LOWER_NVME, &facts);

        cr_assert_eq(policy_lower_end(&value, POLICY_LOWER_NVME, &facts),
                     first);
        cr_assert_eq(policy_lower_may_enter(&value, POLICY_LOWER_PUT, &facts),
                     first == POLICY_LOWER_SINK);
        sunk += first == POLICY_LOWER_SINK;
    }
    cr_assert(sunk > 7300 && sunk < 7700, "%u of 10000", sunk);
}

Test(policy_lower, what_was_used_again_is_not_held_back)
{
    struct policy_lower_facts facts = facts_in(NVME);

    facts.held_back = 1000;
    cr_assert_eq(policy_lower_end(&value, POLICY_LOWER_NVME, &facts),
                 POLICY_LOWER_FORGET);
    facts.uses = 2;
    cr_assert_eq(policy_lower_end(&value, POLICY_LOWER_NVME, &facts),
                 POLICY_LOWER_SINK);
}

Test(policy_lower_room, what_a_unit_leaves_is_the_next_ones_up_to_a_whole)
{
    struct policy_lower_room room = {0};

    policy_lower_room_start(&room, 1000, 75);
    cr_assert_eq(room.bytes, 750);
    policy_lower_room_keep(&room, 650);
    policy_lower_room_start(&room, 1000, 75);
    cr_assert_eq(room.bytes, 850);
    policy_lower_room_start(&room, 1000, 75);
    cr_assert_eq(room.bytes, 1000);
}

Test(policy_lower_room, a_leased_value_may_take_more_than_there_is)
{
    struct policy_lower_room room = {.bytes = 10};

    policy_lower_room_keep(&room, 100);
    cr_assert_eq(room.bytes, 0);
}

Test(policy_lower_room, nothing_is_kept_of_nothing_percent)
{
    struct policy_lower_room room = {0};

    policy_lower_room_start(&room, 1000, 0);
    cr_assert_eq(room.bytes, 0);
}

Test(policy_lower_hold_back, rises_while_short_and_falls_to_nothing_after)
{
    uint32_t held_back = 0;
    unsigned steps = 0;

    for (unsigned i = 0; i < 1000; i++)
        held_back = policy_lower_hold_back(held_back, true);
    cr_assert_eq(held_back, 999);
    while (held_back != 0 && steps++ < 100000)
        held_back = policy_lower_hold_back(held_back, false);
    cr_assert_eq(held_back, 0);
}

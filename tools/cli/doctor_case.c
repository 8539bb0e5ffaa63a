/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/cli/doctor_case.h"

#define LOW_PERCENT 5u

uint64_t
doctor_case_sum(const struct doctor_case *all, const char *name)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < all->count; i++)
        sum += facts_number(&all->shards[i].sample.facts, name);
    return sum;
}

uint64_t
doctor_case_stored(const struct doctor_case *all)
{
    return doctor_case_sum(all, "puts_stored") +
           doctor_case_sum(all, "puts_same");
}

uint64_t
doctor_case_puts(const struct doctor_case *all)
{
    return doctor_case_stored(all) + doctor_case_sum(all, "puts_busy") +
           doctor_case_sum(all, "puts_too_big") +
           doctor_case_sum(all, "puts_no_space") +
           doctor_case_sum(all, "puts_slow") + doctor_case_sum(all, "puts_cut");
}

/* The lowest tier's: what leaves a higher one is still there. */
uint64_t
doctor_case_evicted(const struct doctor_case *all)
{
    if (doctor_case_sum(all, "spill_size") != 0)
        return doctor_case_sum(all, "spill_reclaimed");
    if (doctor_case_sum(all, "nvme_size") != 0)
        return doctor_case_sum(all, "nvme_reclaimed");
    return doctor_case_sum(all, "evictions");
}

uint64_t
doctor_case_lost(const struct doctor_case *all)
{
    return doctor_case_evicted(all) + doctor_case_sum(all, "evictions_index") +
           doctor_case_sum(all, "expirations") + doctor_case_sum(all, "drops");
}

uint64_t
doctor_case_missing(const struct doctor_case *all)
{
    uint64_t there = doctor_case_sum(all, "entries");
    uint64_t fresh = doctor_case_sum(all, "prefix_puts");

    return fresh > there ? fresh - there : 0;
}

/* What leaves memory may not have been written to a lower tier, so that it is
 * lost although nothing was reclaimed there. */
uint64_t
doctor_case_vanished(const struct doctor_case *all)
{
    uint64_t missing = doctor_case_missing(all);
    uint64_t told = doctor_case_lost(all) + doctor_case_sum(all, "evictions");

    return missing > told ? missing - told : 0;
}

bool
doctor_case_is_low(const struct top_model *model)
{
    return model->queries_ever >= DOCTOR_CASE_FEW &&
           model->hits_ever * 100 < model->queries_ever * LOW_PERCENT;
}

bool
doctor_case_is_much(uint64_t part, uint64_t whole, unsigned percent)
{
    return part >= DOCTOR_CASE_FEW && part * 100 >= whole * percent;
}

void
doctor_case_judge(const struct doctor_case *all,
                  struct doctor_findings *findings)
{
    doctor_asked_judge(all, findings);
    doctor_names_judge(all, findings);
    doctor_puts_judge(all, findings);
    doctor_room_judge(all, findings);
    doctor_tiers_judge(all, findings);
    doctor_findings_sort(findings);
}

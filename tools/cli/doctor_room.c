/* SPDX-License-Identifier: Apache-2.0 */
/* Whether what is put stays long enough to be asked for. */
#include "tools/cli/doctor_case.h"

#include <string.h>

typedef unsigned long long number;

/* Two hundredths of all accesses are worth an operator's time. */
#define WORTH 0.02

static const char *const tier_names[TOP_TIERS] = {"dram", "nvme", "spill"};

/* What a tier of `percent` of its size would hit, mean over the servers that
 * have it; negative where none says. */
static double
hit_ratio_of(const struct doctor_case *all, const char *tier, unsigned percent)
{
    double sum = 0, ratio;
    unsigned known = 0;
    char name[64];

    snprintf(name, sizeof name, "hit_ratio_%s_%u", tier, percent);
    for (unsigned i = 0; i < all->count; i++)
        if (facts_fraction(&all->shards[i].sample.facts, name, &ratio)) {
            sum += ratio;
            known++;
        }
    return known == 0 ? -1 : sum / known;
}

/* The tier that more of would help most. */
struct cure {
    const char *tier;
    double now, twice, fourfold;
};

static struct cure
find_cure(const struct doctor_case *all)
{
    struct cure best = {NULL, 0, 0, 0};

    for (unsigned tier = 0; tier < TOP_TIERS; tier++) {
        struct cure cure = {tier_names[tier],
                            hit_ratio_of(all, tier_names[tier], 100),
                            hit_ratio_of(all, tier_names[tier], 200),
                            hit_ratio_of(all, tier_names[tier], 400)};

        if (cure.now >= 0 && cure.fourfold - cure.now >= WORTH &&
            cure.fourfold - cure.now > best.fourfold - best.now)
            best = cure;
    }
    return best;
}

/* How long a value stays in DRAM before others need its room. */
static double
stay_seconds(const struct doctor_case *all)
{
    double values = (double)doctor_case_sum(all, "dram_chunks");
    double evicted = (double)doctor_case_sum(all, "evictions");
    double seconds = 0;

    for (unsigned i = 0; i < all->count; i++) {
        double up = (double)facts_number(&all->shards[i].sample.facts,
                                         "uptime_in_seconds");

        seconds = up > seconds ? up : seconds;
    }
    return evicted == 0 ? seconds : values / evicted * seconds;
}

static bool
is_any_low(const struct doctor_case *all)
{
    for (unsigned i = 0; i < all->models.count; i++)
        if (doctor_case_is_low(&all->models.all[i]))
            return true;
    return false;
}

static void
judge_evictions(const struct doctor_case *all, struct doctor_findings *findings)
{
    uint64_t evicted = doctor_case_evicted(all);
    uint64_t stored = doctor_case_stored(all);
    struct cure cure = find_cure(all);
    struct doctor_finding *finding;

    if (!doctor_case_is_much(evicted, stored, 10) ||
        (cure.tier == NULL && !is_any_low(all)))
        return;
    finding = doctor_findings_new(findings, "evicted-early",
                                  is_any_low(all) ? DOCTOR_BAD : DOCTOR_WARN);
    doctor_finding_say(finding,
                       "%llu of %llu values that were put had to leave for "
                       "others; in memory a value stays some %.0f s.",
                       (number)evicted, (number)stored, stay_seconds(all));
    if (cure.tier != NULL)
        doctor_finding_advise(
            finding,
            "Raise %s.size: of all accesses %.1f %% would hit with what there "
            "is, %.1f %% with twice, %.1f %% with four times as much "
            "(estimated "
            "over the last hour).",
            cure.tier, 100 * cure.now, 100 * cure.twice, 100 * cure.fourfold);
    else
        doctor_finding_advise(
            finding, "%s",
            doctor_case_sum(all, "nvme_size") == 0
                ? "Raise dram.size, or give what leaves memory a place with "
                  "nvme.path."
                : "Raise nvme.size, or give what leaves it a place with "
                  "spill.path.");
    doctor_finding_figure(finding, "evicted", (double)evicted);
    doctor_finding_figure(finding, "puts", (double)stored);
    doctor_finding_figure(finding, "stay_seconds", stay_seconds(all));
    if (cure.tier == NULL)
        return;
    doctor_finding_figure(finding, "hit_ratio_100", cure.now);
    doctor_finding_figure(finding, "hit_ratio_200", cure.twice);
    doctor_finding_figure(finding, "hit_ratio_400", cure.fourfold);
}

static void
judge_index(const struct doctor_case *all, struct doctor_findings *findings)
{
    uint64_t evicted = doctor_case_sum(all, "evictions_index");
    uint64_t stored = doctor_case_stored(all);
    struct doctor_finding *finding;

    if (!doctor_case_is_much(evicted, stored, 1))
        return;
    finding = doctor_findings_new(findings, "index-full", DOCTOR_WARN);
    doctor_finding_say(finding,
                       "%llu values had to leave because the index has no "
                       "memory for more keys, not because of their bytes.",
                       (number)evicted);
    doctor_finding_advise(finding, "Raise limits.index_memory.");
    doctor_finding_figure(finding, "evictions_index", (double)evicted);
    doctor_finding_figure(finding, "index_size",
                          (double)doctor_case_sum(all, "index_size"));
    doctor_finding_figure(finding, "index_used",
                          (double)doctor_case_sum(all, "index_used"));
    doctor_finding_figure(finding, "entries",
                          (double)doctor_case_sum(all, "entries"));
}

static void
judge_leases(const struct doctor_case *all, struct doctor_findings *findings)
{
    uint64_t refused = doctor_case_sum(all, "exists_unleased");
    uint64_t found = refused + doctor_case_sum(all, "exists_hits");
    struct doctor_finding *finding;

    if (!doctor_case_is_much(refused, found, 1))
        return;
    finding = doctor_findings_new(
        findings, "leases-refused",
        doctor_case_is_much(refused, found, 50) ? DOCTOR_BAD : DOCTOR_WARN);
    doctor_finding_say(finding,
                       "%llu of %llu keys that EXISTS found were answered with "
                       "no, as they could not be promised: leases take at most "
                       "a quarter of a tier.",
                       (number)refused, (number)found);
    doctor_finding_advise(
        finding, "Lower lease.ms to what engines need between EXISTS "
                 "and GET, or raise dram.size; with clients that stand "
                 "a miss after EXISTS, lease.ms may be 0.");
    doctor_finding_figure(finding, "exists_unleased", (double)refused);
    doctor_finding_figure(finding, "exists_found", (double)found);
    doctor_finding_figure(finding, "leased_bytes",
                          (double)doctor_case_sum(all, "leased_bytes"));
    doctor_finding_figure(finding, "dram_size",
                          (double)doctor_case_sum(all, "dram_size"));
}

void
doctor_room_judge(const struct doctor_case *all,
                  struct doctor_findings *findings)
{
    judge_evictions(all, findings);
    judge_index(all, findings);
    judge_leases(all, findings);
}

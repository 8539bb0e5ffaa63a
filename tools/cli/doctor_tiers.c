/* SPDX-License-Identifier: Apache-2.0 */
/* Devices that are out of service, fail, or do not keep up. */
#include "tools/cli/doctor_case.h"

#include <string.h>

typedef unsigned long long number;

static const char *const tiers[] = {"nvme", "spill"};

static uint64_t
fact(const struct facts *facts, const char *tier, const char *name)
{
    char whole[64];

    snprintf(whole, sizeof whole, "%s_%s", tier, name);
    return facts_number(facts, whole);
}

static bool
has(const struct facts *facts, const char *tier)
{
    return fact(facts, tier, "size") != 0;
}

static void
count(struct doctor_finding *finding, const struct facts *facts,
      const char *tier, const char *name)
{
    char whole[64];

    snprintf(whole, sizeof whole, "%s_%s", tier, name);
    doctor_finding_figure(finding, whole, (double)facts_number(facts, whole));
}

static void
judge_service(const struct doctor_case_shard *shard, const char *tier,
              struct doctor_findings *findings)
{
    static const char *const figures[] = {
        "readable", "writable", "read_errors",   "write_errors",
        "corrupt",  "late",     "out_of_service"};
    const struct facts *facts = &shard->sample.facts;
    bool may_read = fact(facts, tier, "readable") != 0;
    bool may_write = fact(facts, tier, "writable") != 0;
    const char *state =
        strcmp(tier, "spill") == 0 ? facts_text(facts, "spill_state") : NULL;
    struct doctor_finding *finding;

    if (may_read && may_write)
        return;
    finding = doctor_findings_new(findings, "tier-out", DOCTOR_BAD);
    doctor_finding_say(finding, "%s: the %s tier is %s%s%s: %s.", shard->name,
                       tier, may_read ? "not written to" : "out of service",
                       state == NULL ? "" : ", its state is ",
                       state == NULL ? "" : state,
                       may_read ? "what leaves memory is lost"
                                : "all that is there alone is a miss");
    doctor_finding_advise(
        finding,
        "See the server's log for the reason, and the "
        "device's health; the server tries it again by itself "
        "(%s.probe).",
        tier);
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++)
        count(finding, facts, tier, figures[i]);
}

static void
judge_reads(const struct doctor_case_shard *shard, const char *tier,
            struct doctor_findings *findings)
{
    static const char *const bad[] = {"reads_corrupt", "reads_failed",
                                      "reads_late", "reads_no_space"};
    const struct facts *facts = &shard->sample.facts;
    uint64_t lost = 0, good = fact(facts, tier, "reads_good") +
                              fact(facts, tier, "reads_joined");
    struct doctor_finding *finding;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        lost += fact(facts, tier, bad[i]);
    if (lost < 4 || lost * 100 < lost + good)
        return;
    finding = doctor_findings_new(findings, "tier-reads", DOCTOR_WARN);
    doctor_finding_say(finding,
                       "%s: %llu of %llu reads from the %s tier brought "
                       "nothing, and were misses.",
                       shard->name, (number)lost, (number)(lost + good), tier);
    doctor_finding_advise(finding,
                          "Late ones: a slow or shared device, or %s.read_wait "
                          "too short; no space: dram.size too small to read "
                          "into; failed or corrupt ones: the device is sick.",
                          tier);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        count(finding, facts, tier, bad[i]);
    count(finding, facts, tier, "reads_good");
}

static void
judge_writes(const struct doctor_case_shard *shard, const char *tier,
             struct doctor_findings *findings)
{
    static const char *const bad[] = {"writes_skipped", "writes_too_big",
                                      "writes_failed"};
    const struct facts *facts = &shard->sample.facts;
    uint64_t lost = 0, good = fact(facts, tier, "writes_put") +
                              fact(facts, tier, "writes_kept");
    struct doctor_finding *finding;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        lost += fact(facts, tier, bad[i]);
    if (!doctor_case_is_much(lost, lost + good, 10))
        return;
    finding = doctor_findings_new(findings, "tier-writes", DOCTOR_WARN);
    doctor_finding_say(finding,
                       "%s: %llu of %llu values were not written to the %s "
                       "tier, and are lost when memory gives them up.",
                       shard->name, (number)lost, (number)(lost + good), tier);
    doctor_finding_advise(
        finding,
        "Skipped ones: the device is slower than what is put: "
        "a larger %s, nvme.write: reused, or a faster device; "
        "too big: %s.size does not do for such values.",
        strcmp(tier, "nvme") == 0 ? "nvme.queue" : "spill.inflight", tier);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        count(finding, facts, tier, bad[i]);
    count(finding, facts, tier, "writes_put");
}

void
doctor_tiers_judge(const struct doctor_case *all,
                   struct doctor_findings *findings)
{
    for (unsigned i = 0; i < all->count; i++)
        for (size_t j = 0; j < sizeof tiers / sizeof *tiers; j++) {
            const struct doctor_case_shard *shard = &all->shards[i];

            if (!has(&shard->sample.facts, tiers[j]))
                continue;
            judge_service(shard, tiers[j], findings);
            judge_reads(shard, tiers[j], findings);
            judge_writes(shard, tiers[j], findings);
        }
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Values that were put and are not here: never kept, or taken out again. */
#include "tools/cli/doctor_case.h"

typedef unsigned long long number;

static void
judge_too_big(const struct doctor_case *all, struct doctor_findings *findings)
{
    uint64_t big = doctor_case_sum(all, "puts_too_big");
    uint64_t puts = doctor_case_puts(all);
    struct doctor_finding *finding;

    if (big == 0)
        return;
    finding = doctor_findings_new(
        findings, "too-big",
        doctor_case_is_much(big, puts, 10) ? DOCTOR_BAD : DOCTOR_WARN);
    doctor_finding_say(finding,
                       "%llu of %llu values that were put were larger than the "
                       "servers take, and were not kept.",
                       (number)big, (number)puts);
    doctor_finding_advise(finding,
                          "Raise limits.value (64MiB unless it is set; never "
                          "more than half of dram.size), or have engines make "
                          "smaller chunks.");
    doctor_finding_figure(finding, "puts_too_big", (double)big);
    doctor_finding_figure(finding, "puts", (double)puts);
    if (doctor_case_sum(all, "value_max") != 0)
        doctor_finding_figure(finding, "value_max",
                              (double)doctor_case_sum(all, "value_max") /
                                  all->count);
    doctor_finding_figure(finding, "dram_size",
                          (double)doctor_case_sum(all, "dram_size"));
}

/* Bodies that found no memory to be received in. */
static void
judge_dropped(const struct doctor_case *all, struct doctor_findings *findings)
{
    uint64_t busy = doctor_case_sum(all, "puts_busy");
    uint64_t space = doctor_case_sum(all, "puts_no_space");
    uint64_t puts = doctor_case_puts(all);
    struct doctor_finding *finding;

    if (!doctor_case_is_much(busy + space, puts, 1))
        return;
    finding = doctor_findings_new(
        findings, "dropped",
        doctor_case_is_much(busy + space, puts, 25) ? DOCTOR_BAD : DOCTOR_WARN);
    doctor_finding_say(
        finding,
        "%llu of %llu values were received and dropped, as there "
        "was no memory to receive them in: %llu within "
        "limits.put_wait, %llu at all.",
        (number)(busy + space), (number)puts, (number)busy, (number)space);
    doctor_finding_advise(finding,
                          "Raise dram.size or limits.inflight, or "
                          "limits.put_wait; fewer engines that write at one "
                          "time do as well.");
    doctor_finding_figure(finding, "puts_busy", (double)busy);
    doctor_finding_figure(finding, "puts_no_space", (double)space);
    doctor_finding_figure(finding, "puts", (double)puts);
    doctor_finding_figure(finding, "inflight_size",
                          (double)doctor_case_sum(all, "inflight_size"));
}

/* Bodies that never arrived whole. */
static void
judge_cut(const struct doctor_case *all, struct doctor_findings *findings)
{
    uint64_t slow = doctor_case_sum(all, "puts_slow");
    uint64_t cut = doctor_case_sum(all, "puts_cut");
    uint64_t puts = doctor_case_puts(all);
    struct doctor_finding *finding;

    if (!doctor_case_is_much(slow + cut, puts, 1))
        return;
    finding = doctor_findings_new(findings, "cut-off", DOCTOR_WARN);
    doctor_finding_say(finding,
                       "%llu of %llu values never arrived whole: %llu came too "
                       "slowly, %llu were cut off with their connection.",
                       (number)(slow + cut), (number)puts, (number)slow,
                       (number)cut);
    doctor_finding_advise(finding,
                          "Look for engines that end or time out while they "
                          "write, and at the network; limits.slow_body and "
                          "limits.body_timeout say what is too slow.");
    doctor_finding_figure(finding, "puts_slow", (double)slow);
    doctor_finding_figure(finding, "puts_cut", (double)cut);
    doctor_finding_figure(finding, "puts", (double)puts);
}

static void
judge_expired(const struct doctor_case *all, struct doctor_findings *findings)
{
    uint64_t expired = doctor_case_sum(all, "expirations");
    uint64_t stored = doctor_case_stored(all);
    struct doctor_finding *finding;

    if (!doctor_case_is_much(expired, stored, 10))
        return;
    finding = doctor_findings_new(findings, "expired", DOCTOR_WARN);
    doctor_finding_say(finding,
                       "%llu of %llu values that were put have expired: their "
                       "lifetime was over before room was needed.",
                       (number)expired, (number)stored);
    doctor_finding_advise(finding,
                          "Raise limits.ttl, or the lifetime that engines give "
                          "(SET with EX or PX), or leave it out: what is not "
                          "asked for leaves by itself.");
    doctor_finding_figure(finding, "expirations", (double)expired);
    doctor_finding_figure(finding, "puts", (double)stored);
}

static void
judge_deleted(const struct doctor_case *all, struct doctor_findings *findings)
{
    uint64_t drops = doctor_case_sum(all, "drops");
    uint64_t stored = doctor_case_stored(all);
    struct doctor_finding *finding;

    if (!doctor_case_is_much(drops, stored, 25))
        return;
    finding = doctor_findings_new(findings, "deleted", DOCTOR_WARN);
    doctor_finding_say(finding,
                       "%llu of %llu values that were put were deleted by "
                       "clients.",
                       (number)drops, (number)stored);
    doctor_finding_advise(finding,
                          "Find who sends DEL or FLUSHALL; LMCache deletes the "
                          "metadata of a value that it does not find, or that "
                          "it takes to be damaged.");
    doctor_finding_figure(finding, "drops", (double)drops);
    doctor_finding_figure(finding, "puts", (double)stored);
}

static void
judge_flushed(const struct doctor_case *all, struct doctor_findings *findings)
{
    uint64_t vanished = doctor_case_vanished(all);
    uint64_t fresh = doctor_case_sum(all, "prefix_puts");
    struct doctor_finding *finding;

    if (!doctor_case_is_much(vanished, fresh, 25))
        return;
    finding = doctor_findings_new(findings, "flushed", DOCTOR_WARN);
    doctor_finding_say(finding,
                       "%llu of %llu values that were put neither had to leave "
                       "nor expired nor were deleted one by one, and are not "
                       "here: somebody has sent FLUSHALL.",
                       (number)vanished, (number)fresh);
    doctor_finding_advise(finding,
                          "Find who does, such as a start script of an engine; "
                          "all engines share what is here.");
    doctor_finding_figure(finding, "vanished", (double)vanished);
    doctor_finding_figure(finding, "prefix_puts", (double)fresh);
    doctor_finding_figure(finding, "entries",
                          (double)doctor_case_sum(all, "entries"));
}

void
doctor_puts_judge(const struct doctor_case *all,
                  struct doctor_findings *findings)
{
    judge_too_big(all, findings);
    judge_dropped(all, findings);
    judge_cut(all, findings);
    judge_expired(all, findings);
    judge_deleted(all, findings);
    judge_flushed(all, findings);
}

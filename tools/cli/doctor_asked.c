/* SPDX-License-Identifier: Apache-2.0 */
/* Who asks, who writes, and whether they mean the same. */
#include "tools/cli/doctor_case.h"

#include <string.h>

typedef unsigned long long number;

static void
judge_servers(const struct doctor_case *all, struct doctor_findings *findings)
{
    for (unsigned i = 0; i < all->count; i++) {
        const struct doctor_case_shard *shard = &all->shards[i];
        struct doctor_finding *finding;

        if (shard->why == NULL)
            continue;
        finding = doctor_findings_new(findings, "server-gone", DOCTOR_BAD);
        doctor_finding_say(finding,
                           "%s does not answer (%s): every key that belongs to "
                           "it is a miss.",
                           shard->name, shard->why);
        doctor_finding_advise(finding,
                              "Start it, or look at its log and at the network "
                              "between here and there.");
        doctor_finding_figure(finding, "servers", all->count);
    }
}

/* Nothing that is said of names is then of all of them. */
static void
judge_walks(const struct doctor_case *all, struct doctor_findings *findings)
{
    for (unsigned i = 0; i < all->count; i++) {
        const struct doctor_case_shard *shard = &all->shards[i];
        struct doctor_finding *finding;

        if (shard->walk_why == NULL)
            continue;
        finding = doctor_findings_new(findings, "keys-unseen", DOCTOR_NOTE);
        doctor_finding_say(finding, "%s did not list its keys to the end (%s).",
                           shard->name, shard->walk_why);
        doctor_finding_advise(finding,
                              "Try again with a longer --timeout, or a shorter "
                              "--walk; see whether the server is overloaded.");
        doctor_finding_figure(finding, "keys", (double)all->census.keys);
    }
}

/* What is asked for at all, by those who look before they compute. */
static uint64_t
asked(const struct doctor_case *all)
{
    return doctor_case_sum(all, "prefix_queries") +
           doctor_case_sum(all, "lookup_keys");
}

static void
judge_traffic(const struct doctor_case *all, struct doctor_findings *findings)
{
    uint64_t puts = doctor_case_puts(all), queries = asked(all);
    struct doctor_finding *finding;

    if (puts == 0 && queries == 0) {
        finding = doctor_findings_new(findings, "no-traffic", DOCTOR_WARN);
        doctor_finding_say(finding,
                           "Nobody has put or asked for anything since "
                           "the start.");
        doctor_finding_advise(
            finding, "Check the URL in the engines' configuration, and "
                     "that their logs say they are connected.");
    } else if (queries == 0 && puts >= DOCTOR_CASE_FEW) {
        finding = doctor_findings_new(findings, "never-asked", DOCTOR_BAD);
        doctor_finding_say(
            finding,
            "%llu values were put, and nobody has ever asked for "
            "one.",
            (number)puts);
        doctor_finding_advise(
            finding, "Let the engines read as well: a role that only "
                     "stores (a producer), or one that looks things up "
                     "elsewhere, never gets here.");
    } else if (puts == 0 && queries >= DOCTOR_CASE_FEW &&
               doctor_case_sum(all, "entries") == 0) {
        finding = doctor_findings_new(findings, "never-written", DOCTOR_BAD);
        doctor_finding_say(finding,
                           "%llu keys were asked for, and nobody has ever put "
                           "a value.",
                           (number)queries);
        doctor_finding_advise(
            finding, "Let the engines write: a role that only reads (a "
                     "consumer) fills nothing; or they write to "
                     "another server than they read from.");
    } else {
        return;
    }
    doctor_finding_figure(finding, "puts", (double)puts);
    doctor_finding_figure(finding, "asked", (double)queries);
}

/* Of two: one only writes, the other one only asks, in vain. */
static bool
is_apart(const struct top_model *writer, const struct top_model *reader)
{
    return writer->puts_ever >= DOCTOR_CASE_FEW && writer->queries_ever == 0 &&
           reader->puts_ever == 0 && doctor_case_is_low(reader);
}

static void
say_namespaces(const struct top_model *writer, const struct top_model *reader,
               struct doctor_findings *findings)
{
    struct doctor_finding *finding =
        doctor_findings_new(findings, "other-namespace", DOCTOR_BAD);

    doctor_finding_say(finding,
                       "%s is written in namespace %u and asked for in "
                       "namespace %u, where nobody writes it.",
                       writer->name, writer->space, reader->space);
    doctor_finding_advise(finding,
                          "Give all engines the same namespace: the number at "
                          "the end of redis://host:port/%u; lm:// is always 0.",
                          writer->space);
    doctor_finding_figure(finding, "puts", (double)writer->puts_ever);
    doctor_finding_figure(finding, "queries", (double)reader->queries_ever);
}

static void
say_models(const struct top_model *writer, const struct top_model *reader,
           struct doctor_findings *findings)
{
    struct doctor_finding *finding =
        doctor_findings_new(findings, "other-model", DOCTOR_BAD);

    doctor_finding_say(
        finding,
        "Only %s is written and never asked for, and %s is asked "
        "for and never written: one model under two names?",
        writer->name, reader->name);
    doctor_finding_advise(finding,
                          "Start the engines with the same model name: a path "
                          "and a name from a hub are not the same.");
    doctor_finding_figure(finding, "puts", (double)writer->puts_ever);
    doctor_finding_figure(finding, "queries", (double)reader->queries_ever);
}

static void
judge_pairs(const struct doctor_case *all, struct doctor_findings *findings)
{
    const struct top_models *models = &all->models;

    for (unsigned i = 0; i < models->count; i++)
        for (unsigned j = 0; j < models->count; j++) {
            const struct top_model *writer = &models->all[i],
                                   *reader = &models->all[j];
            bool is_same = strcmp(writer->name, reader->name) == 0;

            if (!is_apart(writer, reader))
                continue;
            if (is_same)
                say_namespaces(writer, reader, findings);
            else if (writer->space == reader->space)
                say_models(writer, reader, findings);
        }
}

/* Little of what was put has left, so that it would be found by its name. */
static void
judge_misses(const struct doctor_case *all, struct doctor_findings *findings)
{
    uint64_t stored = doctor_case_stored(all);
    uint64_t lost = doctor_case_lost(all), missing = doctor_case_missing(all);

    for (unsigned i = 0; i < all->models.count; i++) {
        const struct top_model *model = &all->models.all[i];
        struct doctor_finding *finding;

        if (!doctor_case_is_low(model) || model->puts_ever < DOCTOR_CASE_FEW ||
            lost * 10 > stored || missing * 10 > stored)
            continue;
        finding = doctor_findings_new(findings, "never-read", DOCTOR_BAD);
        doctor_finding_say(
            finding,
            "%s: of %llu chunks that were asked for %llu were found, though "
            "%llu were put and nearly all are still here. What is asked for "
            "has other names than what is written, or no prompt comes twice.",
            model->name, (number)model->queries_ever, (number)model->hits_ever,
            (number)model->puts_ever);
        doctor_finding_advise(
            finding,
            "See what is said here about its names. If nothing: set "
            "PYTHONHASHSEED=0 for every engine (it seeds the first hash of a "
            "prompt, also of sha256), and one chunk size; `doctor --compare "
            "500` tells whether equal values stand under different names.");
        doctor_finding_figure(finding, "queries", (double)model->queries_ever);
        doctor_finding_figure(finding, "hits", (double)model->hits_ever);
        doctor_finding_figure(finding, "puts", (double)model->puts_ever);
        doctor_finding_figure(finding, "left", (double)lost);
    }
}

/* An equal value under the same name: whoever put it could have had it. */
static void
judge_repeats(const struct doctor_case *all, struct doctor_findings *findings)
{
    uint64_t same = doctor_case_sum(all, "puts_same");
    uint64_t stored = doctor_case_stored(all);
    struct doctor_finding *finding;

    if (!doctor_case_is_much(same, stored, 25))
        return;
    finding = doctor_findings_new(findings, "computed-again", DOCTOR_WARN);
    doctor_finding_say(finding,
                       "%llu of %llu values that were put were here already, "
                       "byte for byte: engines compute what they could have "
                       "loaded.",
                       (number)same, (number)stored);
    doctor_finding_advise(finding,
                          "Let engines look up before they compute; look for a "
                          "lookup that times out, a least length of a match, "
                          "or loading that is switched off.");
    doctor_finding_figure(finding, "puts_same", (double)same);
    doctor_finding_figure(finding, "puts", (double)stored);
    doctor_finding_figure(finding, "queries",
                          (double)doctor_case_sum(all, "prefix_queries"));
}

static void
judge_connections(const struct doctor_case *all,
                  struct doctor_findings *findings)
{
    uint64_t over = doctor_case_sum(all, "closed_limit");
    uint64_t foreign = doctor_case_sum(all, "closed_foreign") +
                       doctor_case_sum(all, "closed_broken");
    struct doctor_finding *finding;

    if (over > 0) {
        finding =
            doctor_findings_new(findings, "too-many-connections", DOCTOR_WARN);
        doctor_finding_say(
            finding,
            "%llu connections were closed because there were too "
            "many: their engines have no cache.",
            (number)over);
        doctor_finding_advise(finding,
                              "Raise limits.connections, and what the process "
                              "may open (ulimit -n).");
        doctor_finding_figure(finding, "closed_limit", (double)over);
        doctor_finding_figure(finding, "maxclients",
                              (double)doctor_case_sum(all, "maxclients"));
    }
    if (foreign >= DOCTOR_CASE_FEW) {
        finding =
            doctor_findings_new(findings, "foreign-protocol", DOCTOR_WARN);
        doctor_finding_say(finding,
                           "%llu connections spoke no protocol that is served: "
                           "TLS or HTTP on the data port, perhaps.",
                           (number)foreign);
        doctor_finding_advise(
            finding, "Check scheme and port of the engines' URL: "
                     "lm://, redis:// or prefixcache://, without TLS.");
        doctor_finding_figure(finding, "closed_foreign_or_broken",
                              (double)foreign);
    }
}

void
doctor_asked_judge(const struct doctor_case *all,
                   struct doctor_findings *findings)
{
    judge_servers(all, findings);
    judge_walks(all, findings);
    judge_traffic(all, findings);
    judge_pairs(all, findings);
    judge_misses(all, findings);
    judge_repeats(all, findings);
    judge_connections(all, findings);
}

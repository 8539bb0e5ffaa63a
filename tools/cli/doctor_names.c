/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether engines spell the names of chunks alike.  A family is all groups of
 * one namespace and model: that they differ is no fault as long as each is found
 * by its own engines, so that only those are told of that little is found of.
 */
#include "tools/cli/doctor_case.h"

#include <string.h>

typedef unsigned long long number;

#define KEYS_LEAST 8u /* of one spelling */
#define WAYS_MAX   6u /* that are told apart */

struct family {
    const struct doctor_case *all;
    const struct doctor_census_group *first;
    const struct top_model *model; /* what is asked for of it; NULL: unknown */
    enum doctor_layout layout;     /* that most of its keys have */
};

/* The ways in which a family's keys are spelled, by one of their parts. */
struct ways {
    unsigned count;
    struct way {
        char name[64];
        uint64_t keys;
    } all[WAYS_MAX];
};

typedef void name_fn(const struct doctor_census_group *, char name[64]);

static void
name_layout(const struct doctor_census_group *group, char name[64])
{
    snprintf(name, 64, "%s", doctor_shape_layout_name(group->layout));
}

static void
name_hash(const struct doctor_census_group *group, char name[64])
{
    snprintf(name, 64, "%s", doctor_shape_hash_name(group->hash));
}

static void
name_workers(const struct doctor_census_group *group, char name[64])
{
    snprintf(name, 64, "%u", group->workers);
}

static void
name_dtype(const struct doctor_census_group *group, char name[64])
{
    snprintf(name, 64, "%s", *group->dtype == '\0' ? "none" : group->dtype);
}

static bool
is_of(const struct family *family, const struct doctor_census_group *group)
{
    return group->space == family->first->space &&
           strcmp(group->model, family->first->model) == 0;
}

static void
count_way(struct ways *ways, const char *name, uint64_t keys)
{
    for (unsigned i = 0; i < ways->count; i++)
        if (strcmp(ways->all[i].name, name) == 0) {
            ways->all[i].keys += keys;
            return;
        }
    if (ways->count == WAYS_MAX)
        return;
    snprintf(ways->all[ways->count].name, 64, "%s", name);
    ways->all[ways->count++].keys = keys;
}

/* Those of a few keys are dropped. */
static void
find_ways(const struct family *family, name_fn *name_it, struct ways *out)
{
    const struct doctor_census *census = &family->all->census;
    struct ways ways = {.count = 0};
    char name[64];

    for (unsigned i = 0; i < census->group_count; i++) {
        const struct doctor_census_group *group = &census->groups[i];

        if (!is_of(family, group) ||
            (name_it != name_layout && group->layout != family->layout))
            continue;
        name_it(group, name);
        count_way(&ways, name, group->keys);
    }
    out->count = 0;
    for (unsigned i = 0; i < ways.count; i++)
        if (ways.all[i].keys >= KEYS_LEAST)
            out->all[out->count++] = ways.all[i];
}

static void
list_ways(const struct ways *ways, char *text, size_t room)
{
    size_t used = 0;

    *text = '\0';
    for (unsigned i = 0; i < ways->count && used < room; i++)
        used += (size_t)snprintf(text + used, room - used, "%s%s (%llu keys)",
                                 i == 0                 ? ""
                                 : i + 1 == ways->count ? " and "
                                                        : ", ",
                                 ways->all[i].name, (number)ways->all[i].keys);
}

static const struct dimension {
    const char *rule, *of, *todo;
    name_fn *name_it;
} dimensions[] = {
    {"key-layouts", "keys of different layouts",
     "Bring all engines to one release of LMCache, and one mode: what one "
     "layout names the others never ask for.",
     name_layout},
    {"hash-shapes", "hashes of different kinds",
     "Give all engines one hash function (in LMCache: "
     "pre_caching_hash_algorithm; "
     "in vLLM: --prefix-caching-hash-algo) and one release.",
     name_hash},
    {"worker-counts", "numbers of workers",
     "Engines find only what engines of as many workers (tensor parallel size) "
     "have written: use one size for all, or count on a cache for each.",
     name_workers},
    {"dtypes", "element types",
     "Start all engines with one type of KV cache (--kv-cache-dtype, --dtype).",
     name_dtype},
};

static bool
is_low(const struct family *family)
{
    return family->model != NULL && doctor_case_is_low(family->model);
}

/* Less than half is found. */
static bool
is_wanting(const struct family *family)
{
    const struct top_model *model = family->model;

    return model != NULL && model->queries_ever >= DOCTOR_CASE_FEW &&
           model->hits_ever * 2 < model->queries_ever;
}

static void
count_rates(struct doctor_finding *finding, const struct family *family)
{
    doctor_finding_figure(finding, "queries",
                          (double)family->model->queries_ever);
    doctor_finding_figure(finding, "hits", (double)family->model->hits_ever);
}

static void
judge_dimension(const struct family *family, const struct dimension *dimension,
                struct doctor_findings *findings)
{
    struct doctor_finding *finding;
    struct ways ways;
    char list[512];

    find_ways(family, dimension->name_it, &ways);
    if (ways.count < 2)
        return;
    list_ways(&ways, list, sizeof list);
    finding = doctor_findings_new(findings, dimension->rule,
                                  is_low(family) ? DOCTOR_BAD : DOCTOR_WARN);
    doctor_finding_say(finding,
                       "%s is written with %s: %s. Each finds only its own.",
                       family->first->model, dimension->of, list);
    doctor_finding_advise(finding, "%s", dimension->todo);
    count_rates(finding, family);
    for (unsigned i = 0; i < ways.count; i++) {
        char name[80];

        snprintf(name, sizeof name, "keys %.40s", ways.all[i].name);
        doctor_finding_figure(finding, name, (double)ways.all[i].keys);
    }
}

/* Python's hash() is signed, so that half of its values have a sign; and it
 * begins at random in each process unless it is told not to. */
static void
judge_seed(const struct family *family, const struct doctor_census_group *group,
           struct doctor_findings *findings)
{
    struct doctor_finding *finding;

    if (group->hash != DOCTOR_HASH_SHORT || group->keys < DOCTOR_CASE_FEW ||
        group->negative * 5 < group->keys || !is_low(family))
        return;
    finding = doctor_findings_new(findings, "hash-seed", DOCTOR_BAD);
    doctor_finding_say(
        finding,
        "The hashes of %s are those of Python's hash() (%llu of %llu keys have "
        "a sign), which differ from process to process unless all have one "
        "seed; and hardly any is found.",
        group->model, (number)group->negative, (number)group->keys);
    doctor_finding_advise(
        finding,
        "Start every engine with PYTHONHASHSEED=0, and choose sha256_cbor "
        "(pre_caching_hash_algorithm): hash() of None differs between "
        "processes even then. What is here already will not be found again.");
    count_rates(finding, family);
    doctor_finding_figure(finding, "keys", (double)group->keys);
    doctor_finding_figure(finding, "keys_signed", (double)group->negative);
}

static void
judge_ranks(const struct family *family,
            const struct doctor_census_group *group,
            struct doctor_findings *findings)
{
    uint64_t wanted;
    unsigned there;
    struct doctor_finding *finding;

    if (group->workers < 2 || group->workers > 63 ||
        group->keys < DOCTOR_CASE_FEW || !is_wanting(family))
        return;
    wanted = (1ull << group->workers) - 1;
    there = (unsigned)__builtin_popcountll(group->ranks & wanted);
    if (there == group->workers)
        return;
    finding = doctor_findings_new(findings, "ranks-missing", DOCTOR_WARN);
    doctor_finding_say(
        finding,
        "%s is written for %u workers, but only %u of their "
        "ranks have values here: a chunk that one rank misses is "
        "of no use to the others.",
        group->model, group->workers, there);
    doctor_finding_advise(
        finding, "See in the engines' logs why the other ranks do not "
                 "store; where only the first rank does (MLA), this is "
                 "as it should be.");
    count_rates(finding, family);
    doctor_finding_figure(finding, "workers", group->workers);
    doctor_finding_figure(finding, "ranks", there);
}

static const struct top_model *
find_model(const struct doctor_case *all,
           const struct doctor_census_group *group)
{
    for (unsigned i = 0; i < all->models.count; i++)
        if (all->models.all[i].space == group->space &&
            strcmp(all->models.all[i].name, group->label) == 0)
            return &all->models.all[i];
    return NULL;
}

/* The layout of the most keys, and the rates of the name that is asked for
 * most: with an older layout that is the format. */
static void
describe(struct family *family)
{
    const struct doctor_census *census = &family->all->census;
    uint64_t keys[DOCTOR_LAYOUTS] = {0};

    for (unsigned i = 0; i < census->group_count; i++) {
        const struct doctor_census_group *group = &census->groups[i];
        const struct top_model *model;

        if (!is_of(family, group))
            continue;
        keys[group->layout] += group->keys;
        if (keys[group->layout] > keys[family->layout])
            family->layout = group->layout;
        model = find_model(family->all, group);
        if (family->model == NULL ||
            (model != NULL &&
             model->queries_ever > family->model->queries_ever))
            family->model = model;
    }
}

static void
judge_family(struct family *family, struct doctor_findings *findings)
{
    const struct doctor_census *census = &family->all->census;

    describe(family);
    for (size_t i = 0; i < sizeof dimensions / sizeof *dimensions; i++)
        if (is_wanting(family))
            judge_dimension(family, &dimensions[i], findings);
    for (unsigned i = 0; i < census->group_count; i++)
        if (is_of(family, &census->groups[i])) {
            judge_seed(family, &census->groups[i], findings);
            judge_ranks(family, &census->groups[i], findings);
        }
}

static bool
is_first(const struct doctor_census *census, unsigned at)
{
    const struct doctor_census_group *group = &census->groups[at];

    for (unsigned i = 0; i < at; i++)
        if (census->groups[i].space == group->space &&
            strcmp(census->groups[i].model, group->model) == 0)
            return false;
    return true;
}

static void
judge_places(const struct doctor_case *all, struct doctor_findings *findings)
{
    const struct doctor_census *census = &all->census;
    struct doctor_finding *finding;

    if (all->count > 1 &&
        doctor_case_is_much(census->misplaced, census->keys, 5)) {
        finding = doctor_findings_new(findings, "misplaced", DOCTOR_BAD);
        doctor_finding_say(finding,
                           "%llu of %llu keys are on a server where nobody "
                           "looks for them who has this list of servers.",
                           (number)census->misplaced, (number)census->keys);
        doctor_finding_advise(finding,
                              "Give all engines the same servers in their URL, "
                              "spelled alike (name or address, port); `warm` "
                              "copies what is in the wrong place.");
        doctor_finding_figure(finding, "misplaced", (double)census->misplaced);
        doctor_finding_figure(finding, "keys", (double)census->keys);
        doctor_finding_figure(finding, "servers", all->count);
    }
}

/* redis:// writes the metadata under a name of its own, and asks for that. */
static void
judge_halves(const struct doctor_case *all, struct doctor_findings *findings)
{
    uint64_t halves = all->values.halves, objects = all->values.objects;
    struct doctor_finding *finding;

    if (!doctor_case_is_much(halves, objects, 5))
        return;
    finding = doctor_findings_new(findings, "halves", DOCTOR_WARN);
    doctor_finding_say(finding,
                       "%llu of %llu LMCache objects that were read have bytes "
                       "and no metadata: such an object is never found.",
                       (number)halves, (number)objects);
    doctor_finding_advise(finding,
                          "See whether clients end or time out between the two "
                          "SETs of an object, or write them to different "
                          "servers or namespaces.");
    doctor_finding_figure(finding, "halves", (double)halves);
    doctor_finding_figure(finding, "objects", (double)objects);
}

static void
judge_values(const struct doctor_case *all, struct doctor_findings *findings)
{
    const struct doctor_case_values *values = &all->values;
    struct doctor_finding *finding;

    if (values->alike < 2 || values->alike * 20 < values->read)
        return;
    finding = doctor_findings_new(findings, "same-values", DOCTOR_BAD);
    doctor_finding_say(finding,
                       "%llu of %llu values that were read are byte for byte "
                       "those of another hash of the same model and rank, such "
                       "as %s and %s: engines hash the same prompts "
                       "differently.",
                       (number)values->alike, (number)values->read,
                       values->example[0], values->example[1]);
    doctor_finding_advise(finding,
                          "Give all engines one hash function and one seed "
                          "(PYTHONHASHSEED), one chunk size, and one release.");
    doctor_finding_figure(finding, "alike", (double)values->alike);
    doctor_finding_figure(finding, "read", (double)values->read);
}

void
doctor_names_judge(const struct doctor_case *all,
                   struct doctor_findings *findings)
{
    for (unsigned i = 0; i < all->census.group_count; i++) {
        struct family family = {.all = all, .first = &all->census.groups[i]};

        if (is_first(&all->census, i))
            judge_family(&family, findings);
    }
    judge_places(all, findings);
    judge_halves(all, findings);
    judge_values(all, findings);
}

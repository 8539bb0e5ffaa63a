/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All that doctor knows: what each server counts and which keys they have; and
 * the rules that make findings of it.  Pure; what a server does not say is 0.
 */
#ifndef CLI_DOCTOR_CASE_H
#define CLI_DOCTOR_CASE_H

#include "tools/cli/doctor_census.h"
#include "tools/cli/doctor_findings.h"
#include "tools/cli/top_models.h"

/* Fewer of a kind prove nothing. */
#define DOCTOR_CASE_FEW 16u

struct doctor_case_shard {
    char name[264];
    const char *why;      /* it has not answered; NULL: it has */
    const char *walk_why; /* the same of its list of keys */
    struct top_sample sample;
};

/* Values that were read and compared. */
struct doctor_case_values {
    uint64_t read; /* values */
    uint64_t
        alike; /* of those: equal to another one that has the same model and
                       rank but another hash */
    uint64_t objects;     /* LMCache objects that were read */
    uint64_t halves;      /* of those: without metadata */
    char example[2][160]; /* names of two such */
};

struct doctor_case {
    unsigned count;
    struct doctor_case_shard shards[PREFIXCACHE_SHARDS_MAX];
    struct top_models models; /* what they counted since their start */
    struct doctor_census census;
    struct doctor_case_values values;
};

/* Of all shards. */
uint64_t doctor_case_sum(const struct doctor_case *, const char *name);
/* Of values that were put: whatever became of them; and those that were kept. */
uint64_t doctor_case_puts(const struct doctor_case *);
uint64_t doctor_case_stored(const struct doctor_case *);
/* Values that left: for others, by their lifetime, or deleted. */
uint64_t doctor_case_lost(const struct doctor_case *);
/* Values that were new when they were put and are not here, whatever the reason;
 * and those of them that no counter tells of: FLUSHALL has none. */
uint64_t doctor_case_missing(const struct doctor_case *);
uint64_t doctor_case_vanished(const struct doctor_case *);
/* Of one that left a tier for good, as no lower one is there to take it. */
uint64_t doctor_case_evicted(const struct doctor_case *);
/* Is hardly anything found of a model that is asked for? */
bool doctor_case_is_low(const struct top_model *);
/* part is at least so many percent of whole, and there are DOCTOR_CASE_FEW. */
bool doctor_case_is_much(uint64_t part, uint64_t whole, unsigned percent);

/* The rules, each file one matter; doctor_case_judge() asks all of them. */
void doctor_case_judge(const struct doctor_case *, struct doctor_findings *);
void doctor_asked_judge(const struct doctor_case *, struct doctor_findings *);
void doctor_names_judge(const struct doctor_case *, struct doctor_findings *);
void doctor_puts_judge(const struct doctor_case *, struct doctor_findings *);
void doctor_room_judge(const struct doctor_case *, struct doctor_findings *);
void doctor_tiers_judge(const struct doctor_case *, struct doctor_findings *);

#endif

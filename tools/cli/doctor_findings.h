/* SPDX-License-Identifier: Apache-2.0 */
/* What doctor has to say: each with the figures it rests on. */
#ifndef CLI_DOCTOR_FINDINGS_H
#define CLI_DOCTOR_FINDINGS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define DOCTOR_FINDINGS_MAX 128u
#define DOCTOR_FIGURES_MAX  10u
#define DOCTOR_TEXT_SIZE    768u

enum doctor_severity {
    DOCTOR_NOTE, /* worth knowing */
    DOCTOR_WARN, /* costs hits */
    DOCTOR_BAD   /* explains why nothing is found */
};

struct doctor_figure {
    char name[48];
    double value;
};

struct doctor_finding {
    const char *rule; /* its name, for scripts; static */
    enum doctor_severity severity;
    char what[DOCTOR_TEXT_SIZE]; /* what is so, and why that costs hits */
    char todo[DOCTOR_TEXT_SIZE];
    unsigned figure_count;
    struct doctor_figure figures[DOCTOR_FIGURES_MAX];
};

struct doctor_findings {
    unsigned count;
    struct doctor_finding all[DOCTOR_FINDINGS_MAX + 1]; /* one for what is too
                                                           many */
};

/* One more, to be filled in; never NULL. */
struct doctor_finding *doctor_findings_new(struct doctor_findings *,
                                           const char *rule,
                                           enum doctor_severity);
void doctor_finding_say(struct doctor_finding *, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void doctor_finding_advise(struct doctor_finding *, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* What is over DOCTOR_FIGURES_MAX is left out. */
void doctor_finding_figure(struct doctor_finding *, const char *name,
                           double value);

/* The worst first; those of one severity as they were found. */
void doctor_findings_sort(struct doctor_findings *);
/* Names in what they say may be anybody's: what could steer a terminal is '?'. */
void doctor_findings_print(const struct doctor_findings *, FILE *);
/* An array, the caller's; NULL: no memory. */
json_t *doctor_findings_json(const struct doctor_findings *);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What verbs that move many values have in common: the options --match, --jobs
 * and --rate, what became of the values, how far it has come, and the summary.
 */
#ifndef CLI_HAUL_H
#define CLI_HAUL_H

#include "tools/bench/progress.h"
#include "tools/cli/command.h"

#include <jansson.h>

struct haul {
    const struct command *command;
    const char *match;
    unsigned jobs;
    uint64_t rate; /* bytes a second; 0: no limit */
    bool is_piped; /* standard output has something else */
    uint64_t start_ns;
    uint64_t paced; /* bytes that --rate was told of */
    struct progress progress;
    /* Values: moved, and their bytes; there already; gone since they were seen;
     * not taken, or damaged. */
    uint64_t done, bytes, skipped, gone, failed;
};

#define HAUL_JOBS_MAX 256u

/* False, and a complaint: an option is none. */
bool haul_start(struct haul *, const struct command *);
/* So many values are to be gone through; shows the first progress. */
void haul_expect(struct haul *, uint64_t total);
/* Shows how far it has come, when it is time. */
void haul_show(struct haul *);
/* So many bytes more are moved: waits until --rate allows them. */
void haul_pace(struct haul *, uint64_t bytes);

/* Prints what was done: "VERBed 12 values, ..." (on standard error where
 * is_piped), or an object of `more`, which it drops (NULL: no memory), and the
 * numbers.  EXIT_MISSING where some failed. */
enum exit_code haul_end(struct haul *, const char *verbed, json_t *more);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* What the main thread and the users of a run share. */
#ifndef CRASH_RUN_H
#define CRASH_RUN_H

#include "client/wire.h"
#include "tests/crash/model.h"
#include "tests/crash/settings.h"
#include "tests/crash/tally.h"
#include "tests/crash/value.h"

#include <pthread.h>
#include <stdio.h>

struct user;

struct starts { /* from exec to the ready line */
    uint64_t *ns;
    unsigned count;
};

struct run {
    struct settings settings;
    struct values values;
    struct life life;
    struct wire_url lm, redis; /* of the present life */
    struct user *users;
    struct tally tally; /* of all users, when none runs */
    struct starts starts;
    uint64_t flushes, kills, start_kills, failed_starts, slow_starts;
    uint64_t reclaimed, kept, skipped; /* values, as the server counted */
    uint64_t written_bytes;            /* to the device */
    uint64_t sunk_bytes;               /* of values, to the spill */
    uint64_t spill_reclaimed, spill_kept, spill_skipped;
    uint64_t slowest_ns; /* from a request under load to its answer */
    unsigned cycle;
    _Atomic bool is_calm;   /* little is to be put */
    _Atomic bool is_killed; /* what fails now fails rightly */
    _Atomic uint64_t complaints;
    pthread_mutex_t mouth; /* guards the next one, and stdout */
    FILE *notes;
};

/* A rule was broken: one line.  Any thread, as the next. */
void run_complain(struct run *, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Something to know if a rule should turn out broken: one line in losses.log. */
void run_note(struct run *, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* All cycles; what is found is in the run. */
void run_cycles(struct run *);

/* A line of where it stands; the summary. */
void report_progress(const struct run *);
void report_summary(const struct run *);
/* At least 99 % of what must be there was. */
bool report_is_enough(const struct run *);

#endif

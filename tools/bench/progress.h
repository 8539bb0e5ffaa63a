/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How far a long run has come, on standard error: a bar with rate and time
 * left on a terminal, a plain line every ten seconds elsewhere.
 */
#ifndef TOOLS_BENCH_PROGRESS_H
#define TOOLS_BENCH_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
    uint64_t total;
    const char *unit; /* what is counted; "requests" unless set */
    uint64_t start_ns, shown_ns;
    bool is_terminal;
};

void progress_start(struct progress *, uint64_t total);

/* Call as often as you like; it shows something only when it is time. */
void progress_show(struct progress *, uint64_t done, uint64_t bytes);

/* Clears the bar's line. */
void progress_end(struct progress *);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which tier of a prefixcached the values of a run come from and go to, by what
 * its INFO says.  A connection of its own, over RESP, whichever wire the values
 * take; one thread at a time.
 */
#ifndef TOOLS_BENCH_LOAD_TIER_H
#define TOOLS_BENCH_LOAD_TIER_H

#include "client/wire.h"

#include <stddef.h>
#include <stdint.h>

/* INFO's, since the server's start; of all its clients. */
struct load_tier_figures {
    uint64_t dram_size;
    uint64_t queue_bytes; /* not written yet */
    uint64_t hits_dram, hits_nvme;
    uint64_t written_bytes; /* on the device, with all that is around values */
    uint64_t skipped_bytes; /* of values for which the queue had no room */
};

struct load_tier {
    struct wire *wire;
    struct load_tier_figures start; /* as of open */
};

/* BAD_REQUEST: no prefixcached, or one without an NVMe tier; or as wire_open().
 * Failures have a sentence in why[room]. */
enum status load_tier_open(const struct wire_url *, struct load_tier *out,
                           char *why, size_t room) MUST_USE;
void load_tier_close(struct load_tier *); /* also one that was never opened */

enum status load_tier_read(struct load_tier *, struct load_tier_figures *out,
                           char *why, size_t room) MUST_USE;
/* Until no more than so many bytes wait to be written.  LATE when they have not
 * become fewer for 30 s. */
enum status load_tier_await(struct load_tier *, uint64_t queue_bytes, char *why,
                            size_t room) MUST_USE;

/* The share of the hits from `before` to `after` that came from NVMe; 0 if
 * there were none. */
double load_tier_share(const struct load_tier_figures *before,
                       const struct load_tier_figures *after);

#endif

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

enum load_tier_kind { LOAD_TIER_NONE, LOAD_TIER_NVME, LOAD_TIER_SPILL };

/* INFO's, since the server's start; of all its clients.  Of a tier that is not
 * there: 0. */
struct load_tier_figures {
    uint64_t dram_size, nvme_size;
    uint64_t nvme_queue, spill_queue; /* bytes not written yet */
    uint64_t hits_dram, hits_nvme, hits_spill;
    /* Of NVMe with all that is around values. */
    uint64_t nvme_written, spill_written;
    /* Of values for which there was no room on their way. */
    uint64_t nvme_skipped, spill_skipped;
};

struct load_tier {
    enum load_tier_kind kind;
    struct wire *wire;
    struct load_tier_figures start; /* as of open */
};

/* BAD_REQUEST: no prefixcached, or one without that tier; or as wire_open().
 * Failures have a sentence in why[room]. */
enum status load_tier_open(const struct wire_url *, enum load_tier_kind,
                           struct load_tier *out, char *why,
                           size_t room) MUST_USE;
void load_tier_close(struct load_tier *); /* also one that was never opened */

enum status load_tier_read(struct load_tier *, struct load_tier_figures *out,
                           char *why, size_t room) MUST_USE;
/* Until no more than so many bytes wait to be written to any tier.  LATE when
 * they have not become fewer for 30 s. */
enum status load_tier_await(struct load_tier *, uint64_t queue_bytes, char *why,
                            size_t room) MUST_USE;

/* Bytes that push what was PUT before them into the tier and out of all faster
 * ones; how many of them may be on their way, so that none is left out. */
uint64_t load_tier_beyond(const struct load_tier *);
uint64_t load_tier_ahead(const struct load_tier *);

/* What happened between two readings. */
struct load_tier_change {
    uint64_t hits, hits_above; /* by the tier, and by faster ones */
    double share;              /* its own of all; 0: there were none */
    uint64_t written_bytes;    /* to it */
    uint64_t skipped_bytes;    /* on their way to it, from tier to tier */
};
struct load_tier_change load_tier_change(enum load_tier_kind,
                                         const struct load_tier_figures *before,
                                         const struct load_tier_figures *after);

/* "nvme", "spill"; and as a sentence has it. */
const char *load_tier_word(enum load_tier_kind);
const char *load_tier_name(enum load_tier_kind);
/* NONE: the word is none of a tier. */
enum load_tier_kind load_tier_find(const char *word);

#endif

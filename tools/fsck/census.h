/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which values a start of the server would find: all items in the order of the
 * log go in, and by the rules of recovery what was overwritten, dropped,
 * flushed or has expired is no longer live.  Keys are told apart by their hash:
 * here they are only counted.
 */
#ifndef TOOLS_FSCK_CENSUS_H
#define TOOLS_FSCK_CENSUS_H

#include "storage/nvme_format.h"

struct census;

struct census_sum {
    uint64_t values, bytes;
};

struct census_result {
    struct census_sum live, expired, flushed;
    struct census_sum superseded; /* overwritten, dropped or written twice */
};

/* flushed: the superblock's sequences, copied.  NO_SPACE: no memory. */
enum status census_new(const uint64_t flushed[NVME_SPACES],
                       struct census **out) MUST_USE;
void census_free(struct census **);
/* False: no memory, the item is not counted. */
bool census_add(struct census *, const struct nvme_item *);
/* now_unix_ms: what ends by then has expired. */
void census_count(const struct census *, uint64_t now_unix_ms,
                  struct census_result *out);

#endif

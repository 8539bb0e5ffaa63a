/* SPDX-License-Identifier: Apache-2.0 */
/* What there is to show at one time, of all shards. */
#ifndef CLI_TOP_STATE_H
#define CLI_TOP_STATE_H

#include "client/prefixcache.h"
#include "tools/cli/top_models.h"

#include <time.h>

struct top_state_shard {
    char name[264];
    struct top_figures figures;
};

struct top_state {
    time_t at;
    bool is_since_start; /* counts are all since the servers' start */
    unsigned count, up_count;
    struct top_state_shard shards[PREFIXCACHE_SHARDS_MAX];
    struct top_figures sum;
    struct top_models models;
};

/* names, count and `at` are filled in; reads the rest from a look at each.
 * before: NULL for all since the start. */
void top_state_read(struct top_state *, const struct top_sample *before,
                    const struct top_sample *after);

#endif

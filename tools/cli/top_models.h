/* SPDX-License-Identifier: Apache-2.0 */
/* What was asked for of each namespace and model between two looks, over all
 * shards.  Pure. */
#ifndef CLI_TOP_MODELS_H
#define CLI_TOP_MODELS_H

#include "tools/cli/top_figures.h"

/* More are left out, the last ones first: a server has index.models of them. */
#define TOP_MODELS_MAX 256u

struct top_model {
    const char *name; /* lent by the later of the two looks */
    unsigned space;
    uint64_t queries, hits, puts;                /* meanwhile */
    uint64_t queries_ever, hits_ever, puts_ever; /* since the servers' start */
};

struct top_models {
    unsigned count;
    struct top_model all[TOP_MODELS_MAX];
};

/* To what began all zero; `before` as in top_figures_read(). */
void top_models_add(struct top_models *, const struct top_sample *before,
                    const struct top_sample *after);
/* Those with the most queries come first, then those with the most PUTs. */
void top_models_sort(struct top_models *);

/* As top_figures_hit_ratio(). */
double top_models_ratio(uint64_t hits, uint64_t queries);

#endif

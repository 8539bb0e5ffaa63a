/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/cli/top_state.h"

#include <string.h>

void
top_state_read(struct top_state *state, const struct top_sample *before,
               const struct top_sample *after)
{
    state->is_since_start = before == NULL;
    state->up_count = 0;
    memset(&state->sum, 0, sizeof state->sum);
    state->models.count = 0;
    for (unsigned i = 0; i < state->count; i++) {
        const struct top_sample *then = before == NULL ? NULL : &before[i];
        struct top_figures *figures = &state->shards[i].figures;

        top_figures_read(then, &after[i], figures);
        if (!figures->is_up)
            continue;
        state->up_count++;
        top_figures_add(&state->sum, figures);
        /* Its numbers have begun anew. */
        top_models_add(&state->models, figures->is_anew ? NULL : then,
                       &after[i]);
    }
    top_models_sort(&state->models);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Runs of accesses. */
#include "storage/policy_run.h"

static bool
is_new_run(const struct policy_run *run, enum policy_step step, bool was_first)
{
    if (run->tick == 0)
        return true;
    switch (step) {
    case POLICY_PUT:
        return false;
    case POLICY_MISS:
        /* The first miss ends the hits and stands before the puts. */
        return run->step != POLICY_HIT;
    case POLICY_HIT:
        break;
    }
    return run->step != POLICY_HIT || was_first;
}

bool
policy_run_step(struct policy_run *run, enum policy_step step, bool was_first,
                struct policy_access *access, uint64_t *tail_out)
{
    bool has_ended = is_new_run(run, step, was_first);
    bool has_tail = has_ended && run->has_tail;

    if (has_tail)
        *tail_out = run->tail;
    if (has_ended)
        *run = (struct policy_run){.tick = access->tick};
    access->run_tick = run->tick;
    access->position = run->position;
    access->previous = run->last;
    if (step == POLICY_PUT) {
        run->tail = access->hash;
        run->has_tail = run->position != 0;
    }
    if (step != POLICY_MISS) {
        if (run->position == 0)
            run->size = access->size;
        access->size = run->size;
        run->position++;
        run->last = access->hash;
    }
    run->step = (uint8_t)step;
    return has_tail;
}

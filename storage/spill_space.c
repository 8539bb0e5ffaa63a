/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes on the device, counted here because RocksDB's C API has no limit for
 * them.  What is being put counts as much as it can become; what RocksDB writes
 * for itself (logs, manifests, heads that are merged, small tables that become
 * large ones) has a share of its own.
 */
#include "storage/spill_state.h"

#define GROUPS       64u /* in spill.size: two are kept free */
#define GROUPS_FEW   16u /* where one of 64 would hold but a few large values */
#define VALUES_LEAST 4u
#define GROUPS_LEAST 4u /* where one has to take a large value */
#define PIECE_MORE   64u
#define RUN_MAX      (32u << 20)
#define SLACK_MIN    (1u << 20)
#define SLACK_SHARE  64u
#define SLACK_MAX    (16u << 20)
/* One is written, one is made a table, one log is still there. */
#define BUFFERS 3u

static uint64_t
least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint64_t
spill_space_of(uint32_t value_size, uint16_t key_size)
{
    /* The name may be in the index again. */
    uint64_t piece = 2 * (32u + key_size) + PIECE_MORE;

    return value_size + spill_head_pieces(value_size) * piece;
}

void
spill_space_init(struct spill *spill)
{
    const struct spill_options *options = &spill->options;
    struct spill_space *space = &spill->space;
    uint64_t slack = options->size / SLACK_SHARE;
    uint64_t value_max = least(options->value_max, UINT32_MAX);
    uint64_t more = SPILL_TABLE_MORE - value_max +
                    spill_space_of((uint32_t)value_max, KEY_SIZE_MAX);

    space->group_size = options->size / GROUPS;
    if (space->group_size < VALUES_LEAST * (value_max + more))
        space->group_size = options->size / GROUPS_FEW;
    if (space->group_size < value_max + more)
        space->group_size =
            least(value_max + more, options->size / GROUPS_LEAST);
    if (space->group_size >= value_max + more)
        space->value_max = value_max;
    else if (space->group_size > more)
        space->value_max = space->group_size - more;
    space->run_max = least(RUN_MAX, space->group_size / 2);
    space->slack = SLACK_MIN + least(slack, SLACK_MAX) + space->run_max +
                   BUFFERS * spill->base.buffer + SPILL_TABLE_MORE;
}

uint64_t
spill_space_used(const struct spill *spill)
{
    const struct spill_space *space = &spill->space;

    /* Heads are there twice while they are merged. */
    return space->slack +
           atomic_load_explicit(&space->groups, memory_order_relaxed) +
           2 * atomic_load_explicit(&space->heads, memory_order_relaxed);
}

uint64_t
spill_space_free(const struct spill *spill)
{
    uint64_t used =
        spill_space_used(spill) +
        atomic_load_explicit(&spill->space.queued, memory_order_relaxed);

    return used < spill->options.size ? spill->options.size - used : 0;
}

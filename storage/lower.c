/* SPDX-License-Identifier: Apache-2.0 */
/* The one caller of every lower tier. */
#include "storage/lower.h"

#include <assert.h>
#include <stddef.h>

/* NULL: there is no such tier. */
static const struct lower_ops *
find(const struct tier *tier)
{
    return tier == NULL ? NULL : tier->ops->lower;
}

static const struct lower_ops *
ops_of(const struct tier *tier)
{
    assert(tier->ops->lower != NULL);
    return tier->ops->lower;
}

bool
lower_may_read(const struct tier *tier)
{
    return find(tier) != NULL && find(tier)->may_read(tier);
}

bool
lower_may_write(const struct tier *tier)
{
    return find(tier) != NULL && find(tier)->may_write(tier);
}

uint64_t
lower_value_max(const struct tier *tier)
{
    return find(tier) == NULL ? 0 : find(tier)->value_max(tier);
}

bool
lower_holds(const struct tier *tier, const struct tier_place *place)
{
    return ops_of(tier)->holds(tier, place);
}

bool
lower_may_promise(const struct tier *tier, const struct tier_place *place)
{
    return ops_of(tier)->may_promise(tier, place);
}

void
lower_report_late(struct tier *tier, uint64_t waited_ns)
{
    ops_of(tier)->report_late(tier, waited_ns);
}

void
lower_note(struct tier *tier, const struct tier_found *item)
{
    assert(item->kind == TIER_FOUND_DROPPED ||
           (item->kind == TIER_FOUND_CHANGED && item->meta != NULL));
    ops_of(tier)->note(tier, item);
}

void
lower_flush(struct tier *tier, struct lower_flush *flush)
{
    assert(flush->space <= LOWER_ALL_SPACES && flush->done != NULL);
    ops_of(tier)->flush(tier, flush);
}

uint64_t
lower_flushed(const struct tier *tier, unsigned space)
{
    return ops_of(tier)->flushed(tier, space);
}

uint64_t
lower_losses(const struct tier *tier)
{
    return find(tier) == NULL ? 0 : find(tier)->losses(tier);
}

bool
lower_has_lost(const struct tier *tier, const struct tier_place *place)
{
    return ops_of(tier)->has_lost(tier, place);
}

void
lower_care(struct tier *tier, struct port *port)
{
    if (find(tier) != NULL)
        find(tier)->care(tier, port);
}

void
lower_submit(struct tier *tier, struct port *port)
{
    if (find(tier) != NULL)
        find(tier)->submit(tier, port);
}

bool
lower_wants_reclaim(const struct tier *tier)
{
    return find(tier) != NULL && find(tier)->wants_reclaim(tier);
}

bool
lower_is_tight(const struct tier *tier)
{
    return find(tier) != NULL && find(tier)->is_tight(tier);
}

enum status
lower_victim_start(struct tier *tier, struct port *port,
                   struct lower_victim **out)
{
    enum status status = ops_of(tier)->victim_start(tier, port, out);

    assert(status != STATUS_OK || (*out)->tier == tier);
    return status;
}

enum status
lower_victim_next(struct lower_victim *victim, struct tier_found *item_out)
{
    return ops_of(victim->tier)->victim_next(victim, item_out);
}

uint64_t
lower_victim_bytes(const struct lower_victim *victim)
{
    return ops_of(victim->tier)->victim_bytes(victim);
}

void
lower_victim_close(struct lower_victim *victim)
{
    ops_of(victim->tier)->victim_close(victim);
}

enum status
lower_victim_retire(struct lower_victim *victim)
{
    return ops_of(victim->tier)->victim_retire(victim);
}

void
lower_victim_finish(struct lower_victim **victim)
{
    ops_of((*victim)->tier)->victim_finish(victim);
    assert(*victim == NULL);
}

void
lower_victim_abandon(struct lower_victim **victim)
{
    ops_of((*victim)->tier)->victim_abandon(victim);
    assert(*victim == NULL);
}

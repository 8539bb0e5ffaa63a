/* SPDX-License-Identifier: Apache-2.0 */
/* The NVMe tier as the store and the mover know it: the words of lower.h for
 * what the tier's parts do. */
#include "storage/nvme_state.h"

static void
note(struct tier *tier, const struct tier_found *found)
{
    struct nvme_item item = {.kind = found->kind == TIER_FOUND_DROPPED
                                         ? NVME_TOMBSTONE
                                         : NVME_CHANGE,
                             .key = found->key,
                             .sequence = found->sequence};

    if (item.kind == NVME_CHANGE) {
        item.expires_unix_ms = found->expires_unix_ms;
        item.form = found->form;
        item.meta = *found->meta;
    }
    nvme_note(tier, &item);
}

/* A segment that has another life has been told of on the device. */
static bool
has_lost(const struct tier *tier, const struct tier_place *place)
{
    return !nvme_holds(tier, place);
}

static enum status
victim_start(struct tier *tier, struct port *port, struct lower_victim **out)
{
    return nvme_victim_start(tier, port, (struct nvme_victim **)out);
}

static enum status
victim_next(struct lower_victim *victim, struct tier_found *item_out)
{
    struct tier_place place;
    struct nvme_item item;

    if (!nvme_victim_next((struct nvme_victim *)victim, &item, &place))
        return STATUS_MISS;
    *item_out = (struct tier_found){.kind = TIER_FOUND_VALUE,
                                    .key = item.key,
                                    .sequence = item.sequence,
                                    .size = item.size,
                                    .place = place};
    return STATUS_OK;
}

static uint64_t
victim_bytes(const struct lower_victim *victim)
{
    return nvme_victim_bytes((const struct nvme_victim *)victim);
}

static void
victim_close(struct lower_victim *victim)
{
    nvme_victim_close((struct nvme_victim *)victim);
}

static enum status
victim_retire(struct lower_victim *victim)
{
    return nvme_victim_retire((struct nvme_victim *)victim);
}

static void
victim_finish(struct lower_victim **victim)
{
    nvme_victim_finish((struct nvme_victim **)victim);
}

static void
victim_abandon(struct lower_victim **victim)
{
    nvme_victim_abandon((struct nvme_victim **)victim);
}

const struct lower_ops nvme_lower = {
    .may_read = nvme_may_read,
    .may_write = nvme_may_write,
    .value_max = nvme_value_max,
    .holds = nvme_holds,
    .may_promise = nvme_may_promise,
    .report_late = nvme_report_late,
    .note = note,
    .flush = nvme_flush,
    .flushed = nvme_flushed,
    .losses = nvme_losses,
    .has_lost = has_lost,
    .care = nvme_care,
    .submit = nvme_submit,
    .wants_reclaim = nvme_wants_reclaim,
    .is_tight = nvme_is_tight,
    .victim_start = victim_start,
    .victim_next = victim_next,
    .victim_bytes = victim_bytes,
    .victim_close = victim_close,
    .victim_retire = victim_retire,
    .victim_finish = victim_finish,
    .victim_abandon = victim_abandon,
};

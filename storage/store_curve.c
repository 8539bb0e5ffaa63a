/* SPDX-License-Identifier: Apache-2.0 */
/* What the policy's imagined caches are told of the real one: how many values it
 * holds, and where. */
#include "storage/store_state.h"

#include "base/clock.h"

#define CENSUS_NS NS_PER_SECOND

static void
count_tiers(const struct store *store, struct policy_curve_census *census)
{
    for (unsigned tiers = 1; tiers < 1u << TIER_COUNT; tiers++) {
        uint64_t held =
            atomic_load_explicit(&store->held[tiers], memory_order_relaxed);

        census->entries += held;
        for (unsigned i = 0; i < TIER_COUNT; i++) {
            if ((tiers & (1u << i)) != 0)
                census->held[i] += held;
            if (tiers == 1u << i)
                census->alone[i] += held;
        }
    }
}

void
store_census(struct store *store, uint64_t now_ns)
{
    uint64_t due_ns =
        atomic_load_explicit(&store->census_ns, memory_order_relaxed);
    struct policy_curve_census census = {
        .is_full = atomic_load_explicit(&store->is_full, memory_order_relaxed),
        .leaves_written =
            store->mover != NULL &&
            atomic_load_explicit(&store->write, memory_order_relaxed) ==
                STORE_WRITE_EVICTED};

    if (now_ns < due_ns || !atomic_compare_exchange_strong(
                               &store->census_ns, &due_ns, now_ns + CENSUS_NS))
        return;
    count_tiers(store, &census);
    policy_curve_resize(index_curve(store->index), &census);
}

bool
store_curve(struct store *store, uint64_t accesses, uint64_t hits,
            struct policy_curve_count *out)
{
    return policy_curve_read(index_curve(store->index), accesses, hits, out);
}

const char *
store_policy_name(const struct store *store)
{
    return index_policy_name(store->index);
}

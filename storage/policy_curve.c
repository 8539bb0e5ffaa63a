/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For each multiple a sample of its own, since what is larger has to be
 * remembered for longer.
 *
 *   LRU      In each sample there is an imagined cache of the present size, then
 *            one for each tier: of two caches over one sample the difference is
 *            known much better than what either hits.
 *   by uses  Keys that are remembered for too long change what a cache hits: in
 *            each sample there are caches of one size only, one for each bonus
 *            that the adaptive policy may choose.  The best of them counts.
 */
#include "storage/policy_curve.h"

#include "storage/ghost.h"

#include <stdatomic.h>
#include <string.h>

#define TIERS   POLICY_CURVE_TIERS
#define SIZES   POLICY_CURVE_SIZES
#define PRESENT 1u /* the number of 100 % */
#define SAMPLES 8192u
#define BONUSES 7u

static const uint32_t bonuses[BONUSES] = {0,    100,   300,  1000,
                                          3000, 10000, 30000};
static const unsigned percents[SIZES] = {50, 100, 200, 400};

_Static_assert(BONUSES <= GHOST_CACHES && 1 + TIERS <= BONUSES,
               "a sample has so many caches");

struct policy_curve {
    /* Who has set it has what follows; nobody waits for it. */
    atomic_flag is_taken;
    bool by_uses;
    uint64_t sizes[TIERS][SIZES]; /* that the caches have now */
    size_t ghosts[SIZES];         /* bytes from here */
};

static size_t
aligned(size_t size)
{
    return (size + 63) / 64 * 64;
}

static struct ghost *
ghost_of(const struct policy_curve *curve, unsigned size)
{
    return (struct ghost *)((uintptr_t)curve + curve->ghosts[size]);
}

size_t
policy_curve_size(void)
{
    return aligned(sizeof(struct policy_curve)) +
           SIZES * aligned(ghost_size(SAMPLES));
}

void
policy_curve_open(struct policy_curve *curve, bool by_uses)
{
    struct ghost_plan plans[BONUSES];

    curve->by_uses = by_uses;
    for (unsigned i = 0; i < BONUSES; i++)
        plans[i] = (struct ghost_plan){.percent = 100,
                                       .bonus = by_uses ? bonuses[i] : 0};
    for (unsigned size = 0; size < SIZES; size++) {
        curve->ghosts[size] = aligned(sizeof(struct policy_curve)) +
                              size * aligned(ghost_size(SAMPLES));
        ghost_start(ghost_of(curve, size), SAMPLES, plans,
                    by_uses ? BONUSES : 1 + TIERS);
    }
}

static bool
take(struct policy_curve *curve)
{
    return !atomic_flag_test_and_set_explicit(&curve->is_taken,
                                              memory_order_acquire);
}

static void
give(struct policy_curve *curve)
{
    atomic_flag_clear_explicit(&curve->is_taken, memory_order_release);
}

void
policy_curve_access(struct policy_curve *curve, uint64_t hash, uint64_t tick)
{
    bool is_sampled[SIZES], is_any = false;

    for (unsigned size = 0; size < SIZES; size++) {
        is_sampled[size] = ghost_is_sampled(ghost_of(curve, size), hash);
        is_any = is_any || is_sampled[size];
    }
    if (!is_any || !take(curve))
        return;
    for (unsigned size = 0; size < SIZES; size++)
        if (is_sampled[size])
            ghost_access(ghost_of(curve, size), hash, tick);
    give(curve);
}

/* How many of a tier's places are worth something: they hold what no other tier
 * has.  Of what a lower tier has beside others, more would be there beside others
 * too, but not as much more: the others stay as they are.  What is in DRAM is
 * below as well if all is written that comes to it, and hardly ever if it is
 * written when it leaves.  The shares are what fits traces. */
static uint64_t
own_places(const struct policy_curve_census *census, unsigned tier)
{
    uint64_t alone = census->alone[tier], held = census->held[tier];

    if (tier != 0)
        return (alone + held) / 2;
    return census->leaves_written ? held : (7 * alone + held) / 8;
}

/* What the whole cache would hold. */
static uint64_t
entries_with(const struct policy_curve_census *census, unsigned tier,
             unsigned size)
{
    uint64_t own = own_places(census, tier);

    if (percents[size] >= 100)
        return census->entries + own * (percents[size] - 100) / 100;
    return census->entries - own * (100 - percents[size]) / 100;
}

static bool
is_other(uint64_t now, uint64_t before)
{
    uint64_t difference = now > before ? now - before : before - now;

    return difference > before / 32;
}

/* The sizes that the imagined caches are to have.  False: about those they have.
 */
static bool
look_up_sizes(struct policy_curve *curve,
              const struct policy_curve_census *census)
{
    bool is_any = false;

    for (unsigned tier = 0; tier < TIERS; tier++)
        for (unsigned size = 0; size < SIZES; size++)
            is_any = is_any || is_other(entries_with(census, tier, size),
                                        curve->sizes[tier][size]);
    for (unsigned tier = 0; tier < TIERS && is_any; tier++)
        for (unsigned size = 0; size < SIZES; size++)
            curve->sizes[tier][size] = entries_with(census, tier, size);
    return is_any;
}

void
policy_curve_resize(struct policy_curve *curve,
                    const struct policy_curve_census *census)
{
    if (!census->is_full || census->entries == 0 || !take(curve))
        return;
    if (look_up_sizes(curve, census)) {
        for (unsigned size = 0; size < SIZES; size++) {
            uint64_t sizes[BONUSES];

            for (unsigned i = 0; i < BONUSES; i++)
                sizes[i] = curve->sizes[0][size];
            if (!curve->by_uses)
                sizes[0] = census->entries;
            for (unsigned tier = 0; tier < TIERS && !curve->by_uses; tier++)
                sizes[1 + tier] = curve->sizes[tier][size];
            ghost_fit(ghost_of(curve, size), sizes);
        }
    }
    give(curve);
}

/* Fewer (more: below 0) with a tier of another size. */
static double
fewer_misses(const struct policy_curve *curve, unsigned tier, unsigned size)
{
    const struct ghost_cache *caches = ghost_of(curve, size)->caches;

    return (double)caches[0].misses - (double)caches[1 + tier].misses;
}

static double
least_misses(const struct policy_curve *curve, unsigned size)
{
    const struct ghost_cache *caches = ghost_of(curve, size)->caches;
    uint64_t least = caches[0].misses;

    for (unsigned i = 1; i < BONUSES; i++)
        if (caches[i].misses < least)
            least = caches[i].misses;
    return (double)least;
}

bool
policy_curve_read(struct policy_curve *curve, uint64_t accesses, uint64_t hits,
                  struct policy_curve_count *out)
{
    if (!take(curve))
        return false;
    out->accesses = accesses;
    out->hits = hits;
    memset(out->gained, 0, sizeof out->gained);
    for (unsigned size = 0; size < SIZES; size++) {
        for (unsigned tier = 0; tier < TIERS && !curve->by_uses; tier++)
            out->gained[tier][size] = fewer_misses(curve, tier, size);
        if (curve->by_uses)
            out->gained[0][size] =
                least_misses(curve, PRESENT) - least_misses(curve, size);
    }
    give(curve);
    return true;
}

unsigned
policy_curve_percent(unsigned size)
{
    return percents[size];
}

double
policy_curve_ratio(const struct policy_curve_count *before,
                   const struct policy_curve_count *after, unsigned tier,
                   unsigned size)
{
    static const struct policy_curve_count none;
    double accesses, hits;

    if (before == NULL)
        before = &none;
    accesses = (double)after->accesses - (double)before->accesses;
    hits = (double)after->hits - (double)before->hits +
           after->gained[tier][size] - before->gained[tier][size];
    if (accesses <= 0 || hits <= 0)
        return 0;
    return hits < accesses ? hits / accesses : 1;
}

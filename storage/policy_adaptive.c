/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LRU in which each further use of a chunk is worth a stay of `bonus` times the
 * cache's size in accesses, and the bonus is the one that would have hit most of
 * late.  With 0 it is LRU; with 30 what was used once is gone at once, which is
 * what a scan asks for; what a trace wants lies between, and changes with the
 * size of the cache.
 *
 *   - Uses are remembered for a while after an eviction (policy_ghost.h).
 *   - All chunks of a run have its tick, the later ones a little less: a parent
 *     never goes before its child.
 *   - What a run put last goes first, as long as the sample says that such are
 *     hardly used again: part-full chunks are not, with most engines.
 *   - A sample of the keys (ghost.h) runs through caches with each bonus.
 */
#include "storage/policy_adaptive.h"

#include "storage/ghost.h"
#include "storage/policy_ghost.h"

#include <stdatomic.h>

#define CLASSES      GHOST_CLASSES
#define TAILS        CLASSES /* the queue behind those of the classes */
#define BONUSES      7u
#define FIRST_CHOICE 2u
/* Evictions for which uses are remembered, in sizes of the cache. */
#define MEMORY 4u
/* Chunks of other runs that one may be placed before. */
#define PASSED_MOST 256u
/* For so many accesses, as a part of the cache's size, nothing goes, whatever the
 * rest is worth: else a run's chunks would go to make room for its own end. */
#define RECENT    50u
#define PROTECTED (1ull << 63)
#define POSITIONS 16u /* bits */
/* What was long ago weighs less: so much at each choice. */
#define FADING 16u
/* A better bonus is better by more than one in so many misses. */
#define MARGIN 256u

static const uint32_t bonuses[BONUSES] = {0,    100,   300,  1000,
                                          3000, 10000, 30000};
static const unsigned percents[POLICY_ADAPTIVE_SIZES] = {50, 100, 200, 400};
/* Each size has a sample of its own, since what a large cache remembers is more
 * than what a small one does. */
#define SIZES   POLICY_ADAPTIVE_SIZES
#define PRESENT 1u /* the number of 100 % */
#define SAMPLES 8192u

struct policy_shared {
    _Atomic uint64_t entries;  /* in all orders */
    _Atomic uint64_t tick;     /* of about the latest access */
    _Atomic uint64_t capacity; /* entries when the last one was evicted */
    _Atomic uint32_t bonus;    /* in thousandths */
    _Atomic bool ends_runs;
    /* Who has set it has what follows; nobody waits for it. */
    atomic_flag is_taken;
    unsigned choice;
    uint64_t samples, due;
    uint64_t seen[BONUSES];   /* misses at the last choice */
    uint64_t scores[BONUSES]; /* misses of late */
    /* Bytes from here to the samples, and to the table of evicted keys. */
    size_t ghosts[SIZES], history;
};

static size_t
aligned(size_t size)
{
    return (size + 63) / 64 * 64;
}

static struct ghost *
ghost_of(const struct policy_shared *shared, unsigned number)
{
    return (struct ghost *)((uintptr_t)shared + shared->ghosts[number]);
}

static struct policy_ghost *
evicted(const struct policy_shared *shared)
{
    return (struct policy_ghost *)((uintptr_t)shared + shared->history);
}

/* Where the parts of the shared state begin; the last of them is its end. */
static void
lay_out(uint64_t entries, size_t at[SIZES + 2])
{
    at[0] = aligned(sizeof(struct policy_shared));
    for (unsigned i = 0; i < SIZES; i++)
        at[i + 1] = at[i] + aligned(ghost_size(SAMPLES));
    at[SIZES + 1] = at[SIZES] + aligned(policy_ghost_size(entries * MEMORY));
}

static size_t
shared_size(uint64_t entries)
{
    size_t at[SIZES + 2];

    lay_out(entries, at);
    return at[SIZES + 1];
}

static void
open_shared(struct policy_shared *shared, uint64_t entries)
{
    struct ghost_plan plans[BONUSES];
    size_t at[SIZES + 2];

    lay_out(entries, at);
    for (unsigned s = 0; s < SIZES; s++) {
        shared->ghosts[s] = at[s];
        for (unsigned i = 0; i < BONUSES; i++)
            plans[i] = (struct ghost_plan){.percent = percents[s],
                                           .bonus = bonuses[i]};
        ghost_start(ghost_of(shared, s), SAMPLES, plans, BONUSES);
    }
    shared->history = at[SIZES];
    shared->choice = FIRST_CHOICE;
    atomic_init(&shared->bonus, bonuses[FIRST_CHOICE]);
    policy_ghost_start(evicted(shared), entries * MEMORY);
}

/* The imagined cache of the present size with a bonus. */
static const struct ghost_cache *
present(const struct policy_shared *shared, unsigned bonus)
{
    return &ghost_of(shared, PRESENT)->caches[bonus];
}

static bool
take(struct policy_shared *shared)
{
    return !atomic_flag_test_and_set_explicit(&shared->is_taken,
                                              memory_order_acquire);
}

static void
give(struct policy_shared *shared)
{
    atomic_flag_clear_explicit(&shared->is_taken, memory_order_release);
}

static void
choose(struct policy_shared *shared)
{
    unsigned best = shared->choice;

    for (unsigned i = 0; i < BONUSES; i++) {
        uint64_t misses = present(shared, i)->misses;

        shared->scores[i] -= shared->scores[i] / FADING;
        shared->scores[i] += misses - shared->seen[i];
        shared->seen[i] = misses;
    }
    for (unsigned i = 0; i < BONUSES; i++)
        if (shared->scores[i] < shared->scores[best])
            best = i;
    if (shared->scores[best] + shared->scores[best] / MARGIN <
        shared->scores[shared->choice])
        shared->choice = best;
    atomic_store_explicit(&shared->bonus, bonuses[shared->choice],
                          memory_order_relaxed);
    atomic_store_explicit(&shared->ends_runs,
                          ghost_may_end(ghost_of(shared, PRESENT)),
                          memory_order_relaxed);
}

/* The cache's size is what it holds when it is full, which moves a little with
 * the sizes of what is in it. */
static void
keep_size(struct policy_shared *shared)
{
    uint64_t now =
        atomic_load_explicit(&shared->capacity, memory_order_relaxed);
    uint64_t before = ghost_of(shared, PRESENT)->entries;
    uint64_t difference = now > before ? now - before : before - now;

    if (now == 0 || difference <= before / 32)
        return;
    for (unsigned i = 0; i < SIZES; i++)
        ghost_resize(ghost_of(shared, i), now);
}

/* A choice for each half of the cache's size, in samples. */
static void
count_sample(struct policy_shared *shared)
{
    const struct ghost *sample = ghost_of(shared, PRESENT);

    if (sample->entries == 0 || ++shared->samples < shared->due)
        return;
    choose(shared);
    shared->due = shared->samples + present(shared, 0)->most / 2 + 64;
}

static void
watch(struct policy_shared *shared, const struct policy_access *access)
{
    bool is_sampled[SIZES], is_any = false;

    for (unsigned i = 0; i < SIZES; i++) {
        is_sampled[i] = ghost_is_sampled(ghost_of(shared, i), access->hash);
        is_any = is_any || is_sampled[i];
    }
    if (!is_any || !take(shared))
        return;
    keep_size(shared);
    for (unsigned i = 0; i < SIZES; i++)
        if (is_sampled[i])
            ghost_access(ghost_of(shared, i), access->hash, access->tick);
    if (is_sampled[PRESENT])
        count_sample(shared);
    give(shared);
}

static void
place(struct policy_shared *shared, struct policy_order *order,
      struct policy_node *node, const struct policy_access *access)
{
    uint32_t most = (1u << POSITIONS) - 1, position = access->position;

    if (position > most)
        position = most;
    node->tick = access->run_tick << POSITIONS | (most - position);
    node->queue = (uint8_t)((node->uses < CLASSES ? node->uses : CLASSES) - 1);
    policy_list_place(&order->queues[node->queue], node, PASSED_MOST);
    atomic_store_explicit(&shared->tick, access->tick, memory_order_relaxed);
}

static void
insert(struct policy_shared *shared, struct policy_order *order,
       struct policy_node *node, const struct policy_access *access)
{
    uint64_t capacity =
        atomic_load_explicit(&shared->capacity, memory_order_relaxed);

    if (node->uses == 0)
        node->uses = (uint8_t)policy_ghost_take(evicted(shared), access->hash,
                                                capacity * MEMORY);
    if (node->uses < POLICY_GHOST_USES)
        node->uses++;
    place(shared, order, node, access);
    atomic_fetch_add_explicit(&shared->entries, 1, memory_order_relaxed);
    watch(shared, access);
}

static void
touch(struct policy_shared *shared, struct policy_order *order,
      struct policy_node *node, const struct policy_access *access)
{
    if (node->uses < POLICY_GHOST_USES)
        node->uses++;
    policy_list_unlink(node);
    place(shared, order, node, access);
    watch(shared, access);
}

static void
take_out(struct policy_shared *shared, struct policy_order *order,
         struct policy_node *node)
{
    (void)order;
    policy_list_unlink(node);
    atomic_fetch_sub_explicit(&shared->entries, 1, memory_order_relaxed);
}

static void
evict(struct policy_shared *shared, struct policy_order *order,
      struct policy_node *node, uint64_t hash)
{
    uint64_t entries =
        atomic_load_explicit(&shared->entries, memory_order_relaxed);

    atomic_store_explicit(&shared->capacity, entries, memory_order_relaxed);
    policy_ghost_add(evicted(shared), hash, node->uses);
    take_out(shared, order, node);
}

static void
demote(struct policy_shared *shared, struct policy_order *order,
       struct policy_node *node, uint64_t hash)
{
    struct ghost *sample = ghost_of(shared, PRESENT);

    if (ghost_is_sampled(sample, hash) && take(shared)) {
        ghost_end(sample, hash);
        give(shared);
    }
    if (node->uses != 1 || node->queue == TAILS ||
        !atomic_load_explicit(&shared->ends_runs, memory_order_relaxed))
        return;
    policy_list_unlink(node);
    node->queue = TAILS;
    policy_list_place(&order->queues[TAILS], node, PASSED_MOST);
}

static struct policy_node *
candidate(struct policy_shared *shared, struct policy_order *order,
          unsigned queue)
{
    (void)shared;
    return policy_list_oldest(&order->queues[queue]);
}

/* Tails go before all else, the oldest first. */
static uint64_t
number(const struct policy_shared *shared, unsigned queue, uint64_t tick)
{
    uint32_t bonus = atomic_load_explicit(&shared->bonus, memory_order_relaxed);
    uint64_t size =
        atomic_load_explicit(&shared->capacity, memory_order_relaxed);
    uint64_t now = atomic_load_explicit(&shared->tick, memory_order_relaxed);

    if (queue == TAILS)
        return tick >> POSITIONS;
    if (size == 0) /* the first that ever goes */
        size = atomic_load_explicit(&shared->entries, memory_order_relaxed);
    if ((tick >> POSITIONS) + size / RECENT > now)
        return tick | PROTECTED;
    return tick + (ghost_bonus(queue, bonus, size) << POSITIONS);
}

bool
policy_adaptive_curve(struct policy_shared *shared, uint64_t accesses,
                      struct policy_adaptive_curve *out)
{
    if (!take(shared))
        return false;
    for (unsigned s = 0; s < SIZES; s++) {
        double best = 0;

        for (unsigned i = 0; i < BONUSES; i++) {
            double ratio = ghost_hit_ratio(ghost_of(shared, s), i, accesses);

            if (ratio > best)
                best = ratio;
        }
        out->percent[s] = percents[s];
        out->hit_ratio[s] = best;
    }
    out->bonus = (double)bonuses[shared->choice] / GHOST_BONUS_ONE;
    give(shared);
    return true;
}

const struct policy policy_adaptive = {
    .name = "adaptive",
    .queues = CLASSES + 1,
    .shared_size = shared_size,
    .open = open_shared,
    .insert = insert,
    .touch = touch,
    .evict = evict,
    .remove = take_out,
    .demote = demote,
    .candidate = candidate,
    .number = number,
};

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
 *   - A further use of what is larger than usual is worth half as much, of what is
 *     smaller twice as much: what counts is hits per byte.
 *   - What a run put last goes first, as long as the sample says that such are
 *     hardly used again: part-full chunks are not, with most engines.
 *   - A sample of the keys (ghost.h) runs through caches with each bonus.
 */
#include "storage/ghost.h"
#include "storage/policy.h"
#include "storage/policy_ghost.h"

#include <stdatomic.h>

#define CLASSES GHOST_CLASSES
#define TAILS   POLICY_TAILS
/* Smaller than usual, as usual, larger.  What was used once is all in queue 0. */
#define SIZES        3u
#define USUAL        1u
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
/* A longer run, as a part of the cache's size, counts as several. */
#define RUN_SHARE 16u
#define POSITIONS 16u /* bits */
#define LOG_ONE   (1u << 20)
/* Chunks that came of late. */
#define USUAL_SPAN 1024u
/* What was long ago weighs less: so much at each choice. */
#define FADING 16u
/* A better bonus is better by more than one in so many misses. */
#define MARGIN 256u

static const uint32_t bonuses[BONUSES] = {0,    100,   300,  1000,
                                          3000, 10000, 30000};
#define SAMPLES 8192u

_Static_assert(TAILS == 1 + (CLASSES - 1) * SIZES,
               "tails have a queue of their own");

struct policy_shared {
    _Atomic uint64_t entries;  /* in all orders */
    _Atomic uint64_t tick;     /* of about the latest access */
    _Atomic uint64_t capacity; /* entries when the last one was evicted */
    _Atomic uint32_t bonus;    /* in thousandths */
    _Atomic uint32_t usual;    /* size, as log_of() has it; 0: none yet */
    _Atomic bool ends_runs;
    /* Who has set it has what follows; nobody waits for it. */
    atomic_flag is_taken;
    unsigned choice;
    uint64_t samples, due;
    uint64_t seen[BONUSES];   /* misses at the last choice */
    uint64_t scores[BONUSES]; /* misses of late */
    /* Bytes from here to the sample, and to the table of evicted keys. */
    size_t ghost, history;
};

static size_t
aligned(size_t size)
{
    return (size + 63) / 64 * 64;
}

static struct ghost *
sample_of(const struct policy_shared *shared)
{
    return (struct ghost *)((uintptr_t)shared + shared->ghost);
}

static struct policy_ghost *
evicted(const struct policy_shared *shared)
{
    return (struct policy_ghost *)((uintptr_t)shared + shared->history);
}

static size_t
history_at(void)
{
    return aligned(sizeof(struct policy_shared)) + aligned(ghost_size(SAMPLES));
}

static size_t
shared_size(uint64_t entries)
{
    return history_at() + aligned(policy_ghost_size(entries * MEMORY));
}

static void
open_shared(struct policy_shared *shared, uint64_t entries)
{
    struct ghost_plan plans[BONUSES];

    for (unsigned i = 0; i < BONUSES; i++)
        plans[i] = (struct ghost_plan){.percent = 100, .bonus = bonuses[i]};
    shared->ghost = aligned(sizeof(struct policy_shared));
    ghost_start(sample_of(shared), SAMPLES, plans, BONUSES);
    shared->history = history_at();
    shared->choice = FIRST_CHOICE;
    atomic_init(&shared->bonus, bonuses[FIRST_CHOICE]);
    policy_ghost_start(evicted(shared), entries * MEMORY);
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
        uint64_t misses = sample_of(shared)->caches[i].misses;

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
    atomic_store_explicit(&shared->ends_runs, ghost_may_end(sample_of(shared)),
                          memory_order_relaxed);
}

/* The cache's size is what it holds when it is full, which moves a little with
 * the sizes of what is in it. */
static void
keep_size(struct policy_shared *shared)
{
    uint64_t now =
        atomic_load_explicit(&shared->capacity, memory_order_relaxed);
    uint64_t before = sample_of(shared)->entries;
    uint64_t difference = now > before ? now - before : before - now;

    if (now != 0 && difference > before / 32)
        ghost_resize(sample_of(shared), now);
}

/* A choice for each half of the cache's size, in samples. */
static void
count_sample(struct policy_shared *shared)
{
    const struct ghost *sample = sample_of(shared);

    if (sample->entries == 0 || ++shared->samples < shared->due)
        return;
    choose(shared);
    shared->due = shared->samples + sample->caches[0].most / 2 + 64;
}

static void
watch(struct policy_shared *shared, const struct policy_access *access)
{
    struct ghost *sample = sample_of(shared);

    if (!ghost_is_sampled(sample, access->hash) || !take(shared))
        return;
    keep_size(shared);
    ghost_access(sample, access->hash, access->tick);
    count_sample(shared);
    give(shared);
}

/* A run without end (somebody only ever puts) is cut: else its newest chunks would
 * go to keep its oldest. */
static uint64_t
run_tick(const struct policy_shared *shared, const struct policy_access *access)
{
    uint64_t size =
        atomic_load_explicit(&shared->capacity, memory_order_relaxed);
    uint64_t stretch;

    if (size == 0)
        size = atomic_load_explicit(&shared->entries, memory_order_relaxed);
    stretch = size / RUN_SHARE + 1;
    return access->tick - (access->tick - access->run_tick) % stretch;
}

/* The logarithm to base 2, in LOG_ONEs. */
static uint32_t
log_of(uint32_t size)
{
    uint32_t whole = 31u - (uint32_t)__builtin_clz(size);
    uint64_t rest = ((uint64_t)size << 32 >> whole) - (1ull << 32);

    return whole * LOG_ONE + (uint32_t)(rest * LOG_ONE >> 32);
}

/* What is usual is the mean of what came of late.  An update that another thread
 * overtakes is no loss. */
static void
see_size(struct policy_shared *shared, uint32_t size)
{
    uint32_t usual = atomic_load_explicit(&shared->usual, memory_order_relaxed);
    uint32_t log;

    if (size == 0)
        return;
    log = log_of(size);
    if (usual == 0)
        usual = log;
    else if (log > usual)
        usual += (log - usual + USUAL_SPAN - 1) / USUAL_SPAN;
    else
        usual -= (usual - log + USUAL_SPAN - 1) / USUAL_SPAN;
    atomic_store_explicit(&shared->usual, usual, memory_order_relaxed);
}

static unsigned
size_class(const struct policy_shared *shared, uint32_t size)
{
    uint32_t usual = atomic_load_explicit(&shared->usual, memory_order_relaxed);
    uint32_t log;

    if (size == 0 || usual == 0)
        return USUAL;
    log = log_of(size);
    if (log + LOG_ONE / 2 < usual)
        return USUAL - 1;
    return log > usual + LOG_ONE / 2 ? USUAL + 1 : USUAL;
}

static unsigned
queue_of(const struct policy_shared *shared, const struct policy_node *node,
         const struct policy_access *access)
{
    unsigned class = (node->uses < CLASSES ? node->uses : CLASSES) - 1;

    return class == 0
               ? 0
               : 1 + (class - 1) * SIZES + size_class(shared, access->size);
}

static void
place(struct policy_shared *shared, struct policy_order *order,
      struct policy_node *node, const struct policy_access *access)
{
    uint32_t most = (1u << POSITIONS) - 1, position = access->position;

    if (position > most)
        position = most;
    node->tick = run_tick(shared, access) << POSITIONS | (most - position);
    node->queue = (uint8_t)queue_of(shared, node, access);
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
    if (node->uses < POLICY_GHOST_USES &&
        (!access->is_quiet || node->uses == 0))
        node->uses++;
    see_size(shared, access->size);
    place(shared, order, node, access);
    atomic_fetch_add_explicit(&shared->entries, 1, memory_order_relaxed);
    if (!access->is_quiet)
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
    struct ghost *sample = sample_of(shared);

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

/* What the uses that a queue stands for are worth. */
static uint64_t
bonus_of(const struct policy_shared *shared, unsigned queue, uint64_t size)
{
    uint32_t bonus = atomic_load_explicit(&shared->bonus, memory_order_relaxed);
    unsigned place = queue - 1;

    if (queue == 0)
        return 0;
    return ghost_bonus(1 + place / SIZES, bonus, size) * 2 >> place % SIZES;
}

/* Tails go before all else, the oldest first. */
static uint64_t
number(const struct policy_shared *shared, unsigned queue, uint64_t tick)
{
    uint64_t size =
        atomic_load_explicit(&shared->capacity, memory_order_relaxed);
    uint64_t now = atomic_load_explicit(&shared->tick, memory_order_relaxed);

    if (queue == TAILS)
        return tick >> POSITIONS;
    if (size == 0) /* the first that ever goes */
        size = atomic_load_explicit(&shared->entries, memory_order_relaxed);
    if ((tick >> POSITIONS) + size / RECENT > now)
        return tick | PROTECTED;
    return tick + (bonus_of(shared, queue, size) << POSITIONS);
}

const struct policy policy_adaptive = {
    .name = "adaptive",
    .queues = POLICY_QUEUES,
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

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order over all parts, and the search for the entry that goes next.  Each
 * part tells, outside its lock, the ticks of the oldest of its queues; an
 * evictor reads those and locks one part only.
 */
#include "storage/index_parts.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>

static struct entry *
entry_of(struct policy_node *node)
{
    static_assert(offsetof(struct entry, node) == 0, "the node comes first");
    return (struct entry *)node;
}

static const struct policy *
policy_of(const struct part *part, const struct entry *entry)
{
    return part->index->policies[entry->rank];
}

static struct policy_shared *
shared_of(const struct part *part, const struct entry *entry)
{
    return part->index->shared[entry->rank];
}

static enum status
open_told(struct index *index, unsigned rank)
{
    unsigned queues = index->policies[rank]->queues;
    size_t count = index->part_count * (size_t)queues;

    index->oldest[rank] = aligned_alloc(64, (count * 8 + 63) / 64 * 64);
    index->unparked[rank] =
        aligned_alloc(64, (index->part_count * 8ull + 63) / 64 * 64);
    if (index->oldest[rank] == NULL || index->unparked[rank] == NULL)
        return STATUS_NO_SPACE;
    for (size_t i = 0; i < count; i++)
        atomic_init(&index->oldest[rank][i], PART_NONE);
    for (unsigned i = 0; i < index->part_count; i++) {
        policy_order_start(&index->parts[i].order[rank]);
        policy_list_start(&index->parts[i].parked[rank]);
        atomic_init(&index->unparked[rank][i], PART_NONE);
    }
    return STATUS_OK;
}

/* Zeroed, and taken from the system as it is touched. */
static void *
map(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return memory == MAP_FAILED ? NULL : memory;
}

static enum status
open_shared(struct index *index, const struct index_plan *plan)
{
    const struct policy *policy = index->policies[INDEX_WARM];
    uint64_t warm_most = plan->warm_most;

    index->shared_size = policy->shared_size(warm_most);
    if (index->shared_size != 0) {
        index->shared[INDEX_WARM] = map(index->shared_size);
        if (index->shared[INDEX_WARM] == NULL)
            return STATUS_NO_SPACE;
    }
    policy->open(index->shared[INDEX_WARM], warm_most);
    index->curve = map(policy_curve_size());
    if (index->curve == NULL)
        return STATUS_NO_SPACE;
    policy_curve_open(index->curve, !plan->has_lower && policy != &policy_lru);
    return STATUS_OK;
}

enum status
index_order_open(struct index *index, const struct index_plan *plan)
{
    enum status status = STATUS_OK;

    atomic_init(&index->tick, 1);
    for (unsigned rank = 0; rank < INDEX_RANKS && status == STATUS_OK; rank++)
        status = open_told(index, rank);
    return status == STATUS_OK ? open_shared(index, plan) : status;
}

void
index_order_close(struct index *index)
{
    for (unsigned rank = 0; rank < INDEX_RANKS; rank++) {
        free(index->oldest[rank]);
        free(index->unparked[rank]);
    }
    if (index->shared[INDEX_WARM] != NULL)
        munmap(index->shared[INDEX_WARM], index->shared_size);
    if (index->curve != NULL)
        munmap(index->curve, policy_curve_size());
}

static void
tell(_Atomic uint64_t *told, const struct policy_node *node)
{
    uint64_t value = node == NULL ? PART_NONE : node->tick;

    if (atomic_load_explicit(told, memory_order_relaxed) != value)
        atomic_store_explicit(told, value, memory_order_relaxed);
}

static void
tell_order(struct part *part, unsigned rank)
{
    struct index *index = part->index;
    unsigned queues = index->policies[rank]->queues;

    for (unsigned i = 0; i < queues; i++)
        tell(&index->oldest[rank][part->number * queues + i],
             policy_list_oldest(&part->order[rank].queues[i]));
}

static void
tell_parked(struct part *part, unsigned rank)
{
    tell(&part->index->unparked[rank][part->number],
         policy_list_oldest(&part->parked[rank]));
}

struct policy_access
part_access(struct part *part, struct entry *entry, struct index_access *access)
{
    struct index *index = part->index;
    struct policy_access told = {.hash = entry->hash,
                                 .size = entry->body_size,
                                 .tick = atomic_fetch_add_explicit(
                                     &index->tick, 1, memory_order_relaxed)};

    told.run_tick = told.tick;
    if (access == NULL) {
        told.is_quiet = true;
        return told;
    }
    access->has_tail =
        access->run != NULL &&
        policy_run_step(access->run, access->step, entry->node.is_first, &told,
                        &access->tail);
    entry->node.is_first = access->run != NULL && told.position == 0;
    entry->node.run = (uint32_t)told.run_tick;
    access->policy = told;
    policy_curve_access(index->curve, told.hash, told.tick);
    return told;
}

void
part_order_in(struct part *part, struct entry *entry,
              const struct policy_access *access)
{
    assert(entry->standing == INDEX_OUT);
    entry->standing = INDEX_IN;
    policy_of(part, entry)
        ->insert(shared_of(part, entry), &part->order[entry->rank],
                 &entry->node, access);
    tell_order(part, entry->rank);
}

void
part_order_out(struct part *part, struct entry *entry)
{
    switch ((enum index_standing)entry->standing) {
    case INDEX_OUT:
        return;
    case INDEX_IN:
        policy_of(part, entry)
            ->remove(shared_of(part, entry), &part->order[entry->rank],
                     &entry->node);
        tell_order(part, entry->rank);
        break;
    case INDEX_PARKED:
        policy_list_unlink(&entry->node);
        tell_parked(part, entry->rank);
        break;
    }
    entry->standing = INDEX_OUT;
}

void
part_touch(struct part *part, struct entry *entry, struct index_access *access)
{
    struct policy_access told = part_access(part, entry, access);

    if (entry->standing == INDEX_PARKED) {
        part_order_out(part, entry);
        part_order_in(part, entry, &told);
        return;
    }
    policy_of(part, entry)
        ->touch(shared_of(part, entry), &part->order[entry->rank], &entry->node,
                &told);
    tell_order(part, entry->rank);
}

void
part_rank(struct part *part, struct entry *entry, enum index_rank rank,
          const struct policy_access *access)
{
    struct policy_access told;

    if (entry->rank == rank)
        return;
    told = access != NULL ? *access : part_access(part, entry, NULL);
    part_order_out(part, entry);
    entry->rank = (uint8_t)rank;
    part_order_in(part, entry, &told);
}

void
part_evict(struct part *part, struct entry *entry)
{
    if (entry->standing != INDEX_IN) {
        part_order_out(part, entry);
        return;
    }
    policy_lower_leave(&entry->lower, policy_is_tail(&entry->node));
    policy_of(part, entry)
        ->evict(shared_of(part, entry), &part->order[entry->rank], &entry->node,
                entry->hash);
    entry->standing = INDEX_OUT;
    tell_order(part, entry->rank);
}

void
part_demote(struct part *part, struct entry *entry)
{
    if (entry->standing != INDEX_IN || entry->rank != INDEX_WARM)
        return;
    policy_of(part, entry)
        ->demote(shared_of(part, entry), &part->order[entry->rank],
                 &entry->node, entry->hash);
    tell_order(part, entry->rank);
}

void
index_miss(struct index *index, struct index_access *access)
{
    struct policy_access told = {
        .tick = atomic_load_explicit(&index->tick, memory_order_relaxed)};

    access->has_tail =
        access->run != NULL &&
        policy_run_step(access->run, POLICY_MISS, false, &told, &access->tail);
}

/* The parked stand in the order in which they may go, so that a short lease does
 * not wait for a longer one.  Leases are granted in that order too, nearly: the
 * place is near the back. */
static void
stand_by(struct part *part, struct entry *entry, uint64_t until_ns)
{
    struct policy_node *node = &entry->node;
    struct policy_node *ends = &part->parked[entry->rank].ends;
    struct policy_node *at = ends->older;

    node->tick = until_ns;
    while (at != ends && at->tick > node->tick)
        at = at->older;
    node->older = at;
    node->newer = at->newer;
    at->newer->older = node;
    at->newer = node;
    entry->standing = INDEX_PARKED;
}

void
part_defer(struct part *part, struct entry *entry, uint64_t until_ns)
{
    if (until_ns < entry->leased_until_ns && entry->rank == INDEX_COLD)
        until_ns = entry->leased_until_ns;
    part_order_out(part, entry);
    stand_by(part, entry, until_ns);
    tell_parked(part, entry->rank);
}

/* Does it break no promise if an entry of its rank goes? */
static bool
may_go(const struct entry *entry, uint64_t now_ns)
{
    return entry->leased_until_ns <= now_ns ||
           (entry->rank == INDEX_WARM &&
            (entry->tiers & ~(1u << TIER_DRAM)) != 0);
}

/* With the part locked: one that is parked until then at most and may go now, if
 * any.  Those that were leased again take another place. */
static struct entry *
unparked(struct part *part, unsigned rank, uint64_t until_ns, uint64_t now_ns)
{
    const struct policy_node *ends = &part->parked[rank].ends;
    struct policy_node *node = ends->newer, *next;
    struct entry *found = NULL;

    for (; node != ends && node->tick <= until_ns && found == NULL;
         node = next) {
        struct entry *entry = entry_of(node);

        next = node->newer;
        if (may_go(entry, now_ns)) {
            found = entry;
        } else if (node->tick < entry->leased_until_ns) {
            policy_list_unlink(node);
            stand_by(part, entry, entry->leased_until_ns);
        }
    }
    tell_parked(part, rank);
    return found;
}

static struct part *
lock_unparked(struct index *index, unsigned rank, uint64_t now_ns)
{
    const _Atomic uint64_t *told = index->unparked[rank];
    uint64_t least = now_ns + 1;
    struct part *part = NULL;

    for (unsigned i = 0; i < index->part_count; i++) {
        uint64_t value = atomic_load_explicit(&told[i], memory_order_relaxed);

        if (value < least) {
            least = value;
            part = &index->parts[i];
        }
    }
    if (part != NULL)
        pthread_mutex_lock(&part->lock);
    return part;
}

/* The part whose candidate is the next to go, and the queue it stands in. */
static struct part *
lock_least(struct index *index, unsigned rank, unsigned *queue_out)
{
    const struct policy *policy = index->policies[rank];
    const _Atomic uint64_t *told = index->oldest[rank];
    uint64_t least = UINT64_MAX;
    struct part *part = NULL;

    for (unsigned i = 0; i < index->part_count; i++)
        for (unsigned queue = 0; queue < policy->queues; queue++, told++) {
            uint64_t tick = atomic_load_explicit(told, memory_order_relaxed);
            uint64_t number =
                tick == PART_NONE
                    ? UINT64_MAX
                    : policy->number(index->shared[rank], queue, tick);

            if (number < least) {
                least = number;
                part = &index->parts[i];
                *queue_out = queue;
            }
        }
    if (part != NULL)
        pthread_mutex_lock(&part->lock);
    return part;
}

struct part *
index_lock_oldest(struct index *index, enum index_rank rank, uint64_t now_ns,
                  struct entry **entry_out)
{
    const struct policy *policy = index->policies[rank];
    struct part *part;
    unsigned queue = 0;

    while ((part = lock_unparked(index, rank, now_ns)) != NULL) {
        *entry_out = unparked(part, rank, now_ns, now_ns);
        if (*entry_out != NULL)
            return part;
        pthread_mutex_unlock(&part->lock);
    }
    while ((part = lock_least(index, rank, &queue)) != NULL) {
        struct policy_node *node =
            policy->candidate(index->shared[rank], &part->order[rank], queue);

        if (node != NULL && may_go(entry_of(node), now_ns)) {
            *entry_out = entry_of(node);
            return part;
        }
        if (node != NULL)
            part_defer(part, entry_of(node), entry_of(node)->leased_until_ns);
        tell_order(part, rank);
        pthread_mutex_unlock(&part->lock);
    }
    return NULL;
}

struct part *
index_lock_deferred(struct index *index, uint64_t until_ns, uint64_t now_ns,
                    struct entry **entry_out)
{
    for (unsigned i = 0; i < index->part_count; i++) {
        struct part *part = &index->parts[i];

        if (atomic_load_explicit(&index->unparked[INDEX_WARM][i],
                                 memory_order_relaxed) > until_ns)
            continue;
        pthread_mutex_lock(&part->lock);
        *entry_out = unparked(part, INDEX_WARM, until_ns, now_ns);
        if (*entry_out != NULL)
            return part;
        pthread_mutex_unlock(&part->lock);
    }
    return NULL;
}

struct policy_curve *
index_curve(const struct index *index)
{
    return index->curve;
}

const char *
index_policy_name(const struct index *index)
{
    return index->policies[INDEX_WARM]->name;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The index and its policy: runs, uses, what is put off, what is remembered. */
#include "storage/index.h"
#include "tests/lib/store_values.h"

#include <criterion/criterion.h>

#define PARTS 16u
#define RUN   8u
#define MANY  400u

static struct index *index_here;
static struct policy_run run;
static uint64_t tail;
static bool has_tail;

static void
start(void)
{
    const struct index_plan plan = {.memory = 16u << 20,
                                    .parts = PARTS,
                                    .policy = &policy_adaptive,
                                    .warm_most = 1000};

    cr_assert_eq(index_open(&plan, &index_here), STATUS_OK);
}

static void
free_found(void *arg, struct part *part, struct entry *entry)
{
    (void)arg;
    part_unlink(part, entry);
    entry_free(index_here, entry);
}

static void
end(void)
{
    for (uint64_t i = 0; i < index_buckets(index_here); i++)
        index_walk_bucket(index_here, i, free_found, NULL);
    index_close(&index_here);
}

TestSuite(index_policy, .init = start, .fini = end);

static struct index_access
access_of(enum policy_step step)
{
    return (struct index_access){.run = &run, .step = step};
}

static struct entry *
add(unsigned number, struct index_access *access)
{
    struct key_text text = {0};
    struct key key = key_numbered(&text, KEY_PLAIN, number);
    struct entry *entry = entry_new(index_here, &key, 0);
    struct part *part;

    cr_assert_not_null(entry);
    part = index_lock(index_here, key.hash);
    part_link(part, entry, access);
    index_unlock(part);
    has_tail = access != NULL && access->has_tail;
    if (has_tail)
        tail = access->tail;
    return entry;
}

static struct entry *
put(unsigned number)
{
    struct index_access access = access_of(POLICY_PUT);

    return add(number, &access);
}

static void
get(struct entry *entry)
{
    struct index_access access = access_of(POLICY_HIT);
    struct part *part = index_lock(index_here, entry->hash);

    part_touch(part, entry, &access);
    index_unlock(part);
}

static void
miss(void)
{
    struct index_access access = access_of(POLICY_MISS);

    index_miss(index_here, &access);
    has_tail = access.has_tail;
    if (has_tail)
        tail = access.tail;
}

/* Takes out the next to go; NULL: there is none. */
static struct entry *
evict(uint64_t now_ns)
{
    struct entry *entry = NULL;
    struct part *part =
        index_lock_oldest(index_here, INDEX_WARM, now_ns, &entry);

    if (part == NULL)
        return NULL;
    part_evict(part, entry);
    part_unlink(part, entry);
    index_unlock(part);
    return entry;
}

Test(index_policy, of_a_run_the_last_goes_first_and_its_parent_after_it)
{
    struct entry *entries[RUN], *gone;

    /* So many that the run is a short one. */
    for (unsigned i = 0; i < MANY; i++)
        (void)put(100 + i);
    miss();
    for (unsigned i = 0; i < RUN; i++)
        entries[i] = put(i);
    miss();
    for (unsigned i = 0; i < MANY; i++)
        (void)put(1000 + i);
    for (unsigned i = 0; i < MANY; i++)
        entry_free(index_here, evict(1));
    for (unsigned i = RUN; i-- > 0;) {
        gone = evict(1);
        cr_assert_eq(gone, entries[i], "not %u", i);
        entry_free(index_here, gone);
    }
}

Test(index_policy, what_a_run_put_last_is_told_when_the_next_one_begins)
{
    struct entry *last = NULL;

    miss();
    for (unsigned i = 0; i < RUN; i++) {
        last = put(i);
        cr_assert_not(has_tail);
    }
    miss();
    cr_assert(has_tail);
    cr_assert_eq(tail, last->hash);
    index_end_run(index_here, tail);
    index_end_run(index_here, 12345); /* of what is not there: nothing */
}

Test(index_policy, what_was_evicted_is_known_when_it_is_back)
{
    struct entry *entry = put(1);

    get(entry);
    cr_assert_eq(entry->node.uses, 2u);
    cr_assert_eq(evict(1), entry);
    entry_free(index_here, entry);
    entry = put(1);
    cr_assert_eq(entry->node.uses, 3u);
}

Test(index_policy, what_was_deleted_is_not)
{
    struct entry *entry = put(1);
    struct part *part = index_lock(index_here, entry->hash);

    part_unlink(part, entry);
    index_unlock(part);
    entry_free(index_here, entry);
    cr_assert_eq(put(1)->node.uses, 1u);
}

Test(index_policy, to_change_places_is_no_use)
{
    struct entry *entry = add(1, NULL);
    struct part *part = index_lock(index_here, entry->hash);

    cr_assert_eq(entry->node.uses, 1u);
    part_rank(part, entry, INDEX_COLD, NULL);
    part_rank(part, entry, INDEX_WARM, NULL);
    index_unlock(part);
    cr_assert_eq(entry->node.uses, 1u);
}

Test(index_policy, to_come_back_for_an_access_is_one)
{
    struct entry *entry = put(1);
    struct index_access access = access_of(POLICY_HIT);
    struct part *part = index_lock(index_here, entry->hash);

    part_rank(part, entry, INDEX_COLD, NULL);
    part_touch(part, entry, &access);
    cr_assert_eq(entry->node.uses, 1u);
    part_rank(part, entry, INDEX_WARM, &access.policy);
    index_unlock(part);
    cr_assert_eq(entry->node.uses, 2u);
}

Test(index_policy, what_is_put_off_goes_when_its_time_has_come)
{
    struct entry *first = put(1), *second, *entry = NULL;
    struct part *part = index_lock(index_here, first->hash);

    part_defer(part, first, 100);
    index_unlock(part);
    miss();
    second = put(2);
    part = index_lock_oldest(index_here, INDEX_WARM, 50, &entry);
    cr_assert_eq(entry, second);
    index_unlock(part);
    part = index_lock_oldest(index_here, INDEX_WARM, 100, &entry);
    cr_assert_eq(entry, first);
    index_unlock(part);
}

Test(index_policy, what_is_put_off_goes_before_nothing_does)
{
    struct entry *first = put(1), *entry = NULL;
    struct part *part = index_lock(index_here, first->hash);

    part_defer(part, first, 100);
    index_unlock(part);
    cr_assert_null(index_lock_oldest(index_here, INDEX_WARM, 50, &entry));
    cr_assert_null(index_lock_deferred(index_here, 99, 50, &entry));
    part = index_lock_deferred(index_here, 100, 50, &entry);
    cr_assert_eq(entry, first);
    index_unlock(part);
    /* But not what is leased. */
    first->leased_until_ns = 80;
    cr_assert_null(index_lock_deferred(index_here, 100, 50, &entry));
    part = index_lock_deferred(index_here, 100, 80, &entry);
    cr_assert_eq(entry, first);
    index_unlock(part);
}

Test(index_policy, who_asks_for_it_meanwhile_puts_it_in_order_again)
{
    struct entry *first = put(1), *second = put(2), *entry = NULL;
    struct part *part = index_lock(index_here, first->hash);

    part_defer(part, first, 100);
    index_unlock(part);
    get(first);
    cr_assert_eq(first->standing, INDEX_IN);
    part = index_lock_oldest(index_here, INDEX_WARM, 200, &entry);
    cr_assert_eq(entry, second);
    index_unlock(part);
}

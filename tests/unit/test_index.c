/* SPDX-License-Identifier: Apache-2.0 */
/* The index: finding by the whole key, the order over all parts, its bound. */
#include "storage/index.h"
#include "tests/lib/store_values.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define PARTS  16u
#define MEMORY (1u << 20)
#define MANY   2000u

static struct index *index_here;
static uint64_t used_at_start;

static void
start(void)
{
    const struct index_plan plan = {
        .memory = MEMORY, .parts = PARTS, .policy = &policy_lru};

    cr_assert_eq(index_open(&plan, &index_here), STATUS_OK);
    used_at_start = index_memory_used(index_here);
}

static void
end(void)
{
    cr_assert_eq(index_entries(index_here), 0);
    cr_assert_eq(index_memory_used(index_here), used_at_start);
    index_close(&index_here);
    cr_assert_null(index_here);
}

TestSuite(index, .init = start, .fini = end);

static void
link_entry(struct entry *entry)
{
    struct part *part = index_lock(index_here, entry->hash);

    part_link(part, entry, NULL);
    index_unlock(part);
}

static struct entry *
add(const struct key *key)
{
    struct entry *entry = entry_new(index_here, key, 0);

    cr_assert_not_null(entry);
    link_entry(entry);
    return entry;
}

static struct entry *
add_numbered(unsigned number)
{
    struct key_text text = {0};
    struct key key = key_numbered(&text, KEY_PLAIN, number);

    return add(&key);
}

static void
take_out(struct entry *entry)
{
    struct part *part = index_lock(index_here, entry->hash);

    part_unlink(part, entry);
    index_unlock(part);
    entry_free(index_here, entry);
}

static struct entry *
find(const struct key *key)
{
    struct part *part = index_lock(index_here, key->hash);
    struct entry *entry = part_find(part, key);

    index_unlock(part);
    return entry;
}

static struct entry *
oldest(uint64_t now_ns)
{
    struct entry *entry = NULL;
    struct part *part =
        index_lock_oldest(index_here, INDEX_WARM, now_ns, &entry);

    if (part == NULL)
        return NULL;
    index_unlock(part);
    return entry;
}

static void
touch(struct entry *entry)
{
    struct index_access access = {.step = POLICY_HIT};
    struct part *part = index_lock(index_here, entry->hash);

    part_touch(part, entry, &access);
    index_unlock(part);
}

Test(index, finds_what_was_linked_and_nothing_else)
{
    static struct entry *entries[MANY];
    struct key_text text = {0};

    for (unsigned i = 0; i < MANY; i++)
        entries[i] = add_numbered(i);
    cr_assert_eq(index_entries(index_here), MANY);
    for (unsigned i = 0; i < 2 * MANY; i++) {
        struct key key = key_numbered(&text, KEY_PLAIN, i);
        struct key other = key_numbered(&text, KEY_OBJECT, i);

        cr_assert_eq(find(&key), i < MANY ? entries[i] : NULL);
        cr_assert_null(find(&other));
    }
    for (unsigned i = 0; i < MANY; i++)
        take_out(entries[i]);
    cr_assert_null(
        find(&(struct key){.bytes = (const uint8_t *)"", .size = 1}));
}

Test(index, tells_keys_of_one_hash_apart)
{
    struct key a = key_make(KEY_PLAIN, 0, "same size a", 11);
    struct key b = key_make(KEY_PLAIN, 0, "same size b", 11);
    struct key longer = key_make(KEY_PLAIN, 0, "same size a ", 12);
    struct key space = key_make(KEY_PLAIN, 1, "same size a", 11);
    struct key object = key_make(KEY_OBJECT, 0, "same size a", 11);
    struct entry *its_a, *its_b;

    b.hash = longer.hash = space.hash = object.hash = a.hash;
    its_a = add(&a);
    cr_assert_null(find(&b));
    cr_assert_null(find(&longer));
    cr_assert_null(find(&space));
    cr_assert_null(find(&object));
    its_b = add(&b);
    cr_assert_eq(find(&a), its_a);
    cr_assert_eq(find(&b), its_b);
    take_out(its_a);
    cr_assert_null(find(&a));
    cr_assert_eq(find(&b), its_b);
    take_out(its_b);
}

Test(index, keeps_the_key_and_its_metadata)
{
    uint8_t bytes[KEY_SIZE_MAX], meta[CHUNK_META_MAX];

    value_write(bytes, 1, 0, sizeof(bytes));
    value_write(meta, 2, 0, sizeof(meta));
    for (unsigned size = 1; size <= KEY_SIZE_MAX; size += size / 3 + 1) {
        struct key key = key_make(KEY_OBJECT, 7, bytes, (uint16_t)size), its;
        struct entry *entry = entry_new(index_here, &key, CHUNK_META_MAX);

        cr_assert_not_null(entry);
        for (unsigned i = 0; i <= CHUNK_META_MAX; i += 32) {
            entry_set_meta(entry, meta, (uint8_t)i);
            cr_assert_eq(entry->meta_size, i);
            cr_assert_eq(memcmp(entry_meta(entry), meta, i), 0);
            its = entry_key(entry);
            cr_assert(key_is_equal(&its, &key));
        }
        entry_free(index_here, entry);
    }
}

/* A model of all accesses: the one with the least number goes. */
static unsigned
least_of(const uint64_t *accesses, const bool *is_in)
{
    unsigned least = MANY;

    for (unsigned i = 0; i < MANY; i++)
        if (is_in[i] && (least == MANY || accesses[i] < accesses[least]))
            least = i;
    return least;
}

Test(index, gives_the_oldest_of_all_parts)
{
    static struct entry *entries[MANY];
    static uint64_t accesses[MANY];
    static bool is_in[MANY];
    uint64_t random = 7, access = 0;

    for (unsigned step = 0; step < 10000; step++) {
        unsigned which = random_below(&random, MANY), least;

        if (!is_in[which])
            entries[which] = add_numbered(which);
        else
            touch(entries[which]);
        is_in[which] = true;
        accesses[which] = ++access;
        if (step % 3 != 0)
            continue;
        least = least_of(accesses, is_in);
        cr_assert_eq(oldest(1), entries[least], "step %u", step);
        take_out(entries[least]);
        is_in[least] = false;
    }
    for (unsigned i = 0; i < MANY; i++)
        if (is_in[i])
            take_out(entries[i]);
    cr_assert_null(oldest(1));
}

Test(index, passes_over_what_is_leased_until_that_ends)
{
    struct entry *entries[6];

    for (unsigned i = 0; i < 6; i++)
        entries[i] = add_numbered(i);
    entries[0]->leased_until_ns = 200;
    entries[1]->leased_until_ns = 110;
    entries[3]->leased_until_ns = 300;
    cr_assert_eq(oldest(100), entries[2]);
    take_out(entries[2]);
    cr_assert_eq(oldest(100), entries[4]);
    cr_assert_eq(oldest(150), entries[1]);
    take_out(entries[1]);
    cr_assert_eq(oldest(150), entries[4]);
    take_out(entries[4]);
    take_out(entries[5]);
    cr_assert_null(oldest(150));
    cr_assert_eq(oldest(201), entries[0]);
    touch(entries[0]);
    cr_assert_eq(oldest(201), entries[0]);
    take_out(entries[0]);
    cr_assert_null(oldest(250));
    cr_assert_eq(oldest(301), entries[3]);
    take_out(entries[3]);
}

Test(index, of_one_part_lets_no_lease_hide_behind_a_longer_one)
{
    struct entry *entries[4];

    for (unsigned i = 0; i < 4; i++) {
        struct key_text text = {0};
        struct key key = key_numbered(&text, KEY_PLAIN, i);

        key.hash = 5;
        entries[i] = add(&key);
        entries[i]->leased_until_ns = 400 - 50 * i; /* 400 350 300 250 */
    }
    cr_assert_null(oldest(100));
    cr_assert_eq(oldest(260), entries[3]);
    entries[3]->leased_until_ns = 500; /* renewed before it went */
    cr_assert_null(oldest(260));
    cr_assert_eq(oldest(301), entries[2]);
    take_out(entries[2]);
    cr_assert_eq(oldest(351), entries[1]);
    take_out(entries[1]);
    cr_assert_null(oldest(351));
    cr_assert_eq(oldest(450), entries[0]);
    take_out(entries[0]);
    cr_assert_null(oldest(499));
    cr_assert_eq(oldest(501), entries[3]);
    take_out(entries[3]);
}

Test(index, finds_whom_it_may_take_whatever_is_leased)
{
    static struct entry *entries[MANY];
    uint64_t random = 8, now_ns = 1000;

    for (unsigned i = 0; i < MANY; i++)
        entries[i] = add_numbered(i);
    for (unsigned step = 0; step < 20000; step++) {
        struct entry *entry = entries[random_below(&random, MANY)];
        struct entry *found = oldest(now_ns += random_below(&random, 20));
        unsigned free_count = 0;

        cr_assert(found == NULL || found->leased_until_ns <= now_ns);
        for (unsigned i = 0; found == NULL && i < MANY; i++)
            free_count += entries[i]->leased_until_ns <= now_ns;
        cr_assert_eq(free_count, 0, "step %u", step);
        if (entry->leased_until_ns < now_ns + 500)
            entry->leased_until_ns = now_ns + 500;
        if (found != NULL)
            found->leased_until_ns = now_ns + 1 + random_below(&random, 500000);
        if (step % 16 == 0)
            touch(entry);
    }
    for (unsigned i = 0; i < MANY; i++)
        take_out(entries[i]);
}

Test(index, holds_its_limit_with_keys_of_any_size)
{
    static struct entry *entries[MEMORY / 64];
    static uint8_t bytes[KEY_SIZE_MAX];
    uint64_t random = 9;
    unsigned count = 0, refused = 0;

    cr_assert_eq(index_memory_size(index_here), MEMORY);
    for (unsigned step = 0; step < 20000; step++) {
        uint32_t size = 1 + random_below(&random, step % 5 == 0 ? 4096 : 80);
        struct key key;
        struct entry *entry;

        value_write(bytes, step, 0, size);
        key = key_make(KEY_OBJECT, 0, bytes, (uint16_t)size);
        entry = entry_new(index_here, &key, CHUNK_META_LM);
        cr_assert_leq(index_memory_used(index_here), MEMORY);
        if (entry != NULL) {
            link_entry(entries[count++] = entry);
            continue;
        }
        refused++;
        for (unsigned i = 0; i < 20 && count != 0; i++) {
            unsigned which = random_below(&random, count);

            take_out(entries[which]);
            entries[which] = entries[--count];
        }
    }
    cr_assert_gt(refused, 10);
    while (count != 0)
        take_out(entries[--count]);
}

static void
mark_found(void *arg, struct part *part, struct entry *entry)
{
    uint8_t *found = arg;

    cr_assert_not_null(part);
    found[entry->sequence]++;
}

static void
unlink_found(void *arg, struct part *part, struct entry *entry)
{
    (void)arg;
    part_unlink(part, entry);
    entry_free(index_here, entry);
}

Test(index, shows_each_entry_once_in_a_walk)
{
    uint8_t found[MANY] = {0};

    for (unsigned i = 0; i < MANY; i++)
        add_numbered(i)->sequence = i;
    for (uint64_t i = 0; i < index_buckets(index_here); i++)
        index_walk_bucket(index_here, i, mark_found, found);
    for (unsigned i = 0; i < MANY; i++)
        cr_assert_eq(found[i], 1);
    for (uint64_t i = 0; i < index_buckets(index_here); i++)
        index_walk_bucket(index_here, i, unlink_found, NULL);
}

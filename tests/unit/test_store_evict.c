/* SPDX-License-Identifier: Apache-2.0 */
/* Who goes, who stays, and that the limits hold meanwhile: eviction, leases,
 * ends of life. */
#include "tests/lib/store_values.h"

#include <criterion/criterion.h>

#define VALUE   (256u << 10)
#define FITTING 31u /* values of that size in the pool, with their headers */

static struct store_fixture here;
static const struct store_terms plain_terms;
static struct key_text text;

static void
start(void)
{
    struct store_limits limits = store_small_limits();

    cr_assert(store_fixture_open(&here, &limits));
}

static void
end(void)
{
    cr_assert(store_fixture_close(&here));
}

TestSuite(store_evict, .init = start, .fini = end);
TestSuite(store_expiry, .init = start, .fini = end);

static struct store_name
name_of(unsigned number)
{
    struct key key = key_numbered(&text, KEY_PLAIN, number);

    return name_body(&key);
}

static uint64_t
counted(enum counter_id id)
{
    return counter_read(&here.counters, id);
}

static struct store_usage
usage(void)
{
    struct store_usage now;

    store_usage(here.store, &now);
    return now;
}

static enum status
put(unsigned number, uint32_t size)
{
    struct key key = key_numbered(&text, KEY_PLAIN, number);

    return value_store(here.port, &key, size, number, &plain_terms);
}

static enum status
get(unsigned number)
{
    struct store_name name = name_of(number);

    return value_check(here.port, &name, number);
}

static bool
is_there(unsigned number)
{
    struct store_name name = name_of(number);
    struct store_view view;

    return store_view(here.port, &name, &view) == STATUS_OK;
}

static enum status
exists(unsigned number)
{
    struct store_name name = name_of(number);

    return store_exists(here.port, &name);
}

Test(store_evict, takes_the_least_recently_used)
{
    for (unsigned i = 0; i < FITTING; i++)
        cr_assert_eq(put(i, VALUE), STATUS_OK);
    cr_assert_eq(counted(COUNTER_evictions), 0);
    cr_assert_eq(get(0), STATUS_OK);
    cr_assert_eq(get(2), STATUS_OK);
    for (unsigned i = FITTING; i < FITTING + 3; i++)
        cr_assert_eq(put(i, VALUE), STATUS_OK);
    cr_assert_eq(counted(COUNTER_evictions), 3);
    cr_assert_eq(counted(COUNTER_evicted_bytes), 3 * VALUE);
    for (unsigned i = 0; i < FITTING + 3; i++)
        cr_assert_eq(is_there(i), i != 1 && i != 3 && i != 4, "%u", i);
}

Test(store_evict, is_not_put_off_by_looking)
{
    struct store_limits limits = here.limits;

    limits.lease_ns = 0;
    store_set_limits(here.store, &limits);
    for (unsigned i = 0; i < FITTING; i++)
        cr_assert_eq(put(i, VALUE), STATUS_OK);
    cr_assert(is_there(0));
    cr_assert_eq(exists(0), STATUS_OK);
    cr_assert_eq(put(FITTING, VALUE), STATUS_OK);
    cr_assert_not(is_there(0));
}

/* Puts twice what fits, or until the index has been full for a while. */
static unsigned
fill_twice(unsigned number, uint32_t size)
{
    uint64_t before = counted(COUNTER_evictions_index), stored = 0;

    while (stored < 2 * here.limits.dram_size &&
           counted(COUNTER_evictions_index) < before + 1000) {
        cr_assert_eq(put(number++, size), STATUS_OK);
        cr_assert_leq(usage().index_used, here.limits.index_memory);
        stored += chunk_footprint(size);
    }
    return number;
}

Test(store_evict, keeps_the_newest_nine_tenths_whatever_was_before)
{
    static const uint32_t sizes[] = {1u << 20, 1153434, 65536,
                                     28,       5000,    300000};
    struct store_limits limits = here.limits;
    unsigned last = 0;

    cr_assert(store_fixture_close(&here));
    limits.dram_size = 32u << 20;
    cr_assert(store_fixture_open(&here, &limits));
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        unsigned first = last, newest;
        uint64_t kept = 0;

        newest = last = fill_twice(last, sizes[i]);
        while (newest > first && is_there(newest - 1)) {
            kept += chunk_footprint(sizes[i]);
            cr_assert_eq(get(--newest), STATUS_OK);
        }
        cr_assert(kept >= limits.dram_size / 10 * 9 ||
                      usage().index_used > limits.index_memory / 10 * 9,
                  "of size %u: %lu", sizes[i], (unsigned long)kept);
    }
}

Test(store_evict, makes_room_in_the_index_too)
{
    unsigned many = 20000;

    for (unsigned i = 0; i < many; i++) {
        cr_assert_eq(put(i, 8), STATUS_OK);
        cr_assert_leq(usage().index_used, here.limits.index_memory);
    }
    cr_assert_gt(counted(COUNTER_evictions_index), 0);
    cr_assert_eq(counted(COUNTER_evictions_index) + counted(COUNTER_evictions) +
                     usage().entries,
                 many);
    for (unsigned i = many - 1000; i < many; i++)
        cr_assert_eq(get(i), STATUS_OK);
    cr_assert_eq(store_names(here.store, 0), usage().entries);
}

Test(store_evict, spares_what_is_leased)
{
    unsigned leased = 0;

    for (unsigned i = 0; i < FITTING; i++)
        cr_assert_eq(put(i, VALUE), STATUS_OK);
    while (leased < FITTING && exists(leased) == STATUS_OK)
        leased++;
    cr_assert_eq(leased, here.limits.dram_size / 4 / VALUE);
    cr_assert_eq(exists(leased), STATUS_BUSY);
    cr_assert_eq(exists(0), STATUS_OK);
    cr_assert_eq(counted(COUNTER_leases_refused), 2);
    cr_assert_eq(usage().leased_bytes, leased * VALUE);
    for (unsigned i = 0; i < 3 * FITTING; i++) {
        cr_assert_eq(put(1000 + i, VALUE), STATUS_OK);
        for (unsigned k = 0; k < leased; k++)
            cr_assert(is_there(k));
    }
    cr_assert_not(is_there(leased));
    for (unsigned i = 0; i < leased; i++)
        cr_assert_eq(get(i), STATUS_OK);
}

Test(store_evict, takes_what_was_leased_once_that_has_ended)
{
    struct store_limits limits = here.limits;
    uint64_t give_up_ns = clock_now_ns() + 10 * NS_PER_SECOND;
    unsigned next = 1000;

    limits.lease_ns = 30 * NS_PER_MS;
    store_set_limits(here.store, &limits);
    for (unsigned i = 0; i < FITTING; i++)
        cr_assert_eq(put(i, VALUE), STATUS_OK);
    cr_assert_eq(exists(3), STATUS_OK);
    while (is_there(3) && clock_now_ns() < give_up_ns)
        cr_assert_eq(put(next++, VALUE), STATUS_OK);
    cr_assert_not(is_there(3));
    while (usage().leased_bytes != 0 && clock_now_ns() < give_up_ns)
        (void)poll(NULL, 0, 1);
    cr_assert_eq(usage().leased_bytes, 0);
}

Test(store_evict, of_a_lease_holds_through_an_overwrite)
{
    cr_assert_eq(put(0, VALUE), STATUS_OK);
    cr_assert_eq(exists(0), STATUS_OK);
    cr_assert_eq(put(0, VALUE), STATUS_OK);
    for (unsigned i = 1; i < 3 * FITTING; i++)
        cr_assert_eq(put(i, VALUE), STATUS_OK);
    cr_assert_eq(get(0), STATUS_OK);
    cr_assert_eq(usage().leased_bytes, VALUE);
}

Test(store_evict, loses_to_a_drop_whatever_is_leased)
{
    struct store_name name = name_of(0);

    cr_assert_eq(put(0, VALUE), STATUS_OK);
    cr_assert_eq(exists(0), STATUS_OK);
    name = name_of(0);
    cr_assert_eq(store_drop(here.port, &name), STATUS_OK);
    cr_assert_eq(get(0), STATUS_MISS);
    cr_assert_eq(usage().leased_bytes, 0);
}

Test(store_evict, passes_over_what_is_being_sent)
{
    struct store_get gets[8] = {0};

    for (unsigned i = 0; i < FITTING; i++)
        cr_assert_eq(put(i, VALUE), STATUS_OK);
    for (unsigned i = 0; i < 8; i++) {
        struct store_name name = name_of(i);

        cr_assert_eq(store_get_start(here.port, &gets[i], &name), FINISHED);
    }
    for (unsigned i = 0; i < 2 * FITTING; i++)
        cr_assert_eq(put(1000 + i, VALUE), STATUS_OK);
    for (unsigned i = 0; i < 8; i++) {
        cr_assert(is_there(i));
        cr_assert(value_fills(gets[i].chunk, i));
        chunk_drop(&gets[i].chunk);
    }
}

Test(store_evict, of_nothing_that_may_go_refuses_the_put)
{
    struct store_get gets[40] = {0};
    unsigned count = 0;

    while (count < 40) {
        struct store_name name;

        if (put(count, VALUE) != STATUS_OK)
            break;
        name = name_of(count);
        cr_assert_eq(store_get_start(here.port, &gets[count], &name), FINISHED);
        count++;
    }
    cr_assert_eq(count, FITTING);
    cr_assert_eq(put(count, VALUE), STATUS_NO_SPACE);
    cr_assert_eq(usage().inflight_used, 0);
    for (unsigned i = 0; i < count; i++)
        chunk_drop(&gets[i].chunk);
    cr_assert_eq(put(count, VALUE), STATUS_OK);
}

/* Ends of life. */

static enum status
expire(unsigned number, uint64_t expires_ns)
{
    struct store_name name = name_of(number);

    return store_expire(here.port, &name, expires_ns);
}

static uint64_t
expiry_of(unsigned number)
{
    struct store_name name = name_of(number);
    struct store_view view;

    cr_assert_eq(store_view(here.port, &name, &view), STATUS_OK);
    return view.expires_ns;
}

Test(store_expiry, is_a_miss_at_once)
{
    cr_assert_eq(expire(0, 1), STATUS_MISS);
    for (unsigned i = 0; i < 4; i++)
        cr_assert_eq(put(i, 5000), STATUS_OK);
    cr_assert_eq(expiry_of(0), 0);
    for (unsigned i = 0; i < 4; i++)
        cr_assert_eq(expire(i, clock_now_ns()), STATUS_OK);
    cr_assert_eq(get(0), STATUS_MISS);
    cr_assert_eq(exists(1), STATUS_MISS);
    cr_assert_not(is_there(2));
    cr_assert_eq(expire(3, 0), STATUS_MISS);
    cr_assert_eq(counted(COUNTER_expirations), 4);
    cr_assert_eq(usage().entries, 0);
}

Test(store_expiry, waits_for_the_end_of_a_lease)
{
    struct store_limits limits = here.limits;
    uint64_t give_up_ns = clock_now_ns() + 10 * NS_PER_SECOND;

    limits.lease_ns = 200 * NS_PER_MS;
    store_set_limits(here.store, &limits);
    cr_assert_eq(put(0, 5000), STATUS_OK);
    cr_assert_eq(exists(0), STATUS_OK);
    cr_assert_eq(expire(0, clock_now_ns()), STATUS_OK);
    cr_assert_eq(get(0), STATUS_OK);
    /* To ask again gives no further life. */
    while (exists(0) == STATUS_OK && clock_now_ns() < give_up_ns)
        (void)poll(NULL, 0, 1);
    while (get(0) == STATUS_OK && clock_now_ns() < give_up_ns)
        (void)poll(NULL, 0, 1);
    cr_assert_eq(get(0), STATUS_MISS);
}

Test(store_expiry, is_at_most_the_limit)
{
    struct store_limits limits = here.limits;
    struct store_terms far = {.expires_ns = UINT64_MAX};
    struct key key = key_numbered(&text, KEY_PLAIN, 0);
    uint64_t ttl_ns = 100 * NS_PER_SECOND, before_ns = clock_now_ns();

    limits.ttl_ns = ttl_ns;
    store_set_limits(here.store, &limits);
    cr_assert_eq(value_store(here.port, &key, 10, 0, &far), STATUS_OK);
    cr_assert_geq(expiry_of(0), before_ns + ttl_ns);
    cr_assert_leq(expiry_of(0), clock_now_ns() + ttl_ns);
    cr_assert_eq(put(1, 10), STATUS_OK);
    cr_assert_leq(expiry_of(1), clock_now_ns() + ttl_ns);
    cr_assert_eq(expire(1, 0), STATUS_OK);
    cr_assert_neq(expiry_of(1), 0);
    cr_assert_eq(expire(1, before_ns + NS_PER_SECOND * 50), STATUS_OK);
    cr_assert_eq(expiry_of(1), before_ns + NS_PER_SECOND * 50);
}

Test(store_expiry, is_kept_only_where_that_is_asked_for)
{
    struct store_terms keep = {.keep_expiry = true};
    struct key key = key_numbered(&text, KEY_PLAIN, 0);
    uint64_t later_ns = clock_now_ns() + 1000 * NS_PER_SECOND;

    cr_assert_eq(put(0, 10), STATUS_OK);
    cr_assert_eq(expire(0, later_ns), STATUS_OK);
    key = key_numbered(&text, KEY_PLAIN, 0);
    cr_assert_eq(value_store(here.port, &key, 10, 5, &keep), STATUS_OK);
    cr_assert_eq(expiry_of(0), later_ns);
    cr_assert_eq(put(0, 10), STATUS_OK);
    cr_assert_eq(expiry_of(0), 0);
}

static void
sweep_rounds(unsigned rounds)
{
    for (unsigned i = 0; i < rounds * 64; i++)
        store_sweep(here.port);
}

Test(store_expiry, gives_the_space_back_without_anybody_asking)
{
    struct store_limits limits = here.limits;
    uint64_t random = 15;

    cr_assert(store_fixture_close(&here));
    limits.index_memory = 32u << 10;
    cr_assert(store_fixture_open(&here, &limits));
    for (unsigned i = 0; i < 2000; i++) {
        cr_assert_eq(put(i, 100), STATUS_OK);
        cr_assert_eq(expire(i, clock_now_ns()), STATUS_OK);
        sweep_rounds(2);
        cr_assert_eq(usage().entries, 0, "key %u", i);
        /* Wherever the next round begins. */
        for (unsigned k = random_below(&random, 100); k != 0; k--)
            store_sweep(here.port);
    }
    cr_assert_eq(counted(COUNTER_expirations), 2000);
}

Test(store_expiry, is_seen_by_a_sweep_that_comes_later)
{
    uint64_t soon_ns = clock_now_ns() + 100 * NS_PER_MS;

    for (unsigned i = 0; i < 50; i++) {
        cr_assert_eq(put(i, 100), STATUS_OK);
        cr_assert_eq(expire(i, soon_ns), STATUS_OK);
    }
    cr_assert_eq(put(50, 100), STATUS_OK);
    while (clock_now_ns() <= soon_ns)
        sweep_rounds(1);
    sweep_rounds(2);
    cr_assert_eq(usage().entries, 1);
    cr_assert_eq(counted(COUNTER_expirations), 50);
    cr_assert_eq(get(50), STATUS_OK);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* PUTs: the in-flight budget and the line for it, conditions, overwriting. */
#include "tests/lib/store_values.h"

#include <criterion/criterion.h>

#define MEGABYTE (1u << 20)

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

TestSuite(store_put, .init = start, .fini = end);

static struct key
key_of(unsigned number)
{
    return key_numbered(&text, KEY_PLAIN, number);
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
get(unsigned number, uint64_t seed)
{
    struct key key = key_of(number);
    struct store_name name = name_body(&key);

    return value_check(here.port, &name, seed);
}

static enum status
put(unsigned number, uint32_t size, uint64_t seed)
{
    struct key key = key_of(number);

    return value_store(here.port, &key, size, seed, &plain_terms);
}

static enum progress
begin(struct value_put *value, unsigned number, uint64_t size)
{
    struct key key = key_of(number);

    return value_begin(here.port, value, &key, size);
}

Test(store_put, is_got_back)
{
    static const uint32_t sizes[] = {0, 1, 28, 4095, 4096, 65537, 2 * MEGABYTE};

    for (unsigned i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        cr_assert_eq(get(i, i), STATUS_MISS);
        cr_assert_eq(put(i, sizes[i], i), STATUS_OK);
        cr_assert_eq(get(i, i), STATUS_OK);
    }
    cr_assert_eq(counted(COUNTER_puts_stored), 7);
    cr_assert_eq(counted(COUNTER_put_bytes),
                 usage().tiers[TIER_DRAM].bytes_used);
    cr_assert_eq(usage().inflight_used, 0);
}

Test(store_put, larger_than_a_limit_is_too_big)
{
    struct store_limits limits = here.limits;
    struct value_put value;

    cr_assert_eq(store_value_max(here.store), 2 * MEGABYTE);
    cr_assert_eq(begin(&value, 1, 2 * MEGABYTE + 1), FINISHED);
    cr_assert_eq(value.put.status, STATUS_TOO_BIG);
    cr_assert_eq(begin(&value, 1, UINT64_MAX), FINISHED);
    cr_assert_eq(value.put.status, STATUS_TOO_BIG);
    cr_assert_eq(begin(&value, 1, 1ull << 32), FINISHED);
    cr_assert_eq(value.put.status, STATUS_TOO_BIG);
    limits.value_max = 1000;
    store_set_limits(here.store, &limits);
    cr_assert_eq(put(1, 1001, 1), STATUS_TOO_BIG);
    cr_assert_eq(put(1, 1000, 1), STATUS_OK);
    limits.value_max = 1u << 30;
    store_set_limits(here.store, &limits);
    cr_assert_eq(store_value_max(here.store), here.limits.inflight);
}

Test(store_put, may_not_be_over_half_the_pool)
{
    struct store_limits limits = store_small_limits();
    struct store_fixture other;

    limits.inflight = limits.value_max = limits.dram_size;
    cr_assert(store_fixture_open(&other, &limits));
    cr_assert_eq(store_value_max(other.store), limits.dram_size / 2);
    cr_assert(store_fixture_close(&other));
}

Test(store_put, that_is_announced_holds_budget_but_no_memory)
{
    struct value_put value;

    cr_assert_eq(begin(&value, 1, 2 * MEGABYTE), FINISHED);
    cr_assert_eq(value.put.status, STATUS_OK);
    cr_assert_eq(usage().inflight_used, 2 * MEGABYTE);
    cr_assert_eq(usage().dram_used, 0);
    cr_assert_eq(value_receive(here.port, &value, 1, 1000), STATUS_OK);
    cr_assert_leq(usage().dram_used, MEGABYTE + 3 * 4096);
    store_put_cancel(here.port, &value.put);
    cr_assert_eq(usage().inflight_used, 0);
    cr_assert_eq(usage().dram_used, 0);
    cr_assert_eq(get(1, 1), STATUS_MISS);
}

Test(store_put, without_budget_waits_no_longer_than_it_may)
{
    struct value_put first, second;
    uint64_t before_ns = clock_now_ns();

    cr_assert_eq(begin(&first, 1, 2 * MEGABYTE), FINISHED);
    cr_assert_eq(store_port_deadline_ns(here.port), 0);
    cr_assert_eq(begin(&second, 2, 1), PENDING);
    cr_assert_geq(store_port_deadline_ns(here.port),
                  before_ns + here.limits.put_wait_ns);
    cr_assert_eq(value_await(here.port, &second), STATUS_BUSY);
    cr_assert_geq(clock_now_ns(), before_ns + here.limits.put_wait_ns);
    cr_assert_eq(store_port_deadline_ns(here.port), 0);
    cr_assert_eq(usage().inflight_used, 2 * MEGABYTE);
    store_put_cancel(here.port, &second.put);
    store_put_cancel(here.port, &first.put);
}

Test(store_put, without_budget_is_busy_at_once_where_none_may_wait)
{
    struct store_limits limits = here.limits;
    struct value_put first, second;

    limits.put_wait_ns = 0;
    store_set_limits(here.store, &limits);
    cr_assert_eq(begin(&first, 1, 2 * MEGABYTE), FINISHED);
    cr_assert_eq(begin(&second, 2, 1), FINISHED);
    cr_assert_eq(second.put.status, STATUS_BUSY);
    store_put_cancel(here.port, &second.put);
    store_put_cancel(here.port, &first.put);
}

/* What a worker would see: the descriptor, not the clock. */
static bool
is_woken(struct store_port *port)
{
    struct pollfd poll_fd = {.fd = store_port_fd(port), .events = POLLIN};

    return poll(&poll_fd, 1, 0) == 1;
}

static void
wait_long(void)
{
    struct store_limits limits = here.limits;

    limits.put_wait_ns = 3600 * NS_PER_SECOND;
    store_set_limits(here.store, &limits);
}

Test(store_put, in_line_goes_on_when_budget_is_given_back)
{
    struct value_put first, second, third;

    wait_long();
    cr_assert_eq(begin(&first, 1, 2 * MEGABYTE), FINISHED);
    cr_assert_eq(begin(&second, 2, MEGABYTE), PENDING);
    cr_assert_eq(begin(&third, 3, 2 * MEGABYTE), PENDING);
    store_port_run(here.port);
    cr_assert_not(second.is_done);
    cr_assert_not(is_woken(here.port));
    store_put_cancel(here.port, &first.put);
    cr_assert(is_woken(here.port));
    store_port_run(here.port);
    cr_assert(second.is_done);
    cr_assert_eq(second.put.status, STATUS_OK);
    cr_assert_not(third.is_done);
    cr_assert_eq(store_put_copy(here.port, &second.put, "", 0), STATUS_OK);
    cr_assert_eq(value_receive(here.port, &second, 2, MEGABYTE), STATUS_OK);
    cr_assert_eq(store_put_finish(here.port, &second.put, &plain_terms),
                 STATUS_OK);
    cr_assert_eq(value_await(here.port, &third), STATUS_OK);
    store_put_cancel(here.port, &third.put);
    cr_assert_eq(get(2, 2), STATUS_OK);
}

Test(store_put, of_one_port_is_woken_by_another)
{
    struct counters counters = {0};
    struct store_port *other;
    struct value_put first, second;
    struct key key = key_of(1);

    wait_long();
    cr_assert_eq(store_port_open(here.store, &counters, &other), STATUS_OK);
    cr_assert_eq(value_begin(other, &first, &key, 2 * MEGABYTE), FINISHED);
    cr_assert_eq(begin(&second, 2, 1), PENDING);
    store_port_run(here.port);
    store_put_cancel(other, &first.put);
    cr_assert(is_woken(here.port));
    cr_assert_eq(value_await(here.port, &second), STATUS_OK);
    store_put_cancel(here.port, &second.put);
    store_port_close(&other);
}

Test(store_put, may_leave_the_line_from_any_place)
{
    for (unsigned leaver = 0; leaver < 3; leaver++) {
        struct value_put first, waiting[3];

        wait_long();
        cr_assert_eq(begin(&first, 9, 2 * MEGABYTE), FINISHED);
        for (unsigned i = 0; i < 3; i++)
            cr_assert_eq(begin(&waiting[i], i, 1000), PENDING);
        store_put_cancel(here.port, &waiting[leaver].put);
        store_put_cancel(here.port, &first.put);
        for (unsigned i = 0; i < 3; i++) {
            if (i == leaver)
                continue;
            cr_assert_eq(value_await(here.port, &waiting[i]), STATUS_OK);
            store_put_cancel(here.port, &waiting[i].put);
        }
        cr_assert_not(waiting[leaver].is_done);
        cr_assert_eq(usage().inflight_used, 0);
    }
}

Test(store_put, that_leaves_the_line_lets_the_next_one_through)
{
    struct value_put first, other, large, small;

    wait_long();
    cr_assert_eq(begin(&first, 1, MEGABYTE), FINISHED);
    cr_assert_eq(begin(&other, 4, MEGABYTE), FINISHED);
    cr_assert_eq(begin(&large, 2, 2 * MEGABYTE), PENDING);
    cr_assert_eq(begin(&small, 3, 1000), PENDING);
    store_put_cancel(here.port, &other.put);
    store_port_run(here.port);
    cr_assert_not(small.is_done);
    cr_assert_not(is_woken(here.port));
    store_put_cancel(here.port, &large.put);
    cr_assert(is_woken(here.port));
    store_port_run(here.port);
    cr_assert(small.is_done);
    store_put_cancel(here.port, &small.put);
    store_put_cancel(here.port, &first.put);
}

Test(store_put, knows_its_key_until_it_ends)
{
    struct value_put value;
    struct key key = key_of(1), its;

    cr_assert_eq(begin(&value, 1, 10), FINISHED);
    its = store_put_key(&value.put);
    cr_assert(key_is_equal(&its, &key));
    cr_assert_neq(its.bytes, key.bytes);
    store_put_cancel(here.port, &value.put);
}

Test(store_put, knows_its_checksum_once_its_bytes_are_there)
{
    static const uint32_t sizes[] = {0, 28, 4096, 65537};
    static uint8_t bytes[65537];

    for (unsigned i = 0; i < 2 * sizeof(sizes) / sizeof(*sizes); i++) {
        uint32_t size = sizes[i / 2];
        bool is_stored = i % 2 == 0;
        struct value_put value;

        value_write(bytes, i, 0, size);
        cr_assert_eq(begin(&value, i, size), FINISHED);
        cr_assert_eq(store_put_copy(here.port, &value.put, bytes,
                                    size < 1000 ? size : 1000),
                     STATUS_OK);
        cr_assert_eq(
            value_receive(here.port, &value, i, chunk_missing(value.put.chunk)),
            STATUS_OK);
        cr_assert_eq(store_put_checksum(&value.put), checksum_of(bytes, size));
        cr_assert_eq(store_put_checksum(&value.put), checksum_of(bytes, size));
        if (is_stored)
            cr_assert_eq(store_put_finish(here.port, &value.put, &plain_terms),
                         STATUS_OK);
        else
            store_put_cancel(here.port, &value.put);
        cr_assert_eq(get(i, i), is_stored ? STATUS_OK : STATUS_MISS);
    }
}

Test(store_put, keeps_metadata_of_any_size)
{
    struct key key = key_numbered(&text, KEY_OBJECT, 1);
    struct store_name name = name_body(&key);

    for (unsigned size = 0; size <= CHUNK_META_MAX; size++) {
        struct chunk_meta meta = {.size = (uint8_t)size};
        struct store_terms terms = {.meta = &meta, .form = FORM_COLON};
        struct value_get value;

        memset(meta.bytes, (int)size, size);
        cr_assert_eq(value_store(here.port, &key, 100, size, &terms),
                     STATUS_OK);
        value_ask(here.port, &value, &name);
        cr_assert(value_fills(value.get.chunk, size));
        cr_assert_eq(value.get.form, FORM_COLON);
        cr_assert_eq(value.get.meta.size, size);
        cr_assert_arr_eq(value.get.meta.bytes, meta.bytes, size);
        chunk_drop(&value.get.chunk);
    }
    store_drop(here.port, &name);
    cr_assert_eq(usage().index_used, here.at_start.index_used);
}

Test(store_put, with_an_end_says_so_when_it_is_got)
{
    uint64_t end_ns = clock_now_ns() + 3600 * NS_PER_SECOND;
    struct store_terms terms = {.expires_ns = end_ns};
    struct key key = key_of(1);
    struct store_name name = name_body(&key);
    struct value_get value;

    cr_assert_eq(value_store(here.port, &key, 10, 1, &terms), STATUS_OK);
    value_ask(here.port, &value, &name);
    cr_assert_eq(value.get.expires_ns, end_ns);
    chunk_drop(&value.get.chunk);
    cr_assert_eq(put(1, 10, 2), STATUS_OK);
    value_ask(here.port, &value, &name);
    cr_assert_eq(value.get.expires_ns, 0u);
    chunk_drop(&value.get.chunk);
}

static enum status
put_if(unsigned number, uint64_t seed, enum store_condition condition)
{
    struct store_terms terms = {.condition = condition,
                                .present_forms = STORE_ANY_FORM};
    struct key key = key_of(number);

    return value_store(here.port, &key, 3000, seed, &terms);
}

Test(store_put, if_absent_or_if_present_stores_only_then)
{
    cr_assert_eq(put_if(1, 1, STORE_IF_PRESENT), STATUS_UNMET);
    cr_assert_eq(get(1, 1), STATUS_MISS);
    cr_assert_eq(put_if(1, 2, STORE_IF_ABSENT), STATUS_OK);
    cr_assert_eq(get(1, 2), STATUS_OK);
    cr_assert_eq(put_if(1, 3, STORE_IF_ABSENT), STATUS_UNMET);
    cr_assert_eq(get(1, 2), STATUS_OK);
    cr_assert_eq(put_if(1, 4, STORE_IF_PRESENT), STATUS_OK);
    cr_assert_eq(get(1, 4), STATUS_OK);
    cr_assert_eq(counted(COUNTER_puts_unmet), 2);
    cr_assert_eq(usage().inflight_used, 0);
}

static const struct chunk *
chunk_of(unsigned number)
{
    struct store_get got = {0};
    struct key key = key_of(number);
    struct store_name name = name_body(&key);
    const struct chunk *chunk;

    cr_assert_eq(store_get_start(here.port, &got, &name), FINISHED);
    cr_assert_eq(got.status, STATUS_OK);
    chunk = got.chunk;
    chunk_drop(&got.chunk);
    return chunk;
}

Test(store_put, of_the_same_bytes_keeps_their_place)
{
    const struct chunk *chunk;

    cr_assert_eq(put(1, 100000, 5), STATUS_OK);
    chunk = chunk_of(1);
    cr_assert_eq(put(1, 100000, 5), STATUS_OK);
    cr_assert_eq(chunk_of(1), chunk);
    cr_assert_eq(counted(COUNTER_puts_same), 1);
    cr_assert_eq(counted(COUNTER_puts_stored), 1);
    cr_assert_eq(usage().tiers[TIER_DRAM].chunks, 1);
    cr_assert_eq(usage().tiers[TIER_DRAM].bytes_used, 100000);
    cr_assert_eq(store_names(here.store, 0), 1);
    cr_assert_eq(get(1, 5), STATUS_OK);
    cr_assert_eq(put(1, 100000, 6), STATUS_OK);
    cr_assert_neq(chunk_of(1), chunk);
    cr_assert_eq(get(1, 6), STATUS_OK);
    cr_assert_eq(usage().tiers[TIER_DRAM].bytes_used, 100000);
}

Test(store_put, of_the_last_one_sealed_wins)
{
    struct value_put first, second;

    cr_assert_eq(begin(&first, 1, 5000), FINISHED);
    cr_assert_eq(begin(&second, 1, 5000), FINISHED);
    cr_assert_eq(value_receive(here.port, &first, 1, 2500), STATUS_OK);
    cr_assert_eq(value_receive(here.port, &second, 2, 5000), STATUS_OK);
    cr_assert_eq(store_put_finish(here.port, &second.put, &plain_terms),
                 STATUS_OK);
    cr_assert_eq(get(1, 2), STATUS_OK);
    cr_assert_eq(value_receive(here.port, &first, 1, 2500), STATUS_OK);
    cr_assert_eq(store_put_finish(here.port, &first.put, &plain_terms),
                 STATUS_OK);
    cr_assert_eq(get(1, 1), STATUS_OK);
    cr_assert_eq(usage().entries, 1);
}

Test(store_put, that_overwrites_leaves_a_reader_its_bytes)
{
    struct store_get got = {0};
    struct key key = key_of(1);
    struct store_name name = name_body(&key);

    cr_assert_eq(put(1, 50000, 1), STATUS_OK);
    cr_assert_eq(store_get_start(here.port, &got, &name), FINISHED);
    cr_assert_eq(put(1, 50000, 2), STATUS_OK);
    cr_assert_eq(store_drop(here.port, &name), STATUS_OK);
    cr_assert_eq(store_drop(here.port, &name), STATUS_MISS);
    cr_assert(value_fills(got.chunk, 1));
    chunk_drop(&got.chunk);
}

Test(store_put, of_another_key_with_the_same_hash_is_another_value)
{
    struct key a = key_make(KEY_PLAIN, 0, "one key", 7);
    struct key b = key_make(KEY_PLAIN, 0, "another", 7);
    struct store_name name_a, name_b;

    b.hash = a.hash;
    name_a = name_body(&a);
    name_b = name_body(&b);
    cr_assert_eq(value_store(here.port, &a, 9000, 1, &plain_terms), STATUS_OK);
    cr_assert_eq(value_check(here.port, &name_b, 1), STATUS_MISS);
    cr_assert_eq(store_exists(here.port, &name_b), STATUS_MISS);
    cr_assert_eq(store_drop(here.port, &name_b), STATUS_MISS);
    cr_assert_eq(value_store(here.port, &b, 9000, 2, &plain_terms), STATUS_OK);
    cr_assert_eq(value_check(here.port, &name_a, 1), STATUS_OK);
    cr_assert_eq(value_check(here.port, &name_b, 2), STATUS_OK);
    cr_assert_eq(store_names(here.store, 0), 2);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* How much of a prompt is in which tier, over DRAM and NVMe. */
#include "server/index/prefix.h"
#include "tests/lib/store_nvme.h"

#define KEYS 24u

TestSuite(prefix_tiers, .init = set_up, .fini = tear_down);

static struct speed speed;

static struct prefix
ask(const struct prefix_terms *terms, unsigned first, unsigned count)
{
    static struct key_text texts[KEYS];
    struct bytes keys[KEYS];
    struct prefix prefix;

    for (unsigned i = 0; i < count; i++) {
        struct key key = key_numbered(&texts[i], KEY_PLAIN, first + i);

        keys[i] = (struct bytes){key.bytes, key.size};
    }
    prefix_start(&prefix, terms, store, port);
    (void)prefix_add(&prefix, keys, count, NULL);
    return prefix;
}

static struct prefix_sum
sum_of(const struct prefix *prefix)
{
    struct prefix_sum sum;

    prefix_end(prefix, &speed, 1, &sum);
    return sum;
}

static struct prefix_terms
plain_terms(void)
{
    return (struct prefix_terms){.ranks = 1, .key_most = KEY_SIZE_MAX};
}

static void
put_plain(unsigned number)
{
    struct store_terms terms = {0};
    struct key key = key_numbered(&text, KEY_PLAIN, number);

    cr_assert_eq(value_store(port, &key, SIZE, number, &terms), STATUS_OK);
}

static void
get_plain(unsigned number)
{
    struct key key = key_numbered(&text, KEY_PLAIN, number);
    struct store_name name = name_body(&key);

    cr_assert_eq(value_check(port, &name, number), STATUS_OK);
}

/* All on the device alone, as a start leaves them. */
static void
put_all_below(void)
{
    for (unsigned i = 0; i < KEYS; i++)
        put_plain(i);
    settle();
    again();
}

Test(prefix_tiers, are_cumulated)
{
    struct prefix_terms terms = plain_terms();
    struct prefix prefix;
    struct prefix_sum sum;

    put_all_below();
    prefix = ask(&terms, 0, KEYS);
    sum = sum_of(&prefix);
    cr_assert_eq(sum.matched, KEYS);
    cr_assert_eq(sum.tiers[TIER_DRAM].matched, 0);
    cr_assert_eq(sum.tiers[TIER_NVME].matched, KEYS);
    cr_assert_eq(sum.tiers[TIER_NVME].unbroken, KEYS);
    cr_assert_eq(sum.tiers[TIER_NVME].bytes, (uint64_t)KEYS * SIZE);

    for (unsigned i = 0; i < 8; i++)
        get_plain(i == 7 ? 20 : i);
    prefix = ask(&terms, 0, KEYS);
    sum = sum_of(&prefix);
    cr_assert_eq(sum.matched, KEYS);
    cr_assert_eq(sum.bytes, (uint64_t)KEYS * SIZE);
    cr_assert_eq(sum.tiers[TIER_DRAM].unbroken, 7);
    cr_assert_eq(sum.tiers[TIER_DRAM].matched, 8);
    cr_assert_eq(sum.tiers[TIER_DRAM].bytes, 8u * SIZE);
    cr_assert_eq(sum.tiers[TIER_NVME].unbroken, KEYS);
    cr_assert_eq(sum.tiers[TIER_NVME].matched, KEYS);
}

Test(prefix_tiers, of_a_position_are_those_of_its_slowest_rank)
{
    struct prefix_terms terms = plain_terms();
    struct prefix prefix;
    struct prefix_sum sum;

    put_all_below();
    for (unsigned i = 0; i < 7; i++)
        get_plain(i);
    terms.ranks = 2;
    prefix = ask(&terms, 0, KEYS);
    sum = sum_of(&prefix);
    cr_assert_eq(sum.matched, KEYS / 2);
    cr_assert_eq(sum.tiers[TIER_DRAM].unbroken, 3);
    cr_assert_eq(sum.tiers[TIER_DRAM].matched, 3);
    cr_assert_eq(sum.tiers[TIER_DRAM].bytes, 7u * SIZE);
}

Test(prefix_tiers, have_each_their_part_of_the_load_time)
{
    struct prefix_terms terms = plain_terms();
    struct prefix prefix;

    put_all_below();
    get_plain(0);
    speed_note(&speed, TIER_NVME, SIZE, 300000);
    prefix = ask(&terms, 0, 4);
    cr_assert_lt(sum_of(&prefix).load_ns, 0, "nothing known of DRAM");
    speed_note(&speed, TIER_DRAM, SIZE, 20000);
    cr_assert_float_eq(sum_of(&prefix).load_ns, 920000, 10);
    prefix = ask(&terms, 1, 2);
    cr_assert_float_eq(sum_of(&prefix).load_ns, 600000, 10);
}

Test(prefix_tiers, are_read_into_dram_for_who_asks_for_it)
{
    struct prefix_terms terms = plain_terms();
    uint64_t end_ns = clock_now_ns() + 20 * NS_PER_SECOND;
    struct prefix prefix;
    struct prefix_sum sum;

    put_all_below();
    terms.is_promoted = true;
    prefix = ask(&terms, 0, KEYS);
    cr_assert_eq(prefix.matched, KEYS);
    cr_assert_gt(prefix.promoted, 0);
    cr_assert_leq(prefix.promoted, 16, "so many at one time");
    terms.is_promoted = false;
    do {
        store_port_submit(port);
        store_port_run(port);
        prefix = ask(&terms, 0, KEYS);
        sum = sum_of(&prefix);
    } while (sum.tiers[TIER_DRAM].matched == 0 && clock_now_ns() < end_ns);
    cr_assert_gt(sum.tiers[TIER_DRAM].unbroken, 0);
    cr_assert_eq(counter_read(&counters, COUNTER_hits_nvme), 0, "no hit");
    cr_assert_eq(counter_read(&counters, COUNTER_hits_dram), 0);
}

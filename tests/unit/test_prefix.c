/* SPDX-License-Identifier: Apache-2.0 */
/* How much of a prompt is here, over a store in memory alone. */
#include "server/index/prefix.h"
#include "tests/lib/store_values.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define KEYS 300u

static struct store_fixture here;
static struct speed speed;
static char texts[KEYS][32];
static struct bytes keys[KEYS];

static void
open_with(uint64_t lease_ns, uint64_t lease_most_ns)
{
    struct store_limits limits = store_small_limits();

    limits.lease_ns = lease_ns;
    limits.lease_most_ns = lease_most_ns;
    cr_assert(store_fixture_open(&here, &limits));
    memset(&speed, 0, sizeof(speed));
    for (unsigned i = 0; i < KEYS; i++) {
        int size = snprintf(texts[i], sizeof(texts[i]), "key-%u", i);

        keys[i] = (struct bytes){(uint8_t *)texts[i], (size_t)size};
    }
}

static void
set_up(void)
{
    open_with(10 * NS_PER_SECOND, 0);
}

static void
tear_down(void)
{
    cr_assert(store_fixture_close(&here));
}

TestSuite(prefix, .init = set_up, .fini = tear_down);

static void
put_as(enum key_kind kind, const char *name, uint32_t size,
       const struct store_terms *terms)
{
    struct key key = key_make(kind, 0, name, (uint16_t)strlen(name));

    cr_assert_eq(value_store(here.port, &key, size, 1, terms), STATUS_OK);
}

static void
put(unsigned number, uint32_t size)
{
    struct store_terms terms = {0};

    put_as(KEY_PLAIN, texts[number], size, &terms);
}

static void
drop(unsigned number)
{
    struct key key =
        key_make(KEY_PLAIN, 0, texts[number], (uint16_t)keys[number].size);
    struct store_name name = name_body(&key);

    cr_assert_eq(store_drop(here.port, &name), STATUS_OK);
}

static struct prefix_terms
plain_terms(void)
{
    return (struct prefix_terms){.ranks = 1, .key_most = KEY_SIZE_MAX};
}

/* The first `count` keys, at most `step` in one call. */
static struct prefix
ask(const struct prefix_terms *terms, unsigned count, unsigned step,
    struct prefix_key *states)
{
    struct prefix prefix;

    prefix_start(&prefix, terms, here.store, here.port);
    for (unsigned at = 0; at < count; at += step) {
        unsigned size = count - at < step ? count - at : step;

        if (!prefix_add(&prefix, keys + at, size,
                        states == NULL ? NULL : states + at))
            break;
    }
    return prefix;
}

static struct prefix_sum
sum_of(const struct prefix *prefix)
{
    struct prefix_sum sum;

    prefix_end(prefix, &speed, 1, &sum);
    return sum;
}

static unsigned
match(const struct prefix_terms *terms, unsigned count)
{
    struct prefix prefix = ask(terms, count, PREFIX_AT_ONCE, NULL);

    return sum_of(&prefix).matched;
}

/* One key of any spelling. */
static unsigned
match_one(const char *name)
{
    struct prefix_terms terms = plain_terms();
    struct bytes key = {(const uint8_t *)name, strlen(name)};
    struct prefix prefix;

    prefix_start(&prefix, &terms, here.store, NULL);
    (void)prefix_add(&prefix, &key, 1, NULL);
    return sum_of(&prefix).matched;
}

Test(prefix, ends_at_the_first_missing_key)
{
    struct prefix_terms terms = plain_terms();

    cr_assert_eq(match(&terms, KEYS), 0);
    for (unsigned i = 0; i < KEYS; i++)
        if (i != 200)
            put(i, 100);
    cr_assert_eq(match(&terms, KEYS), 200);
    cr_assert_eq(match(&terms, 200), 200);
    cr_assert_eq(match(&terms, 64), 64);
    put(200, 100);
    cr_assert_eq(match(&terms, KEYS), KEYS);
    drop(0);
    cr_assert_eq(match(&terms, KEYS), 0);
}

Test(prefix, asks_for_no_more_once_it_has_ended)
{
    struct prefix_terms terms = plain_terms();
    struct prefix prefix;

    put(0, 10);
    prefix_start(&prefix, &terms, here.store, NULL);
    cr_assert(prefix_add(&prefix, keys, 1, NULL));
    cr_assert_not(prefix_add(&prefix, keys + 1, 1, NULL));
    terms.wants_all = true;
    prefix_start(&prefix, &terms, here.store, NULL);
    cr_assert(prefix_add(&prefix, keys + 1, 1, NULL));
}

Test(prefix, says_of_each_key_what_it_is_also_behind_the_match)
{
    struct prefix_terms terms = plain_terms();
    struct prefix_key states[4];
    struct prefix prefix;
    char word[PREFIX_WORD_MAX];

    put(0, 10);
    put(2, 20);
    terms.wants_all = true;
    prefix = ask(&terms, 4, 4, states);
    cr_assert_eq(sum_of(&prefix).matched, 1);
    cr_assert_eq(sum_of(&prefix).bytes, 10);
    cr_assert_str_eq(prefix_word(&states[0], word), "dram");
    cr_assert_str_eq(prefix_word(&states[1], word), "missing");
    cr_assert_str_eq(prefix_word(&states[2], word), "dram");
    cr_assert_eq(states[2].bytes, 20);
    cr_assert_str_eq(prefix_word(&states[3], word), "missing");
}

/* By brute force: rank j's list is keys j, j + r, j + 2r, ... */
static unsigned
shortest(const bool *is_there, unsigned count, unsigned ranks)
{
    unsigned least = count / ranks;

    for (unsigned rank = 0; rank < ranks; rank++) {
        unsigned position = 0;

        while (position < count / ranks && is_there[position * ranks + rank])
            position++;
        if (position < least)
            least = position;
    }
    return least;
}

Test(prefix, is_the_shortest_over_the_ranks)
{
    static bool is_there[KEYS];
    struct prefix_terms terms = plain_terms();
    uint64_t random = 7;

    for (unsigned i = 0; i < KEYS; i++) {
        put(i, i + 1);
        is_there[i] = true;
    }
    for (unsigned round = 0; round < 40; round++) {
        unsigned lost = random_below(&random, KEYS);

        is_there[lost] = !is_there[lost];
        if (is_there[lost])
            put(lost, lost + 1);
        else
            drop(lost);
        for (terms.ranks = 1; terms.ranks <= 8; terms.ranks++) {
            unsigned count = KEYS / terms.ranks * terms.ranks;
            unsigned step = 1 + random_below(&random, PREFIX_AT_ONCE);
            struct prefix prefix = ask(&terms, count, step, NULL);
            unsigned wanted = shortest(is_there, count, terms.ranks);
            uint64_t last = (uint64_t)wanted * terms.ranks;

            cr_assert_eq(sum_of(&prefix).matched, wanted);
            cr_assert_eq(sum_of(&prefix).bytes, last * (last + 1) / 2,
                         "of whole positions alone");
        }
    }
}

Test(prefix, finds_an_object_by_every_name_it_has)
{
    struct chunk_meta meta = {.size = CHUNK_META_LM};
    struct store_terms terms = {.meta = &meta, .form = FORM_BRACES};
    struct store_terms plain = {0};

    put_as(KEY_OBJECT, "K", 50, &terms);
    cr_assert_eq(match_one("K"), 1);
    cr_assert_eq(match_one("{K}:kv_bytes"), 1);
    cr_assert_eq(match_one("{K}:metadata"), 1);
    cr_assert_eq(match_one("Kkv_bytes"), 0, "as EXISTS: another spelling");
    terms.form = FORM_LM;
    put_as(KEY_OBJECT, "L", 50, &terms);
    cr_assert_eq(match_one("L"), 1);
    cr_assert_eq(match_one("L:metadata"), 1);
    cr_assert_eq(match_one("Lkv_bytes"), 1);
    cr_assert_eq(match_one("M"), 0);
    put_as(KEY_PLAIN, "Mmetadata", 50, &plain);
    cr_assert_eq(match_one("Mmetadata"), 1);
    cr_assert_eq(match_one("M"), 0);
}

Test(prefix, needs_both_halves_of_an_object)
{
    struct chunk_meta meta = {.size = CHUNK_META_LM};
    struct store_terms half = {.form = FORM_SUFFIX, .is_half = true};
    struct key key = key_make(KEY_OBJECT, 0, "K", 1);

    put_as(KEY_OBJECT, "K", 50, &half);
    cr_assert_eq(match_one("K"), 0);
    cr_assert_eq(match_one("Kmetadata"), 0);
    cr_assert_eq(match_one("Kkv_bytes"), 1);
    half.meta = &meta;
    cr_assert_eq(store_set_meta(here.port, &key, &half), STATUS_OK);
    cr_assert_eq(match_one("K"), 1);
    cr_assert_eq(match_one("Kmetadata"), 1);

    key = key_make(KEY_OBJECT, 0, "L", 1);
    cr_assert_eq(store_set_meta(here.port, &key, &half), STATUS_OK);
    cr_assert_eq(match_one("L"), 0);
    cr_assert_eq(match_one("Lmetadata"), 0);
}

Test(prefix, finds_nothing_that_has_expired_or_is_elsewhere)
{
    struct store_terms over = {.expires_ns = 1};
    struct prefix_terms terms = plain_terms();

    put_as(KEY_PLAIN, texts[0], 10, &over);
    cr_assert_eq(match(&terms, 1), 0);
    put(0, 10);
    cr_assert_eq(match(&terms, 1), 1);
    terms.space = 3;
    cr_assert_eq(match(&terms, 1), 0);
    terms.space = 0;
    terms.key_most = keys[0].size - 1;
    cr_assert_eq(match(&terms, 1), 0);
}

/* What is oldest goes, however often it was looked at. */
Test(prefix, touches_and_counts_nothing)
{
    struct prefix_terms terms = plain_terms();
    static struct counters before;
    struct store_usage usage;
    unsigned count = 60;

    for (unsigned i = 0; i < count; i++)
        put(i, 100u << 10);
    memcpy(&before, &here.counters, sizeof(before));
    for (unsigned i = 0; i < 1000; i++)
        cr_assert_eq(match(&terms, count), count);
    cr_assert_arr_eq(&before, &here.counters, sizeof(before));
    store_usage(here.store, &usage);
    cr_assert_eq(usage.leased_bytes, 0);
    for (unsigned i = count; i < count + 40; i++) {
        cr_assert_eq(match(&terms, 1), 1);
        put(i, 100u << 10);
        if (counter_read(&here.counters, COUNTER_evictions) != 0)
            break;
    }
    cr_assert_neq(counter_read(&here.counters, COUNTER_evictions), 0);
    cr_assert_eq(match(&terms, 1), 0, "the first one was the oldest");
}

Test(prefix, leases_its_match_and_no_more)
{
    struct prefix_terms terms = plain_terms();
    struct store_usage usage;

    for (unsigned i = 0; i < 10; i++)
        if (i != 6)
            put(i, 1000);
    terms.is_leased = terms.wants_all = true;
    terms.lease_ns = 5 * NS_PER_SECOND;
    cr_assert_eq(match(&terms, 10), 6);
    store_usage(here.store, &usage);
    cr_assert_eq(usage.leased_bytes, 6000);
    cr_assert_eq(counter_read(&here.counters, COUNTER_leases_granted), 6);
}

Test(prefix, ends_where_a_lease_is_refused)
{
    struct prefix_terms terms = plain_terms();
    struct prefix_key states[30];
    struct prefix prefix;
    char word[PREFIX_WORD_MAX];

    for (unsigned i = 0; i < 30; i++)
        put(i, 100u << 10);
    terms.is_leased = terms.wants_all = true;
    terms.lease_ns = NS_PER_SECOND;
    prefix = ask(&terms, 30, 30, states);
    cr_assert_eq(sum_of(&prefix).matched, 20, "a quarter of the pool: 2 MiB");
    cr_assert_eq(states[19].state, PREFIX_HERE);
    cr_assert_str_eq(prefix_word(&states[20], word), "unleased");
    cr_assert_eq(states[21].state, PREFIX_HERE, "there, and not asked for");
    cr_assert_eq(counter_read(&here.counters, COUNTER_leases_refused), 1);
}

TestSuite(prefix_lease, .fini = tear_down);

Test(prefix_lease, is_no_longer_than_may_be_asked_for)
{
    open_with(10 * NS_PER_SECOND, 60 * NS_PER_SECOND);
    cr_assert_eq(store_lease_length(here.store, 1), 1);
    cr_assert_eq(store_lease_length(here.store, 30 * NS_PER_SECOND),
                 30 * NS_PER_SECOND);
    cr_assert_eq(store_lease_length(here.store, 61 * NS_PER_SECOND),
                 60 * NS_PER_SECOND);
}

Test(prefix_lease, is_none_where_there_are_no_leases)
{
    struct prefix_terms terms = plain_terms();
    struct store_usage usage;

    open_with(0, 60 * NS_PER_SECOND);
    put(0, 100);
    terms.is_leased = true;
    terms.lease_ns = NS_PER_SECOND;
    cr_assert_eq(match(&terms, 1), 1);
    cr_assert_eq(store_lease_length(here.store, 1), 0);
    store_usage(here.store, &usage);
    cr_assert_eq(usage.leased_bytes, 0);
}

Test(prefix, has_a_load_time_once_some_get_was_measured)
{
    struct prefix_terms terms = plain_terms();
    struct prefix prefix;

    for (unsigned i = 0; i < 8; i++)
        put(i, 100000);
    prefix = ask(&terms, 1, 1, NULL);
    cr_assert_lt(sum_of(&prefix).load_ns, 0);
    speed_note(&speed, TIER_DRAM, 100000, 50000);
    cr_assert_float_eq(sum_of(&prefix).load_ns, 50000, 1);
    prefix = ask(&terms, 8, 8, NULL);
    cr_assert_float_eq(sum_of(&prefix).load_ns, 400000, 1);
    terms.ranks = 4;
    prefix = ask(&terms, 8, 8, NULL);
    cr_assert_eq(sum_of(&prefix).matched, 2);
    cr_assert_float_eq(sum_of(&prefix).load_ns, 100000, 1, "side by side");
    prefix_start(&prefix, &terms, here.store, NULL);
    cr_assert_float_eq(sum_of(&prefix).load_ns, 0, 0, "nothing to load");
}

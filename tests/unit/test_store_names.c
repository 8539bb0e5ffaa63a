/* SPDX-License-Identifier: Apache-2.0 */
/* Names are counted right, walks see all of them, and all that was taken comes
 * back, whatever was done to the store. */
#include "tests/lib/store_values.h"

#include <criterion/criterion.h>

#define KEYS   60u
#define SPACES 3u
#define STEPS  20000u
#define MANY   3000u

static struct store_fixture here;
static uint64_t random_state;

static void
start(void)
{
    struct store_limits limits = store_small_limits();

    limits.dram_size = 2u << 20;
    limits.inflight = limits.value_max = 256u << 10;
    cr_assert(store_fixture_open(&here, &limits));
}

static void
end(void)
{
    cr_assert(store_fixture_close(&here));
}

TestSuite(store_names, .init = start, .fini = end);

static uint32_t
any(uint32_t end_of_range)
{
    return random_below(&random_state, end_of_range);
}

struct seen_names {
    uint64_t names[SPACES], entries;
};

static void
on_seen(void *arg, const struct store_seen *seen)
{
    struct seen_names *sum = arg;
    unsigned halves = (unsigned)seen->has_body + (unsigned)seen->has_meta;
    bool is_one = seen->key.kind == KEY_PLAIN || seen->form == FORM_LM;

    cr_assert_lt(seen->key.space, SPACES);
    cr_assert_neq(halves, 0);
    sum->names[seen->key.space] += is_one ? 1 : halves;
    sum->entries++;
}

static void
names_are_right(unsigned step)
{
    struct seen_names sum = {0};
    struct store_usage usage;
    uint64_t cursor = 0;

    do
        store_walk(here.port, &cursor, 10, on_seen, &sum);
    while (cursor != 0);
    store_usage(here.store, &usage);
    cr_assert_eq(usage.entries, sum.entries, "after step %u", step);
    for (unsigned space = 0; space < SPACES; space++)
        cr_assert_eq(store_names(here.store, space), sum.names[space],
                     "space %u after step %u", space, step);
    cr_assert_leq(usage.index_used, usage.index_size);
    cr_assert_eq(usage.inflight_used, 0);
}

static struct store_terms
any_terms(const struct key *key, const struct chunk_meta *meta)
{
    struct store_terms terms = {.condition = any(8) != 0   ? STORE_ALWAYS
                                             : any(2) != 0 ? STORE_IF_ABSENT
                                                           : STORE_IF_PRESENT,
                                .present_forms = STORE_ANY_FORM,
                                .keep_expiry = any(4) == 0};

    if (any(6) == 0)
        terms.expires_ns = any(2) == 0 ? 1 : UINT64_MAX;
    if (key->kind != KEY_OBJECT)
        return terms;
    terms.form = (uint8_t)any(FORM_COUNT);
    terms.is_half = terms.form != FORM_LM;
    if (!terms.is_half)
        terms.meta = meta;
    return terms;
}

static void
write_any(const struct key *key)
{
    struct chunk_meta meta = {.size = CHUNK_META_LM};
    struct store_terms terms = any_terms(key, &meta);
    uint32_t size = any(4) == 0 ? any(100000) : any(3000);

    if (key->kind == KEY_OBJECT && any(2) == 0) {
        meta.size = (uint8_t)(CHUNK_META_LM + any(6) * 20);
        terms.meta = &meta;
        terms.form = (uint8_t)(FORM_SUFFIX + any(FORM_COUNT - 1));
        cr_assert_leq(store_set_meta(here.port, key, &terms), STATUS_UNMET);
        return;
    }
    /* Few seeds, so that some bytes are the same again. */
    (void)value_store(here.port, key, size / 1000 * 1000, any(2), &terms);
}

static void
change_any(const struct key *key)
{
    struct store_name name = {*key, STORE_ANY_FORM,
                              any(2) == 0 ? PART_META : PART_BODY};

    if (any(3) == 0)
        name.forms = (uint8_t)(1u << any(FORM_COUNT));
    switch (any(6)) {
    case 0:
        (void)store_drop(here.port, &name);
        break;
    case 1:
        store_withdraw_meta(here.port, &name);
        break;
    case 2:
        cr_assert_leq(store_expire(here.port, &name, any(2)), STATUS_MISS);
        break;
    case 3:
        cr_assert_leq(store_exists(here.port, &name), STATUS_MISS);
        break;
    case 4:
        (void)value_check(here.port, &name, 0);
        break;
    default:
        store_sweep(here.port);
        break;
    }
}

/* Until no expired entry is left that only a walk passes over. */
static void
sweep_all(void)
{
    for (unsigned i = 0; i < 2 * 64; i++)
        store_sweep(here.port);
}

static void
any_operations(void)
{
    struct key_text text = {0};

    for (unsigned step = 0; step < STEPS; step++) {
        struct key key = key_numbered(
            &text, any(3) == 0 ? KEY_PLAIN : KEY_OBJECT, any(KEYS));

        key.space = (uint16_t)any(SPACES);
        key = key_make(key.kind, key.space, key.bytes, key.size);
        if (any(5) < 3)
            write_any(&key);
        else
            change_any(&key);
        if (any(3000) == 0)
            flush_now(here.port, any(4) == 0 ? STORE_ALL_SPACES : any(SPACES));
        if (step % 200 != 0)
            continue;
        sweep_all();
        names_are_right(step);
    }
}

Test(store_names, never_drift_where_keys_go_by_drop_expiry_and_eviction)
{
    struct store_limits limits = here.limits;

    random_state = 10;
    limits.lease_ns = 0;
    store_set_limits(here.store, &limits);
    any_operations();
    cr_assert_gt(counter_read(&here.counters, COUNTER_evictions), 100);
    cr_assert_gt(counter_read(&here.counters, COUNTER_expirations), 100);
    cr_assert_gt(counter_read(&here.counters, COUNTER_puts_same), 100);
    cr_assert_gt(counter_read(&here.counters, COUNTER_puts_unmet), 100);
}

Test(store_names, never_drift_where_the_index_is_short)
{
    struct store_limits limits = here.limits;

    random_state = 11;
    cr_assert(store_fixture_close(&here));
    limits.index_memory = 32u << 10;
    limits.lease_ns = 0;
    cr_assert(store_fixture_open(&here, &limits));
    any_operations();
    cr_assert_gt(counter_read(&here.counters, COUNTER_evictions_index), 100);
}

Test(store_names, and_bytes_all_come_back_when_each_is_dropped)
{
    struct key_text text = {0};

    for (unsigned i = 0; i < KEYS; i++) {
        struct key key = key_numbered(&text, i % 2, i);
        struct store_terms terms = {.form = i % FORM_COUNT};

        cr_assert_eq(value_store(here.port, &key, i * 500, i, &terms),
                     STATUS_OK);
    }
    for (unsigned i = 0; i < KEYS; i++) {
        struct key key = key_numbered(&text, i % 2, i);
        struct store_name name = name_body(&key);

        cr_assert_eq(store_exists(here.port, &name), STATUS_OK);
        cr_assert_eq(store_drop(here.port, &name), STATUS_OK);
    }
    cr_assert(store_is_empty(here.store, &here.at_start));
}

Test(store_names, of_one_space_are_flushed_alone)
{
    struct store_terms terms = {0};

    for (unsigned space = 0; space < STORE_SPACES; space += 51) {
        struct key key = key_make(KEY_PLAIN, (uint16_t)space, "key", 3);

        cr_assert_eq(value_store(here.port, &key, 10, space, &terms),
                     STATUS_OK);
    }
    flush_now(here.port, 51);
    for (unsigned space = 0; space < STORE_SPACES; space += 51) {
        struct key key = key_make(KEY_PLAIN, (uint16_t)space, "key", 3);
        struct store_name name = name_body(&key);

        cr_assert_eq(store_names(here.store, space), space != 51);
        cr_assert_eq(value_check(here.port, &name, space),
                     space != 51 ? STATUS_OK : STATUS_MISS);
    }
}

Test(store_names, are_flushed_by_shares_while_others_are_put)
{
    struct store_terms terms = {0};
    struct key_text text = {0};
    uint64_t cursor = 0;
    unsigned calls = 0, number;
    bool is_more;

    for (number = 0; number < MANY; number++) {
        struct key key = key_numbered(&text, KEY_PLAIN, number);

        cr_assert_eq(value_store(here.port, &key, 8, number, &terms),
                     STATUS_OK);
    }
    do {
        struct key key = key_numbered(&text, KEY_PLAIN, number);

        is_more = store_flush_some(here.port, STORE_ALL_SPACES, &cursor);
        cr_assert_eq(value_store(here.port, &key, 8, number++, &terms),
                     STATUS_OK);
        calls++;
    } while (is_more);
    cr_assert_gt(calls, 1);
    cr_assert_leq(store_names(here.store, 0), calls);
    for (unsigned i = 0; i < MANY; i++) {
        struct key key = key_numbered(&text, KEY_PLAIN, i);
        struct store_name name = name_body(&key);

        cr_assert_eq(value_check(here.port, &name, i), STATUS_MISS);
    }
}

static void
on_found(void *arg, const struct store_seen *seen)
{
    uint8_t *found = arg;
    unsigned number = 0;

    for (unsigned i = 4; i < seen->key.size; i++)
        number = number * 10 + (seen->key.bytes[i] - '0');
    cr_assert_lt(number, MANY);
    if (found[number] != UINT8_MAX)
        found[number]++;
}

/* The even ones stay all the time; the odd ones come and go. */
Test(store_names, that_stay_are_found_by_a_walk_whatever_comes_and_goes)
{
    static uint8_t found[MANY];
    struct store_terms terms = {0};
    struct key_text text = {0};
    uint64_t cursor = 0;

    random_state = 12;
    for (unsigned i = 0; i < MANY; i += 2) {
        struct key key = key_numbered(&text, KEY_PLAIN, i);

        cr_assert_eq(value_store(here.port, &key, 8, i, &terms), STATUS_OK);
    }
    do {
        store_walk(here.port, &cursor, 7, on_found, found);
        for (unsigned i = 0; i < 5; i++) {
            struct key key =
                key_numbered(&text, KEY_PLAIN, any(MANY / 2) * 2 + 1);
            struct store_name name = name_body(&key);

            if (store_drop(here.port, &name) == STATUS_MISS)
                cr_assert_eq(value_store(here.port, &key, 8, i, &terms),
                             STATUS_OK);
        }
    } while (cursor != 0);
    for (unsigned i = 0; i < MANY; i += 2)
        cr_assert_eq(found[i], 1);
}

static void
on_any(void *arg, const struct store_seen *seen)
{
    (void)seen;
    ++*(unsigned *)arg;
}

Test(store_names, that_have_expired_are_not_walked)
{
    struct store_terms terms = {.expires_ns = 1};
    struct key_text text = {0};
    struct key key = key_numbered(&text, KEY_PLAIN, 1);
    uint64_t cursor = 0;
    unsigned count = 0;

    cr_assert_eq(value_store(here.port, &key, 8, 1, &terms), STATUS_OK);
    store_walk(here.port, &cursor, 100, on_any, &count);
    cr_assert_eq(cursor, 0);
    cr_assert_eq(count, 0);
}

Test(store_names, are_viewed_without_being_touched)
{
    struct store_terms terms = {0};
    struct key_text text = {0};
    struct key key = key_numbered(&text, KEY_PLAIN, 1);
    struct store_name name = name_body(&key), meta = name_meta(&key);
    struct store_view view;

    cr_assert_eq(store_view(here.port, &name, &view), STATUS_MISS);
    cr_assert_eq(value_store(here.port, &key, 5000, 1, &terms), STATUS_OK);
    cr_assert_eq(store_view(here.port, &name, &view), STATUS_OK);
    cr_assert_eq(view.body_size, 5000);
    cr_assert(view.has_body);
    cr_assert_eq(view.meta.size, 0);
    cr_assert_eq(view.expires_ns, 0);
    cr_assert_gt(view.memory, 8192);
    cr_assert_lt(view.memory, 9000);
    cr_assert_eq(store_view(here.port, &meta, &view), STATUS_MISS);
}

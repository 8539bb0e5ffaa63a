/* SPDX-License-Identifier: Apache-2.0 */
/* Objects: bytes and metadata that come apart are one entry. */
#include "tests/lib/store_values.h"

#include <criterion/criterion.h>

#define SIZE 5000u

static struct store_fixture here;
static struct key object;

static void
start(void)
{
    struct store_limits limits = store_small_limits();

    cr_assert(store_fixture_open(&here, &limits));
    object = key_make(KEY_OBJECT, 0, "object", 6);
}

static void
end(void)
{
    cr_assert(store_fixture_close(&here));
}

TestSuite(store_halves, .init = start, .fini = end);

static struct chunk_meta
meta_of(uint64_t seed, uint8_t size)
{
    struct chunk_meta meta = {.size = size};

    value_write(meta.bytes, seed, 0, size);
    return meta;
}

static enum status
put_bytes(uint64_t seed, enum name_form form)
{
    struct store_terms terms = {.form = (uint8_t)form, .is_half = true};

    return value_store(here.port, &object, SIZE, seed, &terms);
}

static enum status
put_whole(uint64_t seed)
{
    struct chunk_meta meta = meta_of(seed, CHUNK_META_LM);
    struct store_terms terms = {.meta = &meta, .form = FORM_LM};

    return value_store(here.port, &object, SIZE, seed, &terms);
}

static enum status
set_meta_until(uint64_t seed, uint8_t size, enum name_form form,
               uint64_t expires_ns)
{
    struct chunk_meta meta = meta_of(seed, size);
    struct store_terms terms = {
        .meta = &meta, .form = (uint8_t)form, .expires_ns = expires_ns};

    return store_set_meta(here.port, &object, &terms);
}

static enum status
set_meta(uint64_t seed, uint8_t size, enum name_form form)
{
    return set_meta_until(seed, size, form, 0);
}

static bool
has_meta(uint64_t seed, uint8_t size)
{
    struct store_name name = name_meta(&object);
    struct chunk_meta meta = meta_of(seed, size);
    struct store_get get = {0};

    if (store_get_start(here.port, &get, &name) != FINISHED ||
        get.status != STATUS_OK)
        return false;
    chunk_drop(&get.chunk);
    return get.meta.size == size &&
           memcmp(get.meta.bytes, meta.bytes, size) == 0;
}

static bool
has_bytes(uint64_t seed)
{
    struct store_name name = name_body(&object);

    return value_check(here.port, &name, seed) == STATUS_OK;
}

static enum status
exists(enum store_part part)
{
    struct store_name name = {object, STORE_ANY_FORM, part};

    return store_exists(here.port, &name);
}

static unsigned
names(void)
{
    return (unsigned)store_names(here.store, 0);
}

static uint64_t
entries(void)
{
    struct store_usage usage;

    store_usage(here.store, &usage);
    return usage.entries;
}

Test(store_halves, in_either_order_are_one_entry)
{
    for (unsigned size = CHUNK_META_LM; size <= CHUNK_META_MAX; size += 20) {
        uint8_t meta = (uint8_t)size;

        cr_assert_eq(put_bytes(1, FORM_SUFFIX), STATUS_OK);
        cr_assert_eq(names(), 1);
        cr_assert_eq(exists(PART_META), STATUS_MISS);
        cr_assert_eq(set_meta(2, meta, FORM_SUFFIX), STATUS_OK);
        cr_assert(has_bytes(1) && has_meta(2, meta), "of %u", size);
        cr_assert_eq(exists(PART_META), STATUS_OK);
        cr_assert_eq(names(), 2);
        cr_assert_eq(entries(), 1);
        flush_now(here.port, 0);

        cr_assert_eq(set_meta(3, meta, FORM_SUFFIX), STATUS_OK);
        cr_assert_eq(names(), 1);
        cr_assert(has_meta(3, meta));
        cr_assert_not(has_bytes(4));
        cr_assert_eq(exists(PART_META), STATUS_MISS);
        cr_assert_eq(put_bytes(4, FORM_SUFFIX), STATUS_OK);
        cr_assert(has_bytes(4) && has_meta(3, meta), "of %u", size);
        cr_assert_eq(exists(PART_META), STATUS_OK);
        cr_assert_eq(exists(PART_BODY), STATUS_OK);
        cr_assert_eq(names(), 2);
        cr_assert_eq(entries(), 1);
        flush_now(here.port, 0);
    }
}

Test(store_halves, of_long_metadata_keep_the_terms_of_their_bytes)
{
    struct store_terms terms = {.form = FORM_SUFFIX,
                                .is_half = true,
                                .expires_ns =
                                    clock_now_ns() + 1000 * NS_PER_SECOND};
    struct store_name name = name_body(&object);
    struct store_view view;

    cr_assert_eq(set_meta(1, 88, FORM_SUFFIX), STATUS_OK);
    cr_assert_eq(value_store(here.port, &object, SIZE, 2, &terms), STATUS_OK);
    cr_assert_eq(store_view(here.port, &name, &view), STATUS_OK);
    cr_assert_eq(view.expires_ns, terms.expires_ns);
    cr_assert_eq(view.body_size, SIZE);
    cr_assert_eq(view.meta.size, 88);
    cr_assert_eq(store_drop(here.port, &name), STATUS_OK);
    cr_assert_eq(entries(), 0);
}

Test(store_halves, written_again_withdraw_the_metadata_until_it_comes_too)
{
    cr_assert_eq(put_bytes(1, FORM_SUFFIX), STATUS_OK);
    cr_assert_eq(set_meta(2, CHUNK_META_LM, FORM_SUFFIX), STATUS_OK);
    cr_assert_eq(put_bytes(3, FORM_SUFFIX), STATUS_OK);
    cr_assert(has_bytes(3));
    cr_assert_not(has_meta(2, CHUNK_META_LM));
    cr_assert_eq(exists(PART_META), STATUS_MISS);
    cr_assert_eq(names(), 1);
    cr_assert_eq(set_meta(4, CHUNK_META_LM, FORM_SUFFIX), STATUS_OK);
    cr_assert(has_bytes(3) && has_meta(4, CHUNK_META_LM));
    cr_assert_eq(names(), 2);
}

Test(store_halves, take_new_metadata_of_any_length)
{
    cr_assert_eq(put_bytes(1, FORM_COLON), STATUS_OK);
    for (unsigned i = 0; i < 20; i++) {
        uint8_t size = (uint8_t)(CHUNK_META_LM + i * 7 % 5 * 20);

        cr_assert_eq(set_meta(i, size, FORM_COLON), STATUS_OK);
        cr_assert(has_bytes(1) && has_meta(i, size));
        cr_assert_eq(names(), 2);
        cr_assert_eq(entries(), 1);
    }
}

Test(store_halves, of_two_spellings_are_not_one_another)
{
    struct store_name suffix = name_body(&object), colon = name_body(&object);

    suffix.forms = 1u << FORM_SUFFIX;
    colon.forms = 1u << FORM_COLON | 1u << FORM_LM;
    cr_assert_eq(put_bytes(1, FORM_SUFFIX), STATUS_OK);
    cr_assert_eq(value_check(here.port, &suffix, 1), STATUS_OK);
    cr_assert_eq(value_check(here.port, &colon, 1), STATUS_MISS);
    cr_assert_eq(store_exists(here.port, &colon), STATUS_MISS);
    cr_assert_eq(store_drop(here.port, &colon), STATUS_MISS);
    cr_assert_eq(set_meta(2, CHUNK_META_LM, FORM_COLON), STATUS_OK);
    cr_assert_not(has_bytes(1));
    cr_assert(has_meta(2, CHUNK_META_LM));
    cr_assert_eq(names(), 1);
    cr_assert_eq(put_bytes(3, FORM_SUFFIX), STATUS_OK);
    cr_assert_not(has_meta(2, CHUNK_META_LM));
    cr_assert_eq(names(), 1);
}

Test(store_halves, of_an_lm_put_are_both_there_at_once)
{
    cr_assert_eq(put_whole(1), STATUS_OK);
    cr_assert(has_bytes(1) && has_meta(1, CHUNK_META_LM));
    cr_assert_eq(exists(PART_META), STATUS_OK);
    cr_assert_eq(names(), 1);
    cr_assert_eq(set_meta(2, CHUNK_META_LM, FORM_SUFFIX), STATUS_OK);
    cr_assert(has_bytes(1) && has_meta(2, CHUNK_META_LM));
    cr_assert_eq(names(), 1);
}

Test(store_halves, go_together_whichever_is_named)
{
    struct store_name part[] = {name_body(&object), name_meta(&object)};

    for (unsigned i = 0; i < 2; i++) {
        cr_assert_eq(put_bytes(1, FORM_SUFFIX), STATUS_OK);
        cr_assert_eq(set_meta(2, CHUNK_META_LM, FORM_SUFFIX), STATUS_OK);
        cr_assert_eq(store_drop(here.port, &part[i]), STATUS_OK);
        cr_assert_not(has_bytes(1) || has_meta(2, CHUNK_META_LM));
        cr_assert_eq(names(), 0);
        cr_assert_eq(entries(), 0);
    }
}

Test(store_halves, lose_their_metadata_when_it_is_withdrawn)
{
    struct store_name name = name_meta(&object);

    store_withdraw_meta(here.port, &name);
    cr_assert_eq(put_bytes(1, FORM_SUFFIX), STATUS_OK);
    store_withdraw_meta(here.port, &name);
    cr_assert_eq(set_meta(2, CHUNK_META_LM, FORM_SUFFIX), STATUS_OK);
    store_withdraw_meta(here.port, &name);
    cr_assert(has_bytes(1));
    cr_assert_not(has_meta(2, CHUNK_META_LM));
    cr_assert_eq(names(), 1);
    flush_now(here.port, 0);
    cr_assert_eq(set_meta(2, CHUNK_META_LM, FORM_SUFFIX), STATUS_OK);
    name.forms = 1u << FORM_COLON;
    store_withdraw_meta(here.port, &name);
    cr_assert(has_meta(2, CHUNK_META_LM));
    name.forms = STORE_ANY_FORM;
    store_withdraw_meta(here.port, &name);
    cr_assert_eq(entries(), 0);
}

Test(store_halves, are_stored_under_conditions_of_their_own)
{
    struct chunk_meta meta = meta_of(1, CHUNK_META_LM);
    struct store_terms terms = {.meta = &meta,
                                .form = FORM_SUFFIX,
                                .condition = STORE_IF_PRESENT,
                                .present_forms = 1u << FORM_SUFFIX};

    cr_assert_eq(put_bytes(1, FORM_SUFFIX), STATUS_OK);
    cr_assert_eq(store_set_meta(here.port, &object, &terms), STATUS_UNMET);
    terms.condition = STORE_IF_ABSENT;
    cr_assert_eq(store_set_meta(here.port, &object, &terms), STATUS_OK);
    cr_assert_eq(store_set_meta(here.port, &object, &terms), STATUS_UNMET);
    terms.present_forms = 1u << FORM_COLON;
    cr_assert_eq(store_set_meta(here.port, &object, &terms), STATUS_OK);
    terms.condition = STORE_IF_PRESENT;
    cr_assert_eq(store_set_meta(here.port, &object, &terms), STATUS_UNMET);
}

Test(store_halves, keep_their_lease_when_metadata_is_set_again)
{
    struct store_limits limits = here.limits;
    struct store_usage usage;

    cr_assert_eq(put_bytes(1, FORM_SUFFIX), STATUS_OK);
    cr_assert_eq(set_meta(2, CHUNK_META_LM, FORM_SUFFIX), STATUS_OK);
    cr_assert_eq(exists(PART_META), STATUS_OK);
    cr_assert_eq(set_meta(3, 88, FORM_SUFFIX), STATUS_OK);
    store_usage(here.store, &usage);
    cr_assert_eq(usage.leased_bytes, SIZE);
    for (unsigned i = 0; i < 20; i++) {
        struct key_text text = {0};
        struct key key = key_numbered(&text, KEY_PLAIN, i);
        struct store_terms terms = {0};

        cr_assert_eq(
            value_store(here.port, &key, (uint32_t)limits.value_max, i, &terms),
            STATUS_OK);
    }
    cr_assert(has_bytes(1) && has_meta(3, 88));
}

Test(store_halves, have_one_expiry_that_new_metadata_does_not_put_off)
{
    struct store_limits limits = here.limits;
    struct store_name name = name_body(&object);
    struct store_view before, after;
    uint64_t sooner_ns = clock_now_ns() + 50 * NS_PER_SECOND;

    limits.ttl_ns = 100 * NS_PER_SECOND;
    store_set_limits(here.store, &limits);
    cr_assert_eq(put_bytes(1, FORM_SUFFIX), STATUS_OK);
    cr_assert_eq(store_view(here.port, &name, &before), STATUS_OK);
    for (unsigned size = CHUNK_META_LM; size <= CHUNK_META_MAX; size += 20) {
        cr_assert_eq(set_meta(2, (uint8_t)size, FORM_SUFFIX), STATUS_OK);
        cr_assert_eq(store_view(here.port, &name, &after), STATUS_OK);
        cr_assert_eq(after.expires_ns, before.expires_ns, "with %u", size);
    }
    cr_assert_eq(set_meta_until(3, 28, FORM_SUFFIX, sooner_ns), STATUS_OK);
    cr_assert_eq(store_view(here.port, &name, &after), STATUS_OK);
    cr_assert_eq(after.expires_ns, sooner_ns);
}

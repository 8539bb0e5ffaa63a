/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is told of keys.  In every test, whatever else it looks at, a key is told
 * of as stored only when it was not there, as removed only when it was, and what
 * was told is in the end what there is.
 */
#include "tests/lib/store_nvme.h"

#include <pthread.h>

#define KEYS_MAX 4096u

struct told {
    unsigned stored, removed, cleared;
};

/* A tier's thread tells too. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct told told;
static char names[KEYS_MAX][48]; /* that are there, as told */
static unsigned name_count;
static unsigned cleared_space;
static bool is_wrong;

static void
spell(const struct key *key, char into[48])
{
    snprintf(into, 48, "%u %u %.*s", key->space, (unsigned)key->kind,
             (int)key->size, (const char *)key->bytes);
}

static unsigned
find(const char *name)
{
    unsigned i = 0;

    while (i < name_count && strcmp(names[i], name) != 0)
        i++;
    return i;
}

static void
note(const struct store_event *event)
{
    char name[48];
    unsigned i;

    spell(&event->key, name);
    i = find(name);
    if (event->kind == STORE_STORED) {
        told.stored++;
        is_wrong = is_wrong || i != name_count || name_count == KEYS_MAX;
        memcpy(names[name_count++], name, sizeof(name));
    } else {
        told.removed++;
        is_wrong = is_wrong || i == name_count;
        memcpy(names[i], names[--name_count], sizeof(name));
    }
}

static void
on_event(void *arg, const struct store_event *event)
{
    pthread_mutex_lock(&lock);
    is_wrong = is_wrong || arg != &told;
    if (event->kind == STORE_CLEARED) {
        told.cleared++;
        cleared_space = event->key.space;
    } else if (!is_wrong) {
        note(event);
    }
    pthread_mutex_unlock(&lock);
}

static struct told
look(void)
{
    struct told now;

    pthread_mutex_lock(&lock);
    now = told;
    pthread_mutex_unlock(&lock);
    return now;
}

struct match {
    unsigned seen;
    bool is_right;
};

static void
on_seen(void *arg, const struct store_seen *seen)
{
    struct match *match = arg;
    char name[48];

    if (!seen->has_body)
        return;
    spell(&seen->key, name);
    match->seen++;
    match->is_right = match->is_right && find(name) < name_count;
}

/* Is what was told what there is? */
static void
agrees(void)
{
    struct match match = {0, true};
    uint64_t cursor = 0;

    pthread_mutex_lock(&lock);
    do
        store_list(store, &cursor, 100, on_seen, &match);
    while (cursor != 0);
    cr_assert_not(is_wrong);
    cr_assert(match.is_right);
    cr_assert_eq(match.seen, name_count, "%u there, %u told", match.seen,
                 name_count);
    pthread_mutex_unlock(&lock);
}

static void
with_dram(void)
{
    limits = store_small_limits();
    limits.nvme.queue = 4u << 20;
    limits.on_event = on_event;
    limits.event_arg = &told;
    start();
}

/* As set_up() does, but that somebody is told from the first start on. */
static void
with_nvme(void)
{
    set_up();
    limits.on_event = on_event;
    limits.event_arg = &told;
    again();
}

static void
without_nvme(void)
{
    agrees();
    stop();
}

static void
without_file(void)
{
    agrees();
    tear_down();
}

TestSuite(store_event, .init = with_dram, .fini = without_nvme);
TestSuite(store_event_nvme, .init = with_nvme, .fini = without_file);

static void
told_so_far(unsigned stored, unsigned removed)
{
    struct told now = look();

    cr_assert_eq(now.stored, stored, "%u stored", now.stored);
    cr_assert_eq(now.removed, removed, "%u removed", now.removed);
}

Test(store_event, is_told_when_a_key_comes_and_when_it_goes)
{
    struct store_name name = name_of(1);

    put(1, 1);
    told_so_far(1, 0);
    put(2, 1);
    told_so_far(2, 0);
    name = name_of(1);
    cr_assert_eq(store_drop(port, &name), STATUS_OK);
    told_so_far(2, 1);
    cr_assert_eq(store_drop(port, &name), STATUS_MISS);
    put(1, 1);
    told_so_far(3, 1);
}

Test(store_event, is_none_when_a_value_takes_the_place_of_another)
{
    put(1, 1);
    put(1, 2);
    put(1, 2);
    told_so_far(1, 0);
    cr_assert_eq(check(1, 2), STATUS_OK);
}

Test(store_event, is_none_when_a_condition_is_not_met)
{
    struct store_terms terms = {.form = FORM_LM,
                                .condition = STORE_IF_PRESENT,
                                .present_forms = STORE_ANY_FORM};
    struct key key = key_numbered(&text, KEY_OBJECT, 1);

    cr_assert_eq(value_store(port, &key, SIZE, 1, &terms), STATUS_UNMET);
    told_so_far(0, 0);
}

static struct chunk_meta meta = {.size = 28};

static void
put_half(unsigned number, uint8_t form)
{
    struct store_terms terms = {.form = form, .is_half = true};

    put_terms(number, 1, &terms);
}

static void
set_meta(unsigned number, uint8_t form)
{
    struct store_terms terms = {.form = form, .meta = &meta};
    struct key key = key_numbered(&text, KEY_OBJECT, number);

    cr_assert_eq(store_set_meta(port, &key, &terms), STATUS_OK);
}

Test(store_event, is_of_the_bytes_of_an_object)
{
    struct store_name name;
    struct key key;

    set_meta(1, FORM_SUFFIX);
    told_so_far(0, 0);
    put_half(1, FORM_SUFFIX);
    told_so_far(1, 0);
    set_meta(1, FORM_SUFFIX);
    told_so_far(1, 0);
    key = key_numbered(&text, KEY_OBJECT, 1);
    name = name_meta(&key);
    store_withdraw_meta(port, &name);
    told_so_far(1, 0);
    cr_assert_eq(store_drop(port, &name), STATUS_MISS);
    name = name_body(&key);
    cr_assert_eq(store_drop(port, &name), STATUS_OK);
    told_so_far(1, 1);
}

Test(store_event, is_of_bytes_that_came_before_their_metadata)
{
    put_half(1, FORM_SUFFIX);
    told_so_far(1, 0);
    meta.size = 48; /* does not fit into the entry that is there */
    set_meta(1, FORM_SUFFIX);
    told_so_far(1, 0);
    meta.size = 28;
}

Test(store_event, is_of_bytes_that_join_long_metadata)
{
    meta.size = 48;
    set_meta(1, FORM_SUFFIX);
    put_half(1, FORM_SUFFIX);
    told_so_far(1, 0);
    meta.size = 28;
}

Test(store_event, is_told_when_metadata_of_another_spelling_replaces_an_object)
{
    put_half(1, FORM_SUFFIX);
    set_meta(1, FORM_COLON);
    told_so_far(1, 1);
    put_half(1, FORM_COLON);
    told_so_far(2, 1);
}

Test(store_event, is_told_of_what_is_evicted)
{
    unsigned count = 400;

    for (unsigned i = 0; i < count; i++) {
        struct key key = key_numbered(&text, KEY_OBJECT, i);
        struct store_terms terms = {.form = FORM_LM};

        cr_assert_eq(value_store(port, &key, SIZE, i, &terms), STATUS_OK);
    }
    cr_assert_eq(look().stored, count);
    cr_assert_gt(look().removed, count / 2);
}

Test(store_event, is_told_of_what_expires)
{
    struct store_terms terms = {.form = FORM_LM,
                                .expires_ns = clock_now_ns() + NS_PER_MS};

    put_terms(1, 1, &terms);
    put_terms(2, 1, &terms);
    told_so_far(2, 0);
    while (clock_now_ns() < terms.expires_ns)
        usleep(100);
    cr_assert_eq(check(1, 1), STATUS_MISS);
    told_so_far(2, 1);
    for (unsigned i = 0; i < 200; i++)
        store_sweep(port);
    told_so_far(2, 2);
}

Test(store_event, is_told_of_what_is_flushed_and_of_the_flush)
{
    put(1, 1);
    put(2, 1);
    flush_now(port, 5);
    told_so_far(2, 0);
    cr_assert_eq(look().cleared, 1);
    cr_assert_eq(cleared_space, 5);
    flush_now(port, STORE_ALL_SPACES);
    told_so_far(2, 2);
    cr_assert_eq(look().cleared, 2);
    cr_assert_eq(cleared_space, STORE_ALL_SPACES);
}

Test(store_event, is_nothing_to_who_did_not_ask)
{
    limits.on_event = NULL;
    again();
    put(1, 1);
    put(1, 2);
    told_so_far(0, 0);
    flush_now(port, STORE_ALL_SPACES);
    told_so_far(0, 0);
}

Test(store_event_nvme, is_none_when_a_value_goes_from_tier_to_tier)
{
    put(1, 1);
    fill_dram();
    told_so_far(161, 0);
    cr_assert_eq(usage().tiers[TIER_NVME].chunks, 161);
    cr_assert_eq(check(1, 1), STATUS_OK);
    told_so_far(161, 0);
}

Test(store_event_nvme, is_told_when_the_last_tier_gives_it_up)
{
    /* More than the device holds. */
    for (unsigned i = 0; i < 1500; i++)
        put(i, i);
    settle();
    cr_assert_eq(look().stored, 1500);
    cr_assert_gt(look().removed, 300);
}

Test(store_event_nvme, is_told_of_what_comes_back_at_a_start)
{
    put(1, 1);
    put(2, 2);
    put(1, 3);
    settle();
    stop();
    memset(&told, 0, sizeof(told));
    name_count = 0;
    start();
    cr_assert_eq(look().stored - look().removed, 2);
    cr_assert_eq(check(1, 3), STATUS_OK);
}

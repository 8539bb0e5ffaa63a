/* SPDX-License-Identifier: Apache-2.0 */
/* The store over DRAM and NVMe: what leaves memory is read again, what was
 * written survives, what was deleted does not. */
#include "tests/lib/store_nvme.h"

TestSuite(store_nvme, .init = set_up, .fini = tear_down, .timeout = 60);

Test(store_nvme, what_has_left_dram_is_read_again)
{
    for (unsigned i = 0; i < 300; i++)
        put(i, i);
    settle();
    cr_assert_eq(usage().tiers[TIER_NVME].chunks, 300);
    for (unsigned i = 0; i < 300; i++)
        cr_assert_eq(check(i, i), STATUS_OK, "of %u", i);
    cr_assert_gt(counter_read(&counters, COUNTER_hits_nvme), 150);
    cr_assert_eq(counter_read(&counters, COUNTER_hits_nvme) +
                     counter_read(&counters, COUNTER_hits_dram),
                 300);
}

Test(store_nvme, what_was_read_is_in_dram_then)
{
    put(1, 1);
    fill_dram();
    cr_assert_eq(check(1, 1), STATUS_OK);
    cr_assert_eq(counter_read(&counters, COUNTER_hits_nvme), 1);
    cr_assert_eq(check(1, 1), STATUS_OK);
    cr_assert_eq(counter_read(&counters, COUNTER_hits_nvme), 1);
    cr_assert_eq(counter_read(&counters, COUNTER_hits_dram), 1);
}

Test(store_nvme, a_restart_gives_back_all_that_was_written)
{
    for (unsigned i = 0; i < 300; i++)
        put(i, i);
    settle();
    again();
    cr_assert_eq(usage().entries, 300);
    cr_assert_eq(store_names(store, 0), 300);
    for (unsigned i = 0; i < 300; i++)
        cr_assert_eq(check(i, i), STATUS_OK, "of %u", i);
}

Test(store_nvme, a_second_get_waits_for_the_first)
{
    struct value_get first, second;
    struct store_name name;

    put(1, 1);
    fill_dram();
    name = name_of(1);
    value_ask(port, &first, &name);
    value_ask(port, &second, &name);
    cr_assert(!first.is_done && !second.is_done);
    cr_assert(value_await_get(port, &first));
    cr_assert(value_await_get(port, &second));
    cr_assert_eq(first.get.status, STATUS_OK);
    cr_assert_eq(second.get.chunk, first.get.chunk);
    cr_assert_eq(counter_read(&counters, COUNTER_nvme_reads_good), 1);
    cr_assert_eq(counter_read(&counters, COUNTER_nvme_reads_joined), 1);
    chunk_drop(&first.get.chunk);
    chunk_drop(&second.get.chunk);
}

Test(store_nvme, a_get_on_another_port_waits_for_the_same_read)
{
    struct counters others = {0};
    struct store_port *other;
    struct value_get first, second;
    struct store_name name;

    cr_assert_eq(store_port_open(store, &others, &other), STATUS_OK);
    put(1, 1);
    fill_dram();
    name = name_of(1);
    value_ask(port, &first, &name);
    value_ask(other, &second, &name);
    cr_assert(value_await_get(port, &first));
    cr_assert(value_await_get(other, &second));
    cr_assert_eq(second.get.status, STATUS_OK);
    cr_assert_eq(second.get.chunk, first.get.chunk);
    chunk_drop(&first.get.chunk);
    chunk_drop(&second.get.chunk);
    store_port_close(&other);
}

Test(store_nvme, a_cancelled_get_is_not_done)
{
    struct value_get first, second;
    struct store_name name;

    put(1, 1);
    fill_dram();
    name = name_of(1);
    value_ask(port, &first, &name);
    value_ask(port, &second, &name);
    store_get_cancel(port, &first.get);
    cr_assert(value_await_get(port, &second));
    cr_assert(!first.is_done);
    chunk_drop(&second.get.chunk);
}

Test(store_nvme, a_close_waits_for_the_read_of_a_cancelled_get)
{
    struct value_get value;
    struct store_name name;

    put(1, 1);
    fill_dram();
    name = name_of(1);
    value_ask(port, &value, &name);
    cr_assert(!value.is_done);
    store_get_cancel(port, &value.get);
}

Test(store_nvme, a_read_goes_on_when_its_key_is_deleted)
{
    struct value_get value;
    struct store_name name;

    put(1, 1);
    fill_dram();
    name = name_of(1);
    value_ask(port, &value, &name);
    cr_assert_eq(store_drop(port, &name), STATUS_OK);
    cr_assert(value_await_get(port, &value));
    cr_assert_eq(value.get.status, STATUS_OK);
    cr_assert(value_fills(value.get.chunk, 1));
    chunk_drop(&value.get.chunk);
    cr_assert_eq(check(1, 1), STATUS_MISS);
}

Test(store_nvme, what_was_deleted_stays_deleted)
{
    struct store_name name;

    put(1, 1);
    put(2, 2);
    settle();
    name = name_of(1);
    cr_assert_eq(store_drop(port, &name), STATUS_OK);
    await_notes(1);
    again();
    cr_assert_eq(check(1, 1), STATUS_MISS);
    cr_assert_eq(check(2, 2), STATUS_OK);
}

Test(store_nvme, what_was_overwritten_does_not_come_back)
{
    put(1, 1);
    settle();
    put(1, 11);
    settle();
    await_notes(1);
    again();
    cr_assert_eq(check(1, 11), STATUS_OK);
    cr_assert_eq(usage().entries, 1);
}

Test(store_nvme, what_expired_does_not_come_back)
{
    struct store_terms soon = {.form = FORM_LM,
                               .expires_ns = clock_now_ns() + 300 * NS_PER_MS};
    struct store_name name;

    put_terms(1, 1, &soon);
    put(2, 2);
    put(3, 3);
    settle();
    name = name_of(2);
    cr_assert_eq(store_expire(port, &name, clock_now_ns() + 300 * NS_PER_MS),
                 STATUS_OK);
    await_notes(1);
    while (clock_now_ns() < soon.expires_ns + 100 * NS_PER_MS)
        usleep(1000);
    again();
    cr_assert_eq(check(1, 1), STATUS_MISS);
    cr_assert_eq(check(2, 2), STATUS_MISS);
    cr_assert_eq(check(3, 3), STATUS_OK);
}

struct flushing {
    struct store_flush flush; /* first */
    bool is_done;
};

static void
on_flushed(struct store_flush *flush)
{
    ((struct flushing *)flush)->is_done = true;
}

static void
flush_through(unsigned space)
{
    struct flushing flushing = {.flush = {.space = space, .done = on_flushed}};
    uint64_t end_ns = clock_now_ns() + 10 * NS_PER_SECOND;

    flushing.is_done = store_flush_start(port, &flushing.flush) == FINISHED;
    while (!flushing.is_done && clock_now_ns() < end_ns) {
        store_port_run(port);
        usleep(100);
    }
    cr_assert(flushing.is_done);
    cr_assert_eq(flushing.flush.status, STATUS_OK);
    flush_now(port, space);
}

Test(store_nvme, what_was_flushed_does_not_come_back)
{
    struct key other = key_make(KEY_PLAIN, 3, "other", 5);
    struct store_terms terms = {0};
    struct store_name name = name_body(&other);

    for (unsigned i = 0; i < 20; i++)
        put(i, i);
    cr_assert_eq(value_store(port, &other, SIZE, 99, &terms), STATUS_OK);
    settle();
    flush_through(0);
    put(50, 50);
    settle();
    again();
    for (unsigned i = 0; i < 20; i++)
        cr_assert_eq(check(i, i), STATUS_MISS);
    cr_assert_eq(check(50, 50), STATUS_OK);
    cr_assert_eq(value_check(port, &name, 99), STATUS_OK);
    flush_through(STORE_ALL_SPACES);
    again();
    cr_assert_eq(usage().entries, 0);
}

Test(store_nvme, metadata_that_came_later_survives)
{
    struct key key = key_numbered(&text, KEY_OBJECT, 7);
    struct chunk_meta meta = {.size = 28,
                              .bytes = "twenty-eight bytes of meta"};
    struct store_terms body = {.form = 1, .is_half = true};
    struct store_terms half = {.form = 1, .is_half = true, .meta = &meta};
    struct store_name name = name_meta(&key);
    struct store_view view;

    cr_assert_eq(value_store(port, &key, SIZE, 7, &body), STATUS_OK);
    settle();
    cr_assert_eq(store_set_meta(port, &key, &half), STATUS_OK);
    await_notes(1);
    again();
    cr_assert_eq(store_view(port, &name, &view), STATUS_OK);
    cr_assert_eq(view.meta.size, 28);
    cr_assert_arr_eq(view.meta.bytes, meta.bytes, 28);
    cr_assert_eq(check(7, 7), STATUS_OK);
}

Test(store_nvme, a_get_that_waits_too_long_is_a_miss)
{
    struct value_get value;
    struct store_name name;

    limits.nvme.read_wait_ns = 1;
    put(1, 1);
    fill_dram();
    store_set_limits(store, &limits);
    name = name_of(1);
    value_ask(port, &value, &name);
    cr_assert(!value.is_done);
    cr_assert_neq(store_port_deadline_ns(port), 0);
    /* Its bytes have not been asked for yet: that is port_submit()'s. */
    store_port_run(port);
    cr_assert(value.is_done);
    cr_assert_eq(value.get.status, STATUS_MISS);
    cr_assert_eq(counter_read(&counters, COUNTER_nvme_reads_late), 1);
    cr_assert_eq(usage().nvme.late, 1);
}

/* Overwrites the device from the middle of its first segments on. */
static void
spoil(void)
{
    static uint8_t noise[1u << 20];
    char path[160];
    FILE *file;

    device_path(path);
    file = fopen(path, "r+b");
    cr_assert_not_null(file);
    memset(noise, 0x5a, sizeof(noise));
    cr_assert_eq(fseek(file, (1 << 20) + 20000, SEEK_SET), 0);
    for (unsigned i = 0; i < 30; i++)
        cr_assert_eq(fwrite(noise, 1, sizeof(noise), file), sizeof(noise));
    fclose(file);
}

Test(store_nvme, a_value_that_is_not_what_was_written_is_a_miss)
{
    put(1, 1);
    fill_dram();
    spoil();
    cr_assert_eq(check(1, 1), STATUS_MISS);
    cr_assert_eq(counter_read(&counters, COUNTER_nvme_reads_corrupt) +
                     counter_read(&counters, COUNTER_nvme_reads_stale),
                 1);
    /* And forgotten: the next one does not read it. */
    cr_assert_eq(check(1, 1), STATUS_MISS);
    cr_assert_eq(counter_read(&counters, COUNTER_nvme_reads_corrupt) +
                     counter_read(&counters, COUNTER_nvme_reads_stale),
                 1);
}

Test(store_nvme, a_read_that_finds_no_dram_is_a_miss)
{
    static struct value_get held[200];
    unsigned count = 0;

    put(1, 1);
    fill_dram();
    for (unsigned i = 0; i < 160; i++) {
        struct store_name name = name_of(100000 + 159 - i);

        value_ask(port, &held[count], &name);
        cr_assert(value_await_get(port, &held[count]));
        if (held[count].get.status != STATUS_OK)
            break;
        count++;
    }
    cr_assert_gt(count, 100);
    cr_assert_eq(check(1, 1), STATUS_MISS);
    cr_assert_gt(counter_read(&counters, COUNTER_nvme_reads_no_space), 0);
    for (unsigned i = 0; i < count; i++)
        chunk_drop(&held[i].get.chunk);
    cr_assert_eq(check(1, 1), STATUS_OK);
}

Test(store_nvme, metadata_is_had_at_once_and_its_bytes_are_read_meanwhile)
{
    struct key key = key_numbered(&text, KEY_OBJECT, 7);
    struct chunk_meta meta = {.size = 28,
                              .bytes = "twenty-eight bytes of meta"};
    struct store_terms terms = {.form = FORM_LM, .meta = &meta};
    struct store_name half = name_meta(&key), whole = name_body(&key);
    struct value_get first, second;

    put_terms(7, 7, &terms);
    fill_dram();
    half = name_meta(&key);
    key = key_numbered(&text, KEY_OBJECT, 7);
    value_ask(port, &first, &half);
    cr_assert(first.is_done);
    cr_assert_eq(first.get.status, STATUS_OK);
    cr_assert_eq(first.get.meta.size, 28);
    value_ask(port, &second, &whole);
    cr_assert(value_await_get(port, &second));
    cr_assert_eq(second.get.status, STATUS_OK);
    chunk_drop(&second.get.chunk);
    cr_assert_eq(counter_read(&counters, COUNTER_nvme_reads_good), 1);
}

static void
spoil_block(unsigned number)
{
    static const uint8_t noise[4096] = {1};
    char path[160];
    FILE *file;

    device_path(path);
    file = fopen(path, "r+b");
    cr_assert_not_null(file);
    cr_assert_eq(fseek(file, (long)(number * sizeof(noise)), SEEK_SET), 0);
    cr_assert_eq(fwrite(noise, 1, sizeof(noise), file), sizeof(noise));
    fclose(file);
}

Test(store_nvme, a_flush_outlives_either_superblock)
{
    for (unsigned block = 0; block < 2; block++) {
        put(1, 1);
        settle();
        flush_through(STORE_ALL_SPACES);
        stop();
        spoil_block(block);
        start();
        cr_assert_eq(usage().entries, 0, "without block %u", block);
        flush_through(0); /* makes both whole again */
    }
}

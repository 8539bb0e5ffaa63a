/* SPDX-License-Identifier: Apache-2.0 */
/* What an NVMe tier finds of its last run, however that ended: what was written
 * is there, what was deleted, flushed or reclaimed is not. */
#include "tests/unit/nvme_checks.h"

#include <signal.h>
#include <time.h>

#define DEVICE (64u * MIB)
#define MANY   60u
#define LAST   (NVME_KEYS - 1) /* of all keys */

BOTH(nvme_recovery, what_was_put_is_there_after_a_close, DEVICE)
{
    puts_many(0, MANY, 1);
    again();
    are_there(0, MANY, 1);
    cr_assert_eq(nvme.told, MANY);
    cr_assert_eq(nvme.sequence, MANY);
}

BOTH(nvme_recovery, what_was_put_is_there_after_a_kill, DEVICE)
{
    KILLED_AFTER(puts_many(0, MANY, 1));
    are_there(0, MANY, 1);
    cr_assert_eq(nvme.sequence, MANY);
}

BOTH(nvme_recovery, run_after_run_adds_to_what_there_is, DEVICE)
{
    for (unsigned i = 0; i < 6; i++) {
        KILLED_AFTER(puts_many(10 * i, 10 * i + 10, 1));
        are_there(0, 10 * i + 10, 1);
        /* In a segment that comes after those of the runs before. */
        cr_assert(i == 0 || nvme.kept[10 * i].place.word[1] >
                                nvme.kept[10 * i - 1].place.word[1]);
    }
}

BOTH(nvme_recovery, a_new_device_has_nothing, DEVICE)
{
    cr_assert_eq(nvme.told, 0u);
    cr_assert_eq(nvme.sequence, 0u);
    again();
    cr_assert_eq(nvme.told, 0u);
}

BOTH(nvme_recovery, the_last_put_of_a_key_holds, DEVICE)
{
    KILLED_AFTER({
        puts_many(0, MANY, 1);
        puts_many(0, MANY, 1000);
        /* An older one that comes late. */
        puts_value(3, 500, 4096);
    });
    are_there(0, MANY, 1000);
    cr_assert_eq(nvme.told, 2 * MANY + 1);
}

BOTH(nvme_recovery, the_deleted_stays_deleted, DEVICE)
{
    KILLED_AFTER({
        puts_many(0, 20, 1);
        for (unsigned i = 0; i < 20; i += 2)
            nvme_delete(&nvme, i, 100 + i);
        notes_settle();
    });
    for (unsigned i = 0; i < 20; i += 2)
        is_gone(i);
    for (unsigned i = 1; i < 20; i += 2)
        is_there(i, 1 + i);
    cr_assert_eq(nvme.sequence, 118u);
}

BOTH(nvme_recovery, the_deleted_stays_deleted_after_a_close, DEVICE)
{
    puts_many(0, 20, 1);
    nvme_delete(&nvme, 7, 100);
    again();
    is_gone(7);
    is_there(8, 9);
}

BOTH(nvme_recovery, what_was_put_after_a_delete_is_there, DEVICE)
{
    KILLED_AFTER({
        puts_value(0, 1, 5000);
        nvme_delete(&nvme, 0, 2);
        puts_value(0, 3, 6000);
        notes_settle();
    });
    is_there(0, 3);
}

static void
changes(unsigned number, uint64_t sequence)
{
    uint8_t bytes[KEY_SIZE_MAX];
    struct nvme_item item = {.kind = NVME_CHANGE,
                             .sequence = sequence,
                             .expires_unix_ms = 77,
                             .form = 2,
                             .meta = {.size = 3, .bytes = "abc"}};

    item.key = nvme_key(&nvme, bytes, number);
    nvme_note(nvme.tier, &item);
}

BOTH(nvme_recovery, changes_are_told_with_their_value, DEVICE)
{
    KILLED_AFTER({
        puts_value(0, 1, 5000);
        puts_value(1, 2, 5000);
        changes(0, 1);
        changes(1, 1);
        notes_settle();
    });
    is_there(0, 1);
    cr_assert_eq(nvme.kept[0].form, 2);
    cr_assert_eq(nvme.kept[0].expires_unix_ms, 77u);
    cr_assert_eq(nvme.kept[0].meta.size, 3);
    cr_assert_eq(memcmp(nvme.kept[0].meta.bytes, "abc", 3), 0);
    is_there(1, 2);
    cr_assert_eq(nvme.kept[1].meta.size, 0);
}

BOTH(nvme_recovery, what_a_value_is_put_with_is_told, DEVICE)
{
    struct chunk_meta meta = {.size = CHUNK_META_LM};
    struct nvme_transfer its;

    memset(meta.bytes, 7, CHUNK_META_LM);
    nvme_prepare(&nvme, &its, 0, 5, 100);
    its.transfer.chunk = nvme_sealed(&nvme, 100, nvme_seed(0, 5));
    its.transfer.meta = &meta;
    its.transfer.form = 3;
    its.transfer.expires_unix_ms = 123456;
    cr_assert_eq(nvme_put_begin(&nvme, &its), PENDING);
    /* It is the caller's again. */
    memset(&meta, 0, sizeof(meta));
    cr_assert(nvme_await(&nvme, &its));
    cr_assert_eq(nvme_put_end(&nvme, &its, 0), STATUS_OK);
    again();
    is_there(0, 5);
    cr_assert_eq(nvme.kept[0].form, 3);
    cr_assert_eq(nvme.kept[0].expires_unix_ms, 123456u);
    cr_assert_eq(nvme.kept[0].meta.size, CHUNK_META_LM);
    cr_assert_eq(nvme.kept[0].meta.bytes[27], 7);
}

/* --- Flushes. --- */

struct flush {
    struct lower_flush inner; /* first */
    bool is_done;
};

static void
on_flushed(struct lower_flush *inner)
{
    ((struct flush *)inner)->is_done = true;
}

static enum status
flush(unsigned space, uint64_t sequence)
{
    struct flush flush = {.inner = {.space = space,
                                    .sequence = sequence,
                                    .port = nvme.port,
                                    .done = on_flushed}};
    uint64_t end_ns = clock_now_ns() + 4 * NS_PER_SECOND;

    nvme_flush(nvme.tier, &flush.inner);
    while (!flush.is_done) {
        nvme_turn(&nvme);
        if (clock_now_ns() > end_ns)
            return STATUS_LATE;
    }
    return flush.inner.status;
}

BOTH(nvme_recovery, a_flush_of_one_namespace_leaves_the_others, DEVICE)
{
    KILLED_AFTER({
        puts_many(0, 20, 1);
        HOLDS(flush(1, 18) == STATUS_OK);
        HOLDS(nvme_flushed(nvme.tier, 1) == 18u);
        HOLDS(nvme_flushed(nvme.tier, 0) == 0u);
    });
    /* Odd numbers are in namespace 1; 19 was PUT with sequence 20. */
    for (unsigned i = 0; i < 20; i += 2)
        is_there(i, 1 + i);
    for (unsigned i = 1; i < 19; i += 2)
        is_gone(i);
    is_there(19, 20);
    cr_assert_eq(nvme_flushed(nvme.tier, 1), 18u);
}

BOTH(nvme_recovery, a_flush_holds_for_what_is_written_after_it, DEVICE)
{
    KILLED_AFTER({
        puts_many(0, 20, 1);
        HOLDS(flush(LOWER_ALL_SPACES, 1000) == STATUS_OK);
        puts_value(20, 999, 5000);
        puts_value(21, 1001, 5000);
        changes(20, 999);
        notes_settle();
    });
    for (unsigned i = 0; i < 21; i++)
        is_gone(i);
    is_there(21, 1001);
    cr_assert_eq(nvme.told, 1u);
    cr_assert_eq(nvme.sequence, 1001u);
}

BOTH(nvme_recovery, the_sequence_of_a_flush_is_told, DEVICE)
{
    puts_value(0, 7, 5000);
    cr_assert_eq(flush(9, 5000), STATUS_OK);
    cr_assert_eq(flush(9, 4000), STATUS_OK);
    again();
    is_there(0, 7);
    cr_assert_eq(nvme.sequence, 5000u);
    cr_assert_eq(nvme_flushed(nvme.tier, 9), 5000u);
}

BOTH(nvme_recovery, flushes_side_by_side_are_all_answered, DEVICE)
{
    static struct flush all[40];
    unsigned done = 0;

    for (unsigned i = 0; i < 40; i++) {
        all[i] = (struct flush){.inner = {.space = i,
                                          .sequence = i + 1,
                                          .port = nvme.port,
                                          .done = on_flushed}};
        nvme_flush(nvme.tier, &all[i].inner);
        if (i % 7 == 0)
            nvme_turn(&nvme);
    }
    for (unsigned turns = 0; turns < 1000 && done < 40; turns++) {
        nvme_turn(&nvme);
        done = 0;
        for (unsigned i = 0; i < 40; i++)
            done += all[i].is_done;
    }
    cr_assert_eq(done, 40u);
    settles();
    again();
    for (unsigned i = 0; i < 40; i++) {
        cr_assert_eq(all[i].inner.status, STATUS_OK);
        cr_assert_eq(nvme_flushed(nvme.tier, i), i + 1);
    }
}

BOTH(nvme_recovery, more_notes_than_there_is_room_for_empty_the_tier, DEVICE)
{
    KILLED_AFTER({
        puts_many(0, 20, 1);
        nvme.key_size = 4000;
        for (unsigned i = 0; nvme_used(&nvme).notes_lost < 3; i++)
            nvme_delete(&nvme, i % 20, 100 + i);
        nvme.key_size = 0;
        for (unsigned i = 0; nvme_flushed(nvme.tier, 0) == 0; i++) {
            nvme_turn(&nvme);
            HOLDS(i < 2000u);
        }
        HOLDS(nvme_flushed(nvme.tier, 255) >= 100u);
        puts_value(50, 100000, 5000);
    });
    for (unsigned i = 0; i < 20; i++)
        is_gone(i);
    is_there(50, 100000);
}

BOTH(nvme_recovery, a_full_buffer_of_notes_is_written, DEVICE)
{
    KILLED_AFTER({
        puts_many(0, 200, 1);
        nvme.key_size = 1000;
        for (unsigned i = 200; i < 500; i++)
            nvme_delete(&nvme, i, 1000);
        nvme.key_size = 0;
        for (unsigned i = 0; i < 200; i += 3)
            nvme_delete(&nvme, i, 1000);
        notes_settle();
    });
    for (unsigned i = 0; i < 200; i++) {
        if (i % 3 == 0)
            is_gone(i);
        else
            is_there(i, 1 + i);
    }
}

/* A walk ends where a write is missing: what is noted behind it would be lost,
 * and what was deleted be back. */
BOTH(nvme_recovery, notes_are_written_when_all_before_them_is, DEVICE)
{
    static struct nvme_transfer its;

    puts_value(50, 1000, 5000);
    settles();
    nvme_prepare(&nvme, &its, 0, 1, 900000);
    its.transfer.chunk = nvme_sealed(&nvme, 900000, nvme_seed(0, 1));
    cr_assert_eq(nvme_put_begin(&nvme, &its), PENDING);
    nvme_submit(nvme.tier, nvme.port);
    cr_assert_eq(port_pending(nvme.port), 1);
    nvme.key_size = 4000;
    for (unsigned i = 1; i < 40; i++)
        nvme_delete(&nvme, i, 100);
    nvme.key_size = 0;
    nvme_care(nvme.tier, nvme.port);
    nvme_submit(nvme.tier, nvme.port);
    cr_assert_eq(port_pending(nvme.port), 1);
    settles();
    cr_assert_eq(nvme_put_end(&nvme, &its, 0), STATUS_OK);
    cr_assert_geq(nvme_used(&nvme).written_bytes, 900000u + 39 * 4000u);
}

/* Puts, deletes and reclaims until it is killed; tells what it was told is
 * written. */
static void
goes_on(_Atomic uint64_t *written, uint64_t sequence)
{
    uint64_t random = sequence;

    for (;; sequence++) {
        unsigned number = random_below(&random, 100);

        puts_value(number, sequence, random_below(&random, 300000));
        atomic_store(&written[number], sequence);
        atomic_store(&written[LAST], sequence);
        if (random_below(&random, 8) == 0)
            nvme_delete(&nvme, random_below(&random, 100), sequence);
    }
}

BOTH(nvme_recovery, a_kill_at_any_time_leaves_what_is_right, 24u * MIB)
{
    _Atomic uint64_t *written =
        mmap(NULL, NVME_KEYS * sizeof(*written), PROT_READ | PROT_WRITE,
             MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    uint64_t random = 5;

    cr_assert_neq(written, MAP_FAILED);
    for (unsigned cycle = 1; cycle <= 12; cycle++) {
        struct timespec pause = {.tv_nsec = (long)random_below(&random, 60) *
                                            (long)NS_PER_MS};
        unsigned there = 0;
        pid_t pid;

        nvme_tier_close(&nvme);
        pid = fork();
        cr_assert_geq(pid, 0);
        if (pid == 0) {
            is_child = true;
            opens();
            goes_on(written, cycle * 1000000);
        }
        while (atomic_load(&written[LAST]) < cycle * 1000000)
            nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
        nanosleep(&pause, NULL);
        cr_assert_eq(kill(pid, SIGKILL), 0);
        cr_assert_eq(waitpid(pid, NULL, 0), pid);
        opens();
        for (unsigned i = 0; i < 100; i++) {
            if (!nvme.kept[i].is_there)
                continue;
            is_there(i, nvme.kept[i].sequence);
            there += nvme.kept[i].sequence >= written[i];
        }
        cr_assert_gt(there, 10u);
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What a restart finds, after a clean end and after a kill. */
#include "tests/unit/spill_checks.h"

#define DEVICE (64u * MIB)

SPILL_OPEN(spill_recovery, a_restart_serves_what_was_there, DEVICE)
{
    puts_many(0, 60, 1000);
    again();
    cr_assert_eq(spill.told, 60u);
    cr_assert(!spill.is_out_of_order);
    cr_assert_eq(spill.sequence, 1059u);
    are_there(0, 60, 1000);
    again();
    are_there(0, 60, 1000);
}

SPILL_OPEN(spill_recovery, usage_is_as_it_was, DEVICE)
{
    struct tier_usage before, after;

    puts_many(0, 60, 1000);
    spill_delete(&spill, 5);
    tier_usage(spill.tier, &before);
    again();
    tier_usage(spill.tier, &after);
    cr_assert_eq(before.bytes_used, after.bytes_used);
    cr_assert_eq(before.chunks, after.chunks);
    cr_assert_eq(spill_used(&spill).recovered, 59u);
}

SPILL_CLOSED(spill_recovery, what_is_done_outlives_a_kill, DEVICE)
{
    KILLED_AFTER(puts_many(0, 60, 1000));
    opens();
    cr_assert_eq(spill.told, 60u);
    are_there(0, 60, 1000);
}

SPILL_CLOSED(spill_recovery, what_is_deleted_stays_so_after_a_kill, DEVICE)
{
    KILLED_AFTER({
        puts_many(0, 60, 1000);
        for (unsigned i = 0; i < 60; i += 2)
            spill_delete(&spill, i);
        notes_settle();
    });
    KILLED_AFTER(notes_settle());
    opens();
    for (unsigned i = 0; i < 60; i++) {
        if (i % 2 == 0)
            is_gone(i);
        else
            is_there(i, 1000 + i);
    }
}

/* The value it deletes is not written yet. */
SPILL_CLOSED(spill_recovery, a_delete_overtakes_a_put_that_waits, DEVICE)
{
    KILLED_AFTER({
        struct spill_transfer its;

        for (unsigned i = 0; i < 8; i++) {
            spill_prepare(&spill, &its, i, 100 + i, 5000);
            its.transfer.chunk =
                spill_sealed(&spill, 5000, spill_seed(i, 100 + i));
            HOLDS(spill_put_begin(&spill, &its) == PENDING);
            spill_note_dropped(&spill, i, 100 + i);
            HOLDS(spill_await(&spill, &its));
            HOLDS(its.transfer.status == STATUS_OK);
        }
        puts_value(20, 200, 5000);
        notes_settle();
    });
    opens();
    cr_assert_eq(spill.told, 1u);
    is_there(20, 200);
    cr_assert_geq(spill.sequence, 200u);
}

SPILL_CLOSED(spill_recovery, an_overwritten_value_is_the_later_one, DEVICE)
{
    KILLED_AFTER({
        for (unsigned i = 0; i < 10; i++)
            puts_value(i, 100 + i, 5000);
        for (unsigned i = 0; i < 10; i += 2) {
            spill_note_dropped(&spill, i, 100 + i);
            puts_value(i, 200 + i, 6000);
        }
        notes_settle();
    });
    opens();
    cr_assert_eq(spill.told, 10u);
    for (unsigned i = 0; i < 10; i++)
        is_there(i, (i % 2 == 0 ? 200 : 100) + i);
}

static void
notes_change(unsigned number, uint64_t sequence, uint64_t expires_unix_ms)
{
    uint8_t bytes[32];
    const struct chunk_meta meta = {.size = 3, .bytes = {7, 8, 9}};
    const struct tier_found item = {.kind = TIER_FOUND_CHANGED,
                                    .key = spill_key(bytes, number),
                                    .sequence = sequence,
                                    .expires_unix_ms = expires_unix_ms,
                                    .form = 2,
                                    .meta = &meta};

    lower_note(spill.tier, &item);
}

static void
is_changed(unsigned number, uint64_t expires_unix_ms)
{
    static const uint8_t meta[] = {7, 8, 9};
    const struct spill_kept *kept = &spill.kept[number];

    cr_assert_eq(kept->expires_unix_ms, expires_unix_ms);
    cr_assert_eq(kept->form, 2u);
    cr_assert_eq(kept->meta.size, 3u);
    cr_assert_arr_eq(kept->meta.bytes, meta, 3);
}

SPILL_CLOSED(spill_recovery, a_change_outlives_a_kill, DEVICE)
{
    KILLED_AFTER({
        puts_many(0, 10, 100);
        notes_change(3, 103, 5555);
        notes_change(4, 104, 1);
        notes_change(4, 104, 6666);
        notes_change(5, 99, 1);
        notes_change(6, 106, 1);
        spill_delete(&spill, 6);
        notes_settle();
    });
    opens();
    is_changed(3, 5555);
    is_changed(4, 6666);
    cr_assert_eq(spill.kept[5].expires_unix_ms, 0u);
    is_gone(6);
    cr_assert_eq(spill.told, 9u);
    is_there(3, 103);
}

/* Of the entry as it was at put(). */
SPILL_OPEN(spill_recovery, metadata_form_and_expiry_come_back, DEVICE)
{
    struct chunk_meta meta = {.size = CHUNK_META_LM};
    struct spill_transfer its;

    meta.bytes[27] = 9;
    spill_prepare(&spill, &its, 1, 10, 5000);
    its.transfer.chunk = spill_sealed(&spill, 5000, spill_seed(1, 10));
    its.transfer.meta = &meta;
    its.transfer.form = 3;
    its.transfer.expires_unix_ms = 123456789;
    cr_assert_eq(spill_put_begin(&spill, &its), PENDING);
    memset(&meta, 0, sizeof(meta)); /* lent until put() has returned */
    cr_assert(spill_await(&spill, &its));
    cr_assert_eq(spill_put_end(&spill, &its, 1), STATUS_OK);
    again();
    is_there(1, 10);
    cr_assert_eq(spill.kept[1].meta.size, CHUNK_META_LM);
    cr_assert_eq(spill.kept[1].meta.bytes[27], 9u);
    cr_assert_eq(spill.kept[1].form, 3u);
    cr_assert_eq(spill.kept[1].expires_unix_ms, 123456789u);
}

/* --- Flushes. --- */

SPILL_CLOSED(spill_recovery, what_is_flushed_stays_so_after_a_kill, DEVICE)
{
    KILLED_AFTER({
        puts_many(0, 30, 100);
        HOLDS(flushes(LOWER_ALL_SPACES, 119) == STATUS_OK);
        HOLDS(lower_flushed(spill.tier, 7) == 119);
    });
    opens();
    cr_assert_eq(spill.told, 10u);
    for (unsigned i = 0; i < 20; i++)
        is_gone(i);
    are_there(20, 30, 100);
    cr_assert_eq(lower_flushed(spill.tier, 7), 119u);
    again();
    cr_assert_eq(spill.told, 10u);
}

SPILL_CLOSED(spill_recovery, a_flush_is_of_one_namespace, DEVICE)
{
    KILLED_AFTER({
        puts_many(0, 30, 100);
        HOLDS(flushes(1, 1000) == STATUS_OK);
    });
    opens();
    cr_assert_eq(lower_flushed(spill.tier, 0), 0u);
    cr_assert_eq(lower_flushed(spill.tier, 1), 1000u);
    cr_assert_eq(spill.sequence, 1000u);
    for (unsigned i = 0; i < 30; i++) {
        if (i % 2 == 1)
            is_gone(i);
        else
            is_there(i, 100 + i);
    }
}

/* More is deleted than can be remembered: a miss is legal, a resurrection is
 * not. */
SPILL_CLOSED(spill_recovery, too_many_notes_give_up_all_there_is, DEVICE)
{
    KILLED_AFTER({
        puts_many(0, 30, 100);
        for (unsigned i = 0; i < 3000000; i++)
            spill_note_dropped(&spill, 1, 1000 + i);
        HOLDS(spill_used(&spill).notes_lost != 0);
        AWAIT(lower_flushed(spill.tier, 0) != 0);
        /* Behind the last of them, too, should it have happened again. */
        HOLDS(flushes(LOWER_ALL_SPACES, 3500000) == STATUS_OK);
        puts_value(40, 4000000, 5000);
    });
    opens();
    cr_assert_eq(spill.told, 1u);
    is_there(40, 4000000);
}

/* --- Kills at any time. --- */

/* Puts without end; each one that is done is told through the pipe. */
static void
put_without_end(int fd)
{
    is_child = true;
    opens();
    for (unsigned i = 0;; i++) {
        unsigned number = i % SPILL_KEYS;
        uint64_t sequence = 1 + i;

        if (lower_wants_reclaim(spill.tier))
            HOLDS(spill_reclaim(&spill) == STATUS_OK);
        puts_value(number, sequence, 1000 + i % 7 * 40000);
        if (write(fd, &sequence, sizeof(sequence)) != sizeof(sequence))
            _exit(1);
    }
}

static uint64_t
kill_after(unsigned puts)
{
    uint64_t sequence = 0, last = 0;
    int ends[2], status;
    pid_t pid;

    cr_assert_eq(pipe(ends), 0);
    pid = fork();
    cr_assert_geq(pid, 0);
    if (pid == 0) {
        close(ends[0]);
        put_without_end(ends[1]);
    }
    close(ends[1]);
    for (unsigned i = 0; i < puts; i++) {
        cr_assert_eq(read(ends[0], &sequence, sizeof(sequence)),
                     (ssize_t)sizeof(sequence));
        last = sequence;
    }
    cr_assert_eq(kill(pid, SIGKILL), 0);
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert(WIFSIGNALED(status));
    while (read(ends[0], &sequence, sizeof(sequence)) ==
           (ssize_t)sizeof(sequence))
        last = sequence;
    close(ends[0]);
    return last;
}

SPILL_CLOSED(spill_recovery, a_kill_in_the_middle_loses_nothing_that_was_done,
             DEVICE)
{
    uint64_t last = kill_after(40);

    opens();
    /* One more may have been written and not told. */
    cr_assert_geq(spill.told, last);
    cr_assert_leq(spill.told, last + 1);
    for (unsigned i = 0; i < last; i++)
        is_there(i, 1 + i);
    puts_value(300, 100000, 5000);
    is_there(300, 100000);
    again();
    is_there(300, 100000);
}

/* Orphans of several lives lie in the newest group, and are read by nobody. */
SPILL_CLOSED(spill_recovery, a_directory_that_was_killed_often_still_opens,
             DEVICE)
{
    for (unsigned i = 0; i < 5; i++)
        (void)kill_after(3 + i);
    opens();
    cr_assert(is_state("serving"));
    for (unsigned i = 0; i < SPILL_KEYS; i++)
        if (spill.kept[i].is_there)
            is_there(i, spill.kept[i].sequence);
    puts_value(300, 100000, 5000);
    is_there(300, 100000);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Space: never more than spill.size on the device, and given back by groups. */
#include "tests/unit/spill_checks.h"

#include <sys/resource.h>

#define DEVICE (64u * MIB)
#define SIZE   900000u

static uint64_t sequence, most;

static void
watch(void)
{
    uint64_t bytes = spill_bytes(&spill);

    if (bytes > most)
        most = bytes;
    HOLDS(bytes <= spill.options.size);
    HOLDS(spill_used(&spill).used <= spill.options.size);
}

/* As the mover does it: reclaims where that is wanted. */
static void
puts_next(unsigned number, uint32_t size)
{
    enum status status;

    if (lower_wants_reclaim(spill.tier))
        HOLDS(spill_reclaim(&spill) == STATUS_OK);
    while ((status = spill_put(&spill, number, ++sequence, size)) ==
           STATUS_BUSY)
        HOLDS(spill_reclaim(&spill) == STATUS_OK);
    HOLDS(status == STATUS_OK);
    watch();
}

static unsigned
count_there(void)
{
    unsigned count = 0;

    for (unsigned i = 0; i < SPILL_KEYS; i++)
        count += spill.kept[i].is_there;
    return count;
}

SPILL_OPEN(spill_space, the_directory_never_takes_more_than_its_size, DEVICE)
{
    for (unsigned i = 0; i < 150; i++)
        puts_next(i, SIZE);
    /* It is used, too. */
    cr_assert_gt(most, DEVICE / 10 * 7);
    cr_assert_gt(count_there(), 40u);
    for (unsigned i = 0; i < 150; i++)
        if (spill.kept[i].is_there)
            is_there(i, spill.kept[i].sequence);
    is_there(149, sequence);
    again();
    watch();
    cr_assert_gt(spill.told, 40u);
    for (unsigned i = 0; i < 10; i++)
        puts_next(200 + i, SIZE);
}

/* Nobody reclaims: what has no room is refused. */
SPILL_OPEN(spill_space, without_reclaiming_puts_are_refused, DEVICE)
{
    enum status status = STATUS_OK;

    for (unsigned i = 0; i < 150 && status == STATUS_OK; i++) {
        status = spill_put(&spill, i, ++sequence, SIZE);
        watch();
    }
    cr_assert_eq(status, STATUS_BUSY);
    cr_assert(lower_wants_reclaim(spill.tier));
    cr_assert(lower_is_tight(spill.tier));
    cr_assert_eq(spill_reclaim(&spill), STATUS_OK);
    cr_assert_eq(spill_put(&spill, 300, ++sequence, SIZE), STATUS_OK);
    is_there(300, sequence);
}

SPILL_OPEN(spill_space, a_group_that_is_given_back_frees_its_files, DEVICE)
{
    uint64_t before;
    unsigned files;

    for (unsigned i = 0; i < 40; i++)
        puts_next(i, SIZE);
    before = spill_bytes(&spill);
    files = each_file("bodies", ".sst", NULL);
    cr_assert_eq(spill_reclaim(&spill), STATUS_OK);
    cr_assert_lt(spill_bytes(&spill) + 2 * SIZE, before);
    cr_assert_lt(each_file("bodies", ".sst", NULL), files);
    while (spill_reclaim(&spill) == STATUS_OK)
        continue;
    cr_assert_eq(spill_used(&spill).groups, 1u);
    cr_assert_lt(spill_bytes(&spill), 8u * MIB);
}

/* --- Victims. --- */

/* Thousands of values in the oldest group, and the last one alone in another;
 * of each name the last one is kept.  Returns which that is. */
#define ROUNDS 12u
#define VALUES (ROUNDS * SPILL_KEYS + 100)
static unsigned
fills_a_group(void)
{
    unsigned number = 0;

    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < SPILL_KEYS; i++) {
            struct spill_transfer *its = &many[i];

            spill_prepare(&spill, its, i, ++sequence, 600);
            its->transfer.chunk =
                spill_sealed(&spill, 600, spill_seed(i, sequence));
            HOLDS(spill_put_begin(&spill, its) == PENDING);
        }
        HOLDS(spill_settle(&spill));
        for (unsigned i = 0; i < SPILL_KEYS; i++)
            HOLDS(spill_put_end(&spill, &many[i], i) == STATUS_OK);
    }
    puts_next(number, SIZE);
    while (spill_used(&spill).groups < 2)
        puts_next(++number, SIZE);
    HOLDS(sequence < VALUES);
    return number;
}

static void
allow_writes(uint64_t below)
{
    const struct rlimit limit = {.rlim_cur = below, .rlim_max = RLIM_INFINITY};

    signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static struct lower_victim *
starts_victim(void)
{
    struct lower_victim *victim = NULL;

    cr_assert_eq(lower_victim_start(spill.tier, spill.port, &victim),
                 STATUS_OK);
    return victim;
}

SPILL_OPEN(spill_space, a_victim_names_what_the_oldest_group_has, DEVICE)
{
    struct lower_victim *victim;
    struct tier_found item;
    unsigned count = 0, left = 0;
    uint64_t bytes = 0, all;

    for (unsigned i = 0; i < 20; i++)
        puts_next(i, SIZE + i);
    spill_delete(&spill, 1);
    notes_settle();
    victim = starts_victim();
    for (unsigned round = 0; round < 2; round++)
        while (spill_victim_tells(victim, &item)) {
            unsigned number = spill_number_of(&item);
            const struct spill_kept *kept = &spill.kept[number];

            cr_assert(kept->is_there, "value %u", number);
            cr_assert_eq(item.kind, TIER_FOUND_VALUE);
            cr_assert_eq(item.sequence, kept->sequence);
            cr_assert_eq(item.size, kept->size);
            cr_assert_eq(memcmp(&item.place, &kept->place, 16), 0);
            cr_assert_eq(item.key.space, number % 2);
            count++;
            bytes += item.size;
        }
    all = lower_victim_bytes(victim);
    cr_assert_geq(all, bytes / 2 + SIZE, "and the one that was deleted");
    cr_assert_lt(all, bytes / 2 + 2 * SIZE);
    lower_victim_abandon(&victim);
    is_there(0, 1);
    cr_assert_eq(spill_reclaim(&spill), STATUS_OK);
    for (unsigned i = 0; i < 20; i++)
        left += spill.kept[i].is_there && spill_get(&spill, i) == STATUS_OK;
    cr_assert_gt(left, 1u);
    cr_assert_eq(count, 2 * (19 - left));
}

/* Some thousand heads: they come by portions, each of them once, and go so. */
SPILL_OPEN(spill_space, a_victim_of_many_values_names_each_of_them, 256u * MIB)
{
    static unsigned told[2][VALUES];
    struct lower_victim *victim;
    struct tier_found item;
    unsigned last = fills_a_group();

    victim = starts_victim();
    while (spill_victim_tells(victim, &item))
        told[0][item.sequence]++;
    cr_assert_eq(lower_victim_retire(victim), STATUS_OK);
    while (spill_victim_tells(victim, &item))
        told[1][item.sequence]++;
    lower_victim_finish(&victim);
    for (unsigned i = 1; i <= sequence; i++) {
        cr_assert_eq(told[0][i], i < sequence, "value %u", i);
        cr_assert_eq(told[1][i], i < sequence, "value %u", i);
    }
    cr_assert_eq(lower_losses(spill.tier), 0u);
    again();
    cr_assert_eq(spill.told, 1u);
    is_there(last, sequence);
}

/* All of it was deleted before. */
SPILL_OPEN(spill_space, a_victim_of_nothing_but_old_names_goes, 256u * MIB)
{
    struct lower_victim *victim;
    struct tier_found item;
    unsigned last = fills_a_group();

    for (unsigned i = 1; i < sequence; i++)
        spill_note_dropped(&spill, 0, i);
    notes_settle();
    victim = starts_victim();
    cr_assert_eq(lower_victim_next(victim, &item), STATUS_BUSY);
    cr_assert(!spill_victim_tells(victim, &item));
    cr_assert_eq(lower_victim_retire(victim), STATUS_OK);
    spill_give_back(&spill, &victim);
    cr_assert_eq(spill_used(&spill).groups, 1u);
    is_there(last, sequence);
}

/* Some of its heads are gone when nothing can be written any more, and others
 * may be: nobody knows. */
SPILL_OPEN(spill_space, a_victim_that_goes_half_way_goes_at_last, 256u * MIB)
{
    unsigned count = 0, newest = fills_a_group();
    struct spill_kept last = spill.kept[SPILL_KEYS - 1];
    struct lower_victim *victim;
    struct tier_found item;

    victim = starts_victim();
    cr_assert_eq(lower_victim_retire(victim), STATUS_OK);
    cr_assert(spill_victim_tells(victim, &item));
    allow_writes(1);
    while (spill_victim_tells(victim, &item))
        count++;
    cr_assert_gt(count, 100u);
    cr_assert_lt(count, (ROUNDS - 1) * SPILL_KEYS);
    lower_victim_finish(&victim);
    cr_assert(lower_holds(spill.tier, &last.place));
    cr_assert_eq(spill_get_at(&spill, SPILL_KEYS - 1, &last), STATUS_OK);
    allow_writes(RLIM_INFINITY);
    AWAIT(is_state("serving"));
    while (lower_holds(spill.tier, &last.place))
        cr_assert_eq(spill_reclaim(&spill), STATUS_OK);
    cr_assert_neq(lower_losses(spill.tier), 0u);
    cr_assert(lower_has_lost(spill.tier, &last.place));
    is_there(newest, sequence);
    cr_assert(lower_holds(spill.tier, &spill.kept[newest].place));
    again();
    cr_assert_eq(spill.told, 1u);
}

SPILL_OPEN(spill_space, there_is_one_victim_at_a_time_and_never_the_newest,
           DEVICE)
{
    struct lower_victim *victim, *other;

    cr_assert_eq(lower_victim_start(spill.tier, spill.port, &victim),
                 STATUS_MISS);
    puts_next(0, SIZE);
    cr_assert_eq(lower_victim_start(spill.tier, spill.port, &victim),
                 STATUS_MISS);
    for (unsigned i = 1; i < 20; i++)
        puts_next(i, SIZE);
    victim = starts_victim();
    cr_assert_eq(lower_victim_start(spill.tier, spill.port, &other),
                 STATUS_MISS);
    lower_victim_close(victim);
    lower_victim_abandon(&victim);
    cr_assert(lower_may_promise(spill.tier, &spill.kept[0].place));
    victim = starts_victim();
    lower_victim_abandon(&victim);
}

/* What is worth it is put again, into the newest group, under the same
 * sequence. */
SPILL_OPEN(spill_space, what_is_kept_of_a_victim_outlives_it, DEVICE)
{
    struct lower_victim *victim;
    struct tier_found item;
    struct spill_kept gone;
    unsigned kept = 0;

    for (unsigned i = 0; i < 20; i++)
        puts_next(i, SIZE);
    gone = spill.kept[1];
    victim = starts_victim();
    while (spill_victim_tells(victim, &item))
        if (spill_number_of(&item) % 2 == 0) {
            puts_value(spill_number_of(&item), item.sequence, SIZE);
            kept++;
        }
    cr_assert_gt(kept, 0u);
    cr_assert(lower_may_promise(spill.tier, &gone.place));
    lower_victim_close(victim);
    cr_assert(!lower_may_promise(spill.tier, &gone.place));
    cr_assert(lower_may_promise(spill.tier, &spill.kept[0].place));
    cr_assert_eq(lower_victim_retire(victim), STATUS_OK);
    cr_assert(lower_holds(spill.tier, &gone.place));
    spill_give_back(&spill, &victim);
    is_gone(1);
    cr_assert(!lower_holds(spill.tier, &gone.place));
    cr_assert_eq(spill_get_at(&spill, 1, &gone), STATUS_MISS);
    for (unsigned i = 0; i < 20; i += 2)
        is_there(i, 1 + i);
    again();
    for (unsigned i = 0; i < 20; i += 2)
        is_there(i, 1 + i);
    is_gone(1);
}

/* Nothing of a group that was given back is there after a stop of any kind. */
SPILL_CLOSED(spill_space, what_was_given_back_stays_so_after_a_kill, DEVICE)
{
    KILLED_AFTER({
        for (unsigned i = 0; i < 20; i++)
            puts_next(i, SIZE);
        HOLDS(spill_reclaim(&spill) == STATUS_OK);
    });
    opens();
    is_gone(0);
    cr_assert_gt(spill.told, 10u);
    cr_assert_lt(spill.told, 20u);
    for (unsigned i = 0; i < 20; i++)
        if (spill.kept[i].is_there)
            is_there(i, 1 + i);
}

/* A read that is under way keeps the group that is given back meanwhile. */
SPILL_OPEN(spill_space, a_read_meets_a_group_that_goes, DEVICE)
{
    static struct spill_transfer gets[8];
    struct lower_victim *victim;

    for (unsigned i = 0; i < 20; i++)
        puts_next(i, SIZE);
    for (unsigned i = 0; i < 8; i++) {
        spill_prepare(&spill, &gets[i], 0, 1, SIZE);
        gets[i].transfer.place = spill.kept[0].place;
        cr_assert_eq(tier_get(spill.tier, &gets[i].transfer), PENDING);
        spill.under_way++;
    }
    victim = starts_victim();
    cr_assert_eq(lower_victim_retire(victim), STATUS_OK);
    spill_give_back(&spill, &victim);
    HOLDS(spill_settle(&spill));
    for (unsigned i = 0; i < 8; i++) {
        struct transfer *transfer = &gets[i].transfer;

        if (transfer->status == STATUS_OK)
            cr_assert(value_fills(transfer->chunk, spill_seed(0, 1)));
        else
            cr_assert_eq(transfer->status, STATUS_MISS);
        chunk_drop(&transfer->chunk);
    }
}

/* One by one, each in a table of its own: they become few. */
SPILL_OPEN(spill_space, many_small_tables_become_few, 256u * MIB)
{
    unsigned files;

    for (unsigned i = 0; i < 100; i++)
        puts_next(i, 9000);
    files = each_file("bodies", ".sst", NULL);
    cr_assert_lt(files, 50u, "%u", files);
    for (unsigned i = 0; i < 100; i++)
        is_there(i, 1 + i);
    again();
    cr_assert_eq(spill.told, 100u);
    for (unsigned i = 0; i < 100; i++)
        is_there(i, 1 + i);
}

/* Small values: what is said of them counts, too. */
SPILL_OPEN(spill_space, heads_count_as_bodies_do, 16u * MIB)
{
    for (unsigned round = 0; round < 40; round++) {
        if (lower_wants_reclaim(spill.tier))
            HOLDS(spill_reclaim(&spill) == STATUS_OK);
        for (unsigned i = 0; i < SPILL_KEYS; i++) {
            struct spill_transfer *its = &many[i];

            spill_prepare(&spill, its, i, ++sequence, 600);
            its->transfer.chunk =
                spill_sealed(&spill, 600, spill_seed(i, sequence));
            if (spill_put_begin(&spill, its) == FINISHED)
                HOLDS(its->transfer.status == STATUS_BUSY);
        }
        HOLDS(spill_settle(&spill));
        for (unsigned i = 0; i < SPILL_KEYS; i++)
            (void)spill_put_end(&spill, &many[i], i);
        watch();
    }
    cr_assert_gt(spill_used(&spill).written_bytes, 10u * MIB);
}

/* With less than there is, groups go until it is held. */
SPILL_OPEN(spill_space, a_smaller_size_is_held_after_reclaiming, DEVICE)
{
    for (unsigned i = 0; i < 60; i++)
        puts_next(i, SIZE);
    spill_tier_close(&spill);
    spill.options.size = DEVICE / 2;
    opens();
    cr_assert_eq(spill_put(&spill, 300, ++sequence, SIZE), STATUS_BUSY);
    while (lower_wants_reclaim(spill.tier))
        HOLDS(spill_reclaim(&spill) == STATUS_OK);
    watch();
    puts_next(300, SIZE);
    is_there(300, sequence);
    is_there(59, 60);
}

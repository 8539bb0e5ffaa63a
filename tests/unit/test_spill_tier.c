/* SPDX-License-Identifier: Apache-2.0 */
/* Putting and getting: limits, doubtful places, values of many pieces. */
#include "tests/unit/spill_checks.h"

SPILL_OPEN(spill_tier, a_value_of_many_pieces_comes_back, 128u * MIB)
{
    static const uint32_t sizes[] = {MIB - 1, MIB, MIB + 1, 3 * MIB + 12345};

    spill_tier_close(&spill);
    spill.options.value_max = 4u * MIB;
    opens();
    for (unsigned i = 0; i < 4; i++)
        puts_value(i, 10 + i, sizes[i]);
    for (unsigned i = 0; i < 4; i++)
        is_there(i, 10 + i);
    again();
    cr_assert_eq(spill.told, 4u);
    for (unsigned i = 0; i < 4; i++)
        is_there(i, 10 + i);
}

SPILL_OPEN(spill_tier, a_value_larger_than_allowed_is_refused, 64u * MIB)
{
    cr_assert_eq(lower_value_max(spill.tier), MIB);
    cr_assert_eq(spill_put(&spill, 1, 1, MIB + 1), STATUS_TOO_BIG);
    puts_value(1, 2, MIB);
    is_there(1, 2);
}

SPILL_OPEN(spill_tier, a_small_directory_takes_small_values, 4u * MIB)
{
    uint64_t most = lower_value_max(spill.tier);

    cr_assert_lt(most, MIB);
    cr_assert_gt(most, MIB / 2);
    cr_assert_eq(spill_put(&spill, 1, 1, (uint32_t)most + 1), STATUS_TOO_BIG);
    puts_value(1, 2, (uint32_t)most);
    is_there(1, 2);
}

/* What is put and not written yet is bounded, and says so at once. */
SPILL_OPEN(spill_tier, more_than_may_be_in_flight_is_refused, 64u * MIB)
{
    static struct spill_transfer its[16];
    unsigned taken = 0, busy = 0;

    spill_tier_close(&spill);
    spill.options.inflight = 2u * MIB;
    opens();
    for (unsigned i = 0; i < 16; i++) {
        spill_prepare(&spill, &its[i], i, 1 + i, 900000);
        its[i].transfer.chunk =
            spill_sealed(&spill, 900000, spill_seed(i, 1 + i));
        if (spill_put_begin(&spill, &its[i]) == PENDING)
            taken++;
        else if (its[i].transfer.status == STATUS_BUSY)
            busy++;
    }
    cr_assert_eq(taken + busy, 16u);
    cr_assert_gt(busy, 0u);
    HOLDS(spill_settle(&spill));
    for (unsigned i = 0; i < 16; i++)
        (void)spill_put_end(&spill, &its[i], i);
    for (unsigned i = 0; i < taken; i++)
        is_there(i, 1 + i);
    puts_value(100, 100, 900000);
}

/* One that is larger than all that may be in flight goes alone. */
SPILL_OPEN(spill_tier, a_value_larger_than_all_in_flight_goes_alone, 64u * MIB)
{
    spill_tier_close(&spill);
    spill.options.inflight = 1000;
    opens();
    puts_value(1, 1, 900000);
    is_there(1, 1);
}

static enum status
get_as(unsigned number, uint64_t sequence, uint32_t size,
       struct tier_place place)
{
    const struct spill_kept kept = {
        .sequence = sequence, .size = size, .place = place};

    return spill_get_at(&spill, number, &kept);
}

SPILL_OPEN(spill_tier, a_place_is_of_one_key_and_one_put, 64u * MIB)
{
    struct tier_place place, other;

    puts_value(1, 10, 5000);
    puts_value(2, 11, 5000);
    place = other = spill.kept[1].place;
    cr_assert_eq(get_as(1, 10, 5000, place), STATUS_OK);
    cr_assert_eq(get_as(2, 10, 5000, place), STATUS_MISS);
    cr_assert_eq(get_as(1, 11, 5000, place), STATUS_MISS);
    other.word[0]++;
    cr_assert_eq(get_as(1, 10, 5000, other), STATUS_MISS);
    other = place;
    other.word[0] += UINT64_C(1) << 50; /* another group */
    cr_assert_eq(get_as(1, 10, 5000, other), STATUS_MISS);
    cr_assert_eq(spill_used(&spill).corrupt, 0u);
}

SPILL_OPEN(spill_tier, bytes_or_sizes_that_are_not_the_places_are_corrupt,
           64u * MIB)
{
    struct tier_place place, other;

    puts_value(1, 10, 5000);
    place = other = spill.kept[1].place;
    other.word[1]++;
    cr_assert_eq(get_as(1, 10, 5000, other), STATUS_CORRUPT);
    cr_assert_eq(get_as(1, 10, 4999, place), STATUS_CORRUPT);
    cr_assert_eq(get_as(1, 10, 0, place), STATUS_CORRUPT);
    cr_assert_eq(get_as(1, 10, 2 * MIB, place), STATUS_CORRUPT);
    cr_assert_eq(spill_used(&spill).corrupt, 4u);
    cr_assert(spill_used(&spill).may_read);
    is_there(1, 10);
}

/* More reads than may be under way at one time: the rest wait for theirs. */
SPILL_OPEN(spill_tier, reads_wait_for_their_turn_and_all_come, 64u * MIB)
{
    static struct spill_transfer gets[24];

    spill_tier_close(&spill);
    spill.options.threads = 1;
    opens();
    for (unsigned i = 0; i < 6; i++)
        puts_value(i, 10 + i, MIB);
    for (unsigned i = 0; i < 24; i++) {
        spill_prepare(&spill, &gets[i], i % 6, 10 + i % 6, MIB);
        gets[i].transfer.place = spill.kept[i % 6].place;
        cr_assert_eq(tier_get(spill.tier, &gets[i].transfer), PENDING);
        spill.under_way++;
    }
    HOLDS(spill_settle(&spill));
    for (unsigned i = 0; i < 24; i++) {
        struct transfer *transfer = &gets[i].transfer;

        cr_assert_eq(transfer->status, STATUS_OK, "read %u", i);
        cr_assert(value_fills(transfer->chunk, spill_seed(i % 6, 10 + i % 6)));
        chunk_drop(&transfer->chunk);
    }
}

/* The pool has no room: the read is given up, and nothing is held. */
SPILL_OPEN(spill_tier, a_read_without_memory_is_given_up, 64u * MIB)
{
    static struct chunk *fillers[40];
    unsigned count = 0;

    puts_value(1, 10, MIB);
    while (pool_free_bytes(spill.pool) >= MIB)
        fillers[count++] = spill_sealed(&spill, MIB - POOL_BLOCK, 1);
    cr_assert_eq(spill_get(&spill, 1), STATUS_NO_SPACE);
    while (count != 0)
        chunk_drop(&fillers[--count]);
    is_there(1, 10);
}

SPILL_OPEN(spill_tier, usage_says_what_was_done, 64u * MIB)
{
    struct spill_usage usage = spill_used(&spill);

    cr_assert_str_eq(usage.state, "serving");
    cr_assert_eq(usage.size, 64u * MIB);
    cr_assert_eq(usage.written_bytes, 0u);
    puts_value(1, 10, 300000);
    is_there(1, 10);
    is_there(1, 10);
    usage = spill_used(&spill);
    cr_assert_eq(usage.written_bytes, 300000u);
    cr_assert_eq(usage.read_bytes, 600000u);
    cr_assert_eq(usage.groups, 1u);
    cr_assert_geq(usage.used, 300000u);
    AWAIT(spill_used(&spill).memory_used != 0);
    cr_assert_leq(spill_used(&spill).memory_used, spill.options.memory);
}

/* --- Compression. --- */

static void
put_zeroes(unsigned number, uint64_t sequence, uint32_t size)
{
    static uint8_t zeroes[4096];
    struct spill_transfer its;

    spill_prepare(&spill, &its, number, sequence, size);
    cr_assert_eq(chunk_new(spill.pool, size, &its.transfer.chunk), STATUS_OK);
    cr_assert_eq(chunk_grow(its.transfer.chunk, size), STATUS_OK);
    for (uint32_t at = 0; at < size; at += sizeof(zeroes))
        chunk_copy_in(its.transfer.chunk, zeroes, sizeof(zeroes));
    chunk_seal(its.transfer.chunk);
    cr_assert_eq(spill_put_begin(&spill, &its), PENDING);
    cr_assert(spill_await(&spill, &its));
    cr_assert_eq(spill_put_end(&spill, &its, number), STATUS_OK);
}

static void
takes_less(enum spill_compression compression)
{
    uint64_t before;

    spill_tier_close(&spill);
    spill.options.compression = compression;
    opens();
    before = spill_bytes(&spill);
    for (unsigned i = 0; i < 8; i++)
        put_zeroes(i, 100 + i, MIB);
    if (compression == SPILL_NONE)
        cr_assert_gt(spill_bytes(&spill) - before, 8u * MIB);
    else
        cr_assert_lt(spill_bytes(&spill) - before, 2u * MIB);
    for (unsigned i = 10; i < 16; i++)
        puts_value(i, 200 + i, 70001);
    for (unsigned i = 10; i < 16; i++)
        is_there(i, 200 + i);
}

/* What one compression wrote another one reads. */
SPILL_OPEN(spill_tier, what_can_be_compressed_takes_less, 128u * MIB)
{
    takes_less(SPILL_NONE);
    takes_less(SPILL_LZ4);
    takes_less(SPILL_ZSTD);
    spill_tier_close(&spill);
    spill.options.compression = SPILL_NONE;
    opens();
    for (unsigned i = 10; i < 16; i++)
        is_there(i, 200 + i);
}

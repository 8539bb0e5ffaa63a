/* SPDX-License-Identifier: Apache-2.0 */
/* Values into the NVMe tier and out again, while it runs: all sizes, memory
 * that is scattered or short, places that are no longer theirs. */
#include "tests/unit/nvme_checks.h"

#define DEVICE (64u * MIB)
#define MANY   30u

static void
is_kept(unsigned number, uint32_t size)
{
    puts_value(number, number + 1, size);
    is_there(number, number + 1);
}

BOTH(nvme, values_of_every_size_come_back, DEVICE)
{
    static const uint32_t sizes[] = {
        0,       1,    1800,    1900,        2015,        2016,
        2017,    4095, 4096,    4097,        8191,        70001,
        MIB - 1, MIB,  MIB + 1, MIB + 60000, 2 * MIB - 1, 3 * MIB + 5};

    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        is_kept(i, sizes[i]);
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        is_there(i, i + 1);
}

BOTH(nvme, the_largest_value_fits_and_a_larger_one_is_too_big, DEVICE)
{
    uint32_t most = (uint32_t)nvme_value_max(nvme.tier);

    nvme.key_size = KEY_SIZE_MAX;
    is_kept(0, most);
    cr_assert_eq(nvme_put(&nvme, 1, 2, most + 1), STATUS_TOO_BIG);
    is_kept(2, most);
    again();
    is_there(0, 1);
    is_there(2, 3);
}

BOTH(nvme, keys_of_every_length_are_kept_whole, DEVICE)
{
    static const uint16_t sizes[] = {20, 3800, 3900, 3990, 4000, 4095, 4096};
    unsigned count = sizeof(sizes) / sizeof(sizes[0]);

    for (unsigned i = 0; i < count; i++) {
        nvme.key_size = sizes[i];
        is_kept(i, 5000 + i);
    }
    again();
    for (unsigned i = 0; i < count; i++) {
        nvme.key_size = sizes[i];
        is_there(i, i + 1);
    }
}

static void
begins(struct nvme_transfer *its, unsigned number, uint32_t size)
{
    nvme_prepare(&nvme, its, number, number + 1, size);
    its->transfer.chunk =
        nvme_sealed(&nvme, size, nvme_seed(number, number + 1));
    cr_assert_eq(nvme_put_begin(&nvme, its), PENDING);
}

static void
ends(struct nvme_transfer *its, unsigned number)
{
    cr_assert(nvme_await(&nvme, its));
    cr_assert_eq(nvme_put_end(&nvme, its, number), STATUS_OK);
    is_there(number, number + 1);
}

BOTH(nvme, small_records_side_by_side_share_one_write, DEVICE)
{
    static struct nvme_transfer its[MANY];

    for (unsigned i = 0; i < MANY; i++)
        begins(&its[i], i, 1000 * i);
    cr_assert_eq(port_pending(nvme.port), 0);
    nvme_submit(nvme.tier, nvme.port);
    cr_assert_eq(port_pending(nvme.port), 1);
    for (unsigned i = 0; i < MANY; i++)
        ends(&its[i], i);
}

BOTH(nvme, a_large_record_takes_several_writes, DEVICE)
{
    static struct nvme_transfer its;

    begins(&its, 0, 2 * MIB - 8192);
    nvme_submit(nvme.tier, nvme.port);
    cr_assert_eq(port_pending(nvme.port), 2);
    ends(&its, 0);
}

/* Leaves only single blocks in the pool. */
static unsigned
scatter(struct pool_run *runs, unsigned count)
{
    unsigned taken = 0;

    while (taken < count && pool_run_take(nvme.pool, 1, &runs[taken]))
        taken++;
    for (unsigned i = 0; i < taken; i += 2)
        pool_run_give(nvme.pool, runs[i]);
    return taken;
}

static void
gather(const struct pool_run *runs, unsigned taken)
{
    for (unsigned i = 1; i < taken; i += 2)
        pool_run_give(nvme.pool, runs[i]);
}

BOTH(nvme, values_in_scattered_memory_come_back, DEVICE)
{
    static struct pool_run runs[32u * MIB / POOL_BLOCK];
    unsigned taken = scatter(runs, 32u * MIB / POOL_BLOCK);

    for (unsigned i = 0; i < 4; i++)
        is_kept(i, MIB + i * 4096 + i);
    /* Of one memory into another. */
    gather(runs, taken);
    for (unsigned i = 0; i < 4; i++)
        is_there(i, i + 1);
    taken = scatter(runs, 32u * MIB / POOL_BLOCK);
    for (unsigned i = 0; i < 4; i++)
        is_there(i, i + 1);
    gather(runs, taken);
}

static struct pool_run hoard[64];
static unsigned hoarded;

static void
take_all(void)
{
    hoarded = 0;
    while (hoarded < 64 &&
           pool_run_take(nvme.pool, POOL_EXTENT_BLOCKS, &hoard[hoarded]))
        hoarded++;
    cr_assert_eq(pool_free_bytes(nvme.pool), 0);
}

static void
give_all(void)
{
    while (hoarded != 0)
        pool_run_give(nvme.pool, hoard[--hoarded]);
}

/* The rest of the last block of a value, on the device. */
static void
has_zeroes_behind(unsigned number)
{
    const struct nvme_kept *kept = &nvme.kept[number];
    uint8_t block[NVME_BLOCK];
    int fd = open(nvme.path, O_RDONLY);
    uint64_t last = offset_of(&kept->place, nvme_used(&nvme).segment_size) +
                    NVME_BLOCK + kept->size / NVME_BLOCK * NVME_BLOCK;

    cr_assert_eq(pread(fd, block, NVME_BLOCK, (off_t)last), NVME_BLOCK);
    close(fd);
    for (uint32_t i = kept->size % NVME_BLOCK; i < NVME_BLOCK; i++)
        cr_assert_eq(block[i], 0, "value %u byte %u", number, i);
}

BOTH(nvme, what_lies_behind_a_value_in_memory_stays_there, DEVICE)
{
    take_all();
    for (unsigned i = 0; i < hoarded; i++)
        memset(hoard[i].data, 0xa5, hoard[i].blocks * (size_t)POOL_BLOCK);
    give_all();
    /* Small ones go by memory of the tier, one after the other. */
    is_kept(0, 1800);
    is_kept(1, 100);
    is_kept(2, 5000);
    is_kept(3, MIB + 1);
    for (unsigned i = 0; i < 4; i++)
        has_zeroes_behind(i);
}

/* --- Reads. --- */

static struct nvme_transfer reads[MANY];

static void
asks(unsigned number)
{
    struct nvme_transfer *its = &reads[number];
    const struct nvme_kept *kept = &nvme.kept[number];

    nvme_prepare(&nvme, its, number, kept->sequence, kept->size);
    its->transfer.place = kept->place;
    cr_assert_eq(tier_get(nvme.tier, &its->transfer), PENDING);
    nvme.under_way++;
}

static void
is_answered(unsigned number)
{
    struct nvme_transfer *its = &reads[number];

    cr_assert(nvme_await(&nvme, its));
    cr_assert_eq(its->transfer.status, STATUS_OK);
    cr_assert(value_fills(its->transfer.chunk, nvme_seed(number, number + 1)));
    chunk_drop(&its->transfer.chunk);
}

BOTH(nvme, reads_beyond_the_budget_wait_for_those_before, DEVICE)
{
    for (unsigned i = 0; i < 20; i++)
        puts_value(i, i + 1, 900000);
    settles();
    for (unsigned i = 0; i < 20; i++)
        asks(i);
    /* Two fit in the budget of 2 MiB. */
    cr_assert_eq(port_pending(nvme.port), 2);
    for (unsigned i = 0; i < 20; i++)
        is_answered(i);
}

BOTH(nvme, a_read_larger_than_the_budget_is_served, DEVICE)
{
    puts_value(0, 1, 3 * MIB);
    puts_value(1, 2, 3 * MIB);
    settles();
    asks(0);
    asks(1);
    cr_assert_eq(port_pending(nvme.port), 3);
    is_answered(0);
    is_answered(1);
}

BOTH(nvme, a_read_does_not_wait_for_writes, DEVICE)
{
    static struct nvme_transfer its[8];

    puts_value(20, 21, MIB);
    puts_value(21, 22, MIB);
    settles();
    for (unsigned i = 0; i < 8; i++)
        begins(&its[i], i, 900000);
    nvme_submit(nvme.tier, nvme.port);
    cr_assert_eq(port_pending(nvme.port), 2);
    asks(20);
    cr_assert_eq(port_pending(nvme.port), 3);
    asks(21);
    is_answered(20);
    is_answered(21);
    for (unsigned i = 0; i < 8; i++)
        ends(&its[i], i);
}

/* --- Memory. --- */

static unsigned rooms_made;

static bool
make_room(struct port *port, uint64_t bytes)
{
    cr_assert_eq(port, nvme.port);
    rooms_made++;
    while (pool_free_bytes(nvme.pool) < bytes && hoarded != 0)
        pool_run_give(nvme.pool, hoard[--hoarded]);
    return pool_free_bytes(nvme.pool) >= bytes;
}

BOTH(nvme, without_memory_a_read_is_refused, DEVICE)
{
    puts_value(0, 1, 2 * MIB);
    puts_value(1, 2, 100);
    take_all();
    cr_assert_eq(nvme_get(&nvme, 0), STATUS_NO_SPACE);
    cr_assert_eq(nvme_get(&nvme, 1), STATUS_NO_SPACE);
    give_all();
    is_there(0, 1);
    is_there(1, 2);
}

Test(nvme, a_read_has_room_made_for_it)
{
    struct tier_env env;

    make(IO_THREADS, DEVICE);
    opens();
    puts_value(0, 1, 2 * MIB);
    port_close(&nvme.port);
    tier_close(&nvme.tier);
    env = (struct tier_env){
        .nvme = &nvme.options, .pool = nvme.pool, .make_room = make_room};
    cr_assert_eq(tier_open(TIER_NVME, &env, &nvme.tier), STATUS_OK);
    cr_assert_eq(tier_recover(nvme.tier, nvme_on_found, &nvme, &nvme.sequence),
                 STATUS_OK);
    cr_assert_eq(port_open(nvme_engine(nvme.tier), NULL, &nvme.port),
                 STATUS_OK);
    take_all();
    is_there(0, 1);
    cr_assert_gt(rooms_made, 0u);
    cr_assert_gt(hoarded, 0u, "no more than was needed");
    give_all();
    removes();
}

/* --- Places. --- */

BOTH(nvme, a_place_of_another_key_or_put_is_a_miss, DEVICE)
{
    struct nvme_kept wrong;

    puts_value(0, 1, 5000);
    puts_value(1, 2, 5000);
    wrong = nvme.kept[0];
    wrong.place = nvme.kept[1].place;
    cr_assert_eq(nvme_get_at(&nvme, 0, &wrong), STATUS_MISS);
    /* Of the same sequence, even. */
    puts_value(2, 1, 5000);
    wrong.place = nvme.kept[2].place;
    cr_assert_eq(nvme_get_at(&nvme, 0, &wrong), STATUS_MISS);
    wrong = nvme.kept[0];
    wrong.sequence = 7;
    cr_assert_eq(nvme_get_at(&nvme, 0, &wrong), STATUS_MISS);
    wrong = nvme.kept[0];
    wrong.size = 5001;
    cr_assert_eq(nvme_get_at(&nvme, 0, &wrong), STATUS_MISS);
    wrong = nvme.kept[0];
    wrong.place.word[1]++;
    cr_assert_eq(nvme_get_at(&nvme, 0, &wrong), STATUS_MISS);
    for (unsigned bit = 0; bit < 64; bit++) {
        wrong = nvme.kept[0];
        wrong.place.word[0] ^= 1ull << bit;
        cr_assert_neq(nvme_get_at(&nvme, 0, &wrong), STATUS_BROKEN, "%u", bit);
        cr_assert_neq(nvme_get_at(&nvme, 0, &wrong), STATUS_OK, "%u", bit);
    }
    cr_assert_gt(nvme_used(&nvme).stale, 60u);
    is_there(0, 1);
}

BOTH(nvme, a_place_in_a_segment_used_anew_is_a_miss, 16u * MIB)
{
    struct nvme_kept old;

    puts_value(0, 1, 500000);
    old = nvme.kept[0];
    for (unsigned i = 1; i < 80; i++)
        puts_value(i, i + 1, 500000);
    is_gone(0);
    cr_assert_eq(nvme_get_at(&nvme, 0, &old), STATUS_MISS);
    cr_assert_eq(nvme_used(&nvme).stale, 1u);
    cr_assert_eq(nvme_used(&nvme).corrupt, 0u);
}

BOTH(nvme, usage_is_of_what_is_kept, DEVICE)
{
    struct tier_usage usage;

    puts_value(0, 1, 5000);
    puts_value(1, 2, 700000);
    tier_usage(nvme.tier, &usage);
    cr_assert_eq(usage.bytes_used, 705000u);
    cr_assert_eq(usage.chunks, 2u);
    again();
    tier_usage(nvme.tier, &usage);
    cr_assert_eq(usage.bytes_used, 705000u);
    nvme_forget(&nvme, 0);
    nvme_forget(&nvme, 1);
    tier_usage(nvme.tier, &usage);
    cr_assert_eq(usage.bytes_used, 0u);
    cr_assert_eq(usage.chunks, 0u);
    cr_assert_eq(nvme_used(&nvme).recovered, 2u);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What every tier promises (storage/tier.h), asked of each in tier_kinds[]. */
#include "storage/pool.h"
#include "storage/tier.h"
#include "tests/lib/nvme_tier.h"
#include "tests/lib/spill_tier.h"

#include <criterion/criterion.h>

#define CHUNKS 64u

static struct pool *pool;
static struct tier *tier;
static struct port *port; /* NULL: the tier finishes at once */
static unsigned done_count;

static void
on_done(struct transfer *transfer)
{
    (void)transfer;
    done_count++;
}

/* A tier of one port: that of its mover too. */
static void
turn(void)
{
    struct pollfd ready = {.fd = port_fd(port), .events = POLLIN};

    lower_care(tier, port);
    lower_submit(tier, port);
    port_submit(port);
    (void)poll(&ready, 1, 100);
    port_run(port);
}

/* One that is under way is called back, once; one that finished at once is
 * not. */
static void
finish(enum progress progress)
{
    uint64_t end_ns = clock_now_ns() + NVME_WAIT_NS;
    unsigned expected = progress == PENDING;

    cr_assert(progress == FINISHED || port != NULL);
    while (done_count < expected || (port != NULL && port_pending(port) != 0)) {
        turn();
        cr_assert_lt(clock_now_ns(), end_ns);
    }
    cr_assert_eq(done_count, expected);
    done_count = 0;
}

static struct chunk *
sealed(uint32_t size, uint64_t seed)
{
    uint8_t *bytes = malloc(size + 1);
    struct chunk *chunk;

    cr_assert_not_null(bytes);
    value_write(bytes, seed, 0, size);
    cr_assert_eq(chunk_new(pool, size, &chunk), STATUS_OK);
    cr_assert_eq(chunk_grow(chunk, size), STATUS_OK);
    chunk_copy_in(chunk, bytes, size);
    chunk_seal(chunk);
    free(bytes);
    return chunk;
}

static struct transfer
transfer_of(unsigned number, uint32_t size)
{
    static struct key_text texts[CHUNKS];
    struct transfer transfer = {
        .key = key_numbered(&texts[number % CHUNKS], KEY_OBJECT, number),
        .sequence = number + 1,
        .size = size,
        .port = port,
        .done = on_done};

    return transfer;
}

static struct tier_place
put(unsigned number, uint32_t size)
{
    struct transfer transfer = transfer_of(number, size);

    transfer.chunk = sealed(size, number);
    finish(tier_put(tier, &transfer));
    cr_assert_eq(transfer.status, STATUS_OK);
    chunk_drop(&transfer.chunk);
    return transfer.place;
}

static void
gets_right(unsigned number, uint32_t size, struct tier_place place)
{
    struct transfer transfer = transfer_of(number, size);

    transfer.place = place;
    finish(tier_get(tier, &transfer));
    cr_assert_eq(transfer.status, STATUS_OK);
    cr_assert_eq(transfer.chunk->size, size);
    cr_assert(value_fills(transfer.chunk, number));
    chunk_drop(&transfer.chunk);
}

static void
drop(uint32_t size, struct tier_place place)
{
    tier_drop(tier, &place, size);
}

static void
uses(uint64_t bytes, uint64_t chunks)
{
    struct tier_usage usage;

    tier_usage(tier, &usage);
    cr_assert_eq(usage.bytes_used, bytes, "of %s", tier->ops->name);
    cr_assert_eq(usage.chunks, chunks, "of %s", tier->ops->name);
}

static uint32_t
size_of(unsigned number)
{
    static const uint32_t sizes[] = {0, 1, 1900, 4096, 70001, 1u << 20};

    return sizes[number % 6];
}

static void
over(enum tier_kind kind, struct tier_env env, void (*body)(void))
{
    cr_assert_eq(pool_open(32u << 20, false, &pool), STATUS_OK);
    env.pool = pool;
    cr_assert_eq(tier_open(kind, &env, &tier), STATUS_OK);
    cr_assert_eq(tier->ops, tier_kinds[kind]);
    if (kind == TIER_NVME)
        cr_assert_eq(port_open(nvme_engine(tier), NULL, &port), STATUS_OK);
    else if (kind != TIER_DRAM)
        cr_assert_eq(port_open(NULL, NULL, &port), STATUS_OK);
    uses(0, 0);
    body();
    port_close(&port);
    tier_close(&tier);
    cr_assert_null(tier);
    tier_close(&tier);
    cr_assert_eq(pool_free_bytes(pool), pool_size(pool));
    pool_close(&pool);
}

static bool
may_use_uring(void)
{
    struct io_engine *engine;
    const char *why;

    if (io_engine_open(IO_URING, STDIN_FILENO, 1, &engine, &why) != STATUS_OK)
        return false;
    io_engine_close(&engine);
    return true;
}

static void
over_nvme(enum io_engine_kind engine, void (*body)(void))
{
    struct nvme_tier nvme;

    if (engine == IO_URING && !may_use_uring())
        return;
    cr_assert(nvme_tier_make(&nvme, engine, 64u << 20));
    over(TIER_NVME, (struct tier_env){.nvme = &nvme.options}, body);
    cr_assert(nvme_tier_remove(&nvme));
}

/* A build without RocksDB has no such tier. */
static void
over_spill(enum spill_compression compression, void (*body)(void))
{
    struct spill_tier spill;

    if (tier_kinds[TIER_SPILL]->lower == NULL)
        return;
    cr_assert(spill_tier_make(&spill, 64u << 20));
    spill.options.compression = compression;
    over(TIER_SPILL, (struct tier_env){.spill = &spill.options}, body);
    cr_assert(spill_tier_remove(&spill));
}

/* Runs one body over all kinds, with a pool and a tier of its own each. */
static void
over_all(void (*body)(void))
{
    cr_assert_eq(TIER_COUNT, 3u, "a kind that is not tested");
    over(TIER_DRAM, (struct tier_env){.nvme = NULL}, body);
    over_nvme(IO_URING, body);
    over_nvme(IO_THREADS, body);
    over_spill(SPILL_NONE, body);
    over_spill(SPILL_LZ4, body);
    over_spill(SPILL_ZSTD, body);
}

static void
keep_and_give_back(void)
{
    struct tier_place places[CHUNKS];
    uint64_t bytes = 0;

    for (unsigned i = 0; i < CHUNKS; i++) {
        places[i] = put(i, size_of(i));
        uses(bytes += size_of(i), i + 1);
    }
    for (unsigned i = 0; i < CHUNKS; i++)
        gets_right(i * 7 % CHUNKS, size_of(i * 7 % CHUNKS),
                   places[i * 7 % CHUNKS]);
    for (unsigned i = 0; i < CHUNKS; i++) {
        drop(size_of(i), places[i]);
        uses(bytes -= size_of(i), CHUNKS - 1 - i);
    }
}

Test(tiers, keep_what_they_are_given_and_give_it_back, .timeout = 120)
{
    over_all(keep_and_give_back);
}

static void
outlive(void)
{
    struct transfer transfer = transfer_of(1, 50000);
    struct tier_place place = put(1, 50000);

    transfer.place = place;
    finish(tier_get(tier, &transfer));
    drop(50000, place);
    uses(0, 0);
    cr_assert(value_fills(transfer.chunk, 1));
    chunk_drop(&transfer.chunk);
}

Test(tiers, let_a_reader_keep_what_is_dropped_meanwhile)
{
    over_all(outlive);
}

static void
keep_one_key_twice(void)
{
    struct tier_place first = put(1, 5000), second = put(1, 6000);

    uses(11000, 2);
    drop(5000, first);
    gets_right(1, 6000, second);
    drop(6000, second);
}

Test(tiers, keep_places_apart_though_the_key_is_one)
{
    over_all(keep_one_key_twice);
}

Test(tiers, have_names_of_their_own)
{
    for (unsigned i = 0; i < TIER_COUNT; i++) {
        cr_assert_not_null(tier_kinds[i]);
        cr_assert_str_not_empty(tier_kinds[i]->name);
        for (unsigned k = 0; k < i; k++)
            cr_assert_str_neq(tier_kinds[i]->name, tier_kinds[k]->name);
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What the criterion tests of the store over DRAM and NVMe share: one store in
 * a directory of its own, with one port. */
#ifndef LIB_STORE_NVME_H
#define LIB_STORE_NVME_H

#include "tests/lib/store_values.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <unistd.h>

#define SIZE (64u << 10)

static char directory[128];
static struct store_limits limits;
static struct store *store;
static struct store_port *port;
static struct counters counters, mover_counters;
static struct key_text text;

static inline struct store_name
name_of(unsigned number)
{
    struct key key = key_numbered(&text, KEY_OBJECT, number);

    return name_body(&key);
}

static inline struct store_usage
usage(void)
{
    struct store_usage now;

    store_usage(store, &now);
    return now;
}

static inline void
start(void)
{
    memset(&counters, 0, sizeof(counters));
    memset(&mover_counters, 0, sizeof(mover_counters));
    cr_assert_eq(store_open(&limits, &store), STATUS_OK);
    cr_assert_eq(store_port_open(store, &counters, &port), STATUS_OK);
}

static inline void
stop(void)
{
    store_port_close(&port);
    store_close(&store);
}

static inline void
again(void)
{
    stop();
    start();
}

static inline void
set_up(void)
{
    const char *parent = getenv("PREFIXCACHE_TMP");

    snprintf(directory, sizeof(directory), "%s/nvme-XXXXXX",
             parent == NULL ? "/tmp" : parent);
    cr_assert_not_null(mkdtemp(directory));
    limits = store_small_limits();
    limits.nvme.device = (struct nvme_options){.path = directory,
                                               .size = 64u << 20,
                                               .engine = IO_AUTO,
                                               .threads = 2,
                                               .inflight = 8u << 20,
                                               .value_max = limits.value_max,
                                               .probe_ns = NS_PER_SECOND};
    limits.nvme.queue = 4u << 20;
    limits.nvme.read_wait_ns = 10 * NS_PER_SECOND;
    limits.nvme.reinsert = 50;
    limits.lease_ns = 0;
    limits.mover_counters = &mover_counters;
    start();
}

static inline void
device_path(char path[160])
{
    snprintf(path, 160, "%s/prefixcache.nvme", directory);
}

static inline void
tear_down_file(void)
{
    char path[160];

    device_path(path);
    unlink(path);
}

static inline void
tear_down(void)
{
    stop();
    tear_down_file();
    rmdir(directory);
}

/* Until nothing waits to be written. */
static inline void
settle(void)
{
    uint64_t end_ns = clock_now_ns() + 20 * NS_PER_SECOND;

    while (usage().queue_bytes != 0 && clock_now_ns() < end_ns)
        usleep(1000);
    cr_assert_eq(usage().queue_bytes, 0);
}

static inline void
put_terms(unsigned number, uint64_t seed, const struct store_terms *terms)
{
    struct key key = key_numbered(&text, KEY_OBJECT, number);

    while (usage().queue_bytes + 8 * SIZE > limits.nvme.queue)
        usleep(100);
    cr_assert_eq(value_store(port, &key, SIZE, seed, terms), STATUS_OK);
}

static inline void
put(unsigned number, uint64_t seed)
{
    struct store_terms terms = {.form = FORM_LM};

    put_terms(number, seed, &terms);
}

static inline enum status
check(unsigned number, uint64_t seed)
{
    struct store_name name = name_of(number);

    return value_check(port, &name, seed);
}

/* Enough of others that nothing of what was put before is left in DRAM. */
static inline void
fill_dram(void)
{
    for (unsigned i = 0; i < 160; i++)
        put(100000 + i, i);
    settle();
}

static inline void
await_notes(uint64_t least)
{
    uint64_t end_ns = clock_now_ns() + 5 * NS_PER_SECOND;

    while (usage().nvme.notes < least && clock_now_ns() < end_ns)
        usleep(1000);
    cr_assert_geq(usage().nvme.notes, least);
}

#endif

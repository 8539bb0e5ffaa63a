/* SPDX-License-Identifier: Apache-2.0 */
/* Filling a store of our own, and looking into it. */
#include "tools/bench/probe.h"

#include "base/clock.h"
#include "storage/store_look.h"
#include "tools/bench/load_value.h"
#include "tools/bench/random.h"

#include <string.h>

#define VALUE_SIZE 64u
#define TOGETHER   64u
/* What an entry takes, generously. */
#define ENTRY_BYTES  768u
#define MEMORY_LEAST (64u << 20)

struct probe {
    struct store *store;
    struct store_port *port;
    struct counters counters;
    uint64_t entries, random;
};

static enum status
open_store(struct probe *probe)
{
    struct store_limits limits = {
        .policy = NULL,
        .dram_size = MEMORY_LEAST + probe->entries * ENTRY_BYTES,
        .index_memory = MEMORY_LEAST + probe->entries * ENTRY_BYTES,
        .inflight = MEMORY_LEAST / 4,
        .value_max = VALUE_SIZE,
        .workers = 1};
    enum status status = store_open(&limits, &probe->store);

    if (status == STATUS_OK)
        status = store_port_open(probe->store, &probe->counters, &probe->port);
    return status;
}

static struct store_name
name_of(uint64_t number, char into[LOAD_NAME_SIZE])
{
    struct bytes text = load_name(number, VALUE_SIZE, into);
    struct store_name name = {.forms = STORE_ANY_FORM, .part = PART_BODY};

    name.key = key_make(KEY_PLAIN, 0, text.at, (uint16_t)text.size);
    return name;
}

static enum status
put(struct probe *probe, uint64_t number)
{
    const struct store_terms terms = {.form = 0};
    static const uint8_t value[VALUE_SIZE];
    char text[LOAD_NAME_SIZE];
    struct store_name name = name_of(number, text);
    struct store_put one = {.done = NULL};
    enum status status;

    if (store_put_start(probe->port, &one, &name.key, VALUE_SIZE) != FINISHED ||
        one.status != STATUS_OK)
        return STATUS_NO_SPACE;
    status = store_put_copy(probe->port, &one, value, VALUE_SIZE);
    if (status == STATUS_OK)
        return store_put_finish(probe->port, &one, &terms);
    store_put_cancel(probe->port, &one);
    return status;
}

/* Names from `first` on, so many a second; wrong: how many were not as they
 * should be. */
static double
look(struct probe *probe, uint64_t first, double seconds, uint64_t *wrong)
{
    bool is_here = first == 0;
    uint64_t start_ns = clock_now_ns(), now_ns = start_ns, count = 0;
    uint64_t end_ns = start_ns + (uint64_t)(seconds * (double)NS_PER_SECOND);
    char texts[TOGETHER][LOAD_NAME_SIZE];
    struct store_name names[TOGETHER];
    struct store_sight sights[TOGETHER];

    for (; now_ns < end_ns; now_ns = clock_now_ns()) {
        for (unsigned i = 0; i < TOGETHER; i++)
            names[i] = name_of(
                first + random_below(&probe->random, probe->entries), texts[i]);
        store_look(probe->store, names, TOGETHER, sights);
        for (unsigned i = 0; i < TOGETHER; i++)
            *wrong += sights[i].is_here != is_here;
        count += TOGETHER;
    }
    return (double)count * (double)NS_PER_SECOND / (double)(now_ns - start_ns);
}

enum status
probe_run(uint64_t entries, double seconds, struct probe_result *result)
{
    struct probe probe = {.entries = entries, .random = 1};
    enum status status = open_store(&probe);

    memset(result, 0, sizeof *result);
    for (uint64_t i = 0; i < entries && status == STATUS_OK; i++)
        status = put(&probe, i);
    if (status == STATUS_OK) {
        result->here_per_second = look(&probe, 0, seconds, &result->wrong);
        result->missing_per_second =
            look(&probe, entries, seconds, &result->wrong);
    }
    store_port_close(&probe.port);
    store_close(&probe.store);
    return status;
}

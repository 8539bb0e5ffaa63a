/* SPDX-License-Identifier: Apache-2.0 */
/* Drives the server's own eviction order over a trace. */
#include "tools/bench/simulate.h"

#include "storage/policy.h"
#include "tools/bench/random.h"

#include <stdbool.h>
#include <stdlib.h>

struct block {
    struct policy_node node; /* first: the policy hands it back */
    uint64_t id;
    bool is_known, is_present;
};

struct simulation {
    struct policy_order order;
    struct block *blocks; /* open addressing; nothing is ever removed */
    uint64_t mask, tick, present, capacity;
};

static struct block *
find(const struct simulation *simulation, uint64_t id)
{
    uint64_t at = random_mix(id) & simulation->mask;
    struct block *block = &simulation->blocks[at];
    while (block->is_known && block->id != id) {
        at = (at + 1) & simulation->mask;
        block = &simulation->blocks[at];
    }
    block->is_known = true;
    block->id = id;
    return block;
}

static void
use(struct simulation *simulation, struct block *block)
{
    struct policy_order *order = &simulation->order;
    simulation->tick++;
    if (block->is_present) {
        policy_lru.touch(order, &block->node, simulation->tick);
        return;
    }
    if (simulation->present == simulation->capacity) {
        struct policy_node *oldest = policy_lru.candidate(order);
        policy_lru.remove(order, oldest);
        ((struct block *)oldest)->is_present = false;
        simulation->present--;
    }
    policy_lru.insert(order, &block->node, simulation->tick);
    block->is_present = true;
    simulation->present++;
}

static uint32_t
serve(struct simulation *simulation, const struct trace_request *request)
{
    uint32_t hits = 0;
    while (hits < request->block_count &&
           find(simulation, request->ids[hits])->is_present)
        hits++;
    for (uint32_t i = 0; i < request->block_count; i++)
        use(simulation, find(simulation, request->ids[i]));
    return hits;
}

enum status
simulate_lru(const struct trace *trace, uint64_t capacity, uint32_t *hits_out)
{
    struct simulation simulation = {.capacity = capacity, .mask = 1};
    while (simulation.mask < trace->id_count * 2)
        simulation.mask = simulation.mask * 2 + 1;
    simulation.blocks = calloc(simulation.mask + 1, sizeof(struct block));
    if (simulation.blocks == NULL)
        return STATUS_NO_SPACE;
    policy_lru.start(&simulation.order);
    for (size_t i = 0; i < trace->count; i++)
        hits_out[i] = serve(&simulation, &trace->requests[i]);
    free(simulation.blocks);
    return STATUS_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Belady's optimum: of all blocks that are there, the one whose next use is
 * last goes, also if it has just come.  A heap holds a row for each use; rows of
 * earlier uses of a block are passed over when they come up.
 */
#include "tools/bench/simulate.h"

#include "tools/bench/random.h"

#include <stdlib.h>

#define NEVER UINT64_MAX

struct future {
    uint64_t id;
    uint64_t next; /* place in the trace of its next use */
    bool is_known, is_present;
};

struct row {
    uint64_t next;
    struct future *block;
};

struct optimum {
    struct future *blocks;
    uint64_t mask;
    struct row *heap;
    size_t rows;
    uint64_t present, capacity;
};

static struct future *
find(const struct optimum *optimum, uint64_t id)
{
    uint64_t at = random_mix(id) & optimum->mask;

    while (optimum->blocks[at].is_known && optimum->blocks[at].id != id)
        at = (at + 1) & optimum->mask;
    optimum->blocks[at].id = id;
    return &optimum->blocks[at];
}

/* Of each place in the trace: where its block comes next. */
static void
look_ahead(struct optimum *optimum, const struct trace *trace, uint64_t *nexts)
{
    for (size_t i = trace->id_count; i-- != 0;) {
        struct future *block = find(optimum, trace->ids[i]);

        nexts[i] = block->is_known ? block->next : NEVER;
        block->is_known = true;
        block->next = i;
    }
}

static void
push(struct optimum *optimum, struct future *block)
{
    size_t at = optimum->rows++;

    while (at != 0 && optimum->heap[(at - 1) / 2].next < block->next) {
        optimum->heap[at] = optimum->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    optimum->heap[at] = (struct row){block->next, block};
}

static struct row
pop(struct optimum *optimum)
{
    struct row top = optimum->heap[0];
    struct row last = optimum->heap[--optimum->rows];
    size_t at = 0;

    for (;;) {
        size_t child = at * 2 + 1;

        if (child + 1 < optimum->rows &&
            optimum->heap[child + 1].next > optimum->heap[child].next)
            child++;
        if (child >= optimum->rows || optimum->heap[child].next <= last.next)
            break;
        optimum->heap[at] = optimum->heap[child];
        at = child;
    }
    optimum->heap[at] = last;
    return top;
}

static void
evict(struct optimum *optimum)
{
    struct row row = pop(optimum);

    while (!row.block->is_present || row.block->next != row.next)
        row = pop(optimum);
    row.block->is_present = false;
    optimum->present--;
}

static uint32_t
serve(struct optimum *optimum, const struct trace_request *request,
      const uint64_t *nexts)
{
    uint32_t hits = 0;

    while (hits < request->block_count &&
           find(optimum, request->ids[hits])->is_present)
        hits++;
    for (uint32_t i = 0; i < request->block_count; i++) {
        struct future *block = find(optimum, request->ids[i]);

        block->next = nexts[i];
        if (!block->is_present)
            optimum->present++;
        block->is_present = true;
        push(optimum, block);
        if (optimum->present > optimum->capacity)
            evict(optimum);
    }
    return hits;
}

enum status
simulate_optimum(const struct trace *trace, uint64_t capacity,
                 uint32_t *hits_out)
{
    struct optimum optimum = {.capacity = capacity, .mask = 1};
    size_t room = trace->id_count + 1;
    uint64_t *nexts = calloc(room, sizeof *nexts);
    struct row *heap = calloc(room, sizeof *heap);
    struct future *blocks;
    enum status status = STATUS_NO_SPACE;
    size_t at = 0;

    while (optimum.mask < trace->id_count * 2)
        optimum.mask = optimum.mask * 2 + 1;
    blocks = calloc(optimum.mask + 1, sizeof *blocks);
    if (blocks != NULL && nexts != NULL && heap != NULL) {
        optimum.blocks = blocks;
        optimum.heap = heap;
        look_ahead(&optimum, trace, nexts);
        for (size_t i = 0; i < trace->count; i++) {
            hits_out[i] = serve(&optimum, &trace->requests[i], &nexts[at]);
            at += trace->requests[i].block_count;
        }
        status = STATUS_OK;
    }
    free(heap);
    free(nexts);
    free(blocks);
    return status;
}

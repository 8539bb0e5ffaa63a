/* SPDX-License-Identifier: Apache-2.0 */
/* Simulated LRU over small traces worked out by hand, and over a generated one
 * against a second, plainer simulation. */
#include "tools/bench/generator.h"
#include "tools/bench/replay_score.h"
#include "tools/bench/simulate.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

/* Requests of up to four blocks; 0 ends one. */
struct script {
    struct trace trace;
    struct trace_request requests[8];
    uint64_t ids[8][4];
};

static void
make_trace(struct script *script, const uint64_t blocks[][4], size_t count)
{
    memset(script, 0, sizeof *script);
    script->trace.requests = script->requests;
    script->trace.count = count;
    for (size_t i = 0; i < count; i++) {
        struct trace_request *request = &script->requests[i];

        memcpy(script->ids[i], blocks[i], sizeof script->ids[i]);
        while (request->block_count < 4 && blocks[i][request->block_count] != 0)
            request->block_count++;
        request->ids = script->ids[i];
        request->input_length = request->block_count * 10 - 5;
        script->trace.id_count += request->block_count;
    }
}

Test(simulate, hits_are_the_leading_run_only)
{
    static const uint64_t blocks[][4] = {{1, 2, 3}, {1, 9, 3}, {1, 2, 3}};
    struct script script;
    uint32_t hits[3];

    make_trace(&script, blocks, 3);
    cr_assert(simulate_lru(&script.trace, 100, hits) == STATUS_OK);
    cr_assert(hits[0] == 0 && hits[1] == 1 && hits[2] == 3);
}

Test(simulate, the_oldest_goes_first_and_a_touch_makes_young)
{
    static const uint64_t blocks[][4] = {{1}, {2}, {1}, {3}, {1}, {2}};
    struct script script;
    uint32_t hits[6];

    make_trace(&script, blocks, 6);
    cr_assert(simulate_lru(&script.trace, 2, hits) == STATUS_OK);
    cr_assert(hits[2] == 1, "1 was still there");
    cr_assert(hits[4] == 1, "2 had to go for 3, not 1");
    cr_assert(hits[5] == 0, "2 was gone");
}

Test(simulate, a_prompt_longer_than_the_cache_leaves_its_end)
{
    static const uint64_t blocks[][4] = {{1, 2, 3, 4}, {1, 2}, {3, 4}};
    struct script script;
    uint32_t hits[3];

    make_trace(&script, blocks, 3);
    cr_assert(simulate_lru(&script.trace, 2, hits) == STATUS_OK);
    cr_assert(hits[1] == 0);
    cr_assert(hits[2] == 0, "1 and 2 took the place of 3 and 4");
}

Test(simulate, scores_count_a_part_full_last_block_as_what_it_holds)
{
    static const uint64_t blocks[][4] = {{1, 2}, {1, 2}, {1, 3}};
    struct script script;
    uint32_t hits[3];
    struct replay_score score;

    make_trace(&script, blocks, 3);
    cr_assert(simulate_lru(&script.trace, 9, hits) == STATUS_OK);
    score = replay_score_of(&script.trace, hits, 0, 3, 10);
    cr_assert(score.hit_blocks == 3 && score.blocks == 6);
    cr_assert(score.hit_tokens == 15 + 10 && score.tokens == 45);
    cr_assert(replay_score_blocks(&score) == 0.5);
    score = replay_score_of(&script.trace, hits, 1, 1, 10);
    cr_assert(score.hit_blocks == 2 && score.hit_tokens == 15);
    score = replay_score_of(&script.trace, hits, 0, 0, 10);
    cr_assert(replay_score_blocks(&score) == 0);
    cr_assert(replay_score_tokens(&score) == 0);
}

/* An array of ids, oldest first. */
struct plain {
    uint64_t ids[64];
    unsigned count, capacity;
};

static bool
plain_has(const struct plain *plain, uint64_t id, unsigned *at)
{
    for (*at = 0; *at < plain->count; (*at)++) {
        if (plain->ids[*at] == id)
            return true;
    }
    return false;
}

static void
plain_use(struct plain *plain, uint64_t id)
{
    unsigned at;

    if (!plain_has(plain, id, &at)) {
        if (plain->count < plain->capacity) {
            plain->ids[plain->count++] = id;
            return;
        }
        at = 0;
    }
    memmove(&plain->ids[at], &plain->ids[at + 1],
            (plain->count - at - 1) * sizeof plain->ids[0]);
    plain->ids[plain->count - 1] = id;
}

static struct trace *
generate(unsigned requests)
{
    const struct generator_plan plan = {.seed = 3,
                                        .requests = requests,
                                        .sessions = 12,
                                        .turns = 4,
                                        .systems = 3,
                                        .system_blocks = 2,
                                        .turn_blocks = 1,
                                        .output_tokens = 100,
                                        .zipf = 0.8,
                                        .rate = 10,
                                        .block_tokens = 64,
                                        .blocks_max = 40};
    struct generator *generator = NULL;
    struct trace_request request;
    struct trace *trace = NULL;
    FILE *file = tmpfile();
    char why[300];

    cr_assert(generator_new(&plan, &generator) == STATUS_OK);
    while (generator_next(generator, &request) == STATUS_OK)
        trace_write(file, &request);
    generator_drop(&generator);
    rewind(file);
    cr_assert(trace_read_file(file, "generated", &trace, why, sizeof why) ==
                  STATUS_OK,
              "%s", why);
    fclose(file);
    return trace;
}

Test(simulate, agrees_with_a_plainer_simulation)
{
    struct trace *trace = generate(1000);
    uint32_t *hits = calloc(trace->count, sizeof *hits);
    struct plain plain = {.capacity = 50};
    uint64_t sum = 0;

    cr_assert(simulate_lru(trace, plain.capacity, hits) == STATUS_OK);
    for (size_t i = 0; i < trace->count; i++) {
        const struct trace_request *request = &trace->requests[i];
        uint32_t expected = 0;
        unsigned at;

        while (expected < request->block_count &&
               plain_has(&plain, request->ids[expected], &at))
            expected++;
        for (uint32_t k = 0; k < request->block_count; k++)
            plain_use(&plain, request->ids[k]);
        cr_assert(hits[i] == expected, "request %zu: %u, not %u", i, hits[i],
                  expected);
        sum += expected;
    }
    cr_assert(sum > 0, "nothing hit, so nothing was compared");
    free(hits);
    trace_drop(&trace);
}

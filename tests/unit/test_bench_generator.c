/* SPDX-License-Identifier: Apache-2.0 */
/* Generated traces: the same by the same seed, and shaped as their parameters
 * say. */
#include "tools/bench/generator.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static struct generator_plan
usual_plan(void)
{
    return (struct generator_plan){.seed = 1,
                                   .requests = 500,
                                   .sessions = 20,
                                   .turns = 5,
                                   .systems = 4,
                                   .system_blocks = 3,
                                   .turn_blocks = 2,
                                   .output_tokens = 300,
                                   .zipf = 0.9,
                                   .rate = 5,
                                   .block_tokens = 512,
                                   .blocks_max = 64};
}

static char *
written(const struct generator_plan *plan)
{
    struct generator *generator = NULL;
    struct trace_request request;
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);

    cr_assert(generator_new(plan, &generator) == STATUS_OK);
    while (generator_next(generator, &request) == STATUS_OK)
        trace_write(file, &request);
    generator_drop(&generator);
    fclose(file);
    return text;
}

Test(generator, the_seed_decides_everything)
{
    struct generator_plan plan = usual_plan();
    char *first = written(&plan), *again = written(&plan), *other;

    plan.seed = 2;
    other = written(&plan);
    cr_assert(strcmp(first, again) == 0);
    cr_assert(strcmp(first, other) != 0);
    free(first);
    free(again);
    free(other);
}

Test(generator, each_prompt_is_as_many_blocks_as_its_tokens_fill)
{
    struct generator_plan plan = usual_plan();
    struct generator *generator = NULL;
    struct trace_request request;
    uint64_t made = 0, last_ms = 0;

    cr_assert(generator_new(&plan, &generator) == STATUS_OK);
    while (generator_next(generator, &request) == STATUS_OK) {
        made++;
        cr_assert(request.block_count == (request.input_length + 511) / 512);
        cr_assert(request.block_count <= plan.blocks_max);
        cr_assert(request.block_count > plan.system_blocks);
        cr_assert(request.output_length > 0);
        cr_assert(request.timestamp_ms >= last_ms);
        last_ms = request.timestamp_ms;
    }
    cr_assert(made == plan.requests);
    generator_drop(&generator);
}

Test(generator, prompts_stand_on_shared_system_prompts)
{
    struct generator_plan plan = usual_plan();
    struct generator *generator = NULL;
    struct trace_request request;
    unsigned uses[4] = {0};

    cr_assert(generator_new(&plan, &generator) == STATUS_OK);
    while (generator_next(generator, &request) == STATUS_OK) {
        uint64_t system = request.ids[0] / plan.system_blocks;

        cr_assert(system < plan.systems);
        for (uint32_t i = 0; i < plan.system_blocks; i++)
            cr_assert(request.ids[i] == system * plan.system_blocks + i);
        uses[system]++;
    }
    for (unsigned i = 0; i < 4; i++)
        cr_assert(uses[i] > 0, "system prompt %u was never used", i);
    cr_assert(uses[0] > uses[3], "Zipf prefers the first");
    generator_drop(&generator);
}

Test(generator, a_conversation_keeps_its_full_blocks_as_it_grows)
{
    struct generator_plan plan = usual_plan();
    struct generator *generator = NULL;
    struct trace_request request;
    uint64_t before[64];
    uint32_t full_before = 0;
    unsigned grown = 0;

    plan.sessions = 1;
    plan.turns = 1e6;
    plan.requests = 100;
    cr_assert(generator_new(&plan, &generator) == STATUS_OK);
    while (generator_next(generator, &request) == STATUS_OK) {
        uint32_t full = request.input_length / plan.block_tokens;

        if (full >= full_before &&
            memcmp(before, request.ids, full_before * sizeof before[0]) == 0)
            grown++;
        memcpy(before, request.ids, full * sizeof before[0]);
        full_before = full;
    }
    cr_assert(grown > 80, "only %u of 100 prompts grew", grown);
    generator_drop(&generator);
}

Test(generator, one_turn_each_shares_system_prompts_only)
{
    struct generator_plan plan = usual_plan();
    struct generator *generator = NULL;
    struct trace_request request;
    uint64_t newest = plan.systems * plan.system_blocks - 1;

    plan.turns = 1;
    cr_assert(generator_new(&plan, &generator) == STATUS_OK);
    while (generator_next(generator, &request) == STATUS_OK) {
        for (uint32_t i = plan.system_blocks; i < request.block_count; i++) {
            cr_assert(request.ids[i] > newest);
            newest = request.ids[i];
        }
    }
    generator_drop(&generator);
}

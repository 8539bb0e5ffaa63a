/* SPDX-License-Identifier: Apache-2.0 */
/* Simulations by policy, of the optimum, and of several tiers. */
#include "tools/bench/random.h"
#include "tools/bench/replay_score.h"
#include "tools/bench/simulate.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define REQUESTS   3000u
#define BLOCKS_MAX 16u

static struct trace trace;
static struct trace_request requests[REQUESTS];
static uint64_t ids[REQUESTS * BLOCKS_MAX];
static uint32_t hits[REQUESTS];

static void
add_request(const uint64_t *blocks, uint32_t count)
{
    struct trace_request *request = &requests[trace.count++];

    trace.requests = requests;
    trace.ids = ids;
    request->ids = &ids[trace.id_count];
    request->block_count = count;
    memcpy(&ids[trace.id_count], blocks, count * sizeof *blocks);
    trace.id_count += count;
}

/* A block a request. */
static void
add_blocks(const char *names)
{
    for (; *names != '\0'; names++) {
        uint64_t id = (unsigned char)*names;

        add_request(&id, 1);
    }
}

/* Conversations that grow, and every other request of blocks nobody asks for
 * again. */
static void
add_chats(void)
{
    uint64_t random = 3, next = 1000000, blocks[BLOCKS_MAX];
    uint32_t sizes[200] = {0};

    while (trace.count < REQUESTS) {
        unsigned chat = (unsigned)random_below(&random, 200);

        sizes[chat] = sizes[chat] % (BLOCKS_MAX - 4) + 2;
        for (uint32_t i = 0; i < sizes[chat]; i++)
            blocks[i] = i == 0 ? 1 : chat * 100 + i;
        add_request(blocks, sizes[chat]);
        for (uint32_t i = 0; i < BLOCKS_MAX; i++)
            blocks[i] = next++;
        if (trace.count < REQUESTS)
            add_request(blocks, BLOCKS_MAX);
    }
}

static double
run(struct simulate_plan plan, struct simulate_result *result)
{
    struct replay_score score;

    result->hits = hits;
    if (plan.parts == 0)
        plan.parts = 1;
    cr_assert(simulate_run(&trace, &plan, result) == STATUS_OK);
    score = replay_score_of(&trace, hits, 0, trace.count, 1);
    cr_assert_eq(result->tier_hits[0] + result->tier_hits[1] +
                     result->tier_hits[2],
                 score.hit_blocks);
    return replay_score_blocks(&score);
}

static double
run_one_tier(const struct policy *policy, uint64_t capacity, unsigned parts)
{
    struct simulate_result result;

    return run((struct simulate_plan){.policy = policy,
                                      .sizes = {capacity},
                                      .parts = parts},
               &result);
}

Test(simulate_optimum, lets_go_what_is_used_last_or_never_again)
{
    add_blocks("abcabdab");
    run_one_tier(NULL, 2, 1);
    /* c was never worth a place, nor was d: a and b hit all along. */
    cr_assert_arr_eq(hits, ((uint32_t[]){0, 0, 0, 1, 1, 0, 1, 1}),
                     8 * sizeof hits[0]);
}

Test(simulate_optimum, hits_no_less_than_any_policy)
{
    add_chats();
    for (uint64_t capacity = 50; capacity < 3000; capacity *= 3) {
        double best = run_one_tier(NULL, capacity, 1);

        for (unsigned i = 0; policy_at(i) != NULL; i++)
            cr_assert(run_one_tier(policy_at(i), capacity, 1) <= best + 1e-9,
                      "%s with %u blocks", policy_at(i)->name,
                      (unsigned)capacity);
    }
}

Test(simulate_policies, sixteen_parts_hit_what_one_does)
{
    add_chats();
    for (unsigned i = 0; policy_at(i) != NULL; i++) {
        double one = run_one_tier(policy_at(i), 500, 1);
        double sixteen = run_one_tier(policy_at(i), 500, 16);

        cr_assert_float_eq(one, sixteen, 0.003, "%s: %f, %f",
                           policy_at(i)->name, one, sixteen);
    }
}

Test(simulate_policies, adaptive_is_no_worse_than_the_others)
{
    add_chats();
    for (uint64_t capacity = 100; capacity < 3000; capacity *= 2) {
        double adaptive = run_one_tier(&policy_adaptive, capacity, 16);

        cr_assert(adaptive > run_one_tier(&policy_lru, capacity, 16) - 0.005);
        cr_assert(adaptive >
                  run_one_tier(&policy_s3fifo, capacity, 16) - 0.005);
    }
}

/* Says what a plan would hit with one tier of other sizes, and looks. */
static void
check_curve(struct simulate_plan plan, double tolerance)
{
    struct simulate_result result, other;

    plan.has_curve = true;
    run(plan, &result);
    plan.has_curve = false;
    for (unsigned tier = 0; tier < SIMULATE_TIERS; tier++) {
        for (unsigned i = 0; plan.sizes[tier] != 0 && i < POLICY_CURVE_SIZES;
             i++) {
            struct simulate_plan with = plan;
            double said = policy_curve_ratio(NULL, &result.curve, tier, i), is;

            with.sizes[tier] = plan.sizes[tier] * policy_curve_percent(i) / 100;
            is = run(with, &other);
            cr_assert_float_eq(said, is, tolerance,
                               "tier %u, %u%%: said %f, is %f", tier,
                               policy_curve_percent(i), said, is);
        }
    }
}

Test(simulate_policies, adaptive_tells_what_other_sizes_would_hit)
{
    add_chats();
    check_curve(
        (struct simulate_plan){.policy = &policy_adaptive, .sizes = {600}},
        0.02);
}

Test(simulate_policies, lru_tells_what_other_sizes_would_hit)
{
    add_chats();
    check_curve((struct simulate_plan){.policy = &policy_lru, .sizes = {600}},
                0.02);
}

Test(simulate_policies, three_tiers_tell_what_other_sizes_would_hit)
{
    add_chats();
    check_curve((struct simulate_plan){.policy = &policy_adaptive,
                                       .sizes = {100, 400, 800}},
                0.03);
    check_curve((struct simulate_plan){.policy = &policy_adaptive,
                                       .sizes = {100, 400, 800},
                                       .write = SIMULATE_EVICTED},
                0.03);
}

Test(simulate_tiers, what_leaves_dram_is_found_on_nvme)
{
    struct simulate_result result;

    add_blocks("abcdefabcdef");
    run((struct simulate_plan){.policy = &policy_lru, .sizes = {2, 100}},
        &result);
    cr_assert_eq(result.tier_hits[SIMULATE_DRAM], 0);
    cr_assert_eq(result.tier_hits[SIMULATE_NVME], 6);
    cr_assert_eq(result.tier_writes[SIMULATE_NVME], 6);
}

Test(simulate_tiers, a_hit_on_nvme_is_in_dram_afterwards)
{
    struct simulate_result result;

    add_blocks("abcaa");
    run((struct simulate_plan){.policy = &policy_lru, .sizes = {2, 100}},
        &result);
    cr_assert_eq(result.tier_hits[SIMULATE_NVME], 1);
    cr_assert_eq(result.tier_hits[SIMULATE_DRAM], 1);
}

Test(simulate_tiers, write_reused_writes_only_what_is_asked_for_again)
{
    struct simulate_result result;

    add_blocks("abacdeab");
    run((struct simulate_plan){.policy = &policy_lru,
                               .sizes = {2, 100},
                               .write = SIMULATE_REUSED},
        &result);
    cr_assert_eq(result.tier_writes[SIMULATE_NVME], 1);
    cr_assert_eq(result.tier_hits[SIMULATE_NVME], 1);
}

Test(simulate_tiers, write_evicted_writes_only_what_leaves_dram)
{
    struct simulate_result result;

    add_blocks("abcc");
    run((struct simulate_plan){.policy = &policy_lru,
                               .sizes = {2, 100},
                               .write = SIMULATE_EVICTED},
        &result);
    cr_assert_eq(result.tier_writes[SIMULATE_NVME], 1);
}

Test(simulate_tiers, nvme_writes_anew_what_was_hit)
{
    struct simulate_result with;

    /* a is hit on NVMe now and then while others pass through. */
    for (unsigned round = 0; round < 20; round++) {
        char names[5] = "abcd";

        for (unsigned i = 1; i < 4; i++)
            names[i] = (char)('b' + (round * 3 + i) % 60);
        add_blocks(names);
    }
    run((struct simulate_plan){.policy = &policy_lru, .sizes = {1, 24}}, &with);
    cr_assert(with.tier_hits[SIMULATE_NVME] >= 19, "a was hit %u times",
              (unsigned)with.tier_hits[SIMULATE_NVME]);
}

Test(simulate_tiers, spill_takes_what_nvme_gives_up)
{
    struct simulate_result result;
    char names[51] = {0};

    for (unsigned i = 0; i < 50; i++)
        names[i] = (char)('A' + i);
    add_blocks(names);
    add_blocks("A");
    run((struct simulate_plan){.policy = &policy_lru, .sizes = {2, 10, 100}},
        &result);
    cr_assert_eq(result.tier_hits[SIMULATE_SPILL], 1);
    cr_assert_eq(hits[50], 1);
}

Test(simulate_tiers, spill_drops_its_oldest_group)
{
    struct simulate_result result;
    char names[91] = {0};

    for (unsigned i = 0; i < 90; i++)
        names[i] = (char)(' ' + i);
    add_blocks(names);
    add_blocks("  ");
    run((struct simulate_plan){.policy = &policy_lru, .sizes = {2, 10, 32}},
        &result);
    cr_assert_eq(hits[90], 0);
    cr_assert_eq(hits[91], 1);
}

/* Names from ' ' on. */
static void
add_range(unsigned first, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        char name[2] = {(char)(' ' + first + i), '\0'};

        add_blocks(name);
    }
}

Test(simulate_tiers, spill_keeps_what_was_hit_there)
{
    struct simulate_result result;

    /* Groups of four, and three of them may stay. */
    add_range(0, 30);
    add_range(0, 4);
    add_range(30, 12);
    add_range(0, 5);
    run((struct simulate_plan){.policy = &policy_lru, .sizes = {2, 10, 32}},
        &result);
    cr_assert_arr_eq(&hits[46], ((uint32_t[]){1, 1, 1, 0, 0}),
                     5 * sizeof hits[0]);
    cr_assert_eq(result.tier_hits[SIMULATE_SPILL], 7);
    cr_assert_eq(result.tier_writes[SIMULATE_NVME], 30 + 12 + 2,
                 "what is hit in the spill stays there");
}

Test(simulate_tiers, what_is_hit_in_the_spill_again_and_again_rises)
{
    struct simulate_result result;
    uint64_t writes;

    add_range(0, 30);
    for (unsigned i = 0; i < 2; i++) {
        add_range(0, 1);
        add_range(40, 2);
    }
    run((struct simulate_plan){.policy = &policy_lru, .sizes = {2, 10, 64}},
        &result);
    writes = result.tier_writes[SIMULATE_NVME];
    add_range(0, 1);
    run((struct simulate_plan){.policy = &policy_lru, .sizes = {2, 10, 64}},
        &result);
    cr_assert_eq(result.tier_hits[SIMULATE_SPILL], 3);
    cr_assert_eq(result.tier_writes[SIMULATE_NVME], writes + 1);
}

Test(simulate_tiers, evicted_writes_nothing_that_the_spill_has)
{
    struct simulate_result result;
    struct simulate_plan plan = {
        .policy = &policy_lru, .sizes = {2, 10, 64}, .write = SIMULATE_EVICTED};
    uint64_t writes;

    add_range(0, 30);
    run(plan, &result);
    writes = result.tier_writes[SIMULATE_NVME];
    add_range(0, 1);
    add_range(40, 2);
    run(plan, &result);
    cr_assert_eq(result.tier_hits[SIMULATE_SPILL], 1);
    cr_assert_eq(result.tier_writes[SIMULATE_NVME], writes + 2,
                 "the two before it, but not itself");
}

Test(simulate_tiers, evicted_writes_what_dram_has_when_it_leaves_and_not_before)
{
    struct simulate_result result;

    add_blocks("abca");
    for (unsigned i = 0; i < 60; i++) {
        add_range(i, 1);
        add_blocks("a");
    }
    run((struct simulate_plan){.policy = &policy_lru,
                               .sizes = {2, 24},
                               .write = SIMULATE_EVICTED},
        &result);
    cr_assert_eq(result.tier_hits[SIMULATE_NVME], 1, "then it was in DRAM");
    cr_assert_eq(result.tier_hits[SIMULATE_DRAM], 60);
    cr_assert_eq(result.tier_writes[SIMULATE_NVME], 3 + 59);
}

/* As good as one cache: no less than LRU of so many blocks. */
static void
check_tiers(enum simulate_write write, uint64_t blocks)
{
    double one = run_one_tier(&policy_lru, blocks, 1), three;
    struct simulate_result result;

    three = run((struct simulate_plan){.policy = &policy_adaptive,
                                       .sizes = {100, 400, 800},
                                       .write = write},
                &result);
    cr_assert(three >= one - 0.005, "%f, one LRU of %u has %f", three,
              (unsigned)blocks, one);
}

Test(simulate_tiers, three_tiers_hit_what_one_lru_of_as_many_places_does)
{
    /* Of 1,300: 12 are spare segments, 75 a free group and half of the oldest,
     * and what is in DRAM is below, too. */
    add_chats();
    check_tiers(SIMULATE_ALL, 1100);
    check_tiers(SIMULATE_EVICTED, 1150);
}

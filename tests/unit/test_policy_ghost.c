/* SPDX-License-Identifier: Apache-2.0 */
/* The memory of evicted keys. */
#include "storage/policy_ghost.h"

#include "tests/lib/store_values.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define KEYS 10000u

static struct policy_ghost *ghost;

static void
open_ghost(void)
{
    size_t size = (policy_ghost_size(KEYS) + 63) / 64 * 64;

    ghost = aligned_alloc(64, size);
    cr_assert_not_null(ghost);
    memset(ghost, 0, size);
    policy_ghost_start(ghost, KEYS);
}

static void
close_ghost(void)
{
    free(ghost);
}

TestSuite(policy_ghost, .init = open_ghost, .fini = close_ghost);

Test(policy_ghost, remembers_uses_once)
{
    policy_ghost_add(ghost, random_mix(1), 3);
    cr_assert_eq(policy_ghost_take(ghost, random_mix(2), KEYS), 0);
    cr_assert_eq(policy_ghost_take(ghost, random_mix(1), KEYS), 3);
    cr_assert_eq(policy_ghost_take(ghost, random_mix(1), KEYS), 0);
}

Test(policy_ghost, counts_many_uses_as_its_most)
{
    policy_ghost_add(ghost, random_mix(1), 200);
    cr_assert_eq(policy_ghost_take(ghost, random_mix(1), KEYS),
                 POLICY_GHOST_USES);
}

Test(policy_ghost, holds_as_many_keys_as_it_is_made_for)
{
    unsigned held = 0;

    for (uint64_t i = 0; i < 10 * KEYS; i++)
        policy_ghost_add(ghost, random_mix(i), 1);
    for (uint64_t i = 9 * KEYS; i < 10 * KEYS; i++)
        held += policy_ghost_take(ghost, random_mix(i), KEYS);
    cr_assert(held >= KEYS - KEYS / 500, "only %u", held);
}

Test(policy_ghost, forgets_what_is_further_back_than_asked_for)
{
    unsigned held = 0;

    for (uint64_t i = 0; i < KEYS; i++)
        policy_ghost_add(ghost, random_mix(i), 1);
    for (uint64_t i = 0; i < KEYS / 2 - KEYS / 100; i++)
        held += policy_ghost_take(ghost, random_mix(i), KEYS / 2);
    cr_assert_eq(held, 0);
    for (uint64_t i = KEYS / 2 + KEYS / 100; i < KEYS; i++)
        held += policy_ghost_take(ghost, random_mix(i), KEYS / 2);
    cr_assert(held >= KEYS / 2 - KEYS / 50, "only %u", held);
}

Test(policy_ghost, takes_few_keys_for_others)
{
    unsigned wrong = 0;

    for (uint64_t i = 0; i < KEYS; i++)
        policy_ghost_add(ghost, random_mix(i), 1);
    for (uint64_t i = KEYS; i < 11 * KEYS; i++)
        wrong += policy_ghost_take(ghost, random_mix(i), KEYS) != 0;
    cr_assert(wrong < KEYS / 100 * 3, "%u of %u", wrong, 10 * KEYS);
}

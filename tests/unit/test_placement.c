/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where keys go, for every number of shards there may be: how even it is, and
 * how much moves when a shard comes or goes.
 */
#include "client/placement.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAMES      (PLACEMENT_SHARDS_MAX + 1)
#define NAME_SIZE  80
#define MEAN_MAX   1.02
#define FEW_SHARDS 16
#define MOVED_FEW  1.10
#define MOVED_MANY 1.35

struct names {
    char text[NAMES][NAME_SIZE];
    const char *all[NAMES];
};

/* shards[slot] is the name itself, so that placements over other lists compare. */
struct map {
    const char *shards[SLOT_COUNT];
};

static void
spell(struct names *names, const char *before, const char *after, unsigned base)
{
    for (unsigned i = 0; i < NAMES; i++) {
        snprintf(names->text[i], NAME_SIZE, "%s%u%s", before, base + i, after);
        names->all[i] = names->text[i];
    }
}

static struct placement *
placed(const char *const *names, unsigned count)
{
    struct placement *placement = NULL;

    cr_assert(placement_new(names, count, &placement) == STATUS_OK);
    return placement;
}

static void
read_map(const char *const *names, unsigned count, struct map *map)
{
    struct placement *placement = placed(names, count);

    for (unsigned slot = 0; slot < SLOT_COUNT; slot++) {
        unsigned shard = placement_shard_of_slot(placement, slot);

        cr_assert(shard < count);
        map->shards[slot] = names[shard];
    }
    placement_free(&placement);
    cr_assert(placement == NULL);
}

static unsigned
count_moved(const struct map *from, const struct map *to)
{
    unsigned moved = 0;

    for (unsigned slot = 0; slot < SLOT_COUNT; slot++)
        moved += from->shards[slot] != to->shards[slot];
    return moved;
}

static void
must_be_even(const struct map *map, const char *const *names, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        unsigned slots = 0;

        for (unsigned slot = 0; slot < SLOT_COUNT; slot++)
            slots += map->shards[slot] == names[i];
        cr_assert((double)slots * count / SLOT_COUNT <= MEAN_MAX,
                  "%s, one of %u, has %u slots", names[i], count, slots);
        cr_assert(slots > 0, "%s, one of %u, has no slot", names[i], count);
    }
}

/* `larger` is over `count` names, `smaller` over all of them but `name`. */
static void
must_move_little(const struct map *smaller, const struct map *larger,
                 unsigned count, const char *name)
{
    double most = count <= FEW_SHARDS ? MOVED_FEW : MOVED_MANY;
    unsigned moved = count_moved(smaller, larger);

    cr_assert((double)moved * count / SLOT_COUNT <= most,
              "with and without %s, one of %u: %u slots move, %.3f times the "
              "least",
              name, count, moved, (double)moved * count / SLOT_COUNT);
}

/* Each count of names, and each of them away, or some of them: as many as a
 * sanitizer has time for. */
static void
judge(const struct names *names, unsigned stride)
{
    struct map *whole = malloc(sizeof *whole), *less = malloc(sizeof *less);
    const char *left[NAMES];

    cr_assert(whole != NULL && less != NULL);
    for (unsigned count = 2; count <= PLACEMENT_SHARDS_MAX; count++) {
        read_map(names->all, count, whole);
        must_be_even(whole, names->all, count);
        for (unsigned away = (count - 1) % stride; away < count;
             away += stride) {
            unsigned kept = 0;

            for (unsigned i = 0; i < count; i++)
                if (i != away)
                    left[kept++] = names->all[i];
            read_map(left, kept, less);
            must_move_little(less, whole, count, names->all[away]);
        }
    }
    free(whole);
    free(less);
}

/* To lose the last name is to add it, the other way round: judge() has both. */
Test(placement, is_even_and_moves_little_over_a_stateful_set)
{
    struct names names;

    spell(&names, "prefixcache-", ".prefixcache:7654", 0);
    judge(&names, 1);
}

Test(placement, is_even_and_moves_little_over_addresses)
{
    struct names names;

    spell(&names, "10.17.0.", ":7654", 11);
    judge(&names, 3);
}

Test(placement, is_even_and_moves_little_over_ports_of_one_host)
{
    struct names names;

    spell(&names, "localhost:", "", 7654);
    judge(&names, 3);
}

Test(placement, moves_nothing_between_the_shards_that_stay_beyond_the_bar)
{
    struct names names;
    struct map *before = malloc(sizeof *before), *after = malloc(sizeof *after);
    unsigned between = 0;

    cr_assert(before != NULL && after != NULL);
    spell(&names, "prefixcache-", ".prefixcache:7654", 0);
    read_map(names.all, 3, before);
    read_map(names.all, 4, after);
    for (unsigned slot = 0; slot < SLOT_COUNT; slot++)
        between += before->shards[slot] != after->shards[slot] &&
                   after->shards[slot] != names.all[3];
    cr_assert(between < SLOT_COUNT / 4 / 10, "%u slots", between);
    free(before);
    free(after);
}

static int
compare_backwards(const void *one, const void *other)
{
    return strcmp(*(const char *const *)other, *(const char *const *)one);
}

Test(placement, does_not_depend_on_the_order_of_names)
{
    struct names names;
    struct map *one = malloc(sizeof *one), *other = malloc(sizeof *other);

    cr_assert(one != NULL && other != NULL);
    for (unsigned count = 2; count <= PLACEMENT_SHARDS_MAX; count += 31) {
        spell(&names, "host", ":7654", 0);
        read_map(names.all, count, one);
        qsort(names.all, count, sizeof *names.all, compare_backwards);
        read_map(names.all, count, other);
        cr_assert(count_moved(one, other) == 0, "%u names", count);
    }
    free(one);
    free(other);
}

/* Programs of all versions have to agree: these never change. */
Test(placement, of_known_names_is_what_it_always_was)
{
    static const char *const names[] = {"prefixcache-0.prefixcache:7654",
                                        "prefixcache-1.prefixcache:7654",
                                        "prefixcache-2.prefixcache:7654"};
    static const char expected[] = "22200212200212101221002101121201";
    struct placement *placement = placed(names, 3);
    char found[sizeof expected] = "";
    unsigned long long sum = 0;

    for (unsigned i = 0; i < sizeof expected - 1; i++)
        found[i] = (char)('0' + placement_shard_of_slot(placement, i * 512));
    for (unsigned slot = 0; slot < SLOT_COUNT; slot++)
        sum = sum * 31 + placement_shard_of_slot(placement, slot);
    cr_assert_str_eq(found, expected);
    cr_assert_eq(sum, 7324695038254971917ull, "the sum over all slots is %llu",
                 sum);
    placement_free(&placement);
}

Test(placement, keeps_what_belongs_together_together_and_spreads_the_rest)
{
    struct names names;
    struct placement *placement;
    unsigned counts[8] = {0}, apart = 0;
    const unsigned keys = 80000;

    spell(&names, "prefixcache-", ".prefixcache:7654", 0);
    placement = placed(names.all, 8);
    for (unsigned i = 0; i < keys; i++) {
        char key[100], half[120];
        int size = snprintf(key, sizeof key, "Qwen/Qwen3-0.6B@1@0@%08x%08x",
                            i * 2654435761u, i);
        unsigned shard = placement_shard(placement, key, (size_t)size);

        counts[shard]++;
        size = snprintf(half, sizeof half, "{%s}:kv_bytes", key);
        cr_assert(placement_shard(placement, half, (size_t)size) == shard);
        size = snprintf(half, sizeof half, "%skv_bytes", key);
        apart += placement_shard(placement, half, (size_t)size) != shard;
    }
    for (unsigned i = 0; i < 8; i++)
        cr_assert(counts[i] < keys / 8 * 1.04 && counts[i] > keys / 8 * 0.94,
                  "shard %u has %u of %u keys", i, counts[i], keys);
    cr_assert(apart > keys * 3 / 4, "%u of %u halves are elsewhere", apart,
              keys);
    placement_free(&placement);
}

Test(placement, over_one_name_is_that_name)
{
    const char *name = "/run/prefixcache.sock";
    struct placement *placement = placed(&name, 1);

    for (unsigned slot = 0; slot < SLOT_COUNT; slot++)
        cr_assert(placement_shard_of_slot(placement, slot) == 0);
    cr_assert(placement_shard(placement, "", 0) == 0);
    placement_free(&placement);
    placement_free(&placement);
}

Test(placement, over_no_too_many_empty_or_equal_names_is_refused)
{
    struct names names;
    const char *equal[] = {"a:1", "b:1", "a:1"}, *empty[] = {"a:1", ""};
    struct placement *const untouched = (struct placement *)&names;
    struct placement *placement = untouched;

    spell(&names, "host", ":7654", 0);
    cr_assert(placement_new(names.all, 0, &placement) == STATUS_BAD_REQUEST);
    cr_assert(placement_new(names.all, PLACEMENT_SHARDS_MAX + 1, &placement) ==
              STATUS_BAD_REQUEST);
    cr_assert(placement_new(equal, 3, &placement) == STATUS_BAD_REQUEST);
    cr_assert(placement_new(empty, 2, &placement) == STATUS_BAD_REQUEST);
    cr_assert(placement == untouched, "output was written");
}

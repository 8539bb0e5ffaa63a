/* SPDX-License-Identifier: Apache-2.0 */
/* The router's index: its memory, who leaves when it is full, and many changes by
 * chance beside a model of them. */
#include "tests/lib/catalog_keys.h"
#include "tests/lib/store_values.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define MIB (1u << 20)

static struct catalog *catalog;

static void
start(uint64_t size)
{
    cr_assert_eq(catalog_open(size, &catalog), STATUS_OK);
}

static void
make_name(char name[32], const char *prefix, uint64_t number)
{
    snprintf(name, 32, "%s%llu", prefix, (unsigned long long)number);
}

static void
make_pod(char field[128], unsigned number)
{
    snprintf(field, 128,
             "{\"PodIdentifier\":\"10.0.0.%u:8000\",\"DeviceTier\":\"gpu\","
             "\"Speculative\":false,\"HasGroup\":false,\"GroupIdx\":0}",
             number % 200);
}

/* As the router adds a block that so many pods have. */
static void
put_block(uint64_t number, unsigned pods)
{
    char name[32], engine[32], field[128];

    make_name(name, "", random_mix(number));
    make_name(engine, "engine:", random_mix(~number));
    cr_assert_eq(put_member(catalog, engine, name, 0), STATUS_OK);
    for (unsigned i = 0; i < pods; i++) {
        make_pod(field, (unsigned)number + i);
        cr_assert_eq(put_field(catalog, name, field), STATUS_OK);
    }
}

Test(catalog_space, a_block_takes_few_bytes)
{
    struct catalog_usage before, after;
    const unsigned blocks = 100000;
    double each;

    start(64 * MIB);
    before = usage_of(catalog);
    for (unsigned i = 0; i < blocks; i++)
        put_block(i, 1);
    after = usage_of(catalog);
    each = (double)(after.used - before.used) / blocks;
    printf("%.1f bytes a block of one pod\n", each);
    cr_assert_lt(each, 76);
    for (unsigned i = 0; i < blocks; i++)
        put_block(i, 4);
    after = usage_of(catalog);
    each = (double)(after.used - before.used) / blocks;
    printf("%.1f bytes a block of four pods\n", each);
    cr_assert_lt(each, 92);
    cr_assert_eq(after.items, 5 * blocks);
    cr_assert_leq(after.words, 200 * 16);
    catalog_close(&catalog);
}

Test(catalog_space, memory_is_never_more_than_was_asked_for)
{
    static const uint64_t sizes[] = {MIB, 3 * MIB + 12345, 10 * MIB};

    for (unsigned s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
        struct catalog_usage usage;

        start(sizes[s]);
        for (unsigned i = 0; i < 200000; i++)
            put_block(i, 1 + i / 50000);
        usage = usage_of(catalog);
        cr_assert_eq(usage.size, sizes[s]);
        cr_assert_leq(usage.used, sizes[s]);
        /* Nearly all of it is in use, and by keys. */
        cr_assert_gt((double)usage.used, 0.85 * (double)sizes[s]);
        cr_assert_gt((double)(usage.hashes + usage.sets) * 36,
                     0.6 * (double)sizes[s]);
        catalog_close(&catalog);
    }
}

/* Sizes change: what short keys had is given to long ones, and back. */
Test(catalog_space, no_size_of_key_owns_memory)
{
    char name[32], field[128];

    start(4 * MIB);
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 100000; i++)
            put_block(i + round * 1000000u, 1);
        cr_assert_gt(usage_of(catalog).hashes, 20000);
        for (unsigned i = 0; i < 1000; i++) {
            make_name(name, "long", i + round * 1000000u);
            for (unsigned k = 0; k < 400; k++) {
                make_pod(field, k);
                cr_assert_eq(put_value(catalog, name, field, name), STATUS_OK);
            }
        }
        cr_assert_gt(usage_of(catalog).items, 200 * 400);
    }
    catalog_close(&catalog);
}

Test(catalog_space, what_is_used_stays_and_what_is_not_leaves)
{
    unsigned kept = 0, left = 0;
    char name[32];

    start(4 * MIB);
    for (unsigned i = 0; i < 4000; i++)
        put_block(i, 1);
    /* Ten times as much as there is room for; every other one of the first is
     * asked for again and again. */
    for (unsigned i = 4000; i < 200000; i++) {
        put_block(i, 1);
        make_name(name, "", random_mix(i % 4000 / 2 * 2));
        (void)show(catalog, name);
    }
    for (unsigned i = 0; i < 4000; i++) {
        make_name(name, "", random_mix(i));
        kept += i % 2 == 0 && show(catalog, name)[0] != '\0';
        left += i % 2 == 1 && show(catalog, name)[0] == '\0';
    }
    cr_assert_gt(kept, 1950, "%u of 2000 kept", kept);
    cr_assert_gt(left, 1950, "%u of 2000 left", left);
    catalog_close(&catalog);
}

Test(catalog_space, a_key_that_holds_too_much_takes_no_more)
{
    char field[CATALOG_TEXT_MAX + 2];
    enum status status = STATUS_OK;
    unsigned fields = 0;
    uint64_t most;

    start(MIB);
    most = usage_of(catalog).key_size_max;
    memset(field, 'x', sizeof(field));
    field[sizeof(field) - 1] = '\0';
    cr_assert_eq(put_field(catalog, "1", field), STATUS_TOO_BIG);
    cr_assert_eq(put_value(catalog, "1", "f", field), STATUS_TOO_BIG);
    cr_assert_eq(put_member(catalog, "2", field, 1), STATUS_TOO_BIG);
    field[CATALOG_TEXT_MAX] = '\0';
    while (status == STATUS_OK && fields < 1000) {
        snprintf(field, 16, "%015u", fields);
        field[15] = 'x';
        status = put_field(catalog, "1", field);
        fields += status == STATUS_OK;
    }
    cr_assert_eq(status, STATUS_TOO_BIG);
    cr_assert_leq(fields * CATALOG_TEXT_MAX, most);
    cr_assert_gt((fields + 2) * CATALOG_TEXT_MAX, most);
    /* The key is whole and may shrink. */
    cr_assert(take_field(catalog, "1", field) == false);
    snprintf(field, 16, "%015u", 0);
    field[15] = 'x';
    cr_assert(take_field(catalog, "1", field));
    cr_assert_eq(put_field(catalog, "1", field), STATUS_OK);
    catalog_close(&catalog);
}

/* No list of items fits a reply of more than it says: a few large keys are all
 * there is room for, and the one that is being changed does not leave for
 * itself. */
Test(catalog_space, large_keys_push_each_other_out_one_at_a_time)
{
    char name[32], field[32];

    start(MIB);
    for (unsigned i = 0; i < 8; i++) {
        make_name(name, "set", i);
        for (unsigned k = 0; k < 4000; k++) {
            make_name(field, "member ", k * 7919 % 4000 + i * 10000);
            cr_assert_eq(put_member(catalog, name, field, k % 10), STATUS_OK);
        }
        cr_assert(show(catalog, name)[0] != '\0');
    }
    cr_assert_leq(usage_of(catalog).used, MIB);
    catalog_close(&catalog);
}

/* --- A model: a few keys, and what they must hold. --- */

#define KEYS   40u
#define FIELDS 60u

struct model {
    bool is_set;
    unsigned count;
    unsigned order[FIELDS]; /* of a hash, fields as they came */
    char value[FIELDS];     /* 0: the field is not there; ' ': empty */
    int score[FIELDS];
};

static void
model_show(const struct model *model, char *out, size_t room)
{
    size_t used = 0;

    out[0] = '\0';
    for (unsigned i = 0; i < model->count; i++) {
        unsigned field = model->order[i];

        used += (size_t)snprintf(out + used, room - used, "%sfield %u",
                                 i == 0 ? "" : " ", field);
        if (model->value[field] != ' ')
            used += (size_t)snprintf(out + used, room - used, "=%c",
                                     model->value[field]);
    }
}

static void
model_take(struct model *model, unsigned field)
{
    unsigned at = 0;

    while (model->order[at] != field)
        at++;
    memmove(&model->order[at], &model->order[at + 1],
            (--model->count - at) * sizeof(model->order[0]));
    model->value[field] = 0;
}

static void
change(struct model *models, uint64_t *state)
{
    unsigned key = random_below(state, KEYS),
             field = random_below(state, FIELDS);
    struct model *model = &models[key];
    char name[32], its_field[32], value[2] = "";

    make_name(name, key % 3 == 0 ? "" : key % 3 == 1 ? "engine:" : "k", key);
    make_name(its_field, "field ", field);
    switch (random_below(state, 8)) {
    case 0:
    case 1:
    case 2:
        cr_assert_eq(take_field(catalog, name, its_field),
                     model->value[field] != 0);
        if (model->value[field] != 0)
            model_take(model, field);
        break;
    case 3:
        if (random_below(state, 20) != 0)
            break;
        cr_assert_eq(drop_key(catalog, name), model->count != 0);
        memset(model, 0, sizeof(*model));
        break;
    default:
        if (key % 2 == 0)
            value[0] = (char)('a' + random_below(state, 26));
        if (random_below(state, 4) == 0)
            value[0] = '\0';
        cr_assert_eq(put_value(catalog, name, its_field, value), STATUS_OK);
        if (model->value[field] == 0)
            model->order[model->count++] = field;
        model->value[field] = value[0] == '\0' ? ' ' : value[0];
        break;
    }
}

Test(catalog_space, many_changes_by_chance_leave_what_they_should)
{
    static struct model models[KEYS];
    char expected[4096], name[32];
    uint64_t state = 1;

    start(4 * MIB);
    for (unsigned step = 0; step < 200000; step++) {
        unsigned key = step % KEYS;

        change(models, &state);
        if (step % 7 != 0)
            continue;
        model_show(&models[key], expected, sizeof(expected));
        make_name(name,
                  key % 3 == 0   ? ""
                  : key % 3 == 1 ? "engine:"
                                 : "k",
                  key);
        cr_assert_str_eq(show(catalog, name), expected, "step %u", step);
    }
    flush_keys(catalog, CATALOG_ALL_SPACES);
    cr_assert_eq(usage_of(catalog).words, 0);
    cr_assert_eq(usage_of(catalog).items, 0);
    catalog_close(&catalog);
}

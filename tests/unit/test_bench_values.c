/* SPDX-License-Identifier: Apache-2.0 */
/* What `load` and `replay` put: the same whenever it is made, different for
 * every key, and never taken for another's. */
#include "tools/bench/load_value.h"
#include "tools/bench/quantity.h"
#include "tools/bench/replay_block.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

Test(load_value, a_value_is_told_from_every_other_and_from_a_spoilt_one)
{
    enum { SIZE = 10001 };
    static uint8_t copy[SIZE];
    struct load_value *value = NULL;

    cr_assert(load_value_new(SIZE, &value) == STATUS_OK);
    for (uint64_t number = 0; number < 130; number += 7) {
        struct bytes body = load_value_body(value, number);

        cr_assert(body.size == SIZE);
        memcpy(copy, body.at, SIZE);
        cr_assert(load_value_is(value, number, copy, SIZE));
        cr_assert(!load_value_is(value, number + 1, copy, SIZE));
        cr_assert(!load_value_is(value, number, copy, SIZE - 1));
        copy[number * 70] ^= 1;
        cr_assert(!load_value_is(value, number, copy, SIZE));
    }
    load_value_drop(&value);
    cr_assert(value == NULL);
}

Test(load_value, names_hold_number_and_size)
{
    char one[LOAD_NAME_SIZE], other[LOAD_NAME_SIZE];
    struct bytes name = load_name(0xfedcba98, 1 << 20, one);

    cr_assert(load_name_number(name.at) == 0xfedcba98);
    cr_assert(name.size < LOAD_NAME_SIZE &&
              memchr(one, ' ', name.size) == NULL);
    cr_assert(load_name(0xfedcba98, 1 << 21, other).size == name.size);
    cr_assert(memcmp(one, other, name.size) != 0);
}

static void
check_block(size_t size)
{
    struct replay_block *block = NULL;
    uint64_t *bytes = calloc(size / 8 + 2, 8), *again = calloc(size / 8 + 2, 8);

    cr_assert(replay_block_new(size, "model", &block) == STATUS_OK);
    replay_block_fill(block, 42, bytes);
    replay_block_fill(block, 42, again);
    cr_assert(memcmp(bytes, again, size) == 0);
    cr_assert(replay_block_wrong(block, 42, bytes, size) == 0);
    cr_assert(replay_block_wrong(block, 43, bytes, size) > 0);
    cr_assert(replay_block_wrong(block, 42, bytes, size - 1) == size);
    ((uint8_t *)bytes)[size - 1] ^= 0x80;
    cr_assert(replay_block_wrong(block, 42, bytes, size) == 1);
    ((uint8_t *)bytes)[0] ^= 1;
    cr_assert(replay_block_wrong(block, 42, bytes, size) ==
              (size == 1 ? 1 : 2));
    free(bytes);
    free(again);
    replay_block_drop(&block);
}

Test(replay_block, every_byte_of_any_size_counts)
{
    static const size_t sizes[] = {1,  2,  7,  8,    9,    15,   16,
                                   17, 23, 24, 4096, 4097, 65536};

    for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        check_block(sizes[i]);
}

Test(replay_block, blocks_of_two_ids_share_next_to_nothing)
{
    struct replay_block *block = NULL;
    static uint64_t bytes[8192];

    cr_assert(replay_block_new(sizeof bytes, "model", &block) == STATUS_OK);
    replay_block_fill(block, 1, bytes);
    cr_assert(replay_block_wrong(block, 2, bytes, sizeof bytes) >
              sizeof bytes * 99 / 100);
    replay_block_drop(&block);
}

Test(replay_block, names_look_like_those_of_lmcache)
{
    struct replay_block *block = NULL, *larger = NULL;
    char one[REPLAY_NAME_MAX], other[REPLAY_NAME_MAX];
    struct bytes name;

    cr_assert(replay_block_new(4096, "org/model", &block) == STATUS_OK);
    cr_assert(replay_block_new(8192, "org/model", &larger) == STATUS_OK);
    name = replay_block_name(block, 7, "", one);
    cr_assert(strncmp(one, "org/model@1@0@", 14) == 0);
    cr_assert(strspn(one + 14, "0123456789abcdef") == 64);
    cr_assert_str_eq(one + 14 + 64, "@bfloat16");
    cr_assert(name.size == strlen(one) && name.size <= 150);
    replay_block_name(block, 8, "", other);
    cr_assert(strcmp(one, other) != 0);
    replay_block_name(larger, 7, "", other);
    cr_assert(strcmp(one, other) != 0, "another size is another key");
    name = replay_block_name(block, 7, "metadata", other);
    cr_assert(strncmp(one, other, strlen(one)) == 0);
    cr_assert_str_eq(other + strlen(one), "metadata");
    cr_assert(replay_block_meta(block)->size == CHUNK_META_LM);
    cr_assert(memcmp(replay_block_meta(block)->bytes, "\0\x10\0\0", 4) == 0);
    replay_block_drop(&block);
    replay_block_drop(&larger);
}

Test(quantity, sizes_are_spelled_as_in_the_configuration)
{
    static const struct {
        const char *text;
        uint64_t bytes;
    } good[] = {{"65536", 65536},     {"64KiB", 65536}, {"4Gi", 4ull << 30},
                {"10G", 10000000000}, {"1MB", 1000000}, {"1.5MiB", 1572864},
                {"12B", 12}};
    static const char *const bad[] = {"",      "-1",  "K",    "1X",
                                      "1KiBs", "1 K", "1e30", "nan"};
    uint64_t bytes = 0;

    for (unsigned i = 0; i < sizeof good / sizeof good[0]; i++) {
        cr_assert(quantity_read_size(good[i].text, &bytes), "%s", good[i].text);
        cr_assert(bytes == good[i].bytes, "%s", good[i].text);
    }
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_assert(!quantity_read_size(bad[i], &bytes), "%s", bad[i]);
}

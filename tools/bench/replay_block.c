/* SPDX-License-Identifier: Apache-2.0 */
/* What the blocks of a replay are made of.  Who sends them is
 * replay_client.c's. */
#include "tools/bench/replay_block.h"

#include "tools/bench/random.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHIFT_MAX     4096u /* words */
#define TEMPLATE_SEED 0x626c6f636b73u
#define FORMAT        1 /* LMCache's KV_2LTD */
#define DTYPE_BF16    3

/* Word i of block id is template[shift(id) + i] ^ mix(id): two blocks differ
 * in practically every byte, and making or comparing one is as fast as memory.
 * The first two words are the id and the size in clear. */
struct replay_block {
    const char *model;
    size_t size, words; /* words: of 8 bytes, rounded up */
    struct chunk_meta meta;
    uint64_t template[];
};

struct pattern {
    const uint64_t *words;
    uint64_t mask;
};

static struct pattern
pattern_of(const struct replay_block *block, uint64_t id)
{
    uint64_t mixed = random_mix(id);
    return (struct pattern){block->template + random_mix(mixed) % SHIFT_MAX,
                            mixed};
}

static void
describe(struct replay_block *block)
{
    int32_t size = (int32_t)block->size;
    int32_t meta[7] = {size, FORMAT, DTYPE_BF16, 2, 1, size / 4, 1};
    block->meta.size = CHUNK_META_LM;
    memcpy(block->meta.bytes, meta, sizeof meta);
}

enum status
replay_block_new(size_t size, const char *model, struct replay_block **out)
{
    assert(strlen(model) <= REPLAY_MODEL_MAX);
    size_t words = (size + 7) / 8;
    struct replay_block *block =
        malloc(sizeof *block + (words + SHIFT_MAX) * sizeof(uint64_t));
    if (block == NULL)
        return STATUS_NO_SPACE;
    block->model = model;
    block->size = size;
    block->words = words;
    describe(block);
    random_fill(TEMPLATE_SEED, block->template, words + SHIFT_MAX);
    *out = block;
    return STATUS_OK;
}

void
replay_block_drop(struct replay_block **block)
{
    free(*block);
    *block = NULL;
}

void
replay_block_fill(const struct replay_block *block, uint64_t id, uint64_t *into)
{
    struct pattern pattern = pattern_of(block, id);
    for (size_t i = 0; i < block->words; i++)
        into[i] = pattern.words[i] ^ pattern.mask;
    into[0] = id;
    if (block->words > 1)
        into[1] = block->size;
}

static uint64_t
count_wrong(const struct replay_block *block, uint64_t id, const uint64_t *got)
{
    struct pattern pattern = pattern_of(block, id);
    uint64_t wrong = 0;
    for (size_t i = 0; i < block->size; i++) {
        size_t word = i / 8;
        uint64_t expected = pattern.words[word] ^ pattern.mask;
        if (word == 0)
            expected = id;
        else if (word == 1)
            expected = block->size;
        if (((const uint8_t *)got)[i] != ((const uint8_t *)&expected)[i % 8])
            wrong++;
    }
    return wrong;
}

uint64_t
replay_block_wrong(const struct replay_block *block, uint64_t id,
                   const uint64_t *got, size_t size)
{
    if (size != block->size)
        return block->size;
    size_t whole = block->size / 8;
    if (whole < 2 || whole < block->words)
        return count_wrong(block, id, got);
    struct pattern pattern = pattern_of(block, id);
    uint64_t different = (got[0] ^ id) | (got[1] ^ block->size);
    for (size_t i = 2; i < whole; i++)
        different |= got[i] ^ pattern.words[i] ^ pattern.mask;
    return different == 0 ? 0 : count_wrong(block, id, got);
}

struct bytes
replay_block_name(const struct replay_block *block, uint64_t id,
                  const char *suffix, char into[REPLAY_NAME_MAX])
{
    /* The first 16 digits alone tell ids apart: a bijection of them. The size
     * is mixed into the rest, so that runs with other blocks never meet. */
    uint64_t hash[4] = {random_mix(id)};
    for (unsigned i = 1; i < 4; i++)
        hash[i] = random_mix(hash[i - 1] ^ block->size);
    int size = snprintf(
        into, REPLAY_NAME_MAX, "%s@1@0@%016llx%016llx%016llx%016llx@bfloat16%s",
        block->model, (unsigned long long)hash[0], (unsigned long long)hash[1],
        (unsigned long long)hash[2], (unsigned long long)hash[3], suffix);
    assert(size > 0 && (unsigned)size < REPLAY_NAME_MAX);
    return (struct bytes){(const uint8_t *)into, (size_t)size};
}

const struct chunk_meta *
replay_block_meta(const struct replay_block *block)
{
    return &block->meta;
}

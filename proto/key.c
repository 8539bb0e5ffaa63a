/* SPDX-License-Identifier: Apache-2.0 */
/* Hashing and comparing keys. */
#include "proto/key.h"

#include <string.h>
#include <xxhash.h>

struct key
key_make(enum key_kind kind, uint16_t space, const void *bytes, uint16_t size)
{
    uint64_t seed = ((uint64_t)space << 1) | (kind == KEY_OBJECT);
    struct key key = {.bytes = bytes,
                      .size = size,
                      .space = space,
                      .kind = kind,
                      .hash = XXH3_64bits_withSeed(bytes, size, seed)};
    return key;
}

bool
key_is_equal(const struct key *a, const struct key *b)
{
    return a->hash == b->hash && a->size == b->size && a->space == b->space &&
           a->kind == b->kind && memcmp(a->bytes, b->bytes, a->size) == 0;
}

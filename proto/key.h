/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The name of a chunk.  Identity is the whole key, compared byte for byte,
 * with the namespace it lives in and the kind of name it is; the hash only
 * finds it (DESIGN, law 4).
 */
#ifndef PROTO_KEY_H
#define PROTO_KEY_H

#include <stdbool.h>
#include <stdint.h>

#define KEY_SIZE_MAX 4096u

/*
 * PLAIN is a RESP name as it was SET.  OBJECT is an LMCache object: what lm://
 * calls K, and what redis:// writes as the two names Kkv_bytes and Kmetadata.
 */
enum key_kind { KEY_PLAIN, KEY_OBJECT };

struct key {
    const uint8_t *bytes; /* borrowed */
    uint16_t size;        /* 1..KEY_SIZE_MAX */
    uint16_t space;       /* namespace: SELECT n; lm:// is 0 */
    enum key_kind kind;
    uint64_t hash; /* by key_make() */
};

/* Fills all fields and the hash (XXH3-64 seeded by space and kind).  The key
 * borrows `bytes`.  Any thread. */
struct key key_make(enum key_kind kind, uint16_t space, const void *bytes,
                    uint16_t size);

/* Same namespace, kind and bytes. */
bool key_is_equal(const struct key *, const struct key *);

#endif

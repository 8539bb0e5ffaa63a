/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of the catalog as numbers: most are decimal numbers, or "engine:" with one
 * behind it, and are kept as such.  Pure functions.
 */
#ifndef INDEX_CATALOG_KEY_H
#define INDEX_CATALOG_KEY_H

#include "proto/message.h"

#include <stdbool.h>
#include <stdint.h>

#define CATALOG_SPACES 256u
/* Bytes of a key, a field, a value, a member. */
#define CATALOG_TEXT_MAX 4000u

enum catalog_type { CATALOG_HASH, CATALOG_SORTED };

/* Decimal numbers and "engine:" with one are told apart from other names and
 * kept as numbers. */
enum catalog_kind { CATALOG_NUMBER, CATALOG_ENGINE, CATALOG_TEXT };

struct catalog_key {
    struct bytes text; /* borrowed */
    uint64_t number;   /* or the hash of the text */
    uint64_t hash;
    enum catalog_kind kind;
    uint8_t space; /* SELECT n */
};

/* The key of a name in a namespace; it borrows the bytes.  False where the name is
 * longer than CATALOG_TEXT_MAX: no such key can be there. */
bool catalog_key_read(uint8_t space, const struct bytes *name,
                      struct catalog_key *out);
/* Of space, kind and number. */
uint64_t catalog_key_hash(const struct catalog_key *);
/* The number that a name spells, with no zero in front; false if it spells
 * none. */
bool catalog_key_number(const struct bytes *name, uint64_t *number_out);
/* What a NUMBER or an ENGINE is called: in `digits`. */
#define CATALOG_KEY_DIGITS 32u
struct bytes catalog_key_spell(unsigned kind, uint64_t number,
                               char digits[CATALOG_KEY_DIGITS]);

#endif

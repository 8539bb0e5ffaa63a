/* SPDX-License-Identifier: Apache-2.0 */
/* From a name to a key and back.  A number is kept as one only where it is
 * spelled as we would spell it again. */
#include "server/index/catalog_key.h"

#include "proto/checksum.h"

#include <string.h>

#define DIGITS_MAX 20u

static const char engine[] = "engine:";
#define ENGINE_SIZE (sizeof(engine) - 1)

bool
catalog_key_number(const struct bytes *name, uint64_t *number_out)
{
    uint64_t number = 0, before = 0;

    if (name->size == 0 || name->size > DIGITS_MAX ||
        (name->at[0] == '0' && name->size > 1))
        return false;
    for (size_t i = 0; i < name->size; i++) {
        unsigned digit = (unsigned)name->at[i] - '0';

        if (digit > 9)
            return false;
        before = number;
        number = number * 10 + digit;
    }
    /* Only the twentieth digit can have been too much. */
    if (name->size == DIGITS_MAX &&
        (before > UINT64_MAX / 10 || number < before))
        return false;
    *number_out = number;
    return true;
}

/* splitmix64's last steps: every bit of the number counts for every bit. */
static uint64_t
mix(uint64_t number)
{
    number ^= number >> 30;
    number *= 0xbf58476d1ce4e5b9u;
    number ^= number >> 27;
    number *= 0x94d049bb133111ebu;
    return number ^ number >> 31;
}

uint64_t
catalog_key_hash(const struct catalog_key *key)
{
    return mix(mix(key->number) + (uint64_t)key->space * 4 +
               (uint64_t)key->kind);
}

bool
catalog_key_read(uint8_t space, const struct bytes *name,
                 struct catalog_key *out)
{
    struct bytes behind = {name->at, name->size};

    if (name->size > CATALOG_TEXT_MAX)
        return false;
    out->text = *name;
    out->space = space;
    out->kind = CATALOG_NUMBER;
    if (name->size > ENGINE_SIZE &&
        memcmp(name->at, engine, ENGINE_SIZE) == 0) {
        behind.at += ENGINE_SIZE;
        behind.size -= ENGINE_SIZE;
        out->kind = CATALOG_ENGINE;
    }
    if (!catalog_key_number(&behind, &out->number)) {
        out->kind = CATALOG_TEXT;
        out->number = checksum_of(name->at, name->size);
    }
    out->hash = catalog_key_hash(out);
    return true;
}

/* Decimal digits, written from the end. */
static struct bytes
spell(uint64_t number, char digits[CATALOG_KEY_DIGITS])
{
    char *at = digits + CATALOG_KEY_DIGITS;
    struct bytes text;

    do {
        *--at = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    text.at = (const uint8_t *)at;
    text.size = (size_t)(digits + CATALOG_KEY_DIGITS - at);
    return text;
}

struct bytes
catalog_key_spell(unsigned kind, uint64_t number,
                  char digits[CATALOG_KEY_DIGITS])
{
    struct bytes name = spell(number, digits);

    if (kind == CATALOG_ENGINE) {
        name.at -= ENGINE_SIZE;
        name.size += ENGINE_SIZE;
        memcpy(digits + CATALOG_KEY_DIGITS - name.size, engine, ENGINE_SIZE);
    }
    return name;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The template, its windows and their names.  Who sends what is load.c's. */
#include "tools/bench/load_value.h"

#include "proto/checksum.h"
#include "tools/bench/random.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Apart by more than a page and by whole cache lines, so that all windows are
 * equally well aligned and none is a page-shifted copy of another. */
#define WINDOW_STEP 4160u

#define TEMPLATE_SEED 0x7072656669786361u
#define NAME_BEFORE   "prefixcache-bench@1@0@"

static const uint8_t *
window_of(const struct load_value *value, uint64_t number)
{
    return value->template + number % LOAD_VALUE_WINDOWS * WINDOW_STEP;
}

enum status
load_value_new(size_t size, struct load_value **value_out)
{
    struct load_value *value = calloc(1, sizeof *value);
    if (value == NULL)
        return STATUS_NO_SPACE;
    size_t words = (size + LOAD_VALUE_WINDOWS * WINDOW_STEP) / 8 + 1;
    void *memory = NULL;
    if (posix_memalign(&memory, 4096, words * 8) != 0) {
        free(value);
        return STATUS_NO_SPACE;
    }
    random_fill(TEMPLATE_SEED, memory, words);
    value->template = memory;
    value->size = size;
    for (unsigned i = 0; i < LOAD_VALUE_WINDOWS; i++)
        value->digest[i] = checksum_of(window_of(value, i), size);
    *value_out = value;
    return STATUS_OK;
}

void
load_value_drop(struct load_value **value)
{
    if (*value == NULL)
        return;
    free((*value)->template);
    free(*value);
    *value = NULL;
}

struct bytes
load_value_body(const struct load_value *value, uint64_t number)
{
    return (struct bytes){window_of(value, number), value->size};
}

bool
load_value_is(const struct load_value *value, uint64_t number,
              const void *bytes, size_t size)
{
    return size == value->size &&
           checksum_of(bytes, size) ==
               value->digest[number % LOAD_VALUE_WINDOWS];
}

struct bytes
load_name(uint64_t number, size_t size, char into[LOAD_NAME_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    size_t at = sizeof NAME_BEFORE - 1;
    memcpy(into, NAME_BEFORE, at);
    uint64_t both = (uint64_t)size << 32 | (number & 0xffffffffu);
    for (int shift = 60; shift >= 0; shift -= 4)
        into[at++] = digits[both >> shift & 15];
    memcpy(into + at, "@u8", 4);
    return (struct bytes){(const uint8_t *)into, at + 3};
}

uint64_t
load_name_number(const uint8_t *name)
{
    const uint8_t *digit = name + sizeof NAME_BEFORE - 1 + 8;
    uint64_t number = 0;
    for (unsigned i = 0; i < 8; i++) {
        unsigned c = digit[i];
        number = number << 4 | (c <= '9' ? c - '0' : c - 'a' + 10);
    }
    return number;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Splits a key at its @ and reads the fields that are numbers. */
#include "server/events/event_block.h"

#include <string.h>

#define FIELDS_MAX 8u

struct fields {
    struct bytes at[FIELDS_MAX];
    unsigned count; /* more than FIELDS_MAX: only those are kept */
};

static struct fields
split(const struct key *key)
{
    struct fields fields = {.count = 0};
    const uint8_t *at = key->bytes, *end = key->bytes + key->size;

    for (;;) {
        const uint8_t *mark = memchr(at, '@', (size_t)(end - at));
        const uint8_t *stop = mark == NULL ? end : mark;

        if (fields.count < FIELDS_MAX)
            fields.at[fields.count] = (struct bytes){at, (size_t)(stop - at)};
        fields.count++;
        if (mark == NULL)
            return fields;
        at = mark + 1;
    }
}

static int
digit_of(uint8_t byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    byte |= 0x20;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* The low 64 bits of a number of any length. */
static bool
read_number(const struct bytes *text, unsigned base, uint64_t *out)
{
    uint64_t number = 0;

    for (size_t i = 0; i < text->size; i++) {
        int digit = digit_of(text->at[i]);

        if (digit < 0 || (unsigned)digit >= base)
            return false;
        number = number * base + (uint64_t)digit;
    }
    *out = number;
    return text->size != 0;
}

static bool
read_hash(const struct bytes *text, uint64_t *out)
{
    struct bytes digits = *text;
    bool is_negative = text->size > 1 && text->at[0] == '-';

    if (is_negative) {
        digits.at++;
        digits.size--;
    }
    if (!read_number(&digits, 16, out))
        return false;
    if (is_negative)
        *out = 0 - *out;
    return true;
}

/* world_size@worker@hash from field `from` on; a layer may stand in field
 * `layer`. */
static bool
read_worker(const struct fields *fields, unsigned from, unsigned layer,
            struct event_block *out)
{
    uint64_t world, worker, number = 0;

    if (!read_number(&fields->at[from], 10, &world) ||
        !read_number(&fields->at[from + 1], 10, &worker) ||
        !read_hash(&fields->at[from + 2], &out->hash))
        return false;
    /* A tag stands there otherwise. */
    if (fields->count > layer)
        (void)read_number(&fields->at[layer], 10, &number);
    out->model = fields->at[from - 1];
    out->is_first = worker == 0 && number == 0;
    return true;
}

static bool
read_group(const struct fields *fields, struct event_block *out)
{
    uint64_t rank, group;

    if (fields->at[1].size != 8 || !read_number(&fields->at[1], 16, &rank) ||
        !read_number(&fields->at[2], 16, &group) ||
        !read_hash(&fields->at[3], &out->hash))
        return false;
    out->model = fields->at[0];
    out->is_first = (rank >> 16 & 0xff) == 0 && group == 0;
    return true;
}

bool
event_block_parse(const struct key *key, struct event_block *out)
{
    struct fields fields = split(key);

    if (fields.count < 4)
        return false;
    if (fields.count <= 5 && read_group(&fields, out))
        return true;
    if (fields.count < 5)
        return false;
    return read_worker(&fields, 1, 5, out) ||
           (fields.count <= 6 && read_worker(&fields, 2, 5, out));
}

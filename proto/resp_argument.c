/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arguments of a command where they arrived.  The parser in resp.c has checked
 * their framing; what they mean is the command's business.
 */
#include "proto/resp.h"

#include <assert.h>

/* Of a length the parser accepted: digits, then CRLF. */
static const uint8_t *
read_size(const uint8_t *at, size_t *out)
{
    size_t size = 0;
    for (; *at != '\r'; at++)
        size = size * 10 + (size_t)(*at - '0');
    *out = size;
    return at + 2;
}

bool
argument_next(struct argument_walk *walk, struct bytes *out)
{
    if (walk->left == 0)
        return false;
    assert(*walk->at == '$');
    out->at = read_size(walk->at + 1, &out->size);
    walk->at = out->at + out->size + 2;
    walk->left--;
    assert(walk->at <= walk->end);
    return true;
}

static uint8_t
lower(uint8_t byte)
{
    return byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte | 0x20) : byte;
}

bool
argument_is(const struct bytes *argument, const char *word)
{
    size_t size = strlen(word);
    if (argument->size != size)
        return false;
    for (size_t i = 0; i < size; i++) {
        if (lower(argument->at[i]) != lower((uint8_t)word[i]))
            return false;
    }
    return true;
}

/* A number has one spelling: no plus, no minus zero, no leading zero. */
bool
argument_integer(const struct bytes *argument, int64_t *out)
{
    const uint8_t *at = argument->at;
    size_t size = argument->size;
    bool is_negative = size > 0 && at[0] == '-';
    size_t first = is_negative ? 1 : 0;
    if (size == first || (at[first] == '0' && size > 1))
        return false;

    uint64_t most = (uint64_t)INT64_MAX + (is_negative ? 1 : 0);
    uint64_t value = 0;
    for (size_t i = first; i < size; i++) {
        if (at[i] < '0' || at[i] > '9')
            return false;
        uint64_t digit = (uint64_t)(at[i] - '0');
        if (value > (most - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *out = is_negative ? (int64_t)(0 - value) : (int64_t)value;
    return true;
}

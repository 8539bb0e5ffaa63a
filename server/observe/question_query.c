/* SPDX-License-Identifier: Apache-2.0 */
/* Query strings: names and values behind a path, percent-encoded. */
#include "server/observe/question.h"

#include <string.h>

/* 0 to 15; 16 where it is no such digit. */
static unsigned
hex_digit(uint8_t byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    byte |= 0x20;
    return byte >= 'a' && byte <= 'f' ? 10u + byte - 'a' : 16;
}

static enum status
decode(const uint8_t *at, const uint8_t *end, uint8_t *into, size_t room,
       size_t *size_out)
{
    size_t size = 0;

    for (; at < end; at++) {
        uint8_t byte = *at == '+' ? ' ' : *at;

        if (byte == '%') {
            if (end - at < 3 || hex_digit(at[1]) > 15 || hex_digit(at[2]) > 15)
                return STATUS_BAD_REQUEST;
            byte = (uint8_t)(hex_digit(at[1]) << 4 | hex_digit(at[2]));
            at += 2;
        }
        if (size == room)
            return STATUS_BAD_REQUEST;
        into[size++] = byte;
    }
    *size_out = size;
    return STATUS_OK;
}

enum status
question_find(const struct bytes *query, const char *name, uint8_t *into,
              size_t room, struct bytes *out)
{
    const uint8_t *at = query->at, *end = at + query->size;
    size_t name_size = strlen(name), size;
    enum status status;

    while (at < end) {
        const uint8_t *next = memchr(at, '&', (size_t)(end - at));
        const uint8_t *stop = next == NULL ? end : next;

        if ((size_t)(stop - at) > name_size && at[name_size] == '=' &&
            memcmp(at, name, name_size) == 0) {
            status = decode(at + name_size + 1, stop, into, room, &size);
            if (status == STATUS_OK)
                *out = (struct bytes){into, size};
            return status;
        }
        at = next == NULL ? end : next + 1;
    }
    return STATUS_MISS;
}

enum status
question_find_number(const struct bytes *query, const char *name, uint64_t most,
                     uint64_t *out)
{
    uint64_t number = 0;
    struct bytes digits;
    uint8_t text[20];
    enum status status =
        question_find(query, name, text, sizeof(text), &digits);

    if (status != STATUS_OK)
        return status;
    for (size_t i = 0; i < digits.size; i++) {
        if (digits.at[i] < '0' || digits.at[i] > '9' ||
            __builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, digits.at[i] - '0', &number))
            return STATUS_BAD_REQUEST;
    }
    if (digits.size == 0 || number > most)
        return STATUS_BAD_REQUEST;
    *out = number;
    return STATUS_OK;
}

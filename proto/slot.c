/* SPDX-License-Identifier: Apache-2.0 */
/* CRC16 by nibbles, so that its table is small enough to be checked by eye. */
#include "proto/slot.h"

#include <string.h>

/* What four bits pushed out at the top do to the rest. */
static const uint16_t pushed_out[16] = {
    0x0000, 0x1021, 0x2042, 0x3063, 0x4084, 0x50a5, 0x60c6, 0x70e7,
    0x8108, 0x9129, 0xa14a, 0xb16b, 0xc18c, 0xd1ad, 0xe1ce, 0xf1ef,
};

static uint16_t
push(uint16_t crc, unsigned four_bits)
{
    return (uint16_t)(crc << 4 ^ pushed_out[(crc >> 12 ^ four_bits) & 0xf]);
}

uint16_t
slot_of(const void *key, size_t size)
{
    const uint8_t *at = key, *end = at + size;
    const uint8_t *open = size == 0 ? NULL : memchr(at, '{', size);
    const uint8_t *close =
        open == NULL ? NULL : memchr(open, '}', (size_t)(end - open));
    uint16_t crc = 0;

    if (close != NULL && close != open + 1) {
        at = open + 1;
        end = close;
    }
    for (; at < end; at++) {
        crc = push(crc, *at >> 4);
        crc = push(crc, *at & 0xf);
    }
    return crc % SLOT_COUNT;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unsigned integers of 1 to 8 bytes, least byte first, at any alignment and on
 * any machine.
 */
#ifndef PROTO_NUMBER_H
#define PROTO_NUMBER_H

#include <stdint.h>

static inline uint64_t
number_read(const uint8_t *at, unsigned size)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < size; i++)
        value |= (uint64_t)at[i] << 8 * i;
    return value;
}

static inline void
number_write(uint8_t *at, uint64_t value, unsigned size)
{
    for (unsigned i = 0; i < size; i++)
        at[i] = (uint8_t)(value >> 8 * i);
}

#endif

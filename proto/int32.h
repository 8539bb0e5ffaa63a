/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The integers of lm:// and of LMCache's metadata: 32 bits, signed, least byte
 * first, at any alignment and on any machine.
 */
#ifndef PROTO_INT32_H
#define PROTO_INT32_H

#include <stdint.h>

static inline int32_t
int32_read(const uint8_t *at)
{
    return (int32_t)((uint32_t)at[0] | (uint32_t)at[1] << 8 |
                     (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24);
}

static inline void
int32_write(uint8_t *at, int32_t value)
{
    uint32_t bits = (uint32_t)value;
    at[0] = (uint8_t)bits;
    at[1] = (uint8_t)(bits >> 8);
    at[2] = (uint8_t)(bits >> 16);
    at[3] = (uint8_t)(bits >> 24);
}

#endif

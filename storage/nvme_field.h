/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The numbers of the NVMe format: unsigned, least byte first, at any alignment
 * and on any machine.
 */
#ifndef STORAGE_NVME_FIELD_H
#define STORAGE_NVME_FIELD_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static inline uint16_t
field_read16(const uint8_t *at)
{
    return (uint16_t)(at[0] | at[1] << 8);
}

static inline uint32_t
field_read32(const uint8_t *at)
{
    return (uint32_t)field_read16(at) | (uint32_t)field_read16(at + 2) << 16;
}

static inline uint64_t
field_read64(const uint8_t *at)
{
    return (uint64_t)field_read32(at) | (uint64_t)field_read32(at + 4) << 32;
}

static inline void
field_write16(uint8_t *at, uint16_t value)
{
    at[0] = (uint8_t)value;
    at[1] = (uint8_t)(value >> 8);
}

static inline void
field_write32(uint8_t *at, uint32_t value)
{
    field_write16(at, (uint16_t)value);
    field_write16(at + 2, (uint16_t)(value >> 16));
}

static inline void
field_write64(uint8_t *at, uint64_t value)
{
    field_write32(at, (uint32_t)value);
    field_write32(at + 4, (uint32_t)(value >> 32));
}

static inline bool
field_is_zero(const uint8_t *at, size_t size)
{
    return size == 0 || (at[0] == 0 && memcmp(at, at + 1, size - 1) == 0);
}

#endif

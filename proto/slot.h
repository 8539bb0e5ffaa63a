/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hash slot of a key in a Redis cluster: CRC16 (XMODEM: polynomial 0x1021,
 * from 0) of the key, or of what stands between its first '{' and the next '}'
 * where that is not empty; then modulo SLOT_COUNT.
 */
#ifndef PROTO_SLOT_H
#define PROTO_SLOT_H

#include <stddef.h>
#include <stdint.h>

#define SLOT_COUNT 16384u

uint16_t slot_of(const void *key, size_t size);

#endif

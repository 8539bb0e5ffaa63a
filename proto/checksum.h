/* SPDX-License-Identifier: Apache-2.0 */
/*
 * XXH3-64 of a body, computed while its bytes arrive and are still in cache.
 * The state belongs to the caller; checksum_start() may be called again on a
 * used one.  checksum_of() of the same bytes gives the same number.
 */
#ifndef PROTO_CHECKSUM_H
#define PROTO_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

struct checksum {
    _Alignas(64) uint8_t opaque[640]; /* XXH3_state_t, checked in checksum.c */
};

void checksum_start(struct checksum *);
void checksum_add(struct checksum *, const void *bytes, size_t size);
uint64_t checksum_value(const struct checksum *);
uint64_t checksum_of(const void *bytes, size_t size);

#endif

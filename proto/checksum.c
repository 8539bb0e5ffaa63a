/* SPDX-License-Identifier: Apache-2.0 */
/* XXH3-64 behind a state of our own, so that no other file needs xxHash. */
#include "proto/checksum.h"

#include <assert.h>

#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>
#if defined(__x86_64__)
/* The same functions by the processor's widest vectors, chosen at run time:
 * three times as fast while the bytes are in cache. */
#include <xxh_x86dispatch.h>
#endif

static_assert(sizeof(XXH3_state_t) <= sizeof(struct checksum),
              "struct checksum holds an XXH3 state");
static_assert(_Alignof(XXH3_state_t) <= _Alignof(struct checksum),
              "struct checksum is aligned for an XXH3 state");

void
checksum_start(struct checksum *checksum)
{
    XXH3_state_t *state = (XXH3_state_t *)checksum->opaque;

    XXH3_INITSTATE(state);
    XXH3_64bits_reset(state);
}

void
checksum_add(struct checksum *checksum, const void *bytes, size_t size)
{
    XXH3_64bits_update((XXH3_state_t *)checksum->opaque, bytes, size);
}

uint64_t
checksum_value(const struct checksum *checksum)
{
    return XXH3_64bits_digest((const XXH3_state_t *)checksum->opaque);
}

uint64_t
checksum_of(const void *bytes, size_t size)
{
    return XXH3_64bits(bytes, size);
}

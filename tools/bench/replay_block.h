/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The blocks of a replay.  A block's bytes, its name and its metadata are pure
 * functions of its id in the trace and of the block size, so that whatever is
 * got can be compared, byte for byte, without having been kept.
 *
 * Immutable once made; any number of threads may use one.
 */
#ifndef TOOLS_BENCH_REPLAY_BLOCK_H
#define TOOLS_BENCH_REPLAY_BLOCK_H

#include "proto/message.h"

#include <stddef.h>
#include <stdint.h>

#define REPLAY_NAME_MAX  150u /* what lm:// has room for, suffix included */
#define REPLAY_MODEL_MAX 48u

struct replay_block;

/* NO_SPACE without memory.  `model` (at most REPLAY_MODEL_MAX) is borrowed. */
enum status replay_block_new(size_t size, const char *model,
                             struct replay_block **out) MUST_USE;
void replay_block_drop(struct replay_block **);

/* Writes all bytes of block id; the buffer has room for its size rounded up to
 * eight. */
void replay_block_fill(const struct replay_block *, uint64_t id,
                       uint64_t *into);

/* How many of got[size] are not block id's; a size that is not its counts as
 * the whole block. */
uint64_t replay_block_wrong(const struct replay_block *, uint64_t id,
                            const uint64_t *got, size_t size);

/* As LMCache names a chunk: model@1@0@<64 hex digits>@bfloat16, and `suffix`
 * behind it ("" or one of redis://'s two). */
struct bytes replay_block_name(const struct replay_block *, uint64_t id,
                               const char *suffix, char into[REPLAY_NAME_MAX]);

/* LMCache's 28 bytes for a block of this size. */
const struct chunk_meta *replay_block_meta(const struct replay_block *);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The block of a prompt that a key of LMCache's is about: which model's, and
 * under which hash.
 *
 *   model@world_size@worker@hash@dtype[@layer][@tag%value]...
 *   format@model@world_size@worker@hash[@layer]
 *   model@kv_rank@group@hash[@salt]     (multi-process: kv_rank of 8 digits)
 *
 * A hash is hexadecimal, of any length and perhaps with a minus; what names the
 * block is its low 64 bits.  kv_rank holds the world's size, the worker, and the
 * same of its host, 8 bits each.
 */
#ifndef EVENTS_EVENT_BLOCK_H
#define EVENTS_EVENT_BLOCK_H

#include "proto/key.h"
#include "proto/message.h"

#include <stdbool.h>
#include <stdint.h>

struct event_block {
    struct bytes model; /* inside the key */
    uint64_t hash;
    bool
        is_first; /* of the keys that a block has: worker 0, group 0, layer 0 */
};

/* False where the key is none of these. */
bool event_block_parse(const struct key *,
                       struct event_block *out) MUST_USE; /* fuzzed */

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which accesses of one connection belong together, without being told.  An
 * engine asks for the chunks of a prompt from the first on, until one is
 * missing, and puts that one and the rest, in order.  So a run ends where a GET
 * follows a PUT or a miss, and where a chunk is asked for that was in the run
 * already, or that began a run the last time.
 *
 * Pure.  The caller keeps one for each connection, all zero at first, and tells
 * it each access in order.
 */
#ifndef STORAGE_POLICY_RUN_H
#define STORAGE_POLICY_RUN_H

#include "storage/policy.h"

enum policy_step { POLICY_HIT, POLICY_MISS, POLICY_PUT };

struct policy_run {
    uint64_t tick;     /* of its first access */
    uint64_t last;     /* hash of its last access; 0: none yet */
    uint64_t tail;     /* hash of what was put last */
    uint32_t position; /* of the next access */
    uint32_t size;     /* bytes of its first chunk */
    uint8_t step;      /* enum policy_step of the last access */
    bool has_tail;     /* something was put, behind others */
};

/*
 * The next access; hash, tick and the chunk's size are told.  The run's tick,
 * position, size (that of its first chunk: the last one may be smaller) and what
 * comes before are filled in.  was_first: the chunk was position 0 of its last run.  True with
 * the hash of the chunk that the run before put last, if that has ended now and
 * there is one: it is for policy->demote().
 */
bool policy_run_step(struct policy_run *, enum policy_step, bool was_first,
                     struct policy_access *access, uint64_t *tail_out);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Carries bodies from DRAM to the NVMe tier, behind the requests that brought
 * them, and gives that tier's segments back.  One thread, with a port and
 * counters of its own.  Nobody waits for it: what its queue has no room for is
 * counted and not written.
 *
 * A job holds a reference to a chunk and knows its entry by key and sequence.
 * An entry that was deleted, overwritten or moved on meanwhile just makes its
 * job void.
 */
#ifndef STORAGE_MOVER_H
#define STORAGE_MOVER_H

#include "base/counters.h"
#include "storage/index.h"

struct mover;
struct store;
struct store_port;

/* Main thread.  counters: lent, the mover's own. */
enum status mover_open(struct store *, struct counters *,
                       struct mover **out) MUST_USE;
enum status mover_start(struct mover *) MUST_USE;
/* Writes what waits, for at most some seconds, then ends the thread. */
void mover_close(struct mover **);

/* NULL where there is no mover.  Its thread's, but for the time between open
 * and start, when it is the main thread's. */
struct store_port *mover_store_port(const struct mover *);
/* Any thread: bytes that wait to be written to a tier, or are being written. */
uint64_t mover_queue_bytes(const struct mover *, enum tier_kind);

/* Any thread, with the entry's part locked: its body is to be written, if
 * nvme.write and the policy say so, unless it is already. */
void mover_put(struct mover *, struct entry *, enum policy_lower_reason);
/* Any thread, with nothing locked, after that: wakes the mover if it sleeps and
 * a megabyte waits for it, or if nvme.write=evicted and DRAM is nearly full.
 * Else it looks by itself soon.  NULL: there is none. */
void mover_nudge(struct mover *);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Writing a catalog into snapshots and reading it back, a payload at a time. */
#ifndef INDEX_CATALOG_SAVE_H
#define INDEX_CATALOG_SAVE_H

#include "server/index/catalog.h"
#include "server/index/snapshot.h"

/*
 * Writes the next keys from *cursor (0 at first) on into a payload that was
 * started; false when there are no more.  Keys are written as they are at that
 * moment, a payload's under one lock, which is held for about a millisecond.  A
 * key that is there all the time is written at least once; the last time counts.
 */
bool catalog_save_some(struct catalog *, uint64_t *cursor,
                       struct snapshot_writer *);

/* Puts all keys of a payload into the catalog, evicting where there is no room.
 * A key that is there already is replaced.  False where the payload is broken:
 * some of it may have been put. */
bool catalog_restore(struct catalog *, struct snapshot_reader *);

#endif

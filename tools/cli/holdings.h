/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which keys a server had when it was asked: two hashes of each, 128 bits, which
 * is enough to leave something out by.  To ask for each key by EXISTS would lease
 * it, and be told no where no more may be leased.  One thread.
 */
#ifndef CLI_HOLDINGS_H
#define CLI_HOLDINGS_H

#include "tools/cli/spaces.h"

#include <stddef.h>

struct holdings_slot {
    uint64_t hash, checksum; /* both 0: free */
};

struct holdings {
    struct holdings_slot *slots;
    size_t room, count; /* room: a power of two, or 0 */
};

/* One value, as a walk or a dump names it. */
struct holdings_key {
    const void *bytes;
    size_t size;
    int kind; /* PREFIXCACHE_PLAIN or _OBJECT */
    unsigned space;
};

/* Walks all shards.  EXIT_CONNECTION, and a complaint, where one does not
 * answer; EXIT_USAGE: no memory. */
enum exit_code holdings_read(struct holdings *, struct spaces *);
bool holdings_has(const struct holdings *, const struct holdings_key *);
void holdings_drop(struct holdings *);

#endif

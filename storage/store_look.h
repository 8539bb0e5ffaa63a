/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking at many names at once: whether they are there, and in which tiers.
 * What a lookup may ask for besides, a lease or a read ahead, is a call for each
 * name.
 */
#ifndef STORAGE_STORE_LOOK_H
#define STORAGE_STORE_LOOK_H

#include "storage/store.h"

/* What was seen of one name. */
struct store_sight {
    bool is_here;  /* as for store_exists(), but that nothing is leased; false:
                     the rest says nothing */
    uint8_t tiers; /* bit t: tier t has its body, and answers */
    uint32_t body_size;
};

/* Touches and counts nothing, and takes no memory.  Any thread; needs no port.
 * The names are lent during the call. */
void store_look(struct store *, const struct store_name *names, unsigned count,
                struct store_sight *out);

/* As store_exists(), but leased for lease_ns, or for the longest that may be
 * asked for; a lease that lasts longer already stays. */
enum status store_exists_for(struct store_port *, const struct store_name *,
                             uint64_t lease_ns) MUST_USE;
/* How long such a lease is: 0 where there are no leases. */
uint64_t store_lease_length(const struct store *, uint64_t lease_ns);

/* Begins to read into DRAM what is in lower tiers only, if few such reads are
 * under way.  True if a read was begun. */
bool store_promote(struct store_port *, const struct store_name *);

/* Bit t: there is a tier t. */
unsigned store_tiers(const struct store *);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gets many values, some at a time: asks its owner what is next, and gives it
 * what has come, in the order it was asked for.
 */
#ifndef CLI_GETTER_H
#define CLI_GETTER_H

#include "tools/cli/flight.h"
#include "tools/cli/haul.h"
#include "tools/cli/spaces.h"

struct getter_key {
    const void *key;
    size_t key_size;
    int kind;
    unsigned space;
    uint64_t size; /* as far as is known; more room is made when it is not */
    uint64_t mark; /* goes into the parcel */
};

/* Of a key that a walk has found; borrows its bytes. */
struct getter_key getter_key_of(const struct prefixcache_entry *);

struct getter {
    struct haul *haul;
    struct spaces *spaces;
    void *arg;
    /* The next, until it is called again; false: there is none. */
    bool (*next)(void *arg, struct getter_key *out);
    /* What has come, with item.got bytes where its status is OK.  MISS: it is
     * not there.  Anything but EXIT_DONE ends all. */
    enum exit_code (*take)(void *arg, struct parcel *);

    struct flight flight;
    struct getter_key ahead; /* asked for, no room yet */
    bool has_ahead;
};

/* All of them.  EXIT_CONNECTION, and a complaint, where a server is late or
 * gone. */
enum exit_code getter_run(struct getter *, uint64_t bytes);

#endif

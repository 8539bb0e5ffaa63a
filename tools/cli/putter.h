/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Puts many values, some at a time, and tells its owner in their order what
 * became of each.
 */
#ifndef CLI_PUTTER_H
#define CLI_PUTTER_H

#include "tools/cli/flight.h"
#include "tools/cli/haul.h"
#include "tools/cli/spaces.h"

struct putter {
    struct haul *haul;
    struct spaces *spaces;
    void *arg;
    /* One is over: OK, or refused (its status says why; it was complained of and
     * counted).  NULL: nobody wants to know. */
    void (*told)(void *arg, const struct parcel *);

    struct flight flight;
};

/* EXIT_USAGE: no memory. */
enum exit_code putter_open(struct putter *, uint64_t bytes);
/* Does not wait for what is under way to be told of. */
void putter_close(struct putter *);

/* A parcel with room for `size` bytes, when there is one.  EXIT_CONNECTION, and
 * a complaint, where the server is late or gone. */
enum exit_code putter_begin(struct putter *, uint64_t size,
                            struct parcel **parcel_out);
/* Sends the one that was begun last: its key, space and item are set. */
enum exit_code putter_send(struct putter *, struct parcel *);
/* Takes the one that was begun last back: nothing was sent. */
void putter_cancel(struct putter *);
/* Waits for all. */
enum exit_code putter_finish(struct putter *);

#endif

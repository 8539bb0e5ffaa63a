/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asks in the order of their deadlines, as far as is needed to know the first:
 * a pairing heap, through the asks themselves.  Most come in order and go before
 * they are due, which costs next to nothing; but where several calls of thousands
 * of asks come at the same time, a list that is sorted would be walked for each.
 *
 * One thread.  An ask is in at most one of these, and its deadline stays as it is
 * meanwhile.
 */
#ifndef CLIENT_DEADLINES_H
#define CLIENT_DEADLINES_H

#include "client/ask.h"

struct deadlines {
    struct ask *first; /* none is due earlier; NULL: there is none */
};

void deadlines_add(struct deadlines *, struct ask *);
/* One that is in it. */
void deadlines_remove(struct deadlines *, struct ask *);

#endif

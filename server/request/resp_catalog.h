/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the commands over the router's index (server/index/catalog.h) share: a
 * command's first argument as a key there, and the replies that say why
 * something is not done.
 */
#ifndef REQUEST_RESP_CATALOG_H
#define REQUEST_RESP_CATALOG_H

#include "server/index/catalog.h"
#include "server/request/request.h"

/* An argument as a key of the connection's namespace.  False where it is too
 * long to be there. */
bool resp_catalog_key(struct connection *, const struct bytes *argument,
                      struct catalog_key *out);
/* The same for DEL, EXISTS, TYPE: any name.  What is known of it; false where it
 * is not there. */
bool resp_catalog_view(struct connection *, const struct bytes *argument,
                       struct catalog_view *out);
bool resp_catalog_drop(struct connection *, const struct bytes *argument);

/* The error for what catalog_edit() and its likes have refused. */
enum run resp_catalog_refuse(struct connection *, enum status);
enum run resp_catalog_wrong_type(struct connection *);

/*
 * A reply that lists items of a key, written while the key is locked.  out has
 * room for all of them, and for a head.  look: NULL where the key is not there.
 */
typedef void resp_catalog_write(void *arg, struct cursor *out,
                                const struct catalog_look *look);
struct resp_catalog_list {
    enum catalog_type type; /* another one is an error */
    resp_catalog_write *write;
    void *arg;
};
/* key: NULL where the name can not be there. */
enum run resp_catalog_answer(struct connection *, const struct catalog_key *,
                             const struct resp_catalog_list *);

/* Into the counters: a hash that was there, or (NULL) was not; and keys that were
 * evicted for a change. */
void resp_catalog_count_lookup(struct connection *,
                               const struct catalog_look *);
void resp_catalog_count_edit(struct connection *, const struct catalog_edit *);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What requests tell the hit rates (server/index/rates.h, which says what a query
 * is).  A key is given as the client has spelled it; of an object's two halves
 * the bytes count, and its metadata where they end the search: who gets the
 * metadata asks for the bytes next.  All on the connection's worker.
 */
#ifndef REQUEST_QUERY_H
#define REQUEST_QUERY_H

#include "server/net/connection.h"

/* A GET was answered with a value of so many bytes, or with none. */
void query_hit(struct connection *, const struct bytes *key,
               const struct store_get *, uint64_t bytes);
void query_miss(struct connection *, const struct bytes *key,
                const struct store_get *);
/* The same where the key will not be there any more: by its label. */
unsigned query_label(struct connection *, const struct bytes *key);
void query_hit_under(struct connection *, unsigned label,
                     const struct store_get *, uint64_t bytes);
void query_miss_under(struct connection *, unsigned label,
                      const struct store_get *);
/* An EXISTS was answered with 1, or with 0. */
void query_promised(struct connection *, const struct bytes *key,
                    const struct store_promise *);
void query_refused(struct connection *, const struct bytes *key);

/* store_put_finish() of the request's PUT, and that is counted. */
enum status query_put(struct connection *, const struct store_terms *) MUST_USE;

#endif

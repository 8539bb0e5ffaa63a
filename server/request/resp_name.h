/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a RESP name can stand for.  Up to three entries, the first that is
 * there counts: the half of an object that the name's suffix says; the value
 * that was SET by this very name; the bytes of an object put over lm://.
 */
#ifndef REQUEST_RESP_NAME_H
#define REQUEST_RESP_NAME_H

#include "server/request/request.h"

#define RESP_NAMES_MAX 3u

struct resp_names {
    unsigned count;
    struct store_name name[RESP_NAMES_MAX]; /* lent from the argument */
};

/* False where the name is longer than limits.key. */
bool resp_names_of(struct connection *, const struct bytes *argument,
                   struct resp_names *out);

/* Each for the first of the names that is there; MISS where none is (or the
 * name is too long to be). */

/* key: which of the request's keys it is, from 0.  As request_get(). */
enum progress resp_find(struct connection *, uint32_t key,
                        const struct bytes *argument, struct store_get *get,
                        enum store_part *part_out) MUST_USE;
/* Begins what resp_find() will ask for, if that is a body.  False, and nothing
 * begun, where it has more than `most` bytes. */
bool resp_find_ahead(struct connection *, uint32_t key,
                     const struct bytes *argument, uint64_t most);
enum status resp_view(struct connection *, const struct bytes *argument,
                      struct store_view *view,
                      struct store_name *name_out) MUST_USE;
enum status resp_exists(struct connection *,
                        const struct bytes *argument) MUST_USE;
enum status resp_drop(struct connection *, const struct bytes *argument);

#endif

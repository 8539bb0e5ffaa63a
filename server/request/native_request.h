/* SPDX-License-Identifier: Apache-2.0 */
/* The requests of the native wire: one function each, by the files that hold
 * them, and what they share. */
#ifndef REQUEST_NATIVE_REQUEST_H
#define REQUEST_NATIVE_REQUEST_H

#include "proto/native.h"
#include "server/request/request.h"

/* Of a request with many keys, those looked up before others may have their
 * turn. */
#define NATIVE_KEYS_AT_ONCE 64u

/* The entries that a key of this request may mean: the first that is there
 * counts.  PLAIN comes before OBJECT, which is there in whatever form. */
#define NATIVE_NAMES_MAX 2u
struct native_names {
    unsigned count; /* 0: the key is longer than limits.key */
    struct store_name name[NATIVE_NAMES_MAX]; /* lent from the key */
};
void native_names_of(struct connection *, const struct bytes *key,
                     struct native_names *out);
/* What the wire calls its kind. */
enum native_kind native_kind_of(const struct key *);

/* Puts a frame into the outbox, with its list: DONE, or CLOSE where there was no
 * memory for it.  A body is the caller's to add. */
enum run native_answer(struct connection *, const struct native_reply *);
/* The request is answered with this code; why: NULL, or what was wrong with it.
 * Errors are counted. */
enum run native_answer_code(struct connection *, enum native_code,
                            const char *why);

/* native_get.c */
enum run native_get(struct connection *);
bool native_get_deliver(struct connection *);

/* native_put.c */
enum status native_body_key(struct connection *, struct key *key_out) MUST_USE;
void native_lose(struct connection *, const struct key *, enum status why);
enum run native_put(struct connection *);

/* native_keys.c */
enum run native_exists(struct connection *);
enum run native_drop(struct connection *);

/* native_prefix.c */
enum run native_match(struct connection *);

/* native_server.c */
enum run native_hello(struct connection *);
enum run native_stats(struct connection *);
enum run native_walk(struct connection *);

/* Where the bytes that answer a list's keys, one each, are gathered: in place of
 * the keys themselves, which are longer and were looked at before. */
uint8_t *native_marks(struct connection *);

#endif

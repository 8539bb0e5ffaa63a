/* SPDX-License-Identifier: Apache-2.0 */
/* Replies of RESP that are one word or one value, whole. */
#ifndef REQUEST_ANSWER_H
#define REQUEST_ANSWER_H

#include "server/request/request.h"

#include <stdbool.h>
#include <stdio.h>

/* Each puts one reply into the outbox: DONE, or CLOSE where there was no
 * memory for it. */
enum run answer_simple(struct connection *, const char *text);
enum run answer_ok(struct connection *);
enum run answer_integer(struct connection *, int64_t);
enum run answer_double(struct connection *, double);
enum run answer_null(struct connection *);
enum run answer_bulk(struct connection *, const void *bytes, size_t size);
/* printf; begins with its code word, such as ERR.  Counted. */
enum run answer_error(struct connection *, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The error of a command given in a way it does not take. */
enum run answer_syntax(struct connection *);
enum run answer_arity(struct connection *, const char *command);
enum run answer_not_integer(struct connection *);
/* The precision of "%.*s" for a peer's own word, said again in an error. */
int answer_shown(const struct bytes *word);
/* Closes what open_memstream() gave.  False, and *text freed, when memory ran
 * out on the way: some of the text is missing. */
bool answer_text_end(FILE *, char **text);
/* A part of a value: takes the reference, counts the bytes. */
enum run answer_body(struct connection *, struct chunk *, uint32_t offset,
                     uint32_t size);

#endif

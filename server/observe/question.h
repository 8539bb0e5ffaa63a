/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is asked of the HTTP port, from its bytes: bodies of JSON and query
 * strings.  Knows no server; what it gives is checked, and bounded by the bytes
 * it was made from.
 */
#ifndef OBSERVE_QUESTION_H
#define OBSERVE_QUESTION_H

#include "proto/message.h"
#include "server/index/template.h"

#include <stdbool.h>
#include <stdint.h>

struct json_t;

/* What is wrong with a question, for a person. */
struct question_problem {
    char text[256];
};

/* POST /v1/prefix. */
struct question_prefix {
    struct json_t *root; /* what the keys are lent from */
    struct bytes *keys;
    uint32_t count, ranks;
    uint16_t space;
    bool has_lease, has_promotion, with_tiers;
};
/* OK; BAD_REQUEST and *problem; NO_SPACE without memory.  To be freed only if
 * OK. */
enum status question_read_prefix(const struct bytes *body,
                                 struct question_prefix *out,
                                 struct question_problem *problem) MUST_USE;
void question_free_prefix(struct question_prefix *);

/* POST /query_by_hash. */
struct question_hashes {
    struct json_t *root;
    struct template_hash *hashes;
    uint32_t count;
    uint32_t block_tokens; /* 0: not said */
    struct bytes model, tenant, salt;
};
enum status question_read_hashes(const struct bytes *body,
                                 struct question_hashes *out,
                                 struct question_problem *problem) MUST_USE;
void question_free_hashes(struct question_hashes *);

/* The value of a name in a query string (a=b&c=d), decoded into `into`.  OK; MISS
 * where the name is not in it; BAD_REQUEST where the value is not well encoded,
 * or longer than room. */
enum status question_find(const struct bytes *query, const char *name,
                          uint8_t *into, size_t room,
                          struct bytes *out) MUST_USE;
/* The same for a whole number of at most `most`. */
enum status question_find_number(const struct bytes *query, const char *name,
                                 uint64_t most, uint64_t *out) MUST_USE;

#endif

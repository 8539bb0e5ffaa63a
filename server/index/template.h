/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the key of a block is spelled, for those who know its hash alone.  A
 * template is text with placeholders in braces:
 *
 *   {model} {tenant} {salt}   as the request has them
 *   {hash}                    of the block: a text as it is, or a number
 *   {rank} {ranks}            this rank, and how many there are
 *
 * A number may have a format behind a colon, as in Python: d or x, before it a
 * width, and before that a 0 to fill it with zeros, not spaces.  A negative one
 * has its sign first.  "{{" and "}}" stand for braces.
 */
#ifndef INDEX_TEMPLATE_H
#define INDEX_TEMPLATE_H

#include "proto/message.h"

struct template_hash {
    struct bytes text; /* at NULL: a number */
    bool is_negative;
    uint64_t magnitude;
};

struct template_values {
    struct bytes model, tenant, salt;
    const struct template_hash *hash;
    uint32_t rank, ranks;
};

/* NULL if it is a template; else what is wrong with it, for a person. */
const char *template_check(const char *text);
/* Spells a key of a checked template; 0 where it would be longer than room, or
 * empty. */
size_t template_spell(const char *text, const struct template_values *,
                      uint8_t *into, size_t room);

#endif

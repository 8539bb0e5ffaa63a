/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a server says of itself, by name: the lines of INFO, "name:value" or
 * "name value" each.  Headings and lines of another form are left out.  A name
 * that an older server does not say is not there, which is no error.
 */
#ifndef CLI_FACTS_H
#define CLI_FACTS_H

#include "proto/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct facts_line {
    const char *name, *value;
};

struct facts {
    char *text;
    struct facts_line *lines; /* by name */
    size_t count;
};

/* Copies the text.  OK or NO_SPACE. */
enum status facts_read(const char *text, struct facts *out) MUST_USE;
/* Also of one that is all zero. */
void facts_drop(struct facts *);

/* NULL: it was not said.  Lent. */
const char *facts_text(const struct facts *, const char *name);
/* 0 where it was not said, or is no such number. */
uint64_t facts_number(const struct facts *, const char *name);
/* Of a decimal fraction; false, and nothing written, where there is none. */
bool facts_fraction(const struct facts *, const char *name, double *out);

/* One namespace and model: a line "prefix_model_NUMBER". */
struct facts_model {
    unsigned space;
    uint64_t queries, hits, puts; /* chunks, since the server's start */
    const char *name;             /* lent */
};
/* They are numbered from 0 on without gaps; false behind the last. */
bool facts_model(const struct facts *, unsigned number,
                 struct facts_model *out);

#endif

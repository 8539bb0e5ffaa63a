/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a key holds, as a function of its number and a version: a value that is
 * read says itself which version it is, and each of its bytes can be compared
 * without knowing what was put.
 *
 * A value begins with 32 bytes that name its number, version and size; the rest
 * is a window into one random template, at a place that depends on all three.
 *
 * Immutable once made; any number of threads may read one.
 */
#ifndef CRASH_VALUE_H
#define CRASH_VALUE_H

#include "proto/message.h"

#include <stddef.h>
#include <stdint.h>

#define VALUE_LEAST  (64u << 10)
#define VALUE_MOST   (4u << 20)
#define VALUE_HEAD   32u
#define NAME_ROOM    48u
#define VALUE_NO_KEY UINT32_MAX

/* How a key is put and got. */
enum value_kind {
    VALUE_OBJECT, /* lm:// */
    VALUE_PLAIN,  /* redis://, SET of one name */
    VALUE_PAIR    /* redis://, the two halves of an object */
};

struct values {
    uint64_t seed;
    uint8_t *template;
};

/* NO_SPACE without memory. */
enum status values_open(uint64_t seed, struct values *out) MUST_USE;
void values_close(struct values *);

enum value_kind value_kind(uint32_t number);
/* The name on the wire; of a PAIR the stem, to which `half` ("", "kv_bytes",
 * "metadata") is added. */
struct bytes value_name(uint32_t number, const char *half,
                        char into[NAME_ROOM]);
/* The number in a name of any kind; VALUE_NO_KEY if it is none of ours. */
uint32_t value_number(struct bytes name);

uint32_t value_size(const struct values *, uint32_t number, uint32_t version);
/* VALUE_MOST bytes of room; returns the size. */
uint32_t value_write(const struct values *, uint32_t number, uint32_t version,
                     uint8_t *into);
/* Metadata of the lm:// kind that names number and version. */
void value_meta(const struct values *, uint32_t number, uint32_t version,
                struct chunk_meta *out);

/* NULL: whole, and *version_out is which; else what is wrong with it. */
const char *value_check(const struct values *, uint32_t number,
                        struct bytes value, uint32_t *version_out);

#endif

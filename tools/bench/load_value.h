/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The values `load` puts and gets.  The value of a key is a window into one
 * random template, at one of 61 places that depends on the key: a PUT is sent
 * straight from the template, and a GET is checked by the digest of its window,
 * worked out beforehand.  So values are really verified, and neither generating
 * nor comparing them takes the time that is being measured.
 *
 * Immutable once made; any number of threads may read one.
 */
#ifndef TOOLS_BENCH_LOAD_VALUE_H
#define TOOLS_BENCH_LOAD_VALUE_H

#include "proto/message.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOAD_VALUE_WINDOWS 61u
#define LOAD_NAME_SIZE     48u

struct load_value {
    uint8_t *template;
    size_t size; /* of one value */
    uint64_t digest[LOAD_VALUE_WINDOWS];
};

/* NO_SPACE if there is no memory for the template. */
enum status load_value_new(size_t size, struct load_value **value_out) MUST_USE;
void load_value_drop(struct load_value **);

/* What key `number` holds; lent, as long as the value lives. */
struct bytes load_value_body(const struct load_value *, uint64_t number);

/* Are these bytes the whole value of key `number`? */
bool load_value_is(const struct load_value *, uint64_t number,
                   const void *bytes, size_t size);

/* The key's name on any wire.  It holds the size, so that runs with different
 * sizes against one server do not read each other's values. */
struct bytes load_name(uint64_t number, size_t size, char into[LOAD_NAME_SIZE]);

/* The number in a name that load_name() made, looking at nothing else. */
uint64_t load_name_number(const uint8_t *name);

#endif

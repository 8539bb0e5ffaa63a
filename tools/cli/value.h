/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A value in memory, on its way from a file or standard input to the server or
 * back.
 */
#ifndef CLI_VALUE_H
#define CLI_VALUE_H

#include "proto/message.h"

/* What lm:// can carry, and the most that limits.value can be. */
#define VALUE_SIZE_MAX 0x7fffffffu

struct value {
    uint8_t *bytes; /* malloc'ed; value_drop() */
    size_t size;
};

/* Reads a whole file; "-" is standard input.  BAD_REQUEST and a sentence in
 * why[room] when it cannot. */
enum status value_read(const char *path, struct value *out, char *why,
                       size_t room) MUST_USE;
/* Writes, or replaces, a whole file; "-" is standard output. */
enum status value_write(const char *path, struct bytes, char *why,
                        size_t room) MUST_USE;
void value_drop(struct value *);

#endif

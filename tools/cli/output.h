/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How names and answers are printed: escaped for a terminal, or as JSON.  A key
 * that is no UTF-8 has a field "key_base64" in JSON instead of "key".
 */
#ifndef CLI_OUTPUT_H
#define CLI_OUTPUT_H

#include "proto/message.h"

#include <jansson.h>
#include <stdio.h>

/* Prints bytes on stdout so that they harm no terminal and read back: what is
 * no printable UTF-8 becomes \xNN, and a backslash two. */
void output_name(struct bytes);
void output_name_to(FILE *, struct bytes);

/* Sets object.NAME to text, or object.NAME_base64 where it is no UTF-8.  False
 * when out of memory. */
bool output_set_bytes(json_t *object, const char *name, struct bytes);
/* object.value_base64. */
bool output_set_value(json_t *object, struct bytes);

/* Prints the object and a newline on stdout, and drops it.  NULL prints
 * nothing and is false: no memory. */
bool output_json(json_t *object);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Redis's glob patterns over bytes: * ? [a-z] [^a] and backslash.  (fnmatch(3)
 * ends at a NUL, spells negation otherwise and asks for a locale.) */
#ifndef REQUEST_GLOB_H
#define REQUEST_GLOB_H

#include "proto/message.h"

#include <stdbool.h>

/* Time at most proportional to both sizes multiplied; no recursion. */
bool glob_matches(const struct bytes *pattern, const struct bytes *text);

#endif

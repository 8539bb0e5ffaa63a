/* SPDX-License-Identifier: Apache-2.0 */
/* What a script is known by. */
#ifndef REQUEST_DIGEST_H
#define REQUEST_DIGEST_H

#include "proto/message.h"
#include "proto/status.h"

#define DIGEST_TEXT 41u

/* The SHA-1 of the bytes in lower-case hexadecimal, with its end.  NO_SPACE where
 * the library has no memory, or is not allowed to. */
enum status digest_sha1(const struct bytes *,
                        char text_out[DIGEST_TEXT]) MUST_USE;

#endif

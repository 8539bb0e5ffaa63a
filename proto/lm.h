/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LMCache's lm:// wire (WIRES section 1): sizes and codes that tests and the
 * benchmark's own server need beside the codec in protocol.h.
 */
#ifndef PROTO_LM_H
#define PROTO_LM_H

#include "proto/message.h"

enum lm_dialect { LM_V0, LM_EXP, LM_V1, LM_DIALECT_COUNT };

enum lm_command { LM_PUT = 1, LM_GET, LM_EXIST, LM_LIST, LM_HEALTH };

#define LM_CODE_OK     200
#define LM_CODE_FAIL   400
#define LM_KEY_SIZE    150u /* padded with spaces */
#define LM_REQUEST_MAX 186u
#define LM_REPLY_MAX   36u
#define LM_TELL_SIZE   36u         /* bytes that tell the generation apart */
#define LM_BODY_MAX    0x7fffffffu /* the wire has no larger length */

/*
 * What protocol_lm leaves to who calls it:
 * - a PUT, and a LIST that is not v0's, have no reply: write_reply writes
 *   nothing, and no body may follow;
 * - a body that is replied has at most LM_BODY_MAX bytes (lm_meta_fits() says
 *   so of a chunk; a listing has to be cut);
 * - write_request is false, with short_by 0, for what this wire can not say:
 *   DROP, a name over LM_KEY_SIZE, blank or ending in a space, a longer body.
 * A LIST or PING may have a blank name, and no other.  Metadata of a v0 PUT is
 * its length and zeros.  Format and dtype are never looked into.
 */

/* Bytes of a request head and of a reply head of one generation. */
unsigned lm_request_size(uint8_t dialect);
unsigned lm_reply_size(uint8_t dialect);

/* Is this the metadata of one object of body_size bytes: exactly 28 bytes,
 * whose first integer is the body's length?  (WIRES 2.1: else a GET over lm://
 * must miss, for the client would allocate wrongly.) */
bool lm_meta_fits(const struct chunk_meta *, uint64_t body_size);

#endif

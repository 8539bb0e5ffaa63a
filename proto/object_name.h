/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LMCache writes one object to Redis under two names, its bytes and its
 * metadata (WIRES 2.1): Kkv_bytes and Kmetadata, K:kv_bytes and K:metadata, or
 * {K}:kv_bytes and {K}:metadata.  This tells such a name apart.
 */
#ifndef PROTO_OBJECT_NAME_H
#define PROTO_OBJECT_NAME_H

#include "proto/message.h"

/* How an object was named when it was written.  LM is the bare K of lm://,
 * which every RESP spelling reads. */
enum name_form {
    FORM_LM,
    FORM_SUFFIX, /* Kkv_bytes     */
    FORM_COLON,  /* K:kv_bytes    */
    FORM_BRACES, /* {K}:kv_bytes  */
    FORM_COUNT
};

enum name_half { HALF_BYTES, HALF_METADATA };

struct object_name {
    struct bytes stem; /* inside the name it was split from */
    enum name_form form;
    enum name_half half;
};

/* False where the name has no such suffix, or nothing before it. */
bool object_name_split(const void *name, size_t size, struct object_name *out);

/* Spells the name again into `into`; returns its size, or 0 if it would not
 * fit.  FORM_LM gives the bare stem, whichever half. */
size_t object_name_join(const struct object_name *, void *into, size_t room);

/* Could these bytes be LMCache's metadata: 28 + 20k bytes whose format and
 * dtype are small numbers and whose length is not negative?  A SET of a name
 * in `metadata` whose value could not is an ordinary key. */
bool object_metadata_is_plausible(const void *bytes, size_t size);

#endif

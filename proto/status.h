/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What became of a request: one enum for every room, made from status.def.
 * errno stops at the file that made the system call and becomes one of these.
 */
#ifndef PROTO_STATUS_H
#define PROTO_STATUS_H

enum status {
#define STATUS(name, scope, text) STATUS_##name,
#include "proto/status.def"
#undef STATUS
};

/* What may no longer be used after a status. */
enum status_scope {
    SCOPE_NOTHING,
    SCOPE_REQUEST,
    SCOPE_CONNECTION,
    SCOPE_TIER
};

/* A lasting English sentence fragment, lower case, without a full stop. */
const char *status_text(enum status);
enum status_scope status_scope(enum status);

/* The caller must look at the result. */
#define MUST_USE __attribute__((warn_unused_result))

#endif

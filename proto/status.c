/* SPDX-License-Identifier: Apache-2.0 */
/* Texts and scopes of statuses, from the table. */
#include "proto/status.h"

const char *
status_text(enum status status)
{
    switch (status) {
#define STATUS(name, scope, text)                                              \
    case STATUS_##name:                                                        \
        return text;
#include "proto/status.def"
#undef STATUS
    }
    return "unknown status";
}

enum status_scope
status_scope(enum status status)
{
    switch (status) {
#define STATUS(name, scope, text)                                              \
    case STATUS_##name:                                                        \
        return SCOPE_##scope;
#include "proto/status.def"
#undef STATUS
    }
    return SCOPE_CONNECTION;
}

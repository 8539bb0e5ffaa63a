/* SPDX-License-Identifier: Apache-2.0 */
/* A state as one JSON object; prefixcache-cli(1) says its fields. */
#ifndef CLI_TOP_JSON_H
#define CLI_TOP_JSON_H

#include "tools/cli/top_state.h"

#include <jansson.h>

/* The caller's; NULL: no memory. */
json_t *top_json(const struct top_state *);

#endif

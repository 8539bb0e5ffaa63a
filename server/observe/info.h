/* SPDX-License-Identifier: Apache-2.0 */
/* INFO: the server's state as Redis's tools and `prefixcache-cli stat` read
 * it.  Any thread. */
#ifndef OBSERVE_INFO_H
#define OBSERVE_INFO_H

#include "proto/message.h"

#include <stdio.h>

struct server;

/* One section by its name, any case, or (NULL, "all", "everything",
 * "default") all of them; an unknown one writes nothing. */
void info_write(struct server *, const struct bytes *section, FILE *);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* INFO: the server's state as Redis's tools and `prefixcache-cli stat` read
 * it.  Any thread. */
#ifndef OBSERVE_INFO_H
#define OBSERVE_INFO_H

#include "proto/message.h"

#include <stdio.h>

struct server;

#define INFO_ALL UINT32_MAX
/* The bit of a section by its name, any case; INFO_ALL for "all",
 * "everything" and "default"; 0 for an unknown one. */
uint32_t info_section(const struct bytes *name);
/* Each of these sections once, however often it was asked for. */
void info_write(struct server *, uint32_t wanted, FILE *);

#endif

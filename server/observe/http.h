/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP port; what it answers is in page.h.  On a thread and an event base of
 * its own, so that no scrape ever stands before a GET.
 */
#ifndef OBSERVE_HTTP_H
#define OBSERVE_HTTP_H

#include "proto/status.h"

#include <stddef.h>

struct counters;
struct http;
struct server;

/* Main thread.  Binds listen.http; counters are this thread's own. */
enum status http_open(struct server *, struct counters *, struct http **out,
                      char *why, size_t room) MUST_USE;
enum status http_start(struct http *) MUST_USE;
void http_close(struct http **); /* stops it first */
const char *http_address(const struct http *);

#endif

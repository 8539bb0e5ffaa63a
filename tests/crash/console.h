/* SPDX-License-Identifier: Apache-2.0 */
/* The main thread's own connection: figures, FLUSHALL, and which names the
 * server says that it has. */
#ifndef CRASH_CONSOLE_H
#define CRASH_CONSOLE_H

#include "client/wire.h"

struct console {
    struct wire *wire;
    char *text; /* of the last console_read() */
    char why[256];
};

/* All: any status but OK leaves a sentence in why. */
enum status console_open(struct console *, const struct wire_url *) MUST_USE;
void console_close(struct console *);

/* section: of INFO. */
enum status console_read(struct console *, const char *section) MUST_USE;
/* A row of it; 0 if there is none. */
uint64_t console_figure(const struct console *, const char *name);

enum status console_flush(struct console *) MUST_USE;

typedef void console_name_fn(void *arg, struct bytes name);
enum status console_scan(struct console *, console_name_fn *,
                         void *arg) MUST_USE;

#endif
